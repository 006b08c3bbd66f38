#include "inventory/yaml_internal.h"

#include <stdlib.h>
#include <string.h>

#include "inventory/array.h"
#include "inventory/problems.h"

/* An entry with what decides between equal keys: its own mapping has source 0, merged ones count
 * from 1; `order` is the place among all. */
struct candidate {
	struct entry entry;
	size_t source, order;
};

struct candidates {
	struct candidate *v;
	size_t n;
	size_t sources;
};

static int add_entries(struct candidates *list, const struct node *map, size_t source, bool merges)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct node *key = map->entries[i].key;

		if (merges && !key->quoted && strcmp(key->text, "<<") == 0)
			continue;
		if (array_grow(&list->v, list->n, sizeof(*list->v)) < 0)
			return -1;
		list->v[list->n] = (struct candidate){map->entries[i], source, list->n};
		list->n++;
	}
	return 0;
}

static int report_merge(const struct node *value, struct problems *problems)
{
	if (problem_add(problems, &value->pos,
		"\"<<\" merges a mapping or a list of mappings, this is %s",
		node_kind_text(value)) < 0)
		return -1;
	return problem_hint(
	    problems, "write `<<: *NAME`, and `&NAME` before the mapping that is meant");
}

static int merge(struct candidates *list, const struct node *value, struct problems *problems)
{
	if (value->kind == NODE_MAP)
		return add_entries(list, value, ++list->sources, false);
	if (value->kind != NODE_LIST)
		return report_merge(value, problems);
	for (size_t i = 0; i < value->n; i++) {
		const struct node *item = value->items[i];
		int result = item->kind == NODE_MAP
				 ? merge(list, item, problems)
				 : problem_add(problems, &item->pos,
				       "\"<<\" merges mappings, this is %s", node_kind_text(item));
		if (result < 0)
			return -1;
	}
	return 0;
}

static int compare_keys(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;
	int keys = strcmp(a->entry.key->text, b->entry.key->text);

	if (keys != 0)
		return keys;
	return a->order < b->order ? -1 : a->order > b->order;
}

static int compare_order(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;

	return a->order < b->order ? -1 : a->order > b->order;
}

static int report_twice(
    const struct node *again, const struct node *first, struct problems *problems)
{
	char shown[SHOWN_SIZE];

	if (problem_add(problems, &again->pos, "the key \"%s\" is here twice, first at %d:%d",
		show_text(shown, again->text), first->pos.line, first->pos.column) < 0)
		return -1;
	return problem_hint(problems, "put both together, or take one away");
}

/* Of equal keys keep the first, which `order` made the strongest. */
static int drop_repeated(struct candidates *list, struct problems *problems)
{
	size_t kept = 0;

	if (list->n < 2)
		return 0;
	qsort(list->v, list->n, sizeof(*list->v), compare_keys);
	for (size_t i = 1; i < list->n; i++) {
		const struct node *first = list->v[kept].entry.key, *key = list->v[i].entry.key;

		if (strcmp(first->text, key->text) != 0)
			list->v[++kept] = list->v[i];
		else if (list->v[i].source == list->v[kept].source && list->v[i].source == 0 &&
			 report_twice(key, first, problems) < 0)
			return -1;
	}
	list->n = kept + 1;
	qsort(list->v, list->n, sizeof(*list->v), compare_order);
	return 0;
}

static int collect(struct candidates *list, const struct node *map, struct problems *problems)
{
	if (add_entries(list, map, 0, true) < 0)
		return -1;
	for (size_t i = 0; i < map->n; i++) {
		const struct node *key = map->entries[i].key;

		if (!key->quoted && strcmp(key->text, "<<") == 0 &&
		    merge(list, map->entries[i].value, problems) < 0)
			return -1;
	}
	return 0;
}

int yaml_map_finish(struct node *map, struct problems *problems)
{
	struct candidates list = {0};
	struct entry *entries = NULL;
	int result = -1;

	if (collect(&list, map, problems) < 0 || drop_repeated(&list, problems) < 0)
		goto cleanup;
	entries = calloc(list.n + 1, sizeof(*entries));
	if (!entries)
		goto cleanup;
	for (size_t i = 0; i < list.n; i++)
		entries[i] = list.v[i].entry;
	free(map->entries);
	map->entries = entries;
	map->n = list.n;
	result = 0;
cleanup:
	free(list.v);
	return result;
}

const struct entry *node_find(const struct node *map, const char *key)
{
	for (size_t i = 0; map->kind == NODE_MAP && i < map->n; i++)
		if (strcmp(map->entries[i].key->text, key) == 0)
			return &map->entries[i];
	return NULL;
}

int node_add_item(struct node *list, struct node *item)
{
	if (!item || array_grow(&list->items, list->n, sizeof(struct node *)) < 0)
		return -1;
	list->items[list->n++] = item;
	return 0;
}

int node_add_entry(struct node *map, struct node *key, struct node *value)
{
	if (!key || !value || array_grow(&map->entries, map->n, sizeof(*map->entries)) < 0)
		return -1;
	map->entries[map->n++] = (struct entry){key, value};
	return 0;
}

size_t node_weight(const struct node *node)
{
	size_t weight = 1;

	if (node->weight > 0)
		return node->weight;
	for (size_t i = 0; node->kind == NODE_LIST && i < node->n; i++)
		weight += node_weight(node->items[i]);
	for (size_t i = 0; node->kind == NODE_MAP && i < node->n; i++)
		weight += 1 + node_weight(node->entries[i].value);
	return weight;
}

const char *node_kind_text(const struct node *node)
{
	static const char *const kinds[] = {
	    [NODE_NULL] = "nothing",
	    [NODE_SCALAR] = "a text",
	    [NODE_LIST] = "a list",
	    [NODE_MAP] = "a mapping",
	};

	return kinds[node->kind];
}
