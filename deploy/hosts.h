/* Which hosts of an environment: --limit. */
#ifndef SHIPIT_DEPLOY_HOSTS_H
#define SHIPIT_DEPLOY_HOSTS_H

#include <stddef.h>

#include "base/error.h"
#include "inventory/inventory.h"

/* Those of `env` that `limit` matches (names, globs and tag:NAME with commas between, each with a !
 * in front to leave out; NULL: all) and that are among `only` (names; NULL: all), in the file's
 * order. `ret` is malloc'ed, what it points to borrowed. None left, or a part of `limit` that
 * matches no host: ERROR_USAGE. */
int hosts_choose(const struct inventory *inv, const struct environment *env, const char *limit,
    const struct strv *only, const struct host ***ret, size_t *ret_n, struct error *err);

#endif
