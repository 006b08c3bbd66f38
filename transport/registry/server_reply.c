/* Answers, and the errors of the spec. */
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <string.h>

#include "base/json.h"
#include "transport/registry/server_internal.h"

static const struct {
	const char *code;
	unsigned int status;
	const char *message;
} errors[] = {
    [ROUTE_BLOB_UNKNOWN] = {"BLOB_UNKNOWN", 404, "blob unknown to registry"},
    [ROUTE_BLOB_UPLOAD_INVALID] = {"BLOB_UPLOAD_INVALID", 400, "blob upload invalid"},
    [ROUTE_BLOB_UPLOAD_UNKNOWN] = {"BLOB_UPLOAD_UNKNOWN", 404, "blob upload unknown to registry"},
    [ROUTE_DIGEST_INVALID] = {"DIGEST_INVALID", 400,
	"provided digest did not match uploaded content"},
    [ROUTE_MANIFEST_BLOB_UNKNOWN] = {"MANIFEST_BLOB_UNKNOWN", 400,
	"manifest references a manifest or blob unknown to registry"},
    [ROUTE_MANIFEST_INVALID] = {"MANIFEST_INVALID", 400, "manifest invalid"},
    [ROUTE_MANIFEST_UNKNOWN] = {"MANIFEST_UNKNOWN", 404, "manifest unknown to registry"},
    [ROUTE_NAME_INVALID] = {"NAME_INVALID", 400, "invalid repository name"},
    [ROUTE_NAME_UNKNOWN] = {"NAME_UNKNOWN", 404, "repository name not known to registry"},
    [ROUTE_SIZE_INVALID] = {"SIZE_INVALID", 400, "provided length did not match content length"},
    [ROUTE_UNAUTHORIZED] = {"UNAUTHORIZED", 401, "authentication required"},
    [ROUTE_DENIED] = {"DENIED", 403, "requested access to the resource is denied"},
    [ROUTE_UNSUPPORTED] = {"UNSUPPORTED", 405, "the operation is unsupported"},
    [ROUTE_TOOMANYREQUESTS] = {"TOOMANYREQUESTS", 429, "too many requests"},
    [ROUTE_TOO_LARGE] = {"SIZE_INVALID", 413, "more than is taken"},
    [ROUTE_NO_ENDPOINT] = {"UNSUPPORTED", 404, "no endpoint of the registry API"},
    [ROUTE_UNKNOWN] = {"UNKNOWN", 500, "unknown error"},
};

struct MHD_Response *response_text(char *text, const char *type)
{
	struct MHD_Response *response;

	if (text == NULL)
		return NULL;
	response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (response == NULL)
		free(text);
	else if (!response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "%s", type)) {
		MHD_destroy_response(response);
		return NULL;
	}
	return response;
}

struct MHD_Response *response_empty(void)
{
	return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
}

bool response_header(struct MHD_Response *response, const char *name, const char *format, ...)
{
	CLEANUP_FREE char *value = NULL;
	va_list args;
	int len;

	if (response == NULL)
		return false;
	va_start(args, format);
	len = vasprintf(&value, format, args);
	va_end(args);
	if (len < 0) {
		value = NULL;
		return false;
	}
	return MHD_add_response_header(response, name, value) == MHD_YES;
}

enum MHD_Result reply(struct request *request, unsigned int status, struct MHD_Response *response)
{
	enum MHD_Result rc = MHD_NO;

	if (response == NULL)
		return MHD_NO;
	request->status = status;
	if (response_header(response, "Docker-Distribution-Api-Version", "registry/2.0"))
		rc = MHD_queue_response(request->connection, status, response);
	MHD_destroy_response(response);
	return rc;
}

static char *error_body(const char *code, const char *message, const char *detail)
{
	CLEANUP_JSON json_t *body = NULL;

	/* What is no UTF-8 is not repeated. */
	body = detail != NULL ? json_pack("{s:[{s:s,s:s,s:s}]}", "errors", "code", code, "message",
				    message, "detail", detail)
			      : NULL;
	if (body == NULL)
		body = json_pack("{s:[{s:s,s:s}]}", "errors", "code", code, "message", message);
	return body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
}

/* What is wrong, in detail, if that can be told. */
static char *make_body(enum route_error code, const char *message)
{
	const char *words = errors[code].message;
	char *body = error_body(errors[code].code, message != NULL ? message : words, NULL);

	return body != NULL ? body : error_body(errors[code].code, words, NULL);
}

enum MHD_Result reply_error_as(
    struct request *request, unsigned int status, enum route_error code, const char *message)
{
	struct MHD_Response *response =
	    response_text(make_body(code, message), "application/json; charset=utf-8");
	char methods[ROUTE_METHODS_SIZE];

	if (code == ROUTE_UNAUTHORIZED)
		response_header(
		    response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Basic realm=\"shipit\"");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
		route_methods(request->allowed, methods);
		response_header(response, MHD_HTTP_HEADER_ALLOW, "%s", methods);
	}
	return reply(request, status, response);
}

enum MHD_Result reply_error(struct request *request, enum route_error code, const char *message)
{
	return reply_error_as(request, errors[code].status, code, message);
}

static unsigned int failure_status(const struct error *failure)
{
	if (failure->kind == ERROR_TIMEOUT)
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	return MHD_HTTP_INTERNAL_SERVER_ERROR;
}

/* Of a 5xx docker shows no words, and tries five times; of DENIED it shows them, at once. */
static bool is_full(const struct error *failure)
{
	return failure->kind == ERROR_SYSTEM &&
	       (failure->code == ENOSPC || failure->code == EDQUOT);
}

enum MHD_Result reply_failure(struct request *request, struct error *failure,
    enum route_error not_found, enum route_error invalid)
{
	enum MHD_Result rc;

	if (failure->kind == ERROR_NOT_FOUND && not_found != ROUTE_UNKNOWN)
		rc = reply_error(request, not_found, error_text(failure));
	else if (failure->kind == ERROR_PROTOCOL && invalid != ROUTE_UNKNOWN)
		rc = reply_error(request, invalid, error_text(failure));
	else if (is_full(failure))
		rc = reply_error_as(
		    request, MHD_HTTP_CONTENT_TOO_LARGE, ROUTE_DENIED, error_text(failure));
	else
		rc = reply_error_as(
		    request, failure_status(failure), ROUTE_UNKNOWN, error_text(failure));
	error_release(failure);
	return rc;
}
