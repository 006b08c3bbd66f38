/* Content discovery and management, by the MUSTs of distribution-spec 1.1 that bind a registry. */
#include "tests/unit/registry_server.h"

#define NOBODY "sha256:00000000000000000000000000000000000000000000000000000000000000ff"

static void assert_names(const struct world *world, const char *key, const char *want)
{
	CLEANUP_JSON json_t *value = json_loads(world->body, 0, NULL);
	CLEANUP_FREE char *text = json_dumps(json_object_get(value, key), JSON_COMPACT);

	assert_int_equal(world->status, 200);
	assert_non_null(text);
	assert_string_equal(text, want);
}

/* MUST (discovery): 200, name and tags in lexical order; no more than n, none and no Link for 0;
 * Link with rel="next"; 404 for a repository that is not there. */
static void tags_are_listed(void **state)
{
	struct world *world = *state;
	char text[2048];

	make_image(world, "a", "layer", "", text, sizeof(text));
	for (const char *const *tag = (const char *const[]){"b", "a", "c", "B", NULL}; *tag; tag++)
		assert_int_equal(put(world, "a", *tag, text), 201);
	get(world, "/v2/%s/tags/list%s", "a", "");
	assert_names(world, "tags", "[\"B\",\"a\",\"b\",\"c\"]");
	assert_contains(world->body, "\"name\":\"a\"");
	assert_header(world, "Link", "");
	get(world, "/v2/%s/tags/list%s", "a", "?n=2");
	assert_names(world, "tags", "[\"B\",\"a\"]");
	assert_header(world, "Link", "</v2/a/tags/list?n=2&last=a>; rel=\"next\"");
	get(world, "/v2/%s/tags/list%s", "a", "?n=2&last=a");
	assert_names(world, "tags", "[\"b\",\"c\"]");
	assert_header(world, "Link", "");
	get(world, "/v2/%s/tags/list%s", "a", "?n=0");
	assert_names(world, "tags", "[]");
	assert_header(world, "Link", "");
	assert_int_equal(get(world, "/v2/%s/tags/list%s", "a", "?n=x"), 400);
	assert_int_equal(get(world, "/v2/%s/tags/list%s", "none", ""), 404);
	assert_code(world, "NAME_UNKNOWN");
	assert_int_equal(get(world, "/v2/%s/tags/list%s", "none", "?n=0"), 404);
}

static void the_catalog(void **state)
{
	struct world *world = *state;
	char text[2048], location[256];

	begin_one(world, "begun/only", location);
	for (const char *const *name = (const char *const[]){"c", "a/b", "b", NULL}; *name;
	     name++) {
		make_image(world, *name, "layer", "", text, sizeof(text));
		assert_int_equal(put(world, *name, "v1", text), 201);
	}
	get(world, "/v2/_catalog%s%s", "", "");
	assert_names(world, "repositories", "[\"a/b\",\"b\",\"c\"]");
	get(world, "/v2/_catalog%s%s", "?n=1&last=", "a");
	assert_names(world, "repositories", "[\"a/b\"]");
	assert_header(world, "Link", "</v2/_catalog?n=1&last=a/b>; rel=\"next\"");
	get(world, "/v2/_catalog%s%s", "?n=0", "");
	assert_names(world, "repositories", "[]");
}

/* MUST (discovery): 200 and an index, also for none; artifactType and annotations of each; a filter
 * that was applied is told of; 400 for what is no digest. */
static void referrers(void **state)
{
	struct world *world = *state;
	char text[2048], subject[DIGEST_TEXT_SIZE], more[512], signature[DIGEST_TEXT_SIZE];
	CLEANUP_JSON json_t *index = NULL;
	const json_t *entry;

	make_image(world, "a", "layer", "", text, sizeof(text));
	assert_int_equal(put(world, "a", "v1", text), 201);
	digest_of(text, strlen(text), subject);
	assert_int_equal(get(world, "/v2/%s/referrers/%s", "a", subject), 200);
	assert_header(world, "Content-Type", MEDIA_OCI_INDEX);
	assert_string_equal(world->body,
	    "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[]}");
	assert_int_equal(get(world, "/v2/%s/referrers/%s", "none", NOBODY), 200);
	assert_int_equal(get(world, "/v2/%s/referrers/%s", "a", "v1"), 400);
	assert_code(world, "DIGEST_INVALID");
	snprintf(more, sizeof(more),
	    ",\"artifactType\":\"x/signature+json\",\"annotations\":{\"k\":\"v\"},"
	    "\"subject\":{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":%zu}",
	    subject, strlen(text));
	make_image(world, "a", "signature", more, text, sizeof(text));
	digest_of(text, strlen(text), signature);
	assert_int_equal(put(world, "a", signature, text), 201);
	assert_header(world, "OCI-Subject", subject);
	assert_int_equal(get(world, "/v2/%s/referrers/%s", "a", subject), 200);
	assert_header(world, "OCI-Filters-Applied", "");
	index = json_loads(world->body, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(index, "manifests")), 1);
	entry = json_array_get(json_object_get(index, "manifests"), 0);
	assert_string_equal(json_str(entry, "digest", ""), signature);
	assert_string_equal(json_str(entry, "artifactType", ""), "x/signature+json");
	assert_string_equal(json_str(entry, "annotations.k", ""), "v");
	assert_string_equal(json_str(entry, "mediaType", ""), MEDIA_OCI_MANIFEST);
	assert_int_equal(json_int(entry, "size", 0), strlen(text));
	get(world, "/v2/a/referrers/%s?artifactType=%s", subject, "x/signature%2Bjson");
	assert_header(world, "OCI-Filters-Applied", "artifactType");
	assert_contains(world->body, signature);
	get(world, "/v2/a/referrers/%s?artifactType=%s", subject, "x/other");
	assert_header(world, "OCI-Filters-Applied", "artifactType");
	assert_null(strstr(world->body, signature));
}

static long remove_it(struct world *world, const char *kind, const char *what)
{
	char path[256];

	snprintf(path, sizeof(path), "/v2/a/%s/%s", kind, what);
	return ASK(world, .method = "DELETE", .path = path);
}

/* MUST (management): 202, and it is gone; 404 for what is not there. */
static void removing(void **state)
{
	struct world *world = *state;
	char text[2048], digest[DIGEST_TEXT_SIZE];

	make_image(world, "a", "layer", "", text, sizeof(text));
	digest_of(text, strlen(text), digest);
	assert_int_equal(put(world, "a", "v1", text), 201);
	assert_int_equal(put(world, "a", "v2", text), 201);
	assert_int_equal(remove_it(world, "manifests", "v1"), 202);
	assert_int_equal(get(world, "/v2/%s/manifests/%s", "a", "v1"), 404);
	assert_code(world, "MANIFEST_UNKNOWN");
	assert_int_equal(get(world, "/v2/%s/manifests/%s", "a", "v2"), 200);
	assert_int_equal(remove_it(world, "manifests", "v1"), 404);
	assert_code(world, "MANIFEST_UNKNOWN");
	assert_int_equal(remove_it(world, "manifests", digest), 202);
	assert_int_equal(get(world, "/v2/%s/manifests/%s", "a", "v2"), 404);
	assert_int_equal(remove_it(world, "manifests", digest), 404);
	push_blob(world, "a", "alone", 5, digest);
	assert_int_equal(remove_it(world, "blobs", digest), 202);
	assert_int_equal(get(world, "/v2/%s/blobs/%s", "a", digest), 404);
	assert_int_equal(remove_it(world, "blobs", digest), 404);
	assert_code(world, "BLOB_UNKNOWN");
}

static void methods_that_are_none(void **state)
{
	struct world *world = *state;

	assert_int_equal(ASK(world, .method = "POST", .path = "/v2/a/manifests/v1"), 405);
	assert_code(world, "UNSUPPORTED");
	assert_header(world, "Allow", "GET, HEAD, PUT, DELETE");
	assert_int_equal(ASK(world, .method = "BREW", .path = "/v2/"), 405);
	assert_int_equal(ASK(world, .method = "GET", .path = "/v1/"), 404);
	assert_int_equal(ASK(world, .method = "GET", .path = "/v2/A/tags/list"), 400);
	assert_code(world, "NAME_INVALID");
	assert_int_equal(ASK(world, .method = "GET", .path = "/v2/"), 200);
	assert_header(world, "Docker-Distribution-Api-Version", "registry/2.0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(tags_are_listed, in_world, out_of_world),
	    cmocka_unit_test_setup_teardown(the_catalog, in_world, out_of_world),
	    cmocka_unit_test_setup_teardown(referrers, in_world, out_of_world),
	    cmocka_unit_test_setup_teardown(removing, in_world, out_of_world),
	    cmocka_unit_test_setup_teardown(methods_that_are_none, in_world, out_of_world),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	return cmocka_run_group_tests_name("registry_server_lists", tests, NULL, NULL);
}
