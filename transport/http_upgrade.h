/* A request that turns its connection into a stream of bytes (RFC 9110 §7.8): what the engine calls
 * hijacking. */
#ifndef SHIPIT_TRANSPORT_HTTP_UPGRADE_H
#define SHIPIT_TRANSPORT_HTTP_UPGRADE_H

#include "base/error.h"

/* POST `body` (JSON) to `target` at `address` (as http_open's) and take the answer's head. Returns
 * the connection, close-on-exec and non-blocking: what comes next is the stream's. -1: errors as
 * http_perform's, and for an answer other than 101 and 200 as http_status_error's. */
int http_upgrade(
    const char *address, const char *target, const char *body, int cancel_fd, struct error *err);

#endif
