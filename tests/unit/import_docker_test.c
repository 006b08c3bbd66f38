/* Archives in the layout of `docker save`, as docker, podman, crane and others write it. */
#include "tests/unit/import_help.h"

#include <pthread.h>

#include "base/cancel.h"
#include "base/proc.h"

static struct buf tar;

static int setup(void **state)
{
	buf_init(&tar, 64 << 20);
	return scene_setup(state);
}

static int teardown(void **state)
{
	buf_release(&tar);
	return scene_teardown(state);
}

static void imports(const char *name, const struct image *image, const char *arch)
{
	struct imported imported = {0};
	uint64_t unpacked = 0;

	works(import_tar(&tar, name, &imported, err));
	assert_false(imported.known);
	assert_int_equal(imported.n, 1);
	assert_string_equal(imported.images[0].config, image->config.digest);
	assert_string_equal(imported.images[0].os, "linux");
	assert_string_equal(imported.images[0].arch, arch);
	for (size_t i = 0; i < image->n; i++)
		unpacked += image->layers[i].bytes.len;
	assert_true(imported.images[0].unpacked <= unpacked);
	assert_true(imported.images[0].bytes > image->config.bytes.len);
	assert_packed_image(imported.images[0].manifest, &image->config, image->layers, image->n);
	imported_release(&imported);
}

static void what_docker_saves(void **state UNUSED)
{
	struct image image;

	image_make(&image, "amd64", 3, 1);
	image_save(&image, "shop-web:latest", &tar);
	imports(NULL, &image, "amd64");
	/* again, and it is the same */
	imports("shop-web", &image, "amd64");
	image_free(&image);
}

static void the_list_may_come_first(void **state UNUSED)
{
	struct image image;

	image_make(&image, "arm64", 2, 5);
	tar_json(&tar, "manifest.json", json_pack("[o]", image_entry(&image, NULL)));
	image_add_files(&image, &tar);
	tar_end(&tar);
	imports(NULL, &image, "arm64");
	image_free(&image);
}

/* docker 20.10: equal layers are there once, and by a link. */
static void equal_layers_are_links(void **state UNUSED)
{
	struct image image;

	image_make(&image, "amd64", 2, 9);
	blob_free(&image.config);
	blob_free(&image.layers[1]);
	image.n = 3;
	make_layer(&image.layers[1], 9, 3000);
	make_layer(&image.layers[2], 9, 3000);
	strcpy(image.names[0], "aa/layer.tar");
	strcpy(image.names[1], "bb/layer.tar");
	strcpy(image.names[2], "cc/layer.tar");
	make_config(&image.config, "amd64", image.layers, 3);
	snprintf(image.config_name, sizeof(image.config_name), "%s.json", image.config.hex);
	tar_link(&tar, "bb/layer.tar", "../aa/layer.tar");
	tar_file(&tar, "aa/layer.tar", image.layers[0].bytes.data, image.layers[0].bytes.len);
	tar_header(&tar, '1', "cc/layer.tar", "bb/layer.tar", 0);
	tar_file(&tar, image.config_name, image.config.bytes.data, image.config.bytes.len);
	tar_json(&tar, "manifest.json", json_pack("[o]", image_entry(&image, "x:1")));
	tar_end(&tar);
	imports("x:1", &image, "amd64");
	image_free(&image);
}

/* podman: HEX.tar in the root, "HEX/layer.tar" as links to them. */
static void what_podman_saves(void **state UNUSED)
{
	struct image image;

	image_make(&image, "amd64", 3, 20);
	for (size_t i = 0; i < image.n; i++)
		strcpy(image.names[i], image.layers[i].tar_name);
	image_add_files(&image, &tar);
	tar_text(&tar, "x/json", "{\"id\":\"x\"}");
	tar_link(&tar, "x/layer.tar", "../gone.tar");
	tar_json(&tar, "manifest.json", json_pack("[o]", image_entry(&image, "localhost/web:1")));
	tar_end(&tar);
	imports("web:1", &image, "amd64");
	/* The layers are known by name now, and not read again. */
	imports("web:1", &image, "amd64");
	image_free(&image);
}

/* crane, kaniko, ko, bazel: "sha256:HEX" and packed layers. */
static void packed_layers_are_kept(void **state UNUSED)
{
	struct imported imported = {0};
	struct blob packed[2];
	struct image image;

	image_make(&image, "amd64", 2, 30);
	strcpy(image.config_name, image.config.digest);
	tar_file(&tar, image.config_name, image.config.bytes.data, image.config.bytes.len);
	for (size_t i = 0; i < 2; i++) {
		make_gzip(&image.layers[i], &packed[i]);
		snprintf(image.names[i], sizeof(image.names[i]), "%s.tar.gz", packed[i].hex);
		tar_file(&tar, image.names[i], packed[i].bytes.data, packed[i].bytes.len);
	}
	tar_json(&tar, "manifest.json", json_pack("[o]", image_entry(&image, "x:1")));
	tar_end(&tar);
	works(import_tar(&tar, NULL, &imported, err));
	assert_string_equal(imported.images[0].config, image.config.digest);
	assert_int_equal(imported.images[0].unpacked, 0);
	assert_int_equal(imported.images[0].bytes,
	    image.config.bytes.len + packed[0].bytes.len + packed[1].bytes.len);
	for (size_t i = 0; i < 2; i++) {
		assert_blob(packed[i].digest, &packed[i].bytes);
		blob_free(&packed[i]);
	}
	imported_release(&imported);
	image_free(&image);
}

static void names_choose(void **state UNUSED)
{
	struct image one, two;

	image_make(&one, "amd64", 1, 40);
	image_make(&two, "amd64", 1, 41);
	snprintf(two.names[0], sizeof(two.names[0]), "other/layer.tar");
	image_add_files(&one, &tar);
	image_add_files(&two, &tar);
	tar_json(&tar, "manifest.json",
	    json_pack("[o,o,o]", image_entry(&one, "one:1"), image_entry(&two, "example.org/two:7"),
		image_entry(&one, "one:2")));
	tar_end(&tar);
	fails_tar(&tar, NULL, "several images: example.org/two:7, one:1, one:2");
	fails_tar(&tar, "three", "no image three; it has example.org/two:7, one:1, one:2");
	imports("example.org/two:7", &two, "amd64");
	imports("docker.io/library/one:2", &one, "amd64");
	image_free(&one);
	image_free(&two);
}

static void compressed_archives_are_unpacked(void **state UNUSED)
{
	struct buf plain = BUF_INIT(64 << 20);
	struct imported imported = {0};
	struct image image;

	image_make(&image, "amd64", 2, 50);
	image_save(&image, "x:1", &plain);
	gzip_of(&plain, &tar);
	imports(NULL, &image, "amd64");
	put_file(scene.path, plain.data, plain.len);
	if (shell("zstd -q image && mv image.zst image") == 0) {
		works(import_at("docker-archive", NULL, &imported, err));
		assert_string_equal(imported.images[0].config, image.config.digest);
		imported_release(&imported);
	}
	image_free(&image);
	buf_release(&plain);
}

/* --- what is wrong with it */

static void wrong_diff_ids_are_refused(void **state UNUSED)
{
	struct image image, other;

	image_make(&image, "amd64", 2, 60);
	image_make(&other, "amd64", 2, 70);
	blob_free(&image.config);
	make_config(&image.config, "amd64", other.layers, 2);
	strcpy(image.config_name, "config.json");
	image_save(&image, "x:1", &tar);
	fails_tar(&tar, NULL, "the image's config wants");
	buf_clear(&tar);
	blob_free(&image.config);
	make_config(&image.config, "amd64", image.layers, 1);
	image_save(&image, "x:1", &tar);
	fails_tar(&tar, NULL, "config lists 1 layers, its manifest 2");
	image_free(&image);
	image_free(&other);
}

static void missing_and_doubled_pieces_are_named(void **state UNUSED)
{
	struct image image;

	image_make(&image, "amd64", 2, 80);
	tar_file(&tar, image.names[1], image.layers[1].bytes.data, image.layers[1].bytes.len);
	tar_json(&tar, "manifest.json", json_pack("[o]", image_entry(&image, "x:1")));
	fails_tar(&tar, NULL, "the archive has no ");
	tar_file(&tar, image.config_name, image.config.bytes.data, image.config.bytes.len);
	fails_tar(&tar, NULL, "the archive has no 0/layer.tar");
	tar_file(&tar, image.names[0], image.layers[0].bytes.data, image.layers[0].bytes.len);
	tar_file(&tar, image.names[0], image.layers[0].bytes.data, image.layers[0].bytes.len);
	fails_tar(&tar, NULL, "the archive has 0/layer.tar twice");
	image_free(&image);
}

static void a_config_of_another_digest_is_refused(void **state UNUSED)
{
	struct image image;

	image_make(&image, "amd64", 1, 90);
	image.config_name[5] = image.config_name[5] == '0' ? '1' : '0';
	image_save(&image, "x:1", &tar);
	fails_tar(&tar, NULL, "has the digest sha256:");
	image_free(&image);
}

static void lists_that_make_no_sense_are_refused(void **state UNUSED)
{
	static const struct {
		const char *list, *words;
	} cases[] = {
	    {"{}", "lists no images"},
	    {"[]", "lists no images"},
	    {"[1]", "names no config"},
	    {"[{}]", "names no config"},
	    {"[{\"Config\":\"../x\"}]", "names no config"},
	    {"[{\"Config\":\"/etc/passwd\"}]", "names no config"},
	    {"[{\"Config\":\"a.json\"}]", "lists no layers"},
	    {"[{\"Config\":\"b.json\"}]", "the archive has no b.json"},
	    {"[{\"Config\":\"c.json\",\"Layers\":[7]}]", "names layer 1 by no text"},
	    {"[{\"Config\":\"c.json\",\"Layers\":[\"../x\"]}]", "no name of a layer"},
	    {"[{\"Config\":\"c.json\",\"Layers\":[\"x\"]}]", "the archive has no x"},
	    {"[{\"Config\":\"c.json\",\"Layers\":[\"c.json\"]}]", "neither a tar nor packed"},
	    {"[{", "manifest.json is not valid JSON"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		buf_clear(&tar);
		tar_text(&tar, "a.json", "{}");
		tar_text(&tar, "c.json",
		    "{\"rootfs\":{\"diff_ids\":[\"sha256:"
		    "0000000000000000000000000000000000000000000000000000000000000000\"]}}");
		tar_text(&tar, "manifest.json", cases[i].list);
		tar_end(&tar);
		fails_tar(&tar, NULL, cases[i].words);
	}
	buf_clear(&tar);
	tar_text(&tar, "x", "y");
	tar_end(&tar);
	fails_tar(&tar, NULL, "neither manifest.json nor index.json");
}

/* Whole again at the end: a cut archive leaves nothing in the way. */
static void cut_archives_are_refused(void **state UNUSED)
{
	struct image image;
	struct buf cut;

	image_make(&image, "amd64", 1, 100);
	image_save(&image, "x:1", &tar);
	for (size_t len = 0; len + 1024 < tar.len; len += 512) {
		cut = tar;
		cut.len = len;
		fails_tar(&cut, NULL, "");
		if (len > 0) {
			cut.len = len - 100;
			fails_tar(&cut, NULL, "");
		}
	}
	imports(NULL, &image, "amd64");
	image_free(&image);
}

static void a_compressed_one_that_is_cut_is_refused(void **state UNUSED)
{
	struct buf plain = BUF_INIT(64 << 20), cut;
	struct image image;

	image_make(&image, "amd64", 1, 110);
	image_save(&image, "x:1", &plain);
	gzip_of(&plain, &tar);
	for (size_t len = 4; len < tar.len; len += 97) {
		cut = tar;
		cut.len = len;
		fails_tar(&cut, NULL, "");
	}
	image_free(&image);
	buf_release(&plain);
}

static void an_import_is_cancelled(void **state UNUSED)
{
	struct cancel cancel = CANCEL_INIT;
	struct imported imported = {0};
	struct image image;

	works(cancel_init(&cancel, err));
	cancel_fire(&cancel);
	image_make(&image, "amd64", 1, 120);
	image_save(&image, "x:1", &tar);
	scene.target.cancel_fd = cancel.fd;
	fails(import_tar(&tar, NULL, &imported, err), ERROR_CANCELLED, "cancelled");
	cancel_release(&cancel);
	scene.target.cancel_fd = -1;
	imports(NULL, &image, "amd64");
	image_free(&image);
}

struct shown {
	uint64_t done, total;
	int calls;
	bool fell_back;
};

static void show(void *context, uint64_t done, uint64_t total, const char *phase)
{
	struct shown *shown = context;

	shown->calls++;
	shown->fell_back = shown->fell_back || done < shown->done || done > total;
	shown->done = done;
	shown->total = total;
	assert_string_equal(phase, "importing");
}

static void progress_is_bytes_of_the_file(void **state UNUSED)
{
	struct imported imported = {0};
	struct shown shown = {0};
	struct image image;

	image_make(&image, "amd64", 3, 130);
	image_save(&image, "x:1", &tar);
	scene.target.progress = show;
	scene.target.context = &shown;
	works(import_tar(&tar, NULL, &imported, err));
	assert_true(shown.calls > 0 && !shown.fell_back);
	assert_int_equal(shown.total, tar.len);
	assert_int_equal(shown.done, tar.len);
	imported_release(&imported);
	image_free(&image);
}

static void files_that_are_not_there_are_said(void **state UNUSED)
{
	struct imported imported = {0};

	fails(import_at("docker-archive", NULL, &imported, err), ERROR_NOT_FOUND, "No such file");
	fails(import_at("oci", NULL, &imported, err), ERROR_NOT_FOUND, "No such file");
	fails(import_file(&scene.target, "oci:", &imported, err), ERROR_FAILED, "neither oci:");
	fails(import_file(&scene.target, "docker-archive:/dev/null", &imported, err), ERROR_FAILED,
	    "neither a file nor a folder");
	fails(import_file(&scene.target, "docker-archive:/tmp", &imported, err), ERROR_FAILED,
	    "no archive");
}

static void *write_archive(void *context)
{
	const char *path = context;
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		fd_write_all(fd, tar.data, tar.len);
		close(fd);
	}
	return NULL;
}

/* nix's streamLayeredImage is a program that writes an archive. */
static void a_pipe_is_as_good_as_a_file(void **state UNUSED)
{
	struct imported imported = {0};
	struct image image;
	pthread_t thread;

	image_make(&image, "amd64", 3, 140);
	image_save(&image, "x:1", &tar);
	assert_int_equal(mkfifo(scene.path, 0600), 0);
	assert_int_equal(pthread_create(&thread, NULL, write_archive, scene.path), 0);
	works(import_at("docker-archive", "x:1", &imported, err));
	pthread_join(thread, NULL);
	assert_string_equal(imported.images[0].config, image.config.digest);
	imported_release(&imported);
	image_free(&image);
}

static void paths_and_names_are_told_apart(void **state UNUSED)
{
	char with_colon[80], source[200], *path = NULL, *name = NULL;
	bool oci;

	assert_true(import_is_file("oci:x"));
	assert_true(import_is_file("docker-archive:x"));
	assert_false(import_is_file("oci"));
	assert_false(import_is_file("shop-web:1"));
	snprintf(with_colon, sizeof(with_colon), "%s/a:b", scene.dir);
	put_file(with_colon, "", 0);
	put_file(scene.path, "", 0);
	snprintf(source, sizeof(source), "oci:%s", with_colon);
	works(import_source_split(source, &oci, &path, &name, err));
	assert_true(oci);
	assert_string_equal(path, with_colon);
	assert_null(name);
	free(path);
	snprintf(source, sizeof(source), "docker-archive:%s:example.org:5000/a:1", scene.path);
	works(import_source_split(source, &oci, &path, &name, err));
	assert_false(oci);
	assert_string_equal(path, scene.path);
	assert_string_equal(name, "example.org:5000/a:1");
	free(path);
	free(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_docker_saves, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_list_may_come_first, setup, teardown),
	    cmocka_unit_test_setup_teardown(equal_layers_are_links, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_podman_saves, setup, teardown),
	    cmocka_unit_test_setup_teardown(packed_layers_are_kept, setup, teardown),
	    cmocka_unit_test_setup_teardown(names_choose, setup, teardown),
	    cmocka_unit_test_setup_teardown(compressed_archives_are_unpacked, setup, teardown),
	    cmocka_unit_test_setup_teardown(wrong_diff_ids_are_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(missing_and_doubled_pieces_are_named, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_config_of_another_digest_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(lists_that_make_no_sense_are_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(cut_archives_are_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_compressed_one_that_is_cut_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_import_is_cancelled, setup, teardown),
	    cmocka_unit_test_setup_teardown(progress_is_bytes_of_the_file, setup, teardown),
	    cmocka_unit_test_setup_teardown(files_that_are_not_there_are_said, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_pipe_is_as_good_as_a_file, setup, teardown),
	    cmocka_unit_test_setup_teardown(paths_and_names_are_told_apart, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
