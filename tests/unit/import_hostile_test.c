/* Archives of people who mean no good: each is refused or bounded, and leaves nothing. */
#include "tests/unit/import_help.h"

static struct buf tar;

static int setup(void **state)
{
	buf_init(&tar, 256 << 20);
	return scene_setup(state);
}

static int teardown(void **state)
{
	buf_release(&tar);
	return scene_teardown(state);
}

static void bad_names_are_passed_over(void **state UNUSED)
{
	static const char *const bad[] = {"../manifest.json", "/manifest.json",
	    "a/../manifest.json", "..", ".", "./..", "a/../../b"};
	struct imported imported = {0};
	struct image image;

	image_make(&image, "amd64", 1, 1);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		tar_text(&tar, bad[i], "[{\"Config\":\"x\"}]");
	tar_header(&tar, '3', "dev/null", "", 0);
	tar_header(&tar, '6', "manifest.json", "", 0);
	for (size_t i = 0; i < image.n; i++)
		tar_file(
		    &tar, "./0//layer.tar", image.layers[i].bytes.data, image.layers[i].bytes.len);
	tar_file(&tar, image.config_name, image.config.bytes.data, image.config.bytes.len);
	tar_json(&tar, "./manifest.json", json_pack("[o]", image_entry(&image, NULL)));
	tar_end(&tar);
	works(import_tar(&tar, NULL, &imported, err));
	assert_string_equal(imported.images[0].config, image.config.digest);
	imported_release(&imported);
	image_free(&image);
}

static void names_are_only_ever_compared(void **state UNUSED)
{
	static const struct {
		const char *name, *folder_of, *want;
	} cases[] = {
	    {"a", NULL, "a"},
	    {"./a//b/.", NULL, "a/b"},
	    {"a/", NULL, "a"},
	    {"", NULL, NULL},
	    {"/a", NULL, NULL},
	    {"a/../b", NULL, NULL},
	    {"..", NULL, NULL},
	    {"...", NULL, "..."},
	    {"../b/c", "a/x", "b/c"},
	    {"b", "a/x", "a/b"},
	    {"../../b", "a/x", NULL},
	    {"../a", "x", NULL},
	    {"/b", "a/x", NULL},
	    {".", "a/x", "a"},
	    {"..", "a/x", NULL},
	    {"../../b", "a/c/x", "b"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *name;

		works(part_name(cases[i].name, cases[i].folder_of, &name, err));
		if (cases[i].want == NULL)
			assert_null(name);
		else
			assert_string_equal(name, cases[i].want);
		free(name);
	}
}

static void links_lead_to_members_or_nowhere(void **state UNUSED)
{
	static const struct {
		const char *links[6], *words;
	} cases[] = {
	    {{"0/layer.tar", "layer.tar"}, "without end"},
	    {{"0/layer.tar", "../1", "1", "0/layer.tar"}, "without end"},
	    {{"0/layer.tar", "../gone"}, "link to what is not in the archive"},
	    {{"0/layer.tar", "/etc/passwd"}, "link to what is not in the archive"},
	    {{"0/layer.tar", "../../../../etc/passwd"}, "link to what is not in the archive"},
	    {{"0/layer.tar", "../manifest.json"}, "neither a tar nor packed"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct image image;

		buf_clear(&tar);
		image_make(&image, "amd64", 1, 10);
		for (size_t j = 0; cases[i].links[j] != NULL; j += 2)
			tar_link(&tar, cases[i].links[j], cases[i].links[j + 1]);
		tar_file(&tar, image.config_name, image.config.bytes.data, image.config.bytes.len);
		tar_json(&tar, "manifest.json", json_pack("[o]", image_entry(&image, NULL)));
		tar_end(&tar);
		fails_tar(&tar, NULL, cases[i].words);
		image_free(&image);
	}
}

/* GNU's old form of sparse files (tar manual, "Old GNU Format"): 1 TB in 512 bytes. */
static void sparse_files_are_refused(void **state UNUSED)
{
	char data[512] = "a layer";
	unsigned int sum = 0;

	tar_header(&tar, 'S', "0/layer.tar", "", sizeof(data));
	memcpy(tar.data + 257, "ustar  ", 8);
	memcpy(tar.data + 386, "00000000000\00000000001000", 24);
	memcpy(tar.data + 483, "17777777777", 12);
	memset(tar.data + 148, ' ', 8);
	for (size_t i = 0; i < 512; i++)
		sum += (unsigned char)tar.data[i];
	snprintf(tar.data + 148, 8, "%06o", sum);
	memset(data, 'x', sizeof(data));
	memcpy(data, "\x1f\x8b\x08", 3);
	tar_data(&tar, data, sizeof(data));
	tar_end(&tar);
	fails_tar(&tar, NULL, "holes, or its size lies");
}

/* A map of holes that never ends, which libarchive would read into memory (GNU format 1.0). */
static void endless_headers_are_refused(void **state UNUSED)
{
	static const char pax[] = "22 GNU.sparse.major=1\n"
				  "22 GNU.sparse.minor=0\n"
				  "32 GNU.sparse.name=0/layer.tar\n"
				  "33 GNU.sparse.realsize=100000000\n";
	static const char entry[] = "0\n0\n0\n0\n0\n0\n0\n0\n";
	struct buf map = BUF_INIT(64 << 20);

	assert_int_equal(buf_adds(&map, "9999999\n"), 0);
	while (map.len < 10 << 20)
		assert_int_equal(buf_adds(&map, entry), 0);
	tar_header(&tar, 'x', "pax", "", sizeof(pax) - 1);
	tar_data(&tar, pax, sizeof(pax) - 1);
	tar_file(&tar, "GNUSparseFile.0/layer.tar", map.data, map.len);
	tar_end(&tar);
	fails_tar(&tar, NULL, "it is no valid tar archive");
	buf_clear(&tar);
	buf_clear(&map);
	while (map.len < 10 << 20)
		assert_int_equal(buf_adds(&map, "xxxxxxxxxxxxxxxx"), 0);
	tar_header(&tar, 'L', "././@LongLink", "", map.len);
	tar_data(&tar, map.data, map.len);
	tar_text(&tar, "x", "y");
	tar_end(&tar);
	fails_tar(&tar, NULL, "it is no valid tar archive");
	buf_release(&map);
}

static void sizes_that_lie_are_refused(void **state UNUSED)
{
	struct image image;

	image_make(&image, "amd64", 1, 20);
	tar_header(&tar, '0', "0/layer.tar", "", (uint64_t)8 << 30);
	tar_data(&tar, image.layers[0].bytes.data, image.layers[0].bytes.len);
	tar_end(&tar);
	fails_tar(&tar, NULL, "it is no valid tar archive");
	image_free(&image);
}

static void any_flipped_byte_is_survived(void **state UNUSED)
{
	struct image image;
	unsigned int seed = 7;

	image_make(&image, "amd64", 1, 30);
	image_save(&image, "x:1", &tar);
	for (int round = 0; round < 150; round++) {
		size_t at = (size_t)rand_r(&seed) % tar.len;
		struct error err = {0};
		char was = tar.data[at];

		tar.data[at] = (char)rand_r(&seed);
		put_file(scene.path, tar.data, tar.len);
		import_limited(NULL, &err);
		error_release(&err);
		tar.data[at] = was;
	}
	image_free(&image);
}

/* --- JSON */

static void long_json_is_refused(void **state UNUSED)
{
	struct buf text = BUF_INIT(128 << 20);
	struct blob manifest = {.bytes = BUF_INIT(128 << 20)};

	assert_int_equal(buf_adds(&text, "[\""), 0);
	while (text.len < 100 << 20)
		assert_int_equal(
		    buf_adds(&text, "a manifest of a hundred megabytes, more or less"), 0);
	tar_file(&tar, "manifest.json", text.data, text.len);
	tar_end(&tar);
	fails_tar(&tar, NULL, "manifest.json is longer than 4194304 bytes");
	buf_clear(&tar);
	assert_int_equal(buf_adds(&manifest.bytes, "{"), 0);
	assert_int_equal(buf_add(&manifest.bytes, text.data, 5 << 20), 0);
	blob_seal(&manifest);
	tar_blob(&tar, &manifest);
	tar_json(&tar, "index.json",
	    index_of(json_pack("[o]", descriptor_of(MEDIA_OCI_MANIFEST, &manifest))));
	tar_end(&tar);
	fails_tar(&tar, NULL, "more than 4194304");
	blob_free(&manifest);
	buf_release(&text);
}

static void deep_json_is_refused(void **state UNUSED)
{
	struct buf text = BUF_INIT(8 << 20);

	while (text.len < 3 << 20)
		assert_int_equal(buf_adds(&text, "[[[[[[[["), 0);
	tar_file(&tar, "manifest.json", text.data, text.len);
	tar_end(&tar);
	fails_tar(&tar, NULL, "manifest.json is not valid JSON");
	buf_release(&text);
}

static void much_json_is_refused(void **state UNUSED)
{
	struct import_limits limits = usual_limits();
	char name[32];

	limits.memory = 100 * 1000;
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "%d/json", i);
		tar_text(&tar, name, "{\"id\":\"of an old layer\"}");
	}
	tar_end(&tar);
	put_file(scene.path, tar.data, tar.len);
	fails(import_limited(&limits, err), ERROR_PROTOCOL, "more than 100000 bytes of names");
}

static void many_members_are_refused(void **state UNUSED)
{
	struct import_limits limits = usual_limits();
	char name[32];

	limits.members = 1000;
	for (int i = 0; i < 1001; i++) {
		snprintf(name, sizeof(name), "%d", i);
		tar_text(&tar, name, "x");
	}
	tar_end(&tar);
	put_file(scene.path, tar.data, tar.len);
	fails(import_limited(&limits, err), ERROR_PROTOCOL, "more than 1000 members");
}

/* JSON past what is kept in memory goes into the store, and comes back from there. */
static void much_json_of_a_layout_goes_to_the_store(void **state UNUSED)
{
	struct import_limits limits = usual_limits();
	struct blob plain, packed, config, manifest, filler;

	make_layer(&plain, 40, 1000);
	make_gzip(&plain, &packed);
	make_config(&config, "amd64", &plain, 1);
	make_manifest(&manifest, &config, &packed, 1, MEDIA_OCI_LAYER_GZIP);
	for (int i = 0; i < 40; i++) {
		make_text(&filler, json_pack("{si,ss}", "number", i, "is", "a statement"));
		tar_blob(&tar, &filler);
		blob_free(&filler);
	}
	tar_blob(&tar, &packed);
	tar_blob(&tar, &config);
	tar_blob(&tar, &manifest);
	tar_json(&tar, "index.json",
	    index_of(json_pack("[o]", descriptor_of(MEDIA_OCI_MANIFEST, &manifest))));
	tar_end(&tar);
	put_file(scene.path, tar.data, tar.len);
	limits.memory = 44 * (sizeof(struct part) + 80) + 2000;
	works(import_limited(&limits, err));
	assert_kept("1", &manifest);
	blob_free(&plain);
	blob_free(&packed);
	blob_free(&config);
	blob_free(&manifest);
}

/* --- much of nothing */

static void bombs_go_off_small(void **state UNUSED)
{
	struct import_limits limits = usual_limits();
	struct buf plain = BUF_INIT(256 << 20);
	struct image image;

	limits.unpacked_free = 1 << 20;
	image_make(&image, "amd64", 1, 50);
	tar_header(&plain, '0', "0/layer.tar", "", 64 << 20);
	tar_data(&plain, image.layers[0].bytes.data, 512);
	while (plain.len < 64 << 20)
		tar_end(&plain);
	gzip_of(&plain, &tar);
	put_file(scene.path, tar.data, tar.len);
	fails(import_limited(&limits, err), ERROR_PROTOCOL, "far more than it is");
	/* What is within the ratio passes. */
	buf_clear(&plain);
	buf_clear(&tar);
	image_save(&image, "x:1", &plain);
	gzip_of(&plain, &tar);
	put_file(scene.path, tar.data, tar.len);
	limits.unpacked_free = 1;
	works(import_limited(&limits, err));
	limits.unpacked = 1000;
	fails(import_limited(&limits, err), ERROR_PROTOCOL, "far more than it is");
	image_free(&image);
	buf_release(&plain);
}

static void thousands_of_layers_are_refused(void **state UNUSED)
{
	json_t *names = json_array(), *ids = json_array();
	struct blob layer, config;

	make_layer(&layer, 60, 100);
	for (int i = 0; i < 5000; i++) {
		json_array_append_new(names, json_string("layer.tar"));
		json_array_append_new(ids, json_string(layer.digest));
	}
	make_text(&config, json_pack("{s{so}}", "rootfs", "diff_ids", ids));
	tar_file(&tar, "layer.tar", layer.bytes.data, layer.bytes.len);
	tar_file(&tar, "config", config.bytes.data, config.bytes.len);
	tar_json(
	    &tar, "manifest.json", json_pack("[{ss,so}]", "Config", "config", "Layers", names));
	tar_end(&tar);
	fails_tar(&tar, NULL, "5000 layers, more than 4096");
	blob_free(&layer);
	blob_free(&config);
}

static void a_layer_may_be_there_often(void **state UNUSED)
{
	json_t *names = json_array(), *ids = json_array();
	struct imported imported = {0};
	struct blob layer, config;

	make_layer(&layer, 61, 100);
	for (int i = 0; i < 200; i++) {
		json_array_append_new(names, json_string("layer.tar"));
		json_array_append_new(ids, json_string(layer.digest));
	}
	make_text(&config, json_pack("{s{so}}", "rootfs", "diff_ids", ids));
	tar_file(&tar, "layer.tar", layer.bytes.data, layer.bytes.len);
	tar_file(&tar, "config", config.bytes.data, config.bytes.len);
	tar_json(
	    &tar, "manifest.json", json_pack("[{ss,so}]", "Config", "config", "Layers", names));
	tar_end(&tar);
	works(import_tar(&tar, NULL, &imported, err));
	assert_string_equal(imported.images[0].config, config.digest);
	imported_release(&imported);
	blob_free(&layer);
	blob_free(&config);
}

static void layers_without_content_are_layers(void **state UNUSED)
{
	struct imported imported = {0};
	struct image image;

	image_make(&image, "amd64", 2, 70);
	buf_clear(&image.layers[0].bytes);
	tar_end(&image.layers[0].bytes); /* docker's: two zero blocks */
	blob_seal(&image.layers[0]);
	buf_clear(&image.layers[1].bytes); /* and nothing at all */
	blob_seal(&image.layers[1]);
	blob_free(&image.config);
	make_config(&image.config, "amd64", image.layers, 2);
	strcpy(image.config_name, "c.json");
	image_save(&image, NULL, &tar);
	works(import_tar(&tar, NULL, &imported, err));
	assert_packed_image(imported.images[0].manifest, &image.config, image.layers, 2);
	imported_release(&imported);
	image_free(&image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(bad_names_are_passed_over, setup, teardown),
	    cmocka_unit_test_setup_teardown(names_are_only_ever_compared, setup, teardown),
	    cmocka_unit_test_setup_teardown(links_lead_to_members_or_nowhere, setup, teardown),
	    cmocka_unit_test_setup_teardown(sparse_files_are_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(endless_headers_are_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(sizes_that_lie_are_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(any_flipped_byte_is_survived, setup, teardown),
	    cmocka_unit_test_setup_teardown(long_json_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(deep_json_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(much_json_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(many_members_are_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		much_json_of_a_layout_goes_to_the_store, setup, teardown),
	    cmocka_unit_test_setup_teardown(bombs_go_off_small, setup, teardown),
	    cmocka_unit_test_setup_teardown(thousands_of_layers_are_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_layer_may_be_there_often, setup, teardown),
	    cmocka_unit_test_setup_teardown(layers_without_content_are_layers, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
