/* Where the hosts of a rollout wait for each other. Gates are passed in order; each opens when
 * every party has voted on it or has left, and says whether to go on: yes, unless they were refused
 * before. */
#ifndef SHIPIT_DEPLOY_GATE_H
#define SHIPIT_DEPLOY_GATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct gates;

/* Called once for each gate, by the last one to arrive, before it opens; false closes it. */
typedef bool gate_fn(void *context, size_t gate);

int gates_new(size_t parties, size_t n, gate_fn *decide, void *context, struct gates **ret,
    struct error *err);
void gates_free(struct gates *gates);

void gates_vote(struct gates *gates, size_t gate);
/* Wait at most `wait_ms` (-1: for ever) for it to open; true when it has, `ret_go`: to go on. */
bool gates_wait(struct gates *gates, size_t gate, int wait_ms, bool *ret_go);
/* Vote and wait. */
bool gates_pass(struct gates *gates, size_t gate);
/* One party goes away after having voted on the first `voted` gates: nobody waits for it. */
void gates_leave(struct gates *gates, size_t voted);
/* From now on all that are not open say no. */
void gates_refuse(struct gates *gates);

#endif
