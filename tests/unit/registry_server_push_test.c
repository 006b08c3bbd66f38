/* Pull and push, by the MUSTs of distribution-spec 1.1 that bind a registry. */
#include "tests/unit/registry_server.h"

#define NOBODY "sha256:00000000000000000000000000000000000000000000000000000000000000ff"

/* MUST (pull): 200 and the bytes of what exists, 404 for what does not, HEAD without a body;
 * Docker-Content-Digest is the body's. */
static void blobs_come_back(void **state)
{
	struct world *world = *state;
	char digest[DIGEST_TEXT_SIZE], length[32];
	size_t len = 300001;
	char *data = malloc(len);
	uint64_t random = 7;

	assert_non_null(data);
	for (size_t i = 0; i < len; i++)
		data[i] = (char)check_random(&random);
	push_blob(world, "a/b", data, len, digest);
	assert_header(world, "Docker-Content-Digest", digest);
	for (int again = 0; again < 2; again++) { /* the second time without being proven */
		assert_int_equal(get(world, "/v2/%s/blobs/%s", "a/b", digest), 200);
		assert_int_equal(world->len, len);
		assert_memory_equal(world->body, data, len);
	}
	assert_header(world, "Docker-Content-Digest", digest);
	assert_header(world, "Accept-Ranges", "bytes");
	snprintf(length, sizeof(length), "%zu", len);
	assert_header(world, "Content-Length", length);
	assert_int_equal(get(world, "/v2/%s/blobs/%s", "a/b", NOBODY), 404);
	assert_code(world, "BLOB_UNKNOWN");
	assert_int_equal(get(world, "/v2/%s/blobs/%s", "other", digest), 404);
	assert_int_equal(get(world, "/v2/%s/blobs/%s", "a/b", "x"), 400);
	assert_code(world, "DIGEST_INVALID");
	push_blob(world, "a/b", "", 0, digest);
	assert_int_equal(get(world, "/v2/%s/blobs/%s", "a/b", digest), 200);
	assert_int_equal(world->len, 0);
	free(data);
}

static void blobs_come_in_part(void **state)
{
	struct world *world = *state;
	char digest[DIGEST_TEXT_SIZE], path[256];

	push_blob(world, "a", "0123456789", 10, digest);
	snprintf(path, sizeof(path), "/v2/a/blobs/%s", digest);
	assert_int_equal(
	    ASK(world, .method = "GET", .path = path, .headers = {"Range: bytes=2-4"}), 206);
	assert_string_equal(world->body, "234");
	assert_header(world, "Content-Range", "bytes 2-4/10");
	assert_int_equal(
	    ASK(world, .method = "GET", .path = path, .headers = {"Range: bytes=-3"}), 206);
	assert_string_equal(world->body, "789");
	assert_int_equal(
	    ASK(world, .method = "GET", .path = path, .headers = {"Range: bytes=10-"}), 416);
	assert_header(world, "Content-Range", "bytes */10");
	assert_int_equal(
	    ASK(world, .method = "GET", .path = path, .headers = {"Range: bytes=1-2,4-5"}), 200);
	assert_string_equal(world->body, "0123456789");
	assert_int_equal(
	    ASK(world, .method = "HEAD", .path = path, .headers = {"Range: bytes=2-4"}), 200);
	assert_header(world, "Content-Length", "10");
	assert_int_equal(world->len, 0);
}

/* MUST (push): a POST with the digest is 201 with a Location, or an upload; a digest that does not
 * match is refused, and nothing is kept. */
static void in_one_request(void **state)
{
	struct world *world = *state;
	char digest[DIGEST_TEXT_SIZE], path[256];

	digest_of("whole", 5, digest);
	snprintf(path, sizeof(path), "/v2/a/blobs/uploads/?digest=%s", digest);
	assert_int_equal(
	    ASK(world, .method = "POST", .path = path, .body = "whole", .len = 5), 201);
	snprintf(path, sizeof(path), "/v2/a/blobs/%s", digest);
	assert_header(world, "Location", path);
	assert_int_equal(ASK(world, .method = "GET", .path = path), 200);
	assert_int_equal(ASK(world, .method = "POST", .path = "/v2/a/blobs/uploads/?digest=" NOBODY,
			     .body = "x", .len = 1),
	    400);
	assert_code(world, "DIGEST_INVALID");
	assert_int_equal(get(world, "/v2/%s/blobs/%s", "a", NOBODY), 404);
	assert_int_equal(ASK(world, .method = "POST", .path = "/v2/a/blobs/uploads/?digest=md5:0",
			     .body = "x", .len = 1),
	    400);
	assert_code(world, "DIGEST_INVALID");
}

static long patch(struct world *world, const char *location, const char *data, const char *range)
{
	return ASK(world, .method = "PATCH", .path = location, .body = data, .len = strlen(data),
	    .headers = {range});
}

/* MUST (push): chunks in order, 202 with Location and Range; out of order 416; the status is 204
 * with Location and Range; the PUT ends it, with or without a last chunk. */
static void in_chunks(void **state)
{
	struct world *world = *state;
	char location[256], path[512], digest[DIGEST_TEXT_SIZE];

	begin_one(world, "a", location);
	assert_header(world, "Range", "0-0");
	assert_true(*answered(world, "Docker-Upload-UUID") != '\0');
	assert_int_equal(patch(world, location, "01234", "Content-Range: 0-4"), 202);
	assert_header(world, "Range", "0-4");
	assert_header(world, "Location", location);
	assert_int_equal(patch(world, location, "89", "Content-Range: 8-9"), 416);
	assert_header(world, "Range", "0-4");
	assert_int_equal(patch(world, location, "01234", "Content-Range: 0-4"), 416);
	assert_int_equal(ASK(world, .method = "GET", .path = location), 204);
	assert_header(world, "Range", "0-4");
	assert_header(world, "Location", location);
	assert_int_equal(patch(world, location, "567", "Content-Range: 5-9"), 400);
	assert_code(world, "SIZE_INVALID");
	assert_int_equal(patch(world, location, "567", "Content-Range: bytes 5-7/10"), 400);
	assert_code(world, "BLOB_UPLOAD_INVALID");
	assert_int_equal(patch(world, location, "567", NULL), 202);
	assert_header(world, "Range", "0-7");
	digest_of("0123456789", 10, digest);
	assert_int_equal(ASK(world, .method = "PUT", .path = location), 400);
	assert_code(world, "DIGEST_INVALID");
	snprintf(path, sizeof(path), "%s?digest=%s", location, digest);
	assert_int_equal(ASK(world, .method = "PUT", .path = path, .body = "89", .len = 2,
			     .headers = {"Content-Range: 8-9"}),
	    201);
	assert_int_equal(get(world, "/v2/%s/blobs/%s", "a", digest), 200);
	assert_string_equal(world->body, "0123456789");
	assert_int_equal(ASK(world, .method = "GET", .path = location), 404);
	assert_code(world, "BLOB_UPLOAD_UNKNOWN");
}

static void of_uploads_that_are_none(void **state)
{
	struct world *world = *state;
	char location[256], other[512];

	begin_one(world, "a", location);
	snprintf(other, sizeof(other), "/v2/b%s", location + 5); /* of another repository */
	assert_int_equal(ASK(world, .method = "GET", .path = other), 404);
	assert_code(world, "BLOB_UPLOAD_UNKNOWN");
	assert_int_equal(patch(world, other, "x", NULL), 404);
	assert_int_equal(ASK(world, .method = "DELETE", .path = location), 204);
	assert_int_equal(ASK(world, .method = "DELETE", .path = location), 404);
	assert_code(world, "BLOB_UPLOAD_UNKNOWN");
}

/* MUST (push): a mount that worked is 201 with a Location; else it is 202 and an upload. */
static void mounts(void **state)
{
	struct world *world = *state;
	char digest[DIGEST_TEXT_SIZE], path[512];

	push_blob(world, "from/here", "shared", 6, digest);
	snprintf(path, sizeof(path), "/v2/to/blobs/uploads/?mount=%s&from=from/here", digest);
	assert_int_equal(ASK(world, .method = "POST", .path = path), 201);
	assert_int_equal(get(world, "/v2/%s/blobs/%s", "to", digest), 200);
	assert_string_equal(world->body, "shared");
	assert_int_equal(ASK(world, .method = "POST",
			     .path = "/v2/to/blobs/uploads/?mount=" NOBODY "&from=from/here"),
	    202);
	snprintf(path, sizeof(path), "/v2/third/blobs/uploads/?mount=%s&from=nowhere", digest);
	assert_int_equal(ASK(world, .method = "POST", .path = path), 202);
}

/* MUST (push): 201 with a Location; kept byte for byte; MANIFEST_BLOB_UNKNOWN for what it lacks;
 * a subject that is not there is taken, OCI-Subject tells it. */
static void manifests(void **state)
{
	struct world *world = *state;
	char text[2048], digest[DIGEST_TEXT_SIZE], path[256];

	make_image(world, "a", "layer", ",\"annotations\" : {\"b\":\"\\/\" } ", text, sizeof(text));
	digest_of(text, strlen(text), digest);
	assert_int_equal(put(world, "a", "v1", text), 201);
	assert_header(world, "Docker-Content-Digest", digest);
	assert_header(world, "Location", "/v2/a/manifests/v1");
	assert_header(world, "OCI-Subject", "");
	for (int by_tag = 0; by_tag < 2; by_tag++) {
		assert_int_equal(
		    get(world, "/v2/%s/manifests/%s", "a", by_tag ? "v1" : digest), 200);
		assert_string_equal(world->body, text);
		assert_header(world, "Content-Type", MEDIA_OCI_MANIFEST);
		assert_header(world, "Docker-Content-Digest", digest);
	}
	assert_int_equal(put(world, "a", digest, text), 201);
	assert_int_equal(put(world, "a", NOBODY, text), 400);
	assert_code(world, "DIGEST_INVALID");
	assert_int_equal(put(world, "b", "v1", text), 400);
	assert_code(world, "MANIFEST_BLOB_UNKNOWN");
	assert_int_equal(put(world, "a", "bad", "{\"schemaVersion\":1}"), 400);
	assert_code(world, "MANIFEST_INVALID");
	assert_int_equal(put(world, "a", "-bad", text), 400);
	assert_code(world, "MANIFEST_INVALID");
	snprintf(path, sizeof(path), "/v2/a/manifests/typed");
	assert_int_equal(ASK(world, .method = "PUT", .path = path, .body = text,
			     .len = strlen(text), .headers = {"Content-Type: " MEDIA_OCI_INDEX}),
	    400);
	assert_code(world, "MANIFEST_INVALID");
	assert_int_equal(get(world, "/v2/%s/manifests/%s", "a", "bad"), 404);
	assert_code(world, "MANIFEST_UNKNOWN");
	make_image(world, "a", "layer",
	    ",\"subject\":{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"" NOBODY
	    "\",\"size\":7}",
	    text, sizeof(text));
	assert_int_equal(put(world, "a", "about", text), 201);
	assert_header(world, "OCI-Subject", NOBODY);
}

static void manifests_have_a_limit(void **state)
{
	struct world *world = *state;
	size_t len = MANIFEST_MAX + 1;
	char *text = malloc(len);

	assert_non_null(text);
	memset(text, ' ', len);
	assert_int_equal(
	    ASK(world, .method = "PUT", .path = "/v2/a/manifests/v1", .body = text, .len = len),
	    413);
	assert_code(world, "SIZE_INVALID");
	assert_int_equal(ASK(world, .method = "PUT", .path = "/v2/a/manifests/v1", .body = text,
			     .len = len, .headers = {"Transfer-Encoding: chunked"}),
	    413);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(blobs_come_back, in_world, out_of_world),
	    cmocka_unit_test_setup_teardown(blobs_come_in_part, in_world, out_of_world),
	    cmocka_unit_test_setup_teardown(in_one_request, in_world, out_of_world),
	    cmocka_unit_test_setup_teardown(in_chunks, in_world, out_of_world),
	    cmocka_unit_test_setup_teardown(of_uploads_that_are_none, in_world, out_of_world),
	    cmocka_unit_test_setup_teardown(mounts, in_world, out_of_world),
	    cmocka_unit_test_setup_teardown(manifests, in_world, out_of_world),
	    cmocka_unit_test_setup_teardown(manifests_have_a_limit, in_world, out_of_world),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	return cmocka_run_group_tests_name("registry_server_push", tests, NULL, NULL);
}
