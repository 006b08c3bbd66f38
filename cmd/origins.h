/* Where the values of `shipit config` come from: the same shape as they have (cmd/resolved.h), with
 * a text instead of each value and each list: "shipit.yml:4:12, $TAG from .env", or "default". */
#ifndef SHIPIT_CMD_ORIGINS_H
#define SHIPIT_CMD_ORIGINS_H

#include <jansson.h>

#include "base/error.h"
#include "inventory/inventory.h"

/* Of resolved_project's value `all`; `file`: how the inventory was named. NULL: out of memory. */
json_t *origins_project(const json_t *all, const struct inventory *inv, const char *file);
/* Of what resolved_add_environment added to `all`. -1: out of memory. */
int origins_add_environment(
    json_t *origins, const json_t *all, const struct inventory *inv, const struct environment *env);

#endif
