/* One POST to a server of the user's choice, as chat services take it: HTTPS with its certificate
 * checked, proxies of the environment, no redirects. */
#ifndef SHIPIT_TRANSPORT_WEBHOOK_H
#define SHIPIT_TRANSPORT_WEBHOOK_H

#include <stdint.h>

#include "base/error.h"

/* Post `json`; what is answered is not read. Ends by `deadline_ms`, or when `cancel_fd` (-1: none)
 * is readable. Errors name the server alone: the rest of the URL is as good as a password.
 * ERROR_FAILED: it answered with something else than 2xx. */
int webhook_post(
    const char *url, const char *json, int64_t deadline_ms, int cancel_fd, struct error *err);

#endif
