/* `compose:`: services, networks, volumes and secrets taken from Compose files. */
#ifndef SHIPIT_INVENTORY_COMPOSE_H
#define SHIPIT_INVENTORY_COMPOSE_H

#include "inventory/schema.h"

enum { COMPOSE_MAX = 16 };

/* Their trees, which have to live as long as the file's own. */
struct compose {
	struct yaml files[COMPOSE_MAX];
	size_t n;
};

/* Where `yaml`, the inventory's tree, names Compose files: read them, and put its own sections over
 * theirs. Mistakes go into the reader's problems. -1: out of memory. Release in any case. */
int compose_take(struct reader *r, struct yaml *yaml, struct compose *compose);
void compose_release(struct compose *compose);

#define CLEANUP_COMPOSE __attribute__((cleanup(compose_release)))

#endif
