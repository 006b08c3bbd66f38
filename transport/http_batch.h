/* Several GET requests in one round trip: HTTP/1.1 pipelining (RFC 9112 §9.3.2), which libcurl no
 * longer does. They leave in one piece and are answered in order, over a connection of their own
 * that is kept for the next time; on a link of 200 ms that is what makes looking at a host quick.
 *
 * Used by one thread at a time. Where the server closes the connection before all are answered,
 * those that are left are asked again, over a new one; when it answered none of them, one by one.
 * Two new connections in a row without an answer are an error. */
#ifndef SHIPIT_TRANSPORT_HTTP_BATCH_H
#define SHIPIT_TRANSPORT_HTTP_BATCH_H

#include <stddef.h>

#include "base/error.h"
#include "transport/http.h"

struct http_batch;

/* `address` and `cancel_fd` as http_open's. Nothing is connected before the first call. */
int http_batch_open(const char *address, int cancel_fd, struct http_batch **ret, struct error *err);
/* Takes NULL. */
void http_batch_close(struct http_batch *batch);
void http_batch_set_cancel(struct http_batch *batch, int cancel_fd);

/* `targets`: n of them, escaped already ("/v1.41/info"). `ret`: n responses, each released by the
 * caller, also after a failure; their status may be anything. At most `max_body` bytes for each (0:
 * HTTP_BODY_MAX); HTTP_TOTAL_MS for each. Errors as http_perform's. */
int http_batch_get(struct http_batch *batch, const char *const *targets, size_t n, size_t max_body,
    struct http_response *ret, struct error *err);

#endif
