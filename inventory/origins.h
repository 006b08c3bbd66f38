/* Where values come from: for `shipit config --origins`. */
#ifndef SHIPIT_INVENTORY_ORIGINS_H
#define SHIPIT_INVENTORY_ORIGINS_H

#include "inventory/schema.h"

/* Of the whole tree, once it is read without a mistake: `inv->origins`. -1: out of memory. */
int origins_make(struct reader *r, const struct node *root);

#endif
