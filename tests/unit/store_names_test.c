/* Repositories, manifests, tags, images. */
#include "tests/unit/store_place.h"

static struct place place;

static int setup(void **state UNUSED)
{
	place_make(&place);
	place_open(&place);
	return 0;
}

static int teardown(void **state UNUSED)
{
	place_remove(&place);
	return 0;
}

static void get(const char *repository, const char *reference, struct stored_manifest *ret)
{
	assert_ok(store_manifest_get(place.store, repository, reference, ret, OK_ERR));
}

static void assert_gone(const char *repository, const char *reference)
{
	struct stored_manifest manifest;
	struct error err = {0};

	assert_int_equal(
	    store_manifest_get(place.store, repository, reference, &manifest, &err), -1);
	assert_error(&err, ERROR_NOT_FOUND, repository);
}

static void assert_names(struct strv *names, bool more, const char *expected, bool expected_more)
{
	CLEANUP_BUF struct buf text = BUF_INIT(4096);

	for (size_t i = 0; i < names->n; i++)
		buf_addf(&text, "%s ", names->v[i]);
	assert_string_equal(text.data, expected);
	assert_int_equal(more, expected_more);
	strv_release(names);
}

static void a_manifest_comes_back_byte_for_byte(void **state UNUSED)
{
	struct put_image image = put_image(&place, "shop/web", "v1", 1, 100000);
	struct stored_manifest by_tag, by_digest;
	char digest[DIGEST_TEXT_SIZE];

	get("shop/web", "v1", &by_tag);
	get("shop/web", image.manifest, &by_digest);
	assert_string_equal(by_tag.digest, image.manifest);
	assert_int_equal(by_tag.len, by_digest.len);
	assert_memory_equal(by_tag.data, by_digest.data, by_tag.len);
	assert_int_equal(strlen(by_tag.data), by_tag.len);
	assert_int_equal(digest_text(by_tag.data, by_tag.len, digest, NULL), 0);
	assert_string_equal(digest, image.manifest);
	assert_string_equal(by_tag.media_type, MEDIA_DOCKER_MANIFEST);
	assert_gone("shop/web", "v2");
	assert_gone("shop", "v1");
	assert_gone("shop", image.manifest);
	assert_gone("shop/web", image.config);
	stored_manifest_release(&by_tag);
	stored_manifest_release(&by_digest);
}

/* What a manifest refers to has to be in its repository, not only in the store. */
static void a_manifest_needs_its_blobs(void **state UNUSED)
{
	struct put_image image = put_image(&place, "a", "v1", 1, 1000);
	struct stored_manifest manifest;
	struct error err = {0};
	char *changed;

	get("a", "v1", &manifest);
	assert_int_equal(store_manifest_put(place.store, "b", "v1", NULL, manifest.data,
			     manifest.len, false, NULL, &err),
	    -1);
	assert_error(&err, ERROR_NOT_FOUND, image.config);
	assert_gone("b", "v1");
	assert_ok(store_blob_link(place.store, "b", image.config, OK_ERR));
	assert_int_equal(store_manifest_put(place.store, "b", "v1", NULL, manifest.data,
			     manifest.len, false, NULL, &err),
	    -1);
	assert_error(&err, ERROR_NOT_FOUND, image.layer.digest);
	assert_ok(store_blob_link(place.store, "b", image.layer.digest, OK_ERR));
	assert_ok(store_manifest_put(place.store, "b", "v1", MEDIA_DOCKER_MANIFEST, manifest.data,
	    manifest.len, false, NULL, OK_ERR));
	assert_int_equal(store_manifest_put(place.store, "b", "v1", MEDIA_OCI_INDEX, manifest.data,
			     manifest.len, false, NULL, &err),
	    -1);
	assert_error(&err, ERROR_PROTOCOL, NULL);
	changed = strstr(manifest.data, "\"size\":") + 7; /* it lies about the size */
	*changed = *changed == '9' ? '8' : '9';
	assert_int_equal(store_manifest_put(place.store, "b", "v2", NULL, manifest.data,
			     manifest.len, false, NULL, &err),
	    -1);
	assert_error(&err, ERROR_PROTOCOL, "bytes");
	stored_manifest_release(&manifest);
}

static void blobs_are_in_repositories(void **state UNUSED)
{
	struct blob_info info = put_content(&place, BLOB_AS_IS, 1, 10), found;
	struct put_image image;
	struct error err = {0};

	assert_int_equal(store_blob_in(place.store, "a", info.digest, &found, &err), -1);
	assert_error(&err, ERROR_NOT_FOUND, "repository a");
	assert_ok(store_blob_link(place.store, "a", info.digest, OK_ERR));
	assert_ok(store_blob_link(place.store, "a", info.digest, OK_ERR));
	assert_ok(store_blob_in(place.store, "a", info.digest, &found, OK_ERR));
	assert_int_equal(found.size, 10);
	assert_int_equal(store_blob_in(place.store, "b", info.digest, &found, NULL), -1);
	assert_ok(store_blob_unlink(place.store, "a", info.digest, OK_ERR));
	assert_int_equal(store_blob_unlink(place.store, "a", info.digest, &err), -1);
	assert_error(&err, ERROR_NOT_FOUND, "blob");
	assert_int_equal(store_blob_in(place.store, "a", info.digest, &found, &err), -1);
	assert_error(&err, ERROR_NOT_FOUND, "not in repository a");
	image = put_image(&place, "a", "v1", 1, 1000);
	assert_ok(store_blob_unlink(place.store, "a", image.config, OK_ERR));
	assert_ok(store_blob_in(place.store, "a", image.config, &found, OK_ERR));
	assert_int_equal(store_blob_link(place.store, "a",
			     "sha256:00000000000000000000000000000000000000000000"
			     "00000000000000000000",
			     &err),
	    -1);
	assert_error(&err, ERROR_NOT_FOUND, "0000");
}

static void lists_have_pages(void **state UNUSED)
{
	static const char *const tags[] = {"v2", "v10", "latest", "B", "a"};
	struct strv names;
	bool more;

	put_image(&place, "web", "v1", 1, 1000);
	put_image(&place, "api", "v1", 1, 1000);
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++)
		assert_ok(store_tag_set(place.store, "web", tags[i], "v1", OK_ERR));
	assert_ok(store_tags(place.store, "web", NULL, 100, &names, &more, OK_ERR));
	assert_names(&names, more, "B a latest v1 v10 v2 ", false);
	assert_ok(store_tags(place.store, "web", NULL, 6, &names, &more, OK_ERR));
	assert_names(&names, more, "B a latest v1 v10 v2 ", false);
	assert_ok(store_tags(place.store, "web", "a", 2, &names, &more, OK_ERR));
	assert_names(&names, more, "latest v1 ", true);
	assert_ok(store_tags(place.store, "web", "b", 0, &names, &more, OK_ERR));
	assert_names(&names, more, "", true);
	assert_ok(store_tags(place.store, "web", "zz", 5, &names, &more, OK_ERR));
	assert_names(&names, more, "", false);
	assert_int_equal(store_tags(place.store, "none", NULL, 5, &names, &more, NULL), -1);
	assert_ok(store_repositories(place.store, NULL, 1, &names, &more, OK_ERR));
	assert_names(&names, more, "api ", true);
	assert_ok(store_repositories(place.store, "api", 1, &names, &more, OK_ERR));
	assert_names(&names, more, "web ", false);
}

static void tags_move_and_go(void **state UNUSED)
{
	struct put_image one = put_image(&place, "web", "v1", 1, 1000);
	struct put_image two = put_image(&place, "web", "v2", 2, 1000);
	struct stored_manifest manifest;
	struct error err = {0};

	assert_ok(store_tag_set(place.store, "web", "latest", "v1", OK_ERR));
	assert_ok(store_tag_set(place.store, "web", "latest", two.manifest, OK_ERR));
	get("web", "latest", &manifest);
	assert_string_equal(manifest.digest, two.manifest);
	stored_manifest_release(&manifest);
	assert_ok(store_tag_remove(place.store, "web", "latest", OK_ERR));
	assert_int_equal(store_tag_remove(place.store, "web", "latest", &err), -1);
	assert_error(&err, ERROR_NOT_FOUND, "web:latest");
	assert_gone("web", "latest");
	assert_int_equal(store_tag_set(place.store, "web", "x", "nothing", &err), -1);
	assert_error(&err, ERROR_NOT_FOUND, "web:nothing");
	assert_ok(store_manifest_remove(place.store, "web", one.manifest, OK_ERR));
	assert_gone("web", "v1");
	assert_gone("web", one.manifest);
	assert_int_equal(store_manifest_remove(place.store, "web", one.manifest, &err), -1);
	assert_error(&err, ERROR_NOT_FOUND, one.manifest);
	assert_int_equal(store_manifest_remove(place.store, "web", "v2", &err), -1);
	assert_error(&err, ERROR_NOT_FOUND, "v2");
	get("web", "v2", &manifest);
	stored_manifest_release(&manifest);
}

/* An index of one manifest that is there and one that is not. */
static char *index_of(const char *manifest, const char *other)
{
	char *text = string_printf(
	    "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":["
	    "{\"mediaType\":\"" MEDIA_DOCKER_MANIFEST "\",\"digest\":\"%s\",\"size\":5,"
	    "\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}},"
	    "{\"mediaType\":\"" MEDIA_DOCKER_MANIFEST "\",\"digest\":\"%s\",\"size\":5,"
	    "\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\"}}]}",
	    manifest, other);

	assert_non_null(text);
	return text;
}

static void an_index_is_whole_or_sparse(void **state UNUSED)
{
	struct put_image image = put_image(&place, "web", NULL, 1, 1000);
	char digest[DIGEST_TEXT_SIZE], adopted[DIGEST_TEXT_SIZE];
	struct stored_manifest manifest;
	struct error err = {0};
	/* A digest of something that is not there. */
	CLEANUP_FREE char *text = index_of(image.manifest, image.layer.diff_id);

	assert_int_equal(store_manifest_put(place.store, "web", "multi", NULL, text, strlen(text),
			     false, digest, &err),
	    -1);
	assert_error(&err, ERROR_NOT_FOUND, image.layer.diff_id);
	assert_ok(store_manifest_put(
	    place.store, "web", "multi", NULL, text, strlen(text), true, digest, OK_ERR));
	get("web", "multi", &manifest);
	assert_string_equal(manifest.media_type, MEDIA_OCI_INDEX);
	stored_manifest_release(&manifest);
	assert_ok(store_image_adopt(place.store, digest, "other", "m", adopted, OK_ERR));
	assert_string_equal(adopted, digest);
	get("other", image.manifest, &manifest); /* came with it */
	stored_manifest_release(&manifest);
}

static void an_index_without_parts_is_not_adopted(void **state UNUSED)
{
	char digest[DIGEST_TEXT_SIZE];
	struct error err = {0};
	CLEANUP_FREE char *text = NULL;

	assert_int_equal(digest_text("x", 1, digest, NULL), 0);
	text = index_of(digest, digest);
	assert_ok(store_manifest_put(
	    place.store, "web", "multi", NULL, text, strlen(text), true, digest, OK_ERR));
	assert_int_equal(store_image_adopt(place.store, digest, "other", "m", NULL, &err), -1);
	assert_error(&err, ERROR_NOT_FOUND, digest);
	assert_int_equal(place_number(&place, "SELECT count(*) FROM repositories"), 1);
}

static void referrers_are_listed(void **state UNUSED)
{
	struct put_image image = put_image(&place, "web", "v1", 1, 1000);
	struct blob_info empty = put_blob(&place, BLOB_AS_IS, "{}", 2);
	char digest[DIGEST_TEXT_SIZE];
	CLEANUP_FREE char *text = string_printf(
	    "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST
	    "\",\"artifactType\":\"text/plain\",\"config\":{\"mediaType\":\"" MEDIA_OCI_EMPTY
	    "\",\"digest\":\"%s\",\"size\":2},\"layers\":[],"
	    "\"subject\":{\"mediaType\":\"" MEDIA_DOCKER_MANIFEST
	    "\",\"digest\":\"%s\",\"size\":5}}",
	    empty.digest, image.manifest);
	struct strv list;

	assert_ok(store_referrers(place.store, "web", image.manifest, &list, OK_ERR));
	assert_int_equal(list.n, 0);
	assert_ok(store_blob_link(place.store, "web", empty.digest, OK_ERR));
	assert_ok(store_manifest_put(
	    place.store, "web", NULL, NULL, text, strlen(text), false, digest, OK_ERR));
	assert_ok(store_referrers(place.store, "web", image.manifest, &list, OK_ERR));
	assert_int_equal(list.n, 1);
	assert_string_equal(list.v[0], digest);
	strv_release(&list);
	assert_ok(store_referrers(place.store, "none", image.manifest, &list, OK_ERR));
	assert_int_equal(list.n, 0);
	assert_ok(store_referrers(place.store, "web", "no digest", &list, OK_ERR));
	assert_int_equal(list.n, 0);
}

static void an_image_is_adopted(void **state UNUSED)
{
	struct put_image image = put_image(&place, "a", "v1", 1, 100000);
	int64_t chunks = place_number(&place, "SELECT count(*) FROM chunks");
	char manifest[DIGEST_TEXT_SIZE], name[DIGEST_TEXT_SIZE];
	struct stored_manifest got;
	struct blob_info info;
	struct error err = {0};

	assert_ok(store_image_adopt(place.store, image.config, "b", "r1", manifest, OK_ERR));
	assert_string_equal(manifest, image.manifest);
	assert_ok(store_image_adopt(place.store, image.manifest, "b", "r2", manifest, OK_ERR));
	get("b", "r1", &got);
	assert_string_equal(got.digest, image.manifest);
	stored_manifest_release(&got);
	assert_ok(store_blob_in(place.store, "b", image.layer.digest, &info, OK_ERR));
	assert_int_equal(place_number(&place, "SELECT count(*) FROM chunks"), chunks);
	assert_int_equal(digest_text("what an engine says", 19, name, NULL), 0);
	assert_int_equal(store_image_adopt(place.store, name, "c", "r1", manifest, &err), -1);
	assert_error(&err, ERROR_NOT_FOUND, name);
	assert_ok(store_image_alias(place.store, name, image.manifest, OK_ERR));
	assert_ok(store_image_alias(place.store, name, image.manifest, OK_ERR));
	assert_ok(store_image_adopt(place.store, name, "c", "r1", manifest, OK_ERR));
	assert_string_equal(manifest, image.manifest);
	assert_int_equal(store_image_alias(place.store, name, name, &err), -1);
	assert_error(&err, ERROR_NOT_FOUND, name);
	assert_int_equal(store_image_adopt(place.store, "web:latest", "c", "r1", NULL, &err), -1);
	assert_error(&err, ERROR_NOT_FOUND, "web:latest");
	assert_clean(&place);
}

/* The same image, pushed by a client that packs for itself, and packed by the store. */
static void our_own_packing_is_preferred(void **state UNUSED)
{
	struct put_image ours = put_image(&place, "a", "v1", 1, 100000);
	struct blob_info theirs = put_content(&place, BLOB_AS_IS, 77, 5000), config;
	struct manifest_layer layer = {theirs.digest, theirs.size};
	char adopted[DIGEST_TEXT_SIZE], *text;

	assert_ok(store_blob_find(place.store, ours.config, &config, OK_ERR));
	assert_ok(manifest_make(ours.config, config.size, &layer, 1, &text, OK_ERR));
	assert_ok(store_blob_link(place.store, "a", theirs.digest, OK_ERR));
	assert_ok(store_manifest_put(
	    place.store, "a", "v2", NULL, text, strlen(text), false, NULL, OK_ERR));
	assert_ok(store_image_adopt(place.store, ours.config, "b", "v1", adopted, OK_ERR));
	assert_string_equal(adopted, ours.manifest);
	free(text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_manifest_comes_back_byte_for_byte),
	    TEST(a_manifest_needs_its_blobs),
	    TEST(blobs_are_in_repositories),
	    TEST(lists_have_pages),
	    TEST(tags_move_and_go),
	    TEST(an_index_is_whole_or_sparse),
	    TEST(an_index_without_parts_is_not_adopted),
	    TEST(referrers_are_listed),
	    TEST(an_image_is_adopted),
	    TEST(our_own_packing_is_preferred),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
