/* A YAML file as a tree in which every node knows where it stands.
 *
 * Aliases and `<<` merges are resolved: a list or mapping behind an alias is the same node wherever
 * it is used, so the tree is a graph without cycles, and one walks it as a tree. Scalars keep their
 * text as written (YAML 1.1 would make a boolean of `no` and a number of `22:22`); who reads a
 * value decides what it is. Mappings keep their order, merged keys come last.
 *
 * One document, at most YAML_MAX_BYTES, YAML_MAX_DEPTH levels, YAML_MAX_NODES nodes counted as
 * often as aliases repeat them. */
#ifndef SHIPIT_INVENTORY_YAML_H
#define SHIPIT_INVENTORY_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "inventory/inventory.h"

enum {
	YAML_MAX_BYTES = 4 * 1024 * 1024,
	YAML_MAX_DEPTH = 64,
	YAML_MAX_NODES = 200 * 1000,
	YAML_MAX_ANCHORS = 1000,
};

enum node_kind { NODE_NULL, NODE_SCALAR, NODE_LIST, NODE_MAP };

/* What Compose's own tags say of a value when files are merged (inventory/overlay.h). */
enum node_tag { TAG_NONE, TAG_RESET, TAG_OVERRIDE };

struct node;

struct entry {
	struct node *key; /* always a scalar */
	struct node *value;
};

struct node {
	enum node_kind kind;
	bool quoted; /* a scalar in quotes, or a block */
	bool bad;    /* was complained about already: say no more about it */
	bool is_key;
	enum node_tag tag;
	bool variables; /* there were some in it, which are filled in */
	struct position pos;
	char *text; /* scalar: UTF-8 without NUL */
	char *note; /* which variables were filled in; NULL: none, or nobody wants to know */
	size_t n;
	struct node **items;   /* list */
	struct entry *entries; /* mapping */
	size_t weight;	       /* node_weight(), 0: not counted yet */
	unsigned height;       /* levels in it, itself included */
	struct node *next;     /* of all nodes of the tree, in the order of the file */
};

struct yaml {
	struct node *root; /* NULL when the file made no sense, which `problems` then says */
	struct node *nodes, *last;
};

/* Read `text`. `file` is what positions point to; it has to outlive the tree. Mistakes go into
 * `problems`. Returns -1 when out of memory, and only then; release `ret` in any case. */
int yaml_parse(
    const char *text, size_t len, const char *file, struct problems *problems, struct yaml *ret);
void yaml_release(struct yaml *yaml);

/* A new node, which belongs to the tree; NULL: out of memory. */
struct node *yaml_add(struct yaml *yaml, enum node_kind kind, const struct position *pos);
/* At the end of a list, of a mapping. -1: out of memory, or what is added is NULL for that. */
int node_add_item(struct node *list, struct node *item);
int node_add_entry(struct node *map, struct node *key, struct node *value);

/* What a scalar without quotes may be to mean nothing (YAML 1.1 and 1.2). */
bool yaml_is_null(const char *text);

/* The value of `key` in a mapping; NULL: there is none, or it is no mapping. */
const struct entry *node_find(const struct node *map, const char *key);

/* Nodes in it, itself included, aliases resolved. */
size_t node_weight(const struct node *node);

/* "a text", "a list", "a mapping", "nothing": for messages. */
const char *node_kind_text(const struct node *node);

#define CLEANUP_YAML __attribute__((cleanup(yaml_release)))

#endif
