/* One tree over another, as Compose merges several files (compose-spec, 13-merge.md). */
#ifndef SHIPIT_INVENTORY_OVERLAY_H
#define SHIPIT_INVENTORY_OVERLAY_H

#include "inventory/yaml.h"

/* What a mapping or value is in a file: all of it, a section (`services`), one of its items (a
 * service), or what stands in one. */
enum overlay_level { OVERLAY_FILE, OVERLAY_SECTION, OVERLAY_ITEM, OVERLAY_KEY };

/* What is in `over` goes over what is in `under`, the values of `key` (of a file: ""): what is one
 * thing (a text, a command) is replaced, mappings are merged key by key, lists stand one after the
 * other with each thing once: variables and labels by their names, volumes and devices by their
 * place in the container, ports by all that they say. Nothing (`null`) replaces nothing.
 * `!override` replaces, `!reset` leaves nothing. Neither is changed; new nodes belong to `yaml`,
 * and point to those of both. NULL: out of memory. */
struct node *overlay(struct yaml *yaml, struct node *under, struct node *over, const char *key,
    enum overlay_level level);

/* `node` without what was tagged `!reset`, once nothing more goes over it; not below a key `but`.
 * It is not changed, since what is behind an alias may yet go over something else. NULL: out of
 * memory. */
struct node *overlay_finish(struct yaml *yaml, struct node *node, const char *but);

#endif
