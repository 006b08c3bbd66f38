/* Which hosts of an environment: --limit. */
#ifndef SHIPIT_DEPLOY_HOSTS_H
#define SHIPIT_DEPLOY_HOSTS_H

#include <stddef.h>

#include "base/error.h"
#include "inventory/inventory.h"

/* Those of `env` that `limit` (a glob or tag:NAME; NULL: all) matches, in the file's order. `ret`
 * is malloc'ed, what it points to borrowed. None left: ERROR_USAGE. */
int hosts_choose(const struct inventory *inv, const struct environment *env, const char *limit,
    const struct host ***ret, size_t *ret_n, struct error *err);

#endif
