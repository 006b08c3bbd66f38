/* A limit on bytes per second that many threads share: those who take are served in their order,
 * and all together get no more than the limit, but for a tenth of a second's worth at the
 * beginning and after a rest. */
#ifndef SHIPIT_BASE_LIMITER_H
#define SHIPIT_BASE_LIMITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct limiter;

/* `rate`: bytes per second, 1 or more. */
int limiter_new(uint64_t rate, struct limiter **ret, struct error *err);
void limiter_free(struct limiter *limiter); /* takes NULL; nobody may be waiting any more */

/* How much is best taken at once: about a twentieth of a second's worth, at least 1 KiB, so that
 * nobody waits long for another's piece. SIZE_MAX for NULL: no limit. */
size_t limiter_piece(const struct limiter *limiter);
/* Wait until `bytes` more may go. -1: limiter_stop() was called, or `cancel_fd` (-1: none) became
 * readable. With NULL there is no limit and no wait. */
int limiter_take(struct limiter *limiter, size_t bytes, int cancel_fd);
/* Whoever waits ends at once, and nobody waits from now on. Takes NULL. */
void limiter_stop(struct limiter *limiter);

#endif
