/* Where an HTTP server is, and a connection to it. */
#ifndef SHIPIT_TRANSPORT_HTTP_ADDRESS_H
#define SHIPIT_TRANSPORT_HTTP_ADDRESS_H

#include <stdint.h>

#include "base/error.h"

struct http_address {
	char *text;   /* as it was given */
	char *socket; /* a Unix socket's path; NULL: TCP */
	char *base;   /* "http://HOST:PORT" or "http://localhost" */
};

/* `text`: a Unix socket's path (starts with '/') or "http://HOST:PORT". `ret` is released by the
 * caller, also after a failure. */
int http_address_take(struct http_address *ret, const char *text, struct error *err);
void http_address_release(struct http_address *address);

/* What the header Host says. */
const char *http_address_host(const struct http_address *address);
/* Of TCP: the host without brackets, malloc'ed, and the port, 80 where none is named. */
int http_address_split(
    const struct http_address *address, char **ret_host, int *ret_port, struct error *err);
/* A connection: close-on-exec, non-blocking, without Nagle. Returns the descriptor, or -1:
 * ERROR_UNREACHABLE (code: errno), after `deadline_ms` too; ERROR_CANCELLED. */
int http_address_connect(
    const struct http_address *address, int64_t deadline_ms, int cancel_fd, struct error *err);

#endif
