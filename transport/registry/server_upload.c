/* Pushing blobs (distribution-spec, "Pushing blobs"): in one request, in two, in chunks, and by
 * mounting them from another repository. */
#include <string.h>
#include <time.h>

#include "transport/registry/range.h"
#include "transport/registry/uploads.h"

/* --- before the body */

/* What Content-Range and Content-Length say has to go on where the upload is. */
static enum route_error check_range(struct request *request)
{
	const char *text = request_header(request, MHD_HTTP_HEADER_CONTENT_RANGE);
	uint64_t length = request_length(request);
	struct range range;

	if (text == NULL)
		return ROUTE_OK;
	if (range_parse_chunk(text, &range) < 0) {
		error_set(&request->failure, ERROR_PROTOCOL, "Content-Range is not START-END");
		return ROUTE_BLOB_UPLOAD_INVALID;
	}
	if (range.start != blob_upload_size(request->upload)) {
		request->out_of_order = true;
		return ROUTE_BLOB_UPLOAD_INVALID;
	}
	if (length != UINT64_MAX && length != range.length)
		return ROUTE_SIZE_INVALID;
	request->expected = range.length;
	return ROUTE_OK;
}

static bool has_digest(const struct request *request)
{
	const char *digest = request_argument(request, "digest");

	return digest != NULL && digest_is_text(digest);
}

static enum route_error begin_post(struct request *request)
{
	struct error failure = {0};

	if (request_argument(request, "digest") != NULL && !has_digest(request))
		return ROUTE_DIGEST_INVALID;
	if (uploads_begin(request->server, request->account, request->route.repository,
		&request->upload, &failure) == 0)
		return ROUTE_OK;
	if (failure.kind == ERROR_LOCKED) {
		error_release(&failure);
		return ROUTE_TOOMANYREQUESTS;
	}
	error_move(&request->failure, &failure);
	return ROUTE_UNKNOWN;
}

/* A client whose connection broke asks where to go on, often before the end of the old connection
 * was seen here: that is let in first. */
static void let_old_connection_end(const struct request *request)
{
	static const struct timespec moment = {.tv_nsec = 50 * 1000 * 1000};

	if (request->route.method == ROUTE_GET)
		nanosleep(&moment, NULL);
}

static enum route_error take_existing(struct request *request)
{
	struct error failure = {0};
	enum route_error rc;

	let_old_connection_end(request);
	if (uploads_take(request->server, request->account, request->route.repository,
		request->route.reference, &request->upload, &failure) == 0)
		return ROUTE_OK;
	rc = failure.kind == ERROR_LOCKED ? ROUTE_TOOMANYREQUESTS : ROUTE_BLOB_UPLOAD_UNKNOWN;
	error_release(&failure);
	request->upload = NULL;
	return rc;
}

enum route_error begin_upload(struct request *request)
{
	enum route_method method = request->route.method;
	enum route_error rc;

	if (method == ROUTE_POST)
		return begin_post(request);
	rc = take_existing(request);
	if (rc != ROUTE_OK || (method != ROUTE_PATCH && method != ROUTE_PUT))
		return rc;
	if (method == ROUTE_PUT && !has_digest(request)) {
		error_set(&request->failure, ERROR_PROTOCOL, "the last request needs ?digest=");
		return ROUTE_DIGEST_INVALID;
	}
	return check_range(request);
}

void release_upload(struct request *request)
{
	if (request->upload != NULL)
		uploads_give_back(&request->server->uploads, steal_ptr(request->upload));
}

/* --- the body */

static int add(struct request *request, const char *data, size_t len, struct error *err)
{
	struct blob_upload *upload = request->upload;

	if (upload->writer == NULL) {
		if (blob_begin(request->server->store, BLOB_AS_IS, &upload->writer, err) < 0)
			return -1;
		if (request_length(request) != UINT64_MAX)
			blob_expect(upload->writer, request_length(request));
	}
	return blob_write(upload->writer, data, len, err);
}

/* What goes wrong is told when the body is over: before, the client would not listen. */
void take_upload(struct request *request, const char *data, size_t len)
{
	if (request->route.method != ROUTE_PATCH && request->route.method != ROUTE_PUT &&
	    !has_digest(request))
		return;
	if (request->received > request->expected) {
		error_set(&request->failure, ERROR_PROTOCOL, "more came than Content-Range says");
		request->refusal = ROUTE_SIZE_INVALID;
		return;
	}
	if (add(request, data, len, &request->failure) == 0)
		return;
	request->refusal = ROUTE_BLOB_UPLOAD_INVALID;
	/* Nothing comes of it any more, and while it is there, no gc makes room. */
	uploads_remove(&request->server->uploads, steal_ptr(request->upload));
}

/* --- answers */

static void upload_headers(struct MHD_Response *response, const struct blob_upload *upload)
{
	uint64_t size = blob_upload_size(upload);

	response_header(response, MHD_HTTP_HEADER_LOCATION, "/v2/%s/blobs/uploads/%s",
	    upload->repository, upload->id);
	response_header(response, "Docker-Upload-UUID", "%s", upload->id);
	/* As docker's registry says it, of nothing, too. */
	response_header(response, MHD_HTTP_HEADER_RANGE, "0-%llu",
	    (unsigned long long)(size > 0 ? size - 1 : 0));
}

static enum MHD_Result reply_upload(struct request *request, unsigned int status)
{
	struct MHD_Response *response = response_empty();

	if (response != NULL)
		upload_headers(response, request->upload);
	return reply(request, status, response);
}

enum MHD_Result reply_out_of_order(struct request *request)
{
	return reply_upload(request, MHD_HTTP_RANGE_NOT_SATISFIABLE);
}

static enum MHD_Result reply_created(struct request *request, const char *digest)
{
	struct MHD_Response *response = response_empty();

	response_header(response, MHD_HTTP_HEADER_LOCATION, "/v2/%s/blobs/%s",
	    request->route.repository, digest);
	response_header(response, "Docker-Content-Digest", "%s", digest);
	return reply(request, MHD_HTTP_CREATED, response);
}

static int commit(struct request *request, const char *digest, struct error *err)
{
	struct store *store = request->server->store;
	struct blob_upload *upload = request->upload;
	struct blob_info info;

	if (upload->writer == NULL && blob_begin(store, BLOB_AS_IS, &upload->writer, err) < 0)
		return -1;
	if (blob_commit(steal_ptr(upload->writer), digest, &info, err) < 0)
		return -1;
	return store_blob_link(store, request->route.repository, digest, err);
}

/* However it ends, the upload is over. */
static enum MHD_Result end_whole(struct request *request)
{
	const char *digest = request_argument(request, "digest");
	struct error failure = {0};
	int rc = commit(request, digest, &failure);

	uploads_remove(&request->server->uploads, steal_ptr(request->upload));
	if (rc < 0)
		return reply_failure(request, &failure, ROUTE_UNKNOWN, ROUTE_DIGEST_INVALID);
	return reply_created(request, digest);
}

/* A mount that cannot be done is an upload like any other. */
static bool mount(struct request *request, const char *digest)
{
	const char *from = request_argument(request, "from");
	struct store *store = request->server->store;
	struct blob_info info;

	return from != NULL && digest_is_text(digest) && route_is_name(from, strlen(from)) &&
	       account_may_see(request->account, from) &&
	       store_blob_in(store, from, digest, &info, NULL) == 0 &&
	       store_blob_link(store, request->route.repository, digest, NULL) == 0;
}

static enum MHD_Result end_post(struct request *request)
{
	const char *wanted = request_argument(request, "mount");

	if (wanted != NULL && mount(request, wanted)) {
		uploads_remove(&request->server->uploads, steal_ptr(request->upload));
		return reply_created(request, wanted);
	}
	if (has_digest(request))
		return end_whole(request);
	return reply_upload(request, MHD_HTTP_ACCEPTED);
}

enum MHD_Result end_upload(struct request *request)
{
	if (request->expected != UINT64_MAX && request->received < request->expected)
		return reply_error(request, ROUTE_SIZE_INVALID, NULL);
	switch (request->route.method) {
	case ROUTE_POST:
		return end_post(request);
	case ROUTE_PUT:
		return end_whole(request);
	case ROUTE_PATCH:
		return reply_upload(request, MHD_HTTP_ACCEPTED);
	case ROUTE_DELETE:
		uploads_remove(&request->server->uploads, steal_ptr(request->upload));
		return reply(request, MHD_HTTP_NO_CONTENT, response_empty());
	default:
		return reply_upload(request, MHD_HTTP_NO_CONTENT);
	}
}
