/* Which hosts of a deploy go together, and when a batch may begin. Hosts wait for their turn, one
 * thread (the conductor: rollout_batches.c) gives it. */
#ifndef SHIPIT_DEPLOY_BATCHES_H
#define SHIPIT_DEPLOY_BATCHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "inventory/inventory.h"

/* So many of `hosts`: a part is rounded up to be a batch, and down to be endured. Pure. */
size_t share_up(const struct share *share, size_t hosts);
size_t share_down(const struct share *share, size_t hosts);

/* Where each batch of `hosts` ends: the canaries, then the batches. `ret` is malloc'ed; at least
 * one when there is a host. Pure. */
int batches_cut(const struct rollout_policy *policy, size_t hosts, size_t **ret, size_t *ret_n,
    struct error *err);

/* What a batch of hosts may do: first get its images, then change what serves. */
enum turn { TURN_DELIVER, TURN_SWAP, N_TURNS };

struct turns;

int turns_new(size_t batches, struct turns **ret, struct error *err);
void turns_free(struct turns *turns);

/* A host of the batch waits; false: it is not to be any more. */
bool turns_wait(struct turns *turns, size_t batch, enum turn turn);
void turns_give(struct turns *turns, size_t batch, enum turn turn);
/* One more host of the batch is through with its images, or with all of it, in whatever way. */
void turns_done(struct turns *turns, size_t batch, enum turn turn);
/* The conductor waits until `hosts` are; false: turns_end was called. */
bool turns_await(struct turns *turns, size_t batch, enum turn turn, size_t hosts);
/* The conductor waits; false: turns_end was called meanwhile. */
bool turns_pause(struct turns *turns, int64_t ms);
/* No turn that was not given is given any more; nobody waits. */
void turns_end(struct turns *turns);

#endif
