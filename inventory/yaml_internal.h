/* Pieces of the YAML tree that stand on their own. */
#ifndef SHIPIT_INVENTORY_YAML_INTERNAL_H
#define SHIPIT_INVENTORY_YAML_INTERNAL_H

#include <yaml.h>

#include "inventory/yaml.h"

/* Resolve `<<` (https://yaml.org/type/merge.html: a key of the mapping itself wins, then the
 * earlier of the merged ones) and complain about keys that the mapping itself has twice. The first
 * of two stays. Returns -1 when out of memory. */
int yaml_map_finish(struct node *map, struct problems *problems);

/* Say why the parser stopped; `problems` was told the file's text. Returns -1 when out of memory.
 */
int yaml_explain(const yaml_parser_t *parser, const char *file, struct problems *problems);

/* "!" and the tags of YAML itself; a reader decides by the key, not by the tag. */
bool yaml_is_known_tag(const char *tag);
/* "!reset" and "!override"; TAG_NONE: it is another. */
enum node_tag yaml_merge_tag(const char *tag);

#endif
