/* What a server says in words, and what we say to it in a target. */
#include "transport/http.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"

enum { WORDS_MAX = 4096 };

void http_take_header(const char *line, size_t len, const char *name, char *out, size_t size)
{
	size_t skip = strlen(name), n = 0;

	if (len <= skip || strncasecmp(line, name, skip) != 0 || line[skip] != ':')
		return;
	for (skip++; skip < len && (line[skip] == ' ' || line[skip] == '\t'); skip++)
		;
	while (skip < len && n + 1 < size && line[skip] > ' ' && line[skip] != ';')
		out[n++] = line[skip++];
	out[n] = '\0';
}

/* The member that holds the words: Docker and podman "message", a registry "errors"[0]. */
static const char *words_in(const json_t *body)
{
	const json_t *first = json_array_get(json_object_get(body, "errors"), 0);
	const char *words = json_str(body, "message", NULL);

	if (words == NULL)
		words = json_str(first, "message", json_str(first, "code", NULL));
	return words;
}

static enum error_kind kind_of(int status)
{
	switch (status) {
	case 404:
		return ERROR_NOT_FOUND;
	case 409:
		return ERROR_CONFLICT;
	default:
		return ERROR_FAILED;
	}
}

int http_status_error(const struct http_response *response, struct error *err)
{
	CLEANUP_JSON json_t *body = json_loadb(response->body.data, response->body.len, 0, NULL);
	const char *words = words_in(body);
	size_t len = response->body.len;

	while (len > 0 && isspace((unsigned char)response->body.data[len - 1]))
		len--;
	if (words != NULL && words[0] != '\0')
		error_set(err, kind_of(response->status), "%s", words);
	else if (len > 0)
		error_set(err, kind_of(response->status), "answered %d: %.*s", response->status,
		    len > WORDS_MAX ? WORDS_MAX : (int)len, response->body.data);
	else
		error_set(
		    err, kind_of(response->status), "answered %d without a word", response->status);
	if (err != NULL && err->kind != ERROR_MEMORY)
		err->code = response->status;
	return -1;
}

int http_escape(struct buf *out, const char *text, const char *keep)
{
	for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
		bool plain = (*c < 0x80 && isalnum(*c)) || strchr("-._~", *c) != NULL ||
			     strchr(keep, *c) != NULL;

		if ((plain ? buf_addc(out, (char)*c) : buf_addf(out, "%%%02X", *c)) < 0)
			return -1;
	}
	return 0;
}
