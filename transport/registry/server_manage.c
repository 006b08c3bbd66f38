/* Putting manifests in, and removing them, tags and blobs (distribution-spec, "Pushing Manifests",
 * "Content Management"). */
#include <string.h>

#include "transport/registry/manifest.h"
#include "transport/registry/server_internal.h"

/* --- manifests in */

enum route_error begin_manifest(struct request *request)
{
	uint64_t length = request_length(request);

	buf_init(&request->manifest, MANIFEST_MAX);
	return length != UINT64_MAX && length > MANIFEST_MAX ? ROUTE_TOO_LARGE : ROUTE_OK;
}

void take_manifest(struct request *request, const char *data, size_t len)
{
	if (buf_add(&request->manifest, data, len) == 0)
		return;
	if (request->manifest.too_long)
		request->refusal = ROUTE_TOO_LARGE;
	else
		request->refusal = ROUTE_UNKNOWN;
	buf_release(&request->manifest);
}

/* Content-Type without parameters; NULL: there is none. -1: out of memory. */
static int content_type(const struct request *request, char **ret)
{
	const char *text = request_header(request, MHD_HTTP_HEADER_CONTENT_TYPE);

	*ret = NULL;
	if (text == NULL || *text == '\0')
		return 0;
	*ret = strndup(text, strcspn(text, "; \t"));
	return *ret != NULL ? 0 : -1;
}

static int put(struct request *request, char digest[DIGEST_TEXT_SIZE], struct error *err)
{
	const struct route *route = &request->route;
	CLEANUP_FREE char *type = NULL;

	if (content_type(request, &type) < 0)
		return error_memory(err);
	return store_manifest_put(request->server->store, route->repository,
	    route->is_digest ? NULL : route->reference, type, request->manifest.data,
	    request->manifest.len, false, digest, err);
}

static void add_subject(struct request *request, struct MHD_Response *response)
{
	CLEANUP_MANIFEST struct manifest manifest = {0};

	if (manifest_parse(request->manifest.data, request->manifest.len, NULL, &manifest, NULL) ==
		0 &&
	    *manifest.subject.digest != '\0')
		response_header(response, "OCI-Subject", "%s", manifest.subject.digest);
}

enum MHD_Result put_manifest(struct request *request)
{
	const struct route *route = &request->route;
	char digest[DIGEST_TEXT_SIZE];
	struct error failure = {0};
	struct MHD_Response *response;

	if (route->is_digest &&
	    digest_text(request->manifest.data, request->manifest.len, digest, &failure) == 0 &&
	    strcmp(digest, route->reference) != 0)
		return reply_error(request, ROUTE_DIGEST_INVALID, NULL);
	if (failure.kind != ERROR_NONE || put(request, digest, &failure) < 0)
		return reply_failure(
		    request, &failure, ROUTE_MANIFEST_BLOB_UNKNOWN, ROUTE_MANIFEST_INVALID);
	response = response_empty();
	response_header(response, MHD_HTTP_HEADER_LOCATION, "/v2/%s/manifests/%s",
	    route->repository, route->reference);
	response_header(response, "Docker-Content-Digest", "%s", digest);
	if (response != NULL)
		add_subject(request, response);
	return reply(request, MHD_HTTP_CREATED, response);
}

/* --- out */

enum MHD_Result delete_manifest(struct request *request)
{
	const struct route *route = &request->route;
	struct error failure = {0};

	if ((route->is_digest ? store_manifest_remove : store_tag_remove)(
		request->server->store, route->repository, route->reference, &failure) < 0)
		return reply_failure(request, &failure, ROUTE_MANIFEST_UNKNOWN, ROUTE_UNKNOWN);
	return reply(request, MHD_HTTP_ACCEPTED, response_empty());
}

enum MHD_Result delete_blob(struct request *request)
{
	const struct route *route = &request->route;
	struct store *store = request->server->store;
	struct error failure = {0};
	struct blob_info info;

	if (store_blob_unlink(store, route->repository, route->reference, &failure) == 0)
		return reply(request, MHD_HTTP_ACCEPTED, response_empty());
	if (failure.kind == ERROR_NOT_FOUND &&
	    store_blob_in(store, route->repository, route->reference, &info, NULL) == 0) {
		error_release(&failure);
		return reply_error(request, ROUTE_DENIED, "a manifest refers to the blob");
	}
	return reply_failure(request, &failure, ROUTE_BLOB_UNKNOWN, ROUTE_UNKNOWN);
}
