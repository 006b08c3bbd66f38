#include "inventory/overlay.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "inventory/overlay_items.h"

/* The keys that lead to a value, the innermost first. */
struct way {
	const struct way *up; /* NULL: a section of the file */
	const char *key;
};

/* How two values of one place become one. RULE_PLAIN: mappings key by key, lists one after the
 * other with each thing once, what is there instead of nothing, and else the one that is over. */
enum rule {
	RULE_PLAIN,
	RULE_WHOLE,   /* one thing, replaced as a whole */
	RULE_PAIRS,   /* KEY=VALUE in a list, or a mapping */
	RULE_NAMES,   /* names in a list, or a mapping with more about each */
	RULE_TEXTS,   /* one text, or a list of them, in which one may stand twice */
	RULE_HOSTS,   /* NAME:ADDRESS in a list, or a mapping */
	RULE_BUILD,   /* the context alone, or a mapping */
	RULE_LOGGING, /* options are those of one driver */
};

static const struct {
	const char *where;
	enum rule rule;
} rules[] = {
    {"services.*.command", RULE_WHOLE},
    {"services.*.entrypoint", RULE_WHOLE},
    {"services.*.build.steps.*.run.command", RULE_WHOLE},
    {"services.*.build.steps.*.run.entrypoint", RULE_WHOLE},
    {"services.*.healthcheck.test", RULE_WHOLE},
    {"services.*.ready.exec", RULE_WHOLE},
    {"services.*.ready.exec.command", RULE_WHOLE},
    {"services.*.before", RULE_WHOLE},
    {"builds.*.run.command", RULE_WHOLE},
    {"builds.*.run.entrypoint", RULE_WHOLE},
    {"hooks.*", RULE_WHOLE},
    {"secrets.*.command", RULE_WHOLE},
    {"services.*.annotations", RULE_PAIRS},
    {"services.*.build.additional_contexts", RULE_PAIRS},
    {"services.*.build.args", RULE_PAIRS},
    {"services.*.build.labels", RULE_PAIRS},
    {"services.*.build.steps.*.args", RULE_PAIRS},
    {"services.*.build.steps.*.labels", RULE_PAIRS},
    {"services.*.build.steps.*.run.environment", RULE_PAIRS},
    {"builds.*.args", RULE_PAIRS},
    {"builds.*.labels", RULE_PAIRS},
    {"builds.*.run.environment", RULE_PAIRS},
    {"services.*.deploy.labels", RULE_PAIRS},
    {"services.*.environment", RULE_PAIRS},
    {"services.*.labels", RULE_PAIRS},
    {"services.*.storage_opt", RULE_PAIRS},
    {"services.*.sysctls", RULE_PAIRS},
    {"environments.*.environment", RULE_PAIRS},
    {"hosts.*.environment", RULE_PAIRS},
    {"networks.*.driver_opts", RULE_PAIRS},
    {"networks.*.labels", RULE_PAIRS},
    {"volumes.*.driver_opts", RULE_PAIRS},
    {"volumes.*.labels", RULE_PAIRS},
    {"services.*.depends_on", RULE_NAMES},
    {"services.*.networks", RULE_NAMES},
    {"hosts", RULE_NAMES},
    {"services.*.dns", RULE_TEXTS},
    {"services.*.dns_opt", RULE_TEXTS},
    {"services.*.dns_search", RULE_TEXTS},
    {"services.*.env_file", RULE_TEXTS},
    {"services.*.label_file", RULE_TEXTS},
    {"services.*.hosts", RULE_TEXTS},
    {"services.*.tmpfs", RULE_TEXTS},
    {"environments.*.hosts", RULE_TEXTS},
    {"environments.*.services", RULE_TEXTS},
    {"hosts.*.tags", RULE_TEXTS},
    {"services.*.extra_hosts", RULE_HOSTS},
    {"services.*.build.extra_hosts", RULE_HOSTS},
    {"services.*.build", RULE_BUILD},
    {"services.*.logging", RULE_LOGGING},
};

/* Services are also those that an environment overrides. */
static bool is_section(const struct way *way, const char *name, size_t len)
{
	static const char services[] = "services", overrides[] = "overrides";

	if (len == strlen(services) && memcmp(name, services, len) == 0 &&
	    strcmp(way->key, overrides) == 0)
		return way->up == NULL || (way->up->up != NULL && way->up->up->up == NULL &&
					      strcmp(way->up->up->key, "environments") == 0);
	return way->up == NULL && strlen(way->key) == len && memcmp(way->key, name, len) == 0;
}

/* `where`: keys with dots between, "*" is any. */
static bool is_at(const struct way *way, const char *where)
{
	const char *end = where + strlen(where), *begin;

	for (; way != NULL; way = way->up, end = begin - 1) {
		for (begin = end; begin > where && begin[-1] != '.'; begin--)
			;
		size_t len = (size_t)(end - begin);

		if (begin == where)
			return is_section(way, begin, len);
		if ((len != 1 || *begin != '*') &&
		    (strlen(way->key) != len || memcmp(way->key, begin, len) != 0))
			return false;
	}
	return false;
}

static enum rule rule_at(const struct way *way)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (is_at(way, rules[i].where))
			return rules[i].rule;
	return RULE_PLAIN;
}

/* --- mappings and lists that are being made; `index` says where in them a key is */

static int add_entry(struct node *map, json_t *index, struct node *key, struct node *value)
{
	const json_t *at = json_object_get(index, key->text);

	if (at != NULL) {
		map->entries[json_integer_value(at)] = (struct entry){key, value};
		return 0;
	}
	if (json_set(index, key->text, json_integer((json_int_t)map->n)) < 0)
		return -1;
	return node_add_entry(map, key, value);
}

static struct node *new_scalar(
    struct yaml *yaml, const struct node *from, const char *text, size_t len)
{
	struct node *node = yaml_add(yaml, NODE_SCALAR, &from->pos);

	if (node == NULL)
		return NULL;
	node->quoted = true;
	node->variables = from->variables;
	node->text = strndup(text, len);
	if (from->note != NULL && (node->note = strdup(from->note)) == NULL)
		return NULL;
	return node->text != NULL ? node : NULL;
}

/* --- short forms as long ones; NULL: out of memory, and what has no other form stays */

/* "A=b" as the entry A: b; "A" as A without a value. */
static int add_pair(
    struct yaml *yaml, struct node *map, json_t *index, const struct node *item, bool has_values)
{
	const char *equals = has_values ? strchr(item->text, '=') : NULL;
	size_t len = equals != NULL ? (size_t)(equals - item->text) : strlen(item->text);
	struct node *key = new_scalar(yaml, item, item->text, len);
	struct node *value = equals != NULL ? new_scalar(yaml, item, equals + 1, strlen(equals + 1))
					    : yaml_add(yaml, NODE_NULL, &item->pos);

	if (key == NULL || value == NULL)
		return -1;
	key->is_key = true;
	return add_entry(map, index, key, value);
}

static bool all_texts(const struct node *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->items[i]->kind != NODE_SCALAR || list->items[i]->bad ||
		    list->items[i]->tag != TAG_NONE)
			return false;
	return true;
}

static struct node *as_map(struct yaml *yaml, struct node *node, bool has_values)
{
	CLEANUP_JSON json_t *index = NULL;
	struct node *map;

	if (node->kind != NODE_LIST || !all_texts(node))
		return node;
	index = json_object();
	map = index != NULL ? yaml_add(yaml, NODE_MAP, &node->pos) : NULL;
	for (size_t i = 0; map != NULL && i < node->n; i++)
		if (add_pair(yaml, map, index, node->items[i], has_values) < 0)
			return NULL;
	return map;
}

static struct node *as_list(struct yaml *yaml, struct node *node)
{
	struct node *list;

	if (node->kind != NODE_SCALAR)
		return node;
	list = yaml_add(yaml, NODE_LIST, &node->pos);
	return list != NULL && node_add_item(list, node) == 0 ? list : NULL;
}

static struct node *as_build(struct yaml *yaml, struct node *node)
{
	struct node *map, *key;

	if (node->kind != NODE_SCALAR)
		return node;
	map = yaml_add(yaml, NODE_MAP, &node->pos);
	key = map != NULL ? new_scalar(yaml, node, "context", strlen("context")) : NULL;
	return key != NULL && node_add_entry(map, key, node) == 0 ? map : NULL;
}

/* NAME: ADDRESS, or a list of addresses, as "NAME:ADDRESS" for each. */
static int add_host(struct yaml *yaml, struct node *list, const struct entry *entry)
{
	const struct node *value = entry->value;
	size_t n = value->kind == NODE_LIST ? value->n : 1;

	for (size_t i = 0; i < n; i++) {
		const struct node *address = value->kind == NODE_LIST ? value->items[i] : value;
		CLEANUP_FREE char *line = NULL;
		struct node *item;

		if (address->kind != NODE_SCALAR)
			continue;
		line = string_printf("%s:%s", entry->key->text, address->text);
		item = line != NULL ? new_scalar(yaml, address, line, strlen(line)) : NULL;
		if (item == NULL || node_add_item(list, item) < 0)
			return -1;
	}
	return 0;
}

static struct node *as_hosts(struct yaml *yaml, struct node *node)
{
	struct node *list;

	if (node->kind != NODE_MAP)
		return node;
	list = yaml_add(yaml, NODE_LIST, &node->pos);
	for (size_t i = 0; list != NULL && i < node->n; i++)
		if (add_host(yaml, list, &node->entries[i]) < 0)
			return NULL;
	return list;
}

static struct node *as_long(
    struct yaml *yaml, struct node *node, const struct node *other, enum rule rule)
{
	if (rule == RULE_PAIRS || rule == RULE_NAMES)
		return as_map(yaml, node, rule == RULE_PAIRS);
	if (rule == RULE_TEXTS)
		return as_list(yaml, node);
	if (rule == RULE_BUILD)
		return as_build(yaml, node);
	if (rule == RULE_HOSTS && other->kind == NODE_LIST)
		return as_hosts(yaml, node);
	return node;
}

/* --- putting together */

static struct node *merge(
    struct yaml *yaml, struct node *under, struct node *over, const struct way *way);

static int join_item(struct node *list, json_t *index, struct node *item, enum unique_by by)
{
	CLEANUP_FREE char *identity = NULL;
	const json_t *at;

	if (item_identity(item, by, &identity) < 0)
		return -1;
	at = identity != NULL ? json_object_get(index, identity) : NULL;
	if (at != NULL) {
		list->items[json_integer_value(at)] = item;
		return 0;
	}
	if (identity != NULL && json_set(index, identity, json_integer((json_int_t)list->n)) < 0)
		return -1;
	return node_add_item(list, item);
}

static enum unique_by unique_at(const struct way *way, enum rule rule)
{
	if (rule == RULE_TEXTS)
		return UNIQUE_NOT;
	if (way == NULL || !is_at(way, "services.*.*"))
		return UNIQUE_BY_TEXT;
	return item_unique_by(way->key);
}

static struct node *join(struct yaml *yaml, const struct node *under, const struct node *over,
    const struct way *way, enum rule rule)
{
	struct node *list = yaml_add(yaml, NODE_LIST, &over->pos);
	CLEANUP_JSON json_t *index = json_object();
	enum unique_by by = unique_at(way, rule);

	if (list == NULL || index == NULL)
		return NULL;
	for (size_t i = 0; i < under->n; i++)
		if (join_item(list, index, under->items[i], by) < 0)
			return NULL;
	for (size_t i = 0; i < over->n; i++)
		if (join_item(list, index, over->items[i], by) < 0)
			return NULL;
	return list;
}

static struct node *merge_maps(struct yaml *yaml, const struct node *under, const struct node *over,
    const struct way *way, enum rule rule)
{
	struct node *map = yaml_add(yaml, NODE_MAP, &over->pos);
	CLEANUP_JSON json_t *index = json_object();

	if (map == NULL || index == NULL)
		return NULL;
	for (size_t i = 0; i < under->n; i++)
		if (add_entry(map, index, under->entries[i].key, under->entries[i].value) < 0)
			return NULL;
	for (size_t i = 0; i < over->n; i++) {
		const struct entry *entry = &over->entries[i];
		const struct way here = {way, entry->key->text};
		const json_t *at = json_object_get(index, entry->key->text);
		struct node *value = entry->value;

		if (at != NULL && rule != RULE_PAIRS)
			value =
			    merge(yaml, map->entries[json_integer_value(at)].value, value, &here);
		if (value == NULL || add_entry(map, index, entry->key, value) < 0)
			return NULL;
	}
	return map;
}

static bool same_driver(const struct node *under, const struct node *over)
{
	const struct entry *a = under->kind == NODE_MAP ? node_find(under, "driver") : NULL;
	const struct entry *b = over->kind == NODE_MAP ? node_find(over, "driver") : NULL;

	return a == NULL || b == NULL || a->value->kind != NODE_SCALAR ||
	       b->value->kind != NODE_SCALAR || strcmp(a->value->text, b->value->text) == 0;
}

static struct node *merge(
    struct yaml *yaml, struct node *under, struct node *over, const struct way *way)
{
	enum rule rule = rule_at(way);

	if (over->tag != TAG_NONE || under->tag == TAG_RESET || rule == RULE_WHOLE)
		return over;
	if (over->kind == NODE_NULL)
		return under;
	if (rule == RULE_LOGGING && !same_driver(under, over))
		return over;
	struct node *long_under = as_long(yaml, under, over, rule);
	struct node *long_over = as_long(yaml, over, under, rule);

	if (long_under == NULL || long_over == NULL)
		return NULL;
	if (long_under->kind == NODE_MAP && long_over->kind == NODE_MAP)
		return merge_maps(yaml, long_under, long_over, way, rule);
	if (long_under->kind == NODE_LIST && long_over->kind == NODE_LIST)
		return join(yaml, long_under, long_over, way, rule);
	return over;
}

struct node *overlay(struct yaml *yaml, struct node *under, struct node *over, const char *key,
    enum overlay_level level)
{
	static const struct way services = {NULL, "services"}, any = {&services, ""};
	static const struct way *const above[] = {
	    [OVERLAY_SECTION] = NULL, [OVERLAY_ITEM] = &services, [OVERLAY_KEY] = &any};

	if (level == OVERLAY_FILE)
		return merge(yaml, under, over, NULL);
	return merge(yaml, under, over, &(struct way){above[level], key});
}

/* --- taking away */

/* The first `n` of what is in `node`, in a node of its own. */
static struct node *beginning_of(struct yaml *yaml, const struct node *node, size_t n)
{
	struct node *copy = yaml_add(yaml, node->kind, &node->pos);

	if (copy == NULL)
		return NULL;
	copy->tag = node->tag;
	copy->bad = node->bad;
	for (size_t i = 0; i < n; i++) {
		int rc = node->kind == NODE_MAP
			     ? node_add_entry(copy, node->entries[i].key, node->entries[i].value)
			     : node_add_item(copy, node->items[i]);

		if (rc < 0)
			return NULL;
	}
	return copy;
}

static struct node *finish_map(struct yaml *yaml, struct node *map, const char *but)
{
	struct node *copy = NULL;

	for (size_t i = 0; i < map->n; i++) {
		struct entry entry = map->entries[i];
		bool taken = entry.value->tag == TAG_RESET;

		if (!taken && strcmp(entry.key->text, but) != 0)
			entry.value = overlay_finish(yaml, entry.value, but);
		if (entry.value == NULL)
			return NULL;
		if (copy == NULL && !taken && entry.value == map->entries[i].value)
			continue;
		if (copy == NULL && (copy = beginning_of(yaml, map, i)) == NULL)
			return NULL;
		if (taken)
			continue;
		if (node_add_entry(copy, entry.key, entry.value) < 0)
			return NULL;
	}
	return copy != NULL ? copy : map;
}

static struct node *finish_list(struct yaml *yaml, struct node *list, const char *but)
{
	struct node *copy = NULL;

	for (size_t i = 0; i < list->n; i++) {
		struct node *item = list->items[i];
		bool taken = item->tag == TAG_RESET;

		if (!taken && (item = overlay_finish(yaml, item, but)) == NULL)
			return NULL;
		if (copy == NULL && !taken && item == list->items[i])
			continue;
		if (copy == NULL && (copy = beginning_of(yaml, list, i)) == NULL)
			return NULL;
		if (!taken && node_add_item(copy, item) < 0)
			return NULL;
	}
	return copy != NULL ? copy : list;
}

struct node *overlay_finish(struct yaml *yaml, struct node *node, const char *but)
{
	if (node->kind == NODE_MAP)
		return finish_map(yaml, node, but);
	return node->kind == NODE_LIST ? finish_list(yaml, node, but) : node;
}
