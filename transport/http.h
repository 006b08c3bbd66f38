/* HTTP/1.1 over a Unix socket or plain TCP, by libcurl: what the engine's and the registry's client
 * stand on.
 *
 * A `struct http` is one server and the connection kept alive to it; one thread uses it at a time.
 * Every call is bounded: 10 s to connect, a deadline, a stall clock, a limit on the body. What is
 * under way ends at once when `cancel_fd` becomes readable. Proxies named in the environment are
 * never used. Failures of the transport are ERROR_UNREACHABLE (no connection, or it broke),
 * ERROR_TIMEOUT, ERROR_CANCELLED, ERROR_PROTOCOL (not HTTP, or too long) and ERROR_MEMORY. */
#ifndef SHIPIT_TRANSPORT_HTTP_H
#define SHIPIT_TRANSPORT_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct http;

/* `address`: a Unix socket's path (starts with '/') or "http://HOST:PORT". Nothing is connected
 * before the first call. `cancel_fd`: -1 for none. */
int http_open(const char *address, int cancel_fd, struct http **ret, struct error *err);
void http_close(struct http *http);
int http_cancel_fd(const struct http *http); /* -1: none */
void http_set_cancel(struct http *http, int cancel_fd);
/* From now on with TLS, and without asking whose certificate it is. */
void http_set_tls(struct http *http);
/* Of the line "NAME: VALUE" of a head, when it has this name: the value, cut at `size`. */
void http_take_header(const char *line, size_t len, const char *name, char *out, size_t size);

enum http_sink {
	HTTP_MOVED = 0, /* go on */
	HTTP_IDLE = 1,	/* go on, but these bytes say that nothing moved: the stall clock runs on */
	HTTP_DONE = 2,	/* enough was seen: drop the connection, the call succeeds */
	HTTP_FAILED = -1 /* `err` is filled in: drop the connection, the call fails with it */
};

/* Takes a piece of the body of an answer that says 2xx. */
typedef enum http_sink http_sink_fn(void *context, const char *data, size_t len, struct error *err);

/* A body that is read from a descriptor (a file, a pipe, a socket) as it is sent, chunked. */
struct http_source {
	int fd;
	void (*sent)(void *context, uint64_t total); /* bytes so far; may be NULL */
	void *context;
};

enum { HTTP_BODY_MAX = 32 * 1024 * 1024, HTTP_TOTAL_MS = 60 * 1000 };

struct http_request {
	const char *method;
	const char *target;	    /* "/v1.41/info?x=y", escaped already */
	const char *const *headers; /* "Name: value", NULL at the end; may be NULL */
	const void *body;	    /* NULL: none */
	size_t body_len;
	const struct http_source *source; /* instead of `body` */
	int64_t deadline_ms;		  /* base/clock.h; 0: HTTP_TOTAL_MS from now; -1: none */
	int stall_ms;	    /* nothing moved for so long: ERROR_TIMEOUT; 0: no limit */
	int cancel_fd;	    /* ends this call as the connection's own does; 0: none */
	size_t max_body;    /* 0: HTTP_BODY_MAX; what a sink takes is not counted */
	http_sink_fn *sink; /* NULL: the body is collected */
	bool bulk;	    /* the sink takes a lot: give it larger pieces */
	struct buf *head;   /* the answer's header lines are added, as many as fit; NULL */
	void *context;
};

struct http_response {
	int status;
	struct buf body; /* what no sink took: all of it, or an error's body (cut at 64 KiB) */
	char content_type[96]; /* lower case, parameters cut off */
	char digest[96];       /* Docker-Content-Digest; empty when there is none */
};

/* Send it and take the answer, whatever its status. `ret` is released by the caller, also after a
 * failure. */
int http_perform(struct http *http, const struct http_request *request, struct http_response *ret,
    struct error *err);
/* Overwrites the body too: inspecting a container shows secrets. */
void http_response_release(struct http_response *response);

/* Set `err` for an answer that is not what was asked for: the server's own words whole ("message",
 * a registry's "errors", else the text), kind by status: 404 ERROR_NOT_FOUND, 409 ERROR_CONFLICT,
 * else ERROR_FAILED; code is the status. Returns -1. */
int http_status_error(const struct http_response *response, struct error *err);

/* Append `text` percent-encoded (RFC 3986 §2.1): all but unreserved bytes and those in `keep`. */
int http_escape(struct buf *out, const char *text, const char *keep);

#endif
