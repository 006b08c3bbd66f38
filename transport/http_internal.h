/* What both clients of HTTP (http.c by libcurl, http_batch.c) make of an answer. */
#ifndef SHIPIT_TRANSPORT_HTTP_INTERNAL_H
#define SHIPIT_TRANSPORT_HTTP_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "transport/http.h"

enum { HTTP_CONNECT_MS = 10 * 1000 };

/* `max_body`: 0: HTTP_BODY_MAX. */
void http_response_init(struct http_response *response, size_t max_body);
/* Take what is wanted of a line of the head. */
void http_response_take_line(struct http_response *response, const char *line, size_t len);
/* Collect a piece of the body: a good answer's whole or not at all, of an error's what fits.
 * ERROR_PROTOCOL when it is too long. */
int http_response_add(
    struct http_response *response, const char *data, size_t len, bool good, struct error *err);
/* ERROR_PROTOCOL: the body is longer than its limit. Returns -1. */
int http_response_too_long(const struct http_response *response, struct error *err);

#endif
