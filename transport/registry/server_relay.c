/* A server that is a window on another registry: GET and HEAD of manifests and blobs pass. */
#include <stdio.h>
#include <strings.h>

#include "transport/registry/relay.h"
#include "transport/registry/server_internal.h"

enum { BLOCK = 64 * 1024 };

struct passing {
	struct request *request;
	struct relay *relay;
};

static void passing_free(void *context)
{
	struct passing *passing = context;

	if (passing == NULL)
		return;
	relay_close(passing->relay);
	free(passing);
}

static ssize_t pass(void *context, uint64_t at UNUSED, char *data, size_t room)
{
	struct passing *passing = context;
	struct limiter *limiter = passing->request->server->limiter;
	ssize_t n;

	n = relay_read(passing->relay, data,
	    room < limiter_piece(limiter) ? room : limiter_piece(limiter), NULL);
	if (n > 0 && limiter_take(limiter, (size_t)n, -1) < 0)
		return MHD_CONTENT_READER_END_WITH_ERROR;

	if (n == 0)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (n < 0) {
		passing->request->status = MHD_HTTP_BAD_GATEWAY;
		return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	request_sent(passing->request, (size_t)n);
	return n;
}

static struct MHD_Response *pass_response(
    struct request *request, struct relay *relay, const struct relay_answer *answer)
{
	struct passing *passing = calloc(1, sizeof(*passing));
	struct MHD_Response *response;

	if (passing == NULL) {
		relay_close(relay);
		return NULL;
	}
	*passing = (struct passing){request, relay};
	response = MHD_create_response_from_callback(
	    answer->length >= 0 ? (uint64_t)answer->length : MHD_SIZE_UNKNOWN, BLOCK, pass, passing,
	    passing_free);
	if (response == NULL)
		passing_free(passing);
	for (size_t i = 0; response != NULL && i < RELAY_HEADERS; i++)
		if (*answer->headers[i].value != '\0')
			response_header(
			    response, answer->headers[i].name, "%s", answer->headers[i].value);
	return response;
}

static enum MHD_Result bad_gateway(struct request *request, const char *what)
{
	CLEANUP_FREE char *text =
	    string_printf("the registry %s: %s", request->server->upstream, what);

	return reply_error_as(request, MHD_HTTP_BAD_GATEWAY, ROUTE_UNKNOWN, text);
}

/* What a client may hear of the other registry's troubles: not that it wants credentials, which
 * would be asked of the client; and no redirect, which would lead it elsewhere. */
static bool may_pass(const struct relay_answer *answer)
{
	return (answer->status >= 200 && answer->status < 300) || answer->status == 404 ||
	       answer->status == MHD_HTTP_RANGE_NOT_SATISFIABLE ||
	       answer->status == MHD_HTTP_TOO_MANY_REQUESTS;
}

static enum MHD_Result add_accept(
    void *context, enum MHD_ValueKind kind UNUSED, const char *name, const char *value)
{
	struct buf *accept = context;

	if (strcasecmp(name, MHD_HTTP_HEADER_ACCEPT) != 0 || value == NULL)
		return MHD_YES;
	return buf_addf(accept, "%s%s", accept->len > 0 ? ", " : "", value) == 0 ? MHD_YES : MHD_NO;
}

/* Docker sends a line for each type. */
static const char *all_accepted(struct request *request, struct buf *accept)
{
	MHD_get_connection_values(request->connection, MHD_HEADER_KIND, add_accept, accept);
	return accept->len > 0 ? accept->data : NULL;
}

static enum MHD_Result pass_on(struct request *request, const char *path)
{
	CLEANUP_FREE char *base = string_printf("http://%s", request->server->upstream);
	CLEANUP_BUF struct buf accept = BUF_INIT(SERVER_HEADER_MAX);
	struct relay_request wanted = {.path = path,
	    .head = request->route.method == ROUTE_HEAD,
	    .range = request_header(request, MHD_HTTP_HEADER_RANGE),
	    .cancel_fd = request->server->cancel.fd};
	struct error failure = {0};
	struct relay_answer answer;
	struct relay *relay;
	enum MHD_Result rc;
	char words[64];

	if (base == NULL)
		return MHD_NO;
	wanted.base = base;
	wanted.accept = all_accepted(request, &accept);
	if (relay_open(&wanted, &relay, &answer, &failure) < 0) {
		rc = bad_gateway(request, error_text(&failure));
		error_release(&failure);
		return rc;
	}
	if (may_pass(&answer))
		return reply(
		    request, (unsigned int)answer.status, pass_response(request, relay, &answer));
	relay_close(relay);
	snprintf(words, sizeof(words), "it answers with status %ld", answer.status);
	return bad_gateway(request, words);
}

enum MHD_Result relay_request(struct request *request)
{
	const struct route *route = &request->route;
	const char *kind = route->what == ROUTE_BLOB ? "blobs" : "manifests";
	CLEANUP_FREE char *path = NULL;

	if (route->what != ROUTE_BLOB && route->what != ROUTE_MANIFEST)
		return reply_error_as(request, MHD_HTTP_FORBIDDEN, ROUTE_DENIED, NULL);
	path = string_printf("/v2/%s/%s/%s", route->repository, kind, route->reference);
	return path != NULL ? pass_on(request, path) : MHD_NO;
}
