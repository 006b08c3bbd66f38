/* Pull: manifests and blobs (distribution-spec, "Pull"). */
#include <string.h>

#include "transport/registry/range.h"
#include "transport/registry/server_internal.h"

/* --- manifests */

enum MHD_Result get_manifest(struct request *request)
{
	const struct route *route = &request->route;
	struct stored_manifest manifest = {0};
	struct error failure = {0};
	struct MHD_Response *response;
	const struct offer *offer =
	    offers_find(&request->server->offers, route->repository, route->reference, false);

	if (offer != NULL)
		return reply_offer(request, offer);
	if (store_manifest_get(request->server->store, route->repository, route->reference,
		&manifest, &failure) < 0)
		return reply_failure(request, &failure, ROUTE_MANIFEST_UNKNOWN, ROUTE_UNKNOWN);
	response =
	    MHD_create_response_from_buffer(manifest.len, manifest.data, MHD_RESPMEM_MUST_COPY);
	if (response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "%s", manifest.media_type) &&
	    response_header(response, "Docker-Content-Digest", "%s", manifest.digest) &&
	    route->method == ROUTE_GET)
		request_sent(request, manifest.len);
	stored_manifest_release(&manifest);
	return reply(request, MHD_HTTP_OK, response);
}

/* --- blobs */

/* One that is on its way. */
struct giving {
	struct server *server;
	struct request *request; /* it goes before this */
	struct blob_reader *reader;
	struct blob_info info;
	struct range range;
	struct digest *digest; /* it goes out whole for the first time: what went so far */
};

static void giving_free(void *context)
{
	struct giving *giving = context;

	if (giving == NULL)
		return;
	atomic_fetch_sub(&giving->server->giving, 1);
	blob_close(giving->reader);
	digest_free(giving->digest);
	free(giving);
}

/* Of a blob that is not what it should be the last piece is never sent: no client takes it. */
static int prove(struct giving *giving, const char *data, size_t len, bool last, struct error *err)
{
	unsigned char raw[DIGEST_RAW_SIZE];
	char text[DIGEST_TEXT_SIZE];

	if (giving->digest == NULL)
		return 0;
	if (digest_add(giving->digest, data, len, err) < 0)
		return -1;
	if (!last)
		return 0;
	if (digest_so_far(giving->digest, raw, err) < 0)
		return -1;
	digest_text_of(raw, text);
	if (strcmp(text, giving->info.digest) != 0)
		return error_set(err, ERROR_PROTOCOL, "blob %s is %s", giving->info.digest, text);
	proven_add(&giving->server->proven, text);
	return 0;
}

static ssize_t give(void *context, uint64_t at, char *data, size_t room)
{
	struct giving *giving = context;
	uint64_t left = giving->range.length - at;
	size_t want = room < left ? room : (size_t)left, have = 0;

	if (want == 0)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (want > limiter_piece(giving->server->limiter))
		want = limiter_piece(giving->server->limiter);
	if (limiter_take(giving->server->limiter, want, -1) < 0)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	while (have < want) {
		ssize_t n = blob_read(giving->reader, giving->range.start + at + have, data + have,
		    want - have, NULL);

		if (n <= 0)
			break;
		have += (size_t)n;
	}
	if (have < want || prove(giving, data, have, have == left, NULL) < 0) {
		giving->request->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
		return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	request_sent(giving->request, have);
	return (ssize_t)have;
}

static int open_giving(
    struct request *request, const struct range *range, struct giving **ret, struct error *err)
{
	struct giving *giving = calloc(1, sizeof(*giving));
	bool whole;

	if (giving == NULL)
		return error_memory(err);
	giving->server = request->server;
	giving->request = request;
	atomic_fetch_add(&request->server->giving, 1);
	giving->range = *range;
	if (blob_open(request->server->store, request->route.reference, &giving->reader,
		&giving->info, err) < 0) {
		giving_free(giving);
		return -1;
	}
	whole = range->start == 0 && range->length == giving->info.size;
	if (whole && proven_has(&request->server->proven, giving->info.digest)) {
		blob_trust(giving->reader);
	} else if (whole && digest_new(&giving->digest, err) < 0) {
		giving_free(giving);
		return -1;
	}
	*ret = giving;
	return 0;
}

static ssize_t give_nothing(
    void *context UNUSED, uint64_t at UNUSED, char *data UNUSED, size_t room UNUSED)
{
	return MHD_CONTENT_READER_END_OF_STREAM;
}

static struct MHD_Response *blob_response(
    struct request *request, const struct range *range, struct error *err)
{
	struct giving *giving = NULL;
	struct MHD_Response *response;
	size_t block;

	if (request->route.method == ROUTE_HEAD)
		return MHD_create_response_from_callback(
		    range->length, 1, give_nothing, NULL, NULL);
	if (range->length == 0)
		return response_empty();
	if (open_giving(request, range, &giving, err) < 0)
		return NULL;
	block = atomic_load(&request->server->giving) <= SERVER_BLOCKS_MAX ? SERVER_BLOCK
									   : SERVER_BLOCK_SMALL;
	response =
	    MHD_create_response_from_callback(range->length, block, give, giving, giving_free);
	if (response == NULL)
		giving_free(giving);
	return response;
}

static enum MHD_Result unfitting(struct request *request, uint64_t size)
{
	struct MHD_Response *response = response_empty();

	response_header(
	    response, MHD_HTTP_HEADER_CONTENT_RANGE, "bytes */%llu", (unsigned long long)size);
	return reply(request, MHD_HTTP_RANGE_NOT_SATISFIABLE, response);
}

enum MHD_Result get_blob(struct request *request)
{
	const struct route *route = &request->route;
	struct blob_info info;
	struct error failure = {0};
	struct range range;
	enum range_kind kind;
	struct MHD_Response *response;
	const struct offer *offer =
	    offers_find(&request->server->offers, route->repository, route->reference, true);

	if (offer != NULL)
		return reply_offer(request, offer);
	if (store_blob_in(
		request->server->store, route->repository, route->reference, &info, &failure) < 0)
		return reply_failure(request, &failure, ROUTE_BLOB_UNKNOWN, ROUTE_UNKNOWN);
	/* Range is defined for GET alone (RFC 9110 §14.2). */
	kind = range_parse(
	    route->method == ROUTE_GET ? request_header(request, MHD_HTTP_HEADER_RANGE) : NULL,
	    info.size, &range);
	if (kind == RANGE_UNFITTING)
		return unfitting(request, info.size);
	response = blob_response(request, &range, &failure);
	if (response == NULL && failure.kind != ERROR_NONE)
		return reply_failure(request, &failure, ROUTE_BLOB_UNKNOWN, ROUTE_UNKNOWN);
	response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
	response_header(response, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
	response_header(response, "Docker-Content-Digest", "%s", info.digest);
	if (kind == RANGE_PART)
		response_header(response, MHD_HTTP_HEADER_CONTENT_RANGE, "bytes %llu-%llu/%llu",
		    (unsigned long long)range.start,
		    (unsigned long long)(range.start + range.length - 1),
		    (unsigned long long)info.size);
	return reply(
	    request, kind == RANGE_PART ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK, response);
}
