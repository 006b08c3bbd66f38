/* OCI layouts, as tars and as folders: kept as they are where they are packed, packed where not. */
#include "tests/unit/import_help.h"

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

/* An image of packed layers: OCI_LAYERS of them. */
enum { OCI_LAYERS = 2 };
struct oci {
	struct blob plain[OCI_LAYERS], packed[OCI_LAYERS], config, manifest;
};

static void oci_make(struct oci *ret, const char *arch, unsigned int seed)
{
	for (size_t i = 0; i < OCI_LAYERS; i++) {
		make_layer(&ret->plain[i], seed + (unsigned int)i, 20000);
		make_gzip(&ret->plain[i], &ret->packed[i]);
	}
	make_config(&ret->config, arch, ret->plain, OCI_LAYERS);
	make_manifest(&ret->manifest, &ret->config, ret->packed, OCI_LAYERS, MEDIA_OCI_LAYER_GZIP);
}

static void oci_add(const struct oci *oci)
{
	for (size_t i = 0; i < OCI_LAYERS; i++)
		tar_blob(&tar, &oci->packed[i]);
	tar_blob(&tar, &oci->config);
	tar_blob(&tar, &oci->manifest);
}

static void oci_free(struct oci *oci)
{
	for (size_t i = 0; i < OCI_LAYERS; i++) {
		blob_free(&oci->plain[i]);
		blob_free(&oci->packed[i]);
	}
	blob_free(&oci->config);
	blob_free(&oci->manifest);
}

static void finish_layout(json_t *entries)
{
	tar_text(&tar, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
	tar_json(&tar, "index.json", index_of(entries));
	tar_end(&tar);
	put_file(scene.path, tar.data, tar.len);
}

/* Once from a tar, once from a folder, into stores of their own. */
static void twice(void (*check)(const char *name, void *context), const char *name, void *context)
{
	assert_int_equal(shell("rm -rf image"), 0);
	put_file(scene.path, tar.data, tar.len);
	check(name, context);
	store_close(scene.store);
	unlink(scene.store_path);
	works(store_open(scene.store_path, &scene.store, err));
	scene.target.store = scene.store;
	unpack_layout();
	check(name, context);
	/* and again, known as it is */
	check(name, context);
}

static void check_kept_image(const char *name, void *context)
{
	const struct oci *oci = context;
	struct imported imported = {0};

	works(import_at("oci", name, &imported, err));
	assert_int_equal(imported.n, 1);
	assert_string_equal(imported.images[0].manifest, oci->manifest.digest);
	assert_string_equal(imported.images[0].config, oci->config.digest);
	assert_int_equal(imported.images[0].bytes,
	    oci->config.bytes.len + oci->packed[0].bytes.len + oci->packed[1].bytes.len);
	assert_kept("1", &oci->manifest);
	assert_blob(oci->packed[1].digest, &oci->packed[1].bytes);
	imported_release(&imported);
}

static void a_packed_image_is_kept_as_it_is(void **state UNUSED)
{
	struct oci oci;

	oci_make(&oci, "arm64", 1);
	oci_add(&oci);
	finish_layout(
	    json_pack("[o]", named_entry(descriptor_of(MEDIA_OCI_MANIFEST, &oci.manifest), "v1")));
	twice(check_kept_image, NULL, &oci);
	twice(check_kept_image, "v1", &oci);
	oci_free(&oci);
}

static void names_choose(void **state UNUSED)
{
	struct imported imported = {0};
	struct oci one, two;

	oci_make(&one, "amd64", 10);
	oci_make(&two, "amd64", 20);
	oci_add(&one);
	oci_add(&two);
	finish_layout(json_pack("[o,o]",
	    named_entry(descriptor_of(MEDIA_OCI_MANIFEST, &one.manifest), "one"),
	    named_entry(descriptor_of(MEDIA_OCI_MANIFEST, &two.manifest), "example.org/two:2")));
	fails(import_at("oci", NULL, &imported, err), ERROR_PROTOCOL,
	    "several images: example.org/two:2, one");
	fails(import_at("oci", "2", &imported, err), ERROR_PROTOCOL,
	    "no image 2; it has example.org/two:2, one");
	check_kept_image("one", &one);
	check_kept_image("example.org/two:2", &two);
	oci_free(&one);
	oci_free(&two);
}

/* --- several platforms */

struct multi {
	struct oci amd64, arm64;
	struct blob index;
	size_t whole;
};

static void check_kept_index(const char *name, void *context)
{
	const struct multi *multi = context;
	struct imported imported = {0};

	works(import_at("oci", name, &imported, err));
	assert_int_equal(imported.n, multi->whole);
	assert_string_equal(imported.images[0].manifest, multi->amd64.manifest.digest);
	assert_string_equal(imported.images[0].arch, "amd64");
	if (multi->whole > 1)
		assert_string_equal(imported.images[1].arch, "arm64");
	assert_kept("1", &multi->index);
	assert_kept(multi->amd64.manifest.digest, &multi->amd64.manifest);
	imported_release(&imported);
}

static void multi_make(struct multi *ret, bool whole)
{
	oci_make(&ret->amd64, "amd64", 30);
	oci_make(&ret->arm64, "arm64", 40);
	ret->whole = whole ? 2 : 1;
	make_text(&ret->index,
	    index_of(json_pack("[o,o]", platform_entry(&ret->amd64.manifest, "linux", "amd64"),
		platform_entry(&ret->arm64.manifest, "linux", "arm64"))));
	tar_blob(&tar, &ret->index);
	oci_add(&ret->amd64);
	if (whole)
		oci_add(&ret->arm64);
}

static void multi_free(struct multi *multi)
{
	oci_free(&multi->amd64);
	oci_free(&multi->arm64);
	blob_free(&multi->index);
}

static void an_index_is_kept_whole(void **state UNUSED)
{
	struct multi multi;

	multi_make(&multi, true);
	finish_layout(
	    json_pack("[o]", named_entry(descriptor_of(MEDIA_OCI_INDEX, &multi.index), "app")));
	twice(check_kept_index, "app", &multi);
	multi_free(&multi);
}

static void what_an_index_has_elsewhere_stays_there(void **state UNUSED)
{
	struct multi multi;

	multi_make(&multi, false);
	/* Its manifest is there, a layer is not. */
	tar_blob(&tar, &multi.arm64.manifest);
	tar_blob(&tar, &multi.arm64.config);
	finish_layout(json_pack("[o]", descriptor_of(MEDIA_OCI_INDEX, &multi.index)));
	twice(check_kept_index, NULL, &multi);
	multi_free(&multi);
}

static void an_index_of_nothing_is_no_image(void **state UNUSED)
{
	struct imported imported = {0};
	struct stored_manifest stored;
	struct multi multi;

	multi_make(&multi, false);
	buf_clear(&tar);
	tar_blob(&tar, &multi.index);
	finish_layout(json_pack("[o]", descriptor_of(MEDIA_OCI_INDEX, &multi.index)));
	fails(import_at("oci", NULL, &imported, err), ERROR_PROTOCOL, "the archive has no blobs/");
	unpack_layout();
	fails(import_at("oci", NULL, &imported, err), ERROR_PROTOCOL, "the layout has no blobs/");
	fails(store_manifest_get(scene.store, scene.target.repository, "1", &stored, err),
	    ERROR_NOT_FOUND, "");
	multi_free(&multi);
}

/* Some builders list the platforms in index.json itself. */
static void check_flat_index(const char *name, void *context)
{
	const struct multi *multi = context;
	struct imported imported = {0};
	struct stored_manifest stored;

	works(import_at("oci", name, &imported, err));
	assert_int_equal(imported.n, 2);
	assert_string_equal(imported.images[1].config, multi->arm64.config.digest);
	works(store_manifest_get(scene.store, scene.target.repository, "1", &stored, err));
	assert_string_equal(stored.media_type, MEDIA_OCI_INDEX);
	assert_non_null(strstr(stored.data, multi->arm64.manifest.digest));
	stored_manifest_release(&stored);
	imported_release(&imported);
}

static void platforms_in_index_json_are_one_image(void **state UNUSED)
{
	struct multi multi;

	multi_make(&multi, true);
	finish_layout(json_pack("[o,o]", platform_entry(&multi.amd64.manifest, "linux", "amd64"),
	    platform_entry(&multi.arm64.manifest, "linux", "arm64")));
	twice(check_flat_index, NULL, &multi);
	multi_free(&multi);
}

/* --- unpacked layers: Docker 25 and newer, its classic store */

struct plain {
	struct image image;
	struct blob manifest, index, attestation;
};

static void plain_make(struct plain *ret, unsigned int seed)
{
	image_make(&ret->image, "amd64", 3, seed);
	make_manifest(&ret->manifest, &ret->image.config, ret->image.layers, 3,
	    "application/vnd.oci.image.layer.v1.tar");
	for (size_t i = 0; i < 3; i++)
		tar_blob(&tar, &ret->image.layers[i]);
	tar_blob(&tar, &ret->image.config);
	tar_blob(&tar, &ret->manifest);
}

static void plain_free(struct plain *plain)
{
	image_free(&plain->image);
	blob_free(&plain->manifest);
}

static void check_packed_image(const char *name, void *context)
{
	const struct plain *plain = context;
	struct imported imported = {0};

	works(import_at("oci", name, &imported, err));
	assert_int_equal(imported.n, 1);
	assert_string_equal(imported.images[0].config, plain->image.config.digest);
	assert_string_not_equal(imported.images[0].manifest, plain->manifest.digest);
	assert_packed_image(
	    imported.images[0].manifest, &plain->image.config, plain->image.layers, 3);
	imported_release(&imported);
}

static void unpacked_layers_are_packed(void **state UNUSED)
{
	struct plain plain;
	json_t *entry;

	plain_make(&plain, 50);
	for (size_t i = 0; i < 3; i++)
		strcpy(plain.image.names[i], plain.image.layers[i].blob_name);
	strcpy(plain.image.config_name, plain.image.config.blob_name);
	tar_json(&tar, "manifest.json", json_pack("[o]", image_entry(&plain.image, "web:1")));
	entry = descriptor_of(MEDIA_OCI_MANIFEST, &plain.manifest);
	json_object_set_new(entry, "annotations",
	    json_pack("{ss,ss}", "io.containerd.image.name", "docker.io/library/web:1",
		"org.opencontainers.image.ref.name", "1"));
	finish_layout(json_pack("[o]", entry));
	twice(check_packed_image, "web:1", &plain);
	check_packed_image("1", &plain);
	plain_free(&plain);
}

static void check_rewritten_index(const char *name, void *context)
{
	const struct plain *plain = context;
	CLEANUP_MANIFEST struct manifest index = {0};
	struct imported imported = {0};
	struct stored_manifest stored;

	works(import_at("oci", name, &imported, err));
	assert_int_equal(imported.n, 1);
	assert_packed_image(
	    imported.images[0].manifest, &plain->image.config, plain->image.layers, 3);
	works(store_manifest_get(scene.store, scene.target.repository, "1", &stored, err));
	works(manifest_parse(stored.data, stored.len, stored.media_type, &index, err));
	assert_int_equal(index.n, 2);
	assert_string_equal(index.entries[0].digest, imported.images[0].manifest);
	assert_string_equal(index.entries[0].arch, "amd64");
	assert_string_equal(index.entries[1].digest, plain->attestation.digest);
	assert_string_equal(json_string_value(json_object_get(
				index.entries[1].annotations, "vnd.docker.reference.digest")),
	    imported.images[0].manifest);
	assert_kept(plain->attestation.digest, &plain->attestation);
	stored_manifest_release(&stored);
	imported_release(&imported);
}

static void an_index_around_them_gets_their_new_manifests(void **state UNUSED)
{
	struct blob config, statement;
	struct plain plain;
	json_t *about;

	plain_make(&plain, 60);
	make_text(&statement, json_pack("{ss}", "_type", "https://in-toto.io/Statement/v0.1"));
	make_text(&config, json_pack("{ss,ss,s{s[]}}", "architecture", "unknown", "os", "unknown",
			       "rootfs", "diff_ids"));
	make_manifest(&plain.attestation, &config, &statement, 1, "application/vnd.in-toto+json");
	tar_blob(&tar, &config);
	tar_blob(&tar, &statement);
	tar_blob(&tar, &plain.attestation);
	about = platform_entry(&plain.attestation, "unknown", "unknown");
	json_object_set_new(about, "annotations",
	    json_pack("{ss}", "vnd.docker.reference.digest", plain.manifest.digest));
	make_text(&plain.index,
	    index_of(json_pack("[o,o]", platform_entry(&plain.manifest, "linux", "amd64"), about)));
	tar_blob(&tar, &plain.index);
	finish_layout(json_pack("[o]", descriptor_of(MEDIA_OCI_INDEX, &plain.index)));
	twice(check_rewritten_index, NULL, &plain);
	blob_free(&plain.attestation);
	blob_free(&plain.index);
	blob_free(&config);
	blob_free(&statement);
	plain_free(&plain);
}

/* --- what is wrong with it */

static void refused(const char *words)
{
	struct imported imported = {0};
	struct stored_manifest stored;

	fails(import_at("oci", NULL, &imported, err), ERROR_PROTOCOL, words);
	fails(store_manifest_get(scene.store, scene.target.repository, "1", &stored, err),
	    ERROR_NOT_FOUND, "");
}

static void digests_that_do_not_match_are_refused(void **state UNUSED)
{
	struct blob *pieces[4];
	struct oci oci;

	oci_make(&oci, "amd64", 70);
	pieces[0] = &oci.packed[0];
	pieces[1] = &oci.config;
	pieces[2] = &oci.manifest;
	pieces[3] = &oci.plain[0];
	for (size_t i = 0; i < 4; i++) {
		char *byte = &pieces[i]->bytes.data[pieces[i]->bytes.len / 2];

		buf_clear(&tar);
		*byte = (char)(*byte ^ 1);
		if (i == 3)
			tar_blob(&tar, &oci.plain[0]);
		oci_add(&oci);
		*byte = (char)(*byte ^ 1);
		finish_layout(json_pack("[o]", descriptor_of(MEDIA_OCI_MANIFEST, &oci.manifest)));
		refused(pieces[i]->blob_name);
		if (i == 3)
			continue; /* nobody looks at it in a folder */
		unpack_layout();
		refused(pieces[i]->blob_name);
		assert_int_equal(shell("rm -rf image"), 0);
	}
	oci_free(&oci);
}

static void sizes_that_lie_are_refused(void **state UNUSED)
{
	json_t *entry;
	struct oci oci;

	oci_make(&oci, "amd64", 80);
	oci_add(&oci);
	entry = descriptor_of(MEDIA_OCI_MANIFEST, &oci.manifest);
	json_object_set_new(entry, "size", json_integer(7));
	finish_layout(json_pack("[o]", entry));
	refused("announced with 7 bytes");
	unpack_layout();
	refused("announced with 7 bytes");
	oci_free(&oci);
}

static void a_folder_leads_nowhere_else(void **state UNUSED)
{
	char command[400];
	struct oci oci;

	oci_make(&oci, "amd64", 90);
	oci_add(&oci);
	finish_layout(json_pack("[o]", descriptor_of(MEDIA_OCI_MANIFEST, &oci.manifest)));
	unpack_layout();
	snprintf(command, sizeof(command), "cd image && mv %s ../x && ln -s ../../../x %s",
	    oci.config.blob_name, oci.config.blob_name);
	assert_int_equal(shell(command), 0);
	refused("is a symbolic link");
	snprintf(command, sizeof(command), "cd image && rm %s && mkfifo %s", oci.config.blob_name,
	    oci.config.blob_name);
	assert_int_equal(shell(command), 0);
	refused("is no regular file");
	snprintf(command, sizeof(command), "cd image && rm %s && mkdir %s", oci.config.blob_name,
	    oci.config.blob_name);
	assert_int_equal(shell(command), 0);
	refused("is no regular file");
	assert_int_equal(shell("cd image && mv index.json .. && ln -s ../index.json ."), 0);
	refused("index.json is a symbolic link");
	oci_free(&oci);
}

/* An index in an index ...; and few bytes that say a lot of work. */
static void indexes_without_end_are_refused(void **state UNUSED)
{
	struct blob level[12];
	struct oci oci;

	oci_make(&oci, "amd64", 100);
	oci_add(&oci);
	make_text(&level[0],
	    index_of(json_pack("[o]", descriptor_of(MEDIA_OCI_MANIFEST, &oci.manifest))));
	for (size_t i = 1; i < 12; i++)
		make_text(&level[i],
		    index_of(json_pack("[o]", descriptor_of(MEDIA_OCI_INDEX, &level[i - 1]))));
	for (size_t i = 0; i < 12; i++)
		tar_blob(&tar, &level[i]);
	finish_layout(json_pack("[o]", descriptor_of(MEDIA_OCI_INDEX, &level[11])));
	refused("too deep");
	for (size_t i = 0; i < 12; i++)
		blob_free(&level[i]);
	oci_free(&oci);
}

static void indexes_that_multiply_are_refused(void **state UNUSED)
{
	struct import_limits limits = usual_limits();
	struct blob level[3];
	struct oci oci;

	oci_make(&oci, "amd64", 110);
	oci_add(&oci);
	for (size_t i = 0; i < 3; i++) {
		json_t *entries = json_array();

		for (int j = 0; j < 30; j++)
			json_array_append_new(
			    entries, i == 0 ? descriptor_of(MEDIA_OCI_MANIFEST, &oci.manifest)
					    : descriptor_of(MEDIA_OCI_INDEX, &level[i - 1]));
		make_text(&level[i], index_of(entries));
		tar_blob(&tar, &level[i]);
	}
	finish_layout(json_pack("[o]", descriptor_of(MEDIA_OCI_INDEX, &level[2])));
	limits.entries = 200;
	fails(import_limited(&limits, err), ERROR_PROTOCOL, "more than 200 manifests");
	limits = usual_limits();
	limits.pieces = 200;
	fails(import_limited(&limits, err), ERROR_PROTOCOL, "more than 200 layers");
	for (size_t i = 0; i < 3; i++)
		blob_free(&level[i]);
	oci_free(&oci);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_packed_image_is_kept_as_it_is, setup, teardown),
	    cmocka_unit_test_setup_teardown(names_choose, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_index_is_kept_whole, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		what_an_index_has_elsewhere_stays_there, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_index_of_nothing_is_no_image, setup, teardown),
	    cmocka_unit_test_setup_teardown(platforms_in_index_json_are_one_image, setup, teardown),
	    cmocka_unit_test_setup_teardown(unpacked_layers_are_packed, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		an_index_around_them_gets_their_new_manifests, setup, teardown),
	    cmocka_unit_test_setup_teardown(digests_that_do_not_match_are_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(sizes_that_lie_are_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_folder_leads_nowhere_else, setup, teardown),
	    cmocka_unit_test_setup_teardown(indexes_without_end_are_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(indexes_that_multiply_are_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
