#include <ctype.h>
#include <string.h>

#include "transport/http_internal.h"

enum { ERROR_BODY_MAX = 64 * 1024, FIRST_CAP = 4096 };

void http_response_init(struct http_response *response, size_t max_body)
{
	*response = (struct http_response){.status = 0};
	buf_init(&response->body, max_body != 0 ? max_body : HTTP_BODY_MAX);
}

void http_response_release(struct http_response *response)
{
	buf_wipe(&response->body);
}

void http_response_take_line(struct http_response *response, const char *line, size_t len)
{
	http_take_header(
	    line, len, "Content-Type", response->content_type, sizeof(response->content_type));
	for (char *c = response->content_type; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	http_take_header(
	    line, len, "Docker-Content-Digest", response->digest, sizeof(response->digest));
}

int http_response_too_long(const struct http_response *response, struct error *err)
{
	return error_set(
	    err, ERROR_PROTOCOL, "the answer is longer than %zu bytes", response->body.max);
}

/* Room for `more` bytes that are known to fit; realloc() would leave a copy of secrets behind. */
static int reserve_wiping(struct buf *body, size_t more)
{
	size_t need = body->len + more + 1, cap = body->cap < FIRST_CAP ? FIRST_CAP : body->cap;
	struct buf larger = *body;

	if (need <= body->cap)
		return 0;
	while (cap < need)
		cap *= 2;
	larger.data = malloc(cap);
	if (larger.data == NULL)
		return -1;
	larger.cap = cap;
	memcpy(larger.data, body->data, body->len + 1);
	buf_wipe(body);
	*body = larger;
	return 0;
}

int http_response_add(
    struct http_response *response, const char *data, size_t len, bool good, struct error *err)
{
	struct buf *body = &response->body;
	size_t most = good || body->max < ERROR_BODY_MAX ? body->max : ERROR_BODY_MAX;
	size_t room = body->len < most ? most - body->len : 0;

	if (len > room && good)
		return http_response_too_long(response, err);
	if (len > room)
		len = room;
	if (reserve_wiping(body, len) < 0 || buf_add(body, data, len) < 0)
		return error_memory(err);
	return 0;
}
