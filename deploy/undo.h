/* Which rollout does `rollback` take back? The one that was made last, as the hosts' ledgers have
 * it. Clocks are not asked: a rollout is later than another when some host has it later in its
 * ledger. Pure. */
#ifndef SHIPIT_DEPLOY_UNDO_H
#define SHIPIT_DEPLOY_UNDO_H

#include <stddef.h>

#include "base/error.h"
#include "deploy/ledger.h"

/* Both as ledger_rollout says. */
struct undo {
	char *rollout;	 /* what is taken back */
	char *continues; /* the rollback that is finished by this; NULL: it is one of its own */
};

/* `services`: names; only their entries count. `given`: the one that is meant, as far as is known;
 * NULL: the last one. A rollback that did not come to all hosts is finished first: then it is what
 * that took back. ERROR_NOT_FOUND when nothing was ever committed; ERROR_CONFLICT when two rollouts
 * are last, on hosts that have nothing in common. */
int undo_choose(const struct ledger *const *ledgers, size_t n_ledgers, const char *const *services,
    size_t n_services, const char *given, struct undo *ret, struct error *err);
void undo_release(struct undo *undo);

#endif
