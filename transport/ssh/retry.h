/* Trying again where a host has too many logins at once (MaxStartups), which passes. */
#ifndef SHIPIT_TRANSPORT_SSH_RETRY_H
#define SHIPIT_TRANSPORT_SSH_RETRY_H

#include <stdint.h>

#include "base/error.h"

/* Wait before the try after the one numbered `attempt` (0, 1, ...), longer each time. -1: no more
 * tries; `err` is left as it is, or is ERROR_CANCELLED. */
int retry_wait(int attempt, int cancel_fd, int64_t deadline_ms, struct error *err);

#endif
