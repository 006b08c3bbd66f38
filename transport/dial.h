/* A TCP connection to whichever address of a host answers. */
#ifndef SHIPIT_TRANSPORT_DIAL_H
#define SHIPIT_TRANSPORT_DIAL_H

#include <netdb.h>
#include <stdint.h>

#include "base/error.h"

/* The first address that answers; the next one is tried when one fails or 300 ms have passed, so a
 * dead IPv6 route costs no more than that. `from`: addresses to come from (NULL: any). Returns the
 * descriptor, close-on-exec and non-blocking, or -1: ERROR_UNREACHABLE (code: errno),
 * ERROR_TIMEOUT, ERROR_CANCELLED. */
int dial(const struct addrinfo *addresses, const struct addrinfo *from, int64_t deadline_ms,
    int cancel_fd, struct error *err);

#endif
