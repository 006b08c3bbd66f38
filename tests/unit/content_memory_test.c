/* Reading what is in an image, and its packages, without memory: each of our allocations fails in
 * turn. */
#include "tests/unit/base_memory.h"

#include "deploy/packages.h"
#include "tests/unit/store_place.h"
#include "transport/registry/content.h"
#include "transport/tar.h"

static struct place place;
static char manifest[DIGEST_TEXT_SIZE];

static void put_it(const struct blob_info *layer)
{
	const struct manifest_layer of = {layer->digest, layer->size};
	CLEANUP_FREE char *config = string_printf(
	    "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Cmd\":[\"a\"],\"Labels\":{"
	    "\"a\":\"b\"}},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}",
	    layer->diff_id);
	struct blob_info info = put_blob(&place, BLOB_AS_IS, config, strlen(config));
	char *text = NULL;

	assert_ok(store_blob_link(place.store, "shop", layer->digest, OK_ERR));
	assert_ok(store_blob_link(place.store, "shop", info.digest, OK_ERR));
	assert_ok(manifest_make(info.digest, info.size, &of, 1, &text, OK_ERR));
	assert_ok(store_manifest_put(
	    place.store, "shop", "1", NULL, text, strlen(text), false, manifest, OK_ERR));
	free(text);
}

static int setup(void **state UNUSED)
{
	static const char status[] = "Package: a\nStatus: install ok installed\nVersion: 1\n\n"
				     "Package: b\nStatus: install ok installed\nVersion: 2\n";
	static const char shadow[] = "root:*:19000:0:99999:7:::\n";
	const struct tar_entry entries[] = {{.name = "etc/"},
	    {.name = "etc/shadow", .data = shadow, .len = sizeof(shadow) - 1},
	    {.name = "etc/.wh.gone"},
	    {.name = "var/lib/dpkg/status", .data = status, .len = sizeof(status) - 1}};
	CLEANUP_BUF struct buf tar = BUF_INIT(1 << 20);
	struct blob_info layer;

	place_make(&place);
	place_open(&place);
	assert_ok(tar_make(entries, ARRAY_SIZE(entries), &tar, OK_ERR));
	layer = put_blob(&place, BLOB_LAYER, tar.data, tar.len);
	put_it(&layer);
	return 0;
}

static int teardown(void **state UNUSED)
{
	place_remove(&place);
	return 0;
}

static int look(const struct content *content, struct error *err)
{
	struct packages packages = {0}, none = {0};
	struct package_change *changes = NULL;
	size_t n = 0;
	int rc = packages_read(content, &packages, err);

	if (rc == 0)
		rc = packages_compare(&none, &packages, &changes, &n, err);
	if (rc == 0)
		assert_int_equal(n, 2);
	free(changes);
	packages_release(&packages);
	return rc;
}

static int try_it(struct error *err)
{
	const struct content_options options = {.wants = packages_want, .cancel_fd = -1};
	struct content content;
	int rc;

	if (content_read(place.store, "shop", manifest, &options, &content, err) < 0)
		return -1;
	rc = look(&content, err);
	content_release(&content);
	return rc;
}

static void an_image_is_read_or_there_is_no_memory(void **state UNUSED)
{
	bool failed = true;

	if (!memory_can_fail())
		skip();
	memory_ours_only = true;
	for (size_t n = 1; failed; n++) {
		struct error err = {0};
		int rc;

		memory_fail_at(n, false);
		rc = try_it(&err);
		failed = memory_is_back();
		if (rc < 0 && err.kind != ERROR_MEMORY)
			dprintf(2, "allocation %zu: %s\n", n, error_text(&err));
		assert_true(rc == 0 || err.kind == ERROR_MEMORY);
		assert_true(failed || rc == 0);
		error_release(&err);
		assert_true(n < 100000);
	}
	memory_ours_only = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_image_is_read_or_there_is_no_memory),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
