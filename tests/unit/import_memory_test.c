/* Every allocation of an import fails in turn: it says so, leaves nothing, and works the next time.
 */
#include "tests/unit/base_memory.h"

#include "tests/unit/import_help.h"

enum { MOST = 20000 };

/* The `n`-th fails; false when there was no such. */
static bool fail_at(size_t n)
{
	struct imported imported = {0};
	struct error err = {0};
	int rc;

	memory_ours_only = true;
	memory_fail_at(n, true);
	rc = import_at("docker-archive", NULL, &imported, &err);
	if (!memory_is_back()) {
		assert_int_equal(rc, 0);
		imported_release(&imported);
		return false;
	}
	if (rc < 0) {
		if (err.kind != ERROR_MEMORY)
			fail_msg("allocation %zu: kind %d: %s", n, err.kind, error_text(&err));
		assert_null(imported.images);
	}
	imported_release(&imported);
	error_release(&err);
	return true;
}

static void fail_in_turn(void)
{
	size_t n = 1;

	while (n < MOST && fail_at(n))
		n++;
	assert_in_range(n, 20, MOST - 1);
}

static void what_docker_saves(void **state UNUSED)
{
	struct buf tar = BUF_INIT(1 << 20);
	struct image image;

	if (!memory_can_fail())
		skip();
	image_make(&image, "amd64", 1, 1);
	image_save(&image, "x:1", &tar);
	put_file(scene.path, tar.data, tar.len);
	fail_in_turn();
	image_free(&image);
	buf_release(&tar);
}

static void a_layout(void **state UNUSED)
{
	struct blob plain, packed, config, manifest, index;
	struct buf tar = BUF_INIT(1 << 20);

	if (!memory_can_fail())
		skip();
	make_layer(&plain, 40, 1000);
	make_gzip(&plain, &packed);
	make_config(&config, "amd64", &plain, 1);
	make_manifest(&manifest, &config, &plain, 1, MEDIA_OCI_LAYER_GZIP);
	make_text(&index, index_of(json_pack("[o]", platform_entry(&manifest, "linux", "amd64"))));
	tar_blob(&tar, &plain);
	tar_blob(&tar, &packed);
	tar_blob(&tar, &config);
	tar_blob(&tar, &manifest);
	tar_blob(&tar, &index);
	tar_json(
	    &tar, "index.json", index_of(json_pack("[o]", descriptor_of(MEDIA_OCI_INDEX, &index))));
	tar_end(&tar);
	put_file(scene.path, tar.data, tar.len);
	fail_in_turn();
	blob_free(&plain);
	blob_free(&packed);
	blob_free(&config);
	blob_free(&manifest);
	blob_free(&index);
	buf_release(&tar);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_docker_saves, scene_setup, scene_teardown),
	    cmocka_unit_test_setup_teardown(a_layout, scene_setup, scene_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
