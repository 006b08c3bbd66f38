/* From a name to addresses, within a time. */
#ifndef SHIPIT_TRANSPORT_RESOLVE_H
#define SHIPIT_TRANSPORT_RESOLVE_H

#include <netdb.h>
#include <stdint.h>

#include "base/error.h"

/* getaddrinfo on a thread of its own, since it cannot be interrupted: after `deadline_ms` or
 * `cancel_fd` the thread is left to end alone. Freed with freeaddrinfo. */
int resolve_host(const char *host, int port, int family, int64_t deadline_ms, int cancel_fd,
    struct addrinfo **ret, struct error *err);

#endif
