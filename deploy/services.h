/* Which services of an environment. */
#ifndef SHIPIT_DEPLOY_SERVICES_H
#define SHIPIT_DEPLOY_SERVICES_H

#include <stddef.h>

#include "base/error.h"
#include "inventory/inventory.h"

/* Those of `env` that `names` has (NULL or empty: all), in the inventory's order. `ret` is
 * malloc'ed, what it points to borrowed. One that is none of them, or none at all: ERROR_USAGE. */
int services_choose(const struct inventory *inv, const struct environment *env,
    const struct strv *names, const struct service ***ret, size_t *ret_n, struct error *err);

#endif
