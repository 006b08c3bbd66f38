/* Mappings of the YAML tree: merges, duplicate keys and looking up. */
#ifndef SHIPIT_INVENTORY_YAML_MAP_H
#define SHIPIT_INVENTORY_YAML_MAP_H

#include "inventory/yaml.h"

/* Resolve `<<` (https://yaml.org/type/merge.html: a key of the mapping itself wins, then the
 * earlier of the merged ones) and complain about keys that the mapping itself has twice. The first
 * of two stays. Returns -1 when out of memory. */
int yaml_map_finish(struct node *map, struct problems *problems);

#endif
