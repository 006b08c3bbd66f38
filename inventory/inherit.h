/* Environments that build on others, and the variables that they bring. */
#ifndef SHIPIT_INVENTORY_INHERIT_H
#define SHIPIT_INVENTORY_INHERIT_H

#include "inventory/schema.h"

enum { INHERIT_MAX = 16 }; /* environments over each other */

/* The mapping of the environment `entry`, one of those in `all`, over the one that it `extends`:
 * its keys replace the other's, but that variables, members of `rollout` and `overrides` are merged
 * one by one, and `name` is not inherited. New nodes belong to `r->made`. Mistakes go into the
 * reader's problems. NULL: out of memory. */
struct node *inherit(struct reader *r, const struct node *all, const struct entry *entry);

/* Before the tree is interpolated: take what the environment SHIPIT_ENV sets in its `environment`
 * for variables of the file; of all environments, the first ones first, where the command is about
 * none. -1: out of memory. */
int inherit_variables(struct reader *r, const struct node *root);

#endif
