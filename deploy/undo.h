/* Which rollout does `rollback` take back? The one that was made last, as the hosts' ledgers have
 * it. Clocks are not asked: a rollout is later than another when some host has it later in its
 * ledger. Pure. */
#ifndef SHIPIT_DEPLOY_UNDO_H
#define SHIPIT_DEPLOY_UNDO_H

#include <stddef.h>

#include "base/error.h"
#include "deploy/ledger.h"

/* `services`: names; only their entries count. `ret` is malloc'ed. ERROR_NOT_FOUND when nothing was
 * ever committed; ERROR_CONFLICT when two rollouts are last, on hosts that have nothing in common.
 */
int undo_choose(const struct ledger *const *ledgers, size_t n_ledgers, const char *const *services,
    size_t n_services, char **ret, struct error *err);

#endif
