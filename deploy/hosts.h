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

/* A private folder for sockets, short enough for their paths; removed with all that is in it. */
enum { RUN_DIR_SIZE = 64 };
int run_dir_make(char out[RUN_DIR_SIZE], struct error *err);
void run_dir_remove(const char *path);

#endif
