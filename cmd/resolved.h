/* The inventory as one JSON value, with everything worked out that can be without a host. */
#ifndef SHIPIT_CMD_RESOLVED_H
#define SHIPIT_CMD_RESOLVED_H

#include <jansson.h>

#include "base/error.h"
#include "inventory/inventory.h"

/* What is the same in all environments. NULL: out of memory. */
json_t *resolved_project(const struct inventory *inv);
/* Adds `environments.NAME`: prefix, hosts, and for each service its image, where it runs, and its
 * run options there; those of a host apart only where they differ. */
int resolved_add_environment(
    json_t *all, const struct inventory *inv, const struct environment *env, struct error *err);

/* How an image is built; the steps of building by their names. NULL: out of memory. */
json_t *resolved_build(const struct build *build);
json_t *resolved_steps(const struct inventory *inv);

#endif
