/* When two items of a service's list are the same thing (compose-spec, 13-merge.md, "Unique
 * resources"). */
#ifndef SHIPIT_INVENTORY_OVERLAY_ITEMS_H
#define SHIPIT_INVENTORY_OVERLAY_ITEMS_H

#include "inventory/yaml.h"

enum unique_by {
	UNIQUE_NOT,
	UNIQUE_BY_TEXT,
	UNIQUE_BY_TARGET, /* volumes, devices: the place in the container */
	UNIQUE_BY_FILE,	  /* secrets, configs: the same, below /run/secrets where it is a name */
	UNIQUE_BY_PORT,	  /* address, both ports and protocol */
};

enum unique_by item_unique_by(const char *key);

/* What is equal for equal things, the short forms as well as the long ones. *ret: malloc'ed, or
 * NULL where an item is like no other. Returns -1 when out of memory. */
int item_identity(const struct node *item, enum unique_by by, char **ret);

#endif
