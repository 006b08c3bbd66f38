/* What a program printed as a tree, like that of a file: JSON that looks like shipit.yml, or what
 * Ansible's dynamic inventories print. Taken as it is: no variables are filled in, since names and
 * tags of machines come from elsewhere and must not read the caller's environment. */
#ifndef SHIPIT_INVENTORY_OUTPUT_H
#define SHIPIT_INVENTORY_OUTPUT_H

#include <jansson.h>

#include "inventory/schema.h"

/* Read the `text` that the program `file` printed. Mistakes go into the reader's problems. -1: out
 * of memory; release `ret` in any case. */
int output_parse(
    struct reader *r, const char *text, size_t len, const char *file, struct yaml *ret);

/* ---- for those who build the tree */

struct output {
	struct reader *r;
	const char *file;
	struct yaml *yaml;
	size_t n_nodes;
	bool no_memory;
};

/* All of these return NULL or -1 when out of memory (`no_memory`), or after a mistake with which
 * there is no use in going on. */

/* The way to a value, printf-like; borrowed. */
const char *output_path(struct output *o, const char *format, ...) PRINTF_LIKE(2, 3);
struct node *output_node(struct output *o, enum node_kind kind, const char *path);
struct node *output_text(struct output *o, const char *text, const char *path);
/* A value as it is. */
struct node *output_value(struct output *o, const json_t *value, const char *path);
/* Add `key: value`, where there is no such key; a NULL `value` fails. */
int output_append(struct output *o, struct node *map, const char *key, struct node *value);
/* The same, in the place of an entry that is there. */
int output_set(struct output *o, struct node *map, const char *key, struct node *value);
int output_add(struct output *o, struct node *list, struct node *item);
/* A mistake; goes on: 0. */
int output_mistake(struct output *o, const char *path, const char *format, ...) PRINTF_LIKE(3, 4);

/* The same as shipit.yml has it of what Ansible's `--list` prints. */
struct node *ansible_tree(struct output *o, const json_t *root);

#endif
