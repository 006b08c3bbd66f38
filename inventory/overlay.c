#include "inventory/overlay.h"

#include <stdlib.h>
#include <string.h>

#include "inventory/array.h"
#include "inventory/yaml_internal.h"

static bool is_one_of(const char *key, const char *const *list)
{
	while (*list != NULL && strcmp(*list, key) != 0)
		list++;
	return *list != NULL;
}

/* Lists that are one thing. */
static const char *const words[] = {"command", "entrypoint", "test", "before", NULL};
/* KEY=VALUE in a list, or a mapping. */
static const char *const pairs[] = {"environment", "labels", "args", "sysctls", "annotations",
    "storage_opt", "options", "driver_opts", NULL};
/* Names in a list, or a mapping with more about each. */
static const char *const names[] = {"networks", "depends_on", NULL};
/* One text, or a list of them. */
static const char *const texts[] = {"env_file", "label_file", "dns", "dns_search", "tmpfs", NULL};

static int set_entry(struct node *map, struct node *key, struct node *value)
{
	for (size_t i = 0; i < map->n; i++)
		if (strcmp(map->entries[i].key->text, key->text) == 0) {
			map->entries[i] = (struct entry){key, value};
			return 0;
		}
	if (array_grow(&map->entries, map->n, sizeof(*map->entries)) < 0)
		return -1;
	map->entries[map->n++] = (struct entry){key, value};
	return 0;
}

static int add_item(struct node *list, struct node *item)
{
	if (array_grow(&list->items, list->n, sizeof(*list->items)) < 0)
		return -1;
	list->items[list->n++] = item;
	return 0;
}

/* "A=b" as the entry A: b; "A" as A without a value. */
static int add_pair(struct yaml *yaml, struct node *map, const struct node *item, bool has_values)
{
	const char *equals = has_values ? strchr(item->text, '=') : NULL;
	size_t len = equals != NULL ? (size_t)(equals - item->text) : strlen(item->text);
	struct node *key = yaml_add(yaml, NODE_SCALAR, &item->pos);
	struct node *value = yaml_add(yaml, equals != NULL ? NODE_SCALAR : NODE_NULL, &item->pos);

	if (key == NULL || value == NULL)
		return -1;
	key->is_key = true;
	key->text = strndup(item->text, len);
	value->quoted = true;
	if (equals != NULL)
		value->text = strdup(equals + 1);
	if (key->text == NULL || (equals != NULL && value->text == NULL))
		return -1;
	return set_entry(map, key, value);
}

/* The same as a mapping, where that can be; NULL: out of memory. */
static struct node *as_map(struct yaml *yaml, struct node *node, bool has_values)
{
	struct node *map;

	if (node->kind != NODE_LIST)
		return node;
	for (size_t i = 0; i < node->n; i++)
		if (node->items[i]->kind != NODE_SCALAR || node->items[i]->bad)
			return node;
	map = yaml_add(yaml, NODE_MAP, &node->pos);
	for (size_t i = 0; map != NULL && i < node->n; i++)
		if (add_pair(yaml, map, node->items[i], has_values) < 0)
			return NULL;
	return map;
}

static struct node *as_list(struct yaml *yaml, struct node *node)
{
	struct node *list;

	if (node->kind != NODE_SCALAR)
		return node;
	list = yaml_add(yaml, NODE_LIST, &node->pos);
	return list != NULL && add_item(list, node) == 0 ? list : NULL;
}

/* --- lists */

/* The place in the container of "SOURCE:TARGET[:MODE]" or {target: ...}: its length in `ret_len`;
 * NULL: there is none. */
static const char *target_of(const struct node *item, size_t *ret_len)
{
	const struct entry *entry = item->kind == NODE_MAP ? node_find(item, "target") : NULL;
	const char *text = item->kind == NODE_SCALAR ? item->text : NULL, *colon;

	if (entry != NULL && entry->value->kind == NODE_SCALAR)
		text = entry->value->text;
	if (text == NULL)
		return NULL;
	colon = item->kind == NODE_SCALAR ? strchr(text, ':') : NULL;
	if (colon != NULL)
		text = colon + 1;
	*ret_len = strcspn(text, ":");
	return text;
}

static bool same_item(const struct node *a, const struct node *b, const char *key)
{
	size_t a_len = 0, b_len = 0;

	if (strcmp(key, "volumes") == 0 || strcmp(key, "devices") == 0) {
		const char *one = target_of(a, &a_len), *other = target_of(b, &b_len);

		return one != NULL && other != NULL && a_len == b_len &&
		       memcmp(one, other, a_len) == 0;
	}
	return a->kind == NODE_SCALAR && b->kind == NODE_SCALAR && strcmp(a->text, b->text) == 0;
}

static struct node *join(
    struct yaml *yaml, const struct node *under, const struct node *over, const char *key)
{
	struct node *list = yaml_add(yaml, NODE_LIST, &over->pos);

	for (size_t i = 0; list != NULL && i < under->n; i++) {
		bool replaced = false;

		for (size_t k = 0; k < over->n && !replaced; k++)
			replaced = same_item(under->items[i], over->items[k], key);
		if (!replaced && add_item(list, under->items[i]) < 0)
			return NULL;
	}
	for (size_t i = 0; list != NULL && i < over->n; i++)
		if (add_item(list, over->items[i]) < 0)
			return NULL;
	return list;
}

/* --- mappings */

static struct node *merge_maps(
    struct yaml *yaml, const struct node *under, const struct node *over, enum overlay_level level)
{
	struct node *map = yaml_add(yaml, NODE_MAP, &over->pos);

	for (size_t i = 0; map != NULL && i < under->n; i++)
		if (set_entry(map, under->entries[i].key, under->entries[i].value) < 0)
			return NULL;
	for (size_t i = 0; map != NULL && i < over->n; i++) {
		const struct entry *entry = &over->entries[i],
				   *old = node_find(under, entry->key->text);
		struct node *value = old == NULL ? entry->value
						 : overlay(yaml, old->value, entry->value,
						       entry->key->text, level + 1);

		if (value == NULL || set_entry(map, entry->key, value) < 0)
			return NULL;
	}
	return map;
}

struct node *overlay(struct yaml *yaml, struct node *under, struct node *over, const char *key,
    enum overlay_level level)
{
	bool of_item = level >= OVERLAY_KEY;

	if (of_item && is_one_of(key, words))
		return over;
	if (of_item && (is_one_of(key, pairs) || is_one_of(key, names))) {
		under = as_map(yaml, under, is_one_of(key, pairs));
		over = as_map(yaml, over, is_one_of(key, pairs));
	} else if (of_item && is_one_of(key, texts)) {
		under = as_list(yaml, under);
		over = as_list(yaml, over);
	}
	if (under == NULL || over == NULL)
		return NULL;
	/* A section or a service without anything says nothing. */
	if (over->kind == NODE_NULL && level < OVERLAY_KEY)
		return under;
	if (under->kind == NODE_MAP && over->kind == NODE_MAP)
		return merge_maps(yaml, under, over, level);
	if (under->kind == NODE_LIST && over->kind == NODE_LIST)
		return join(yaml, under, over, key);
	return over;
}
