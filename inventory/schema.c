#include "inventory/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "inventory/problems.h"

int mistake(struct reader *r, const struct node *node, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int result = problem_vadd(r->problems, &node->pos, format, args);
	va_end(args);
	return result;
}

int mistake_hint(struct reader *r, const char *format, ...)
{
	CLEANUP_FREE char *text = NULL;
	va_list args;

	va_start(args, format);
	int len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0) {
		text = NULL;
		return -1;
	}
	return problem_hint(r->problems, "%s", text);
}

int mistake_kind(struct reader *r, const struct node *node, const char *expected)
{
	if (node->bad)
		return 0;
	return mistake(r, node, "expected %s, found %s", expected, node_kind_text(node));
}

int mistake_value(struct reader *r, const struct node *node, const char *expected)
{
	char shown[SHOWN_SIZE];

	if (node->bad || node->kind != NODE_SCALAR)
		return mistake_kind(r, node, expected);
	return mistake(
	    r, node, "expected %s, found \"%s\"", expected, show_text(shown, node->text));
}

int scalar_text(
    struct reader *r, const struct node *node, const char *expected, const char **ret_text)
{
	if (node->bad || node->kind != NODE_SCALAR)
		return mistake_kind(r, node, expected);
	*ret_text = node->text;
	return 1;
}

static const struct key *find_key(const struct key_table *table, const char *name)
{
	for (size_t i = 0; i < table->n; i++)
		if (strcmp(table->keys[i].name, name) == 0)
			return &table->keys[i];
	return NULL;
}

/* Of the keys that do something, the one that `name` was probably meant to be. */
static const struct key *nearest_key(const struct key_table *table, const char *name)
{
	const char *names[SCHEMA_MAX_KEYS];
	size_t n = 0;

	for (size_t i = 0; i < table->n && n < SCHEMA_MAX_KEYS; i++)
		if (table->keys[i].read)
			names[n++] = table->keys[i].name;
	const char *nearest = text_nearest(name, names, n);
	return nearest ? find_key(table, nearest) : NULL;
}

static int report_later(struct reader *r, const struct node *node, const struct key_table *table,
    const struct key *key, struct seen *seen)
{
	const struct key *instead = key->arg ? find_key(table, key->arg) : NULL;

	if (instead)
		seen->v[instead - table->keys] = true;
	if (mistake(r, node, "`%s` is not supported by this version of shipit", key->name) < 0)
		return -1;
	return key->doc ? mistake_hint(r, "%s", key->doc) : 0;
}

/* A key that is right in another place. */
static const struct key *key_elsewhere(const char *name, const struct key_table **ret_table)
{
	for (size_t i = 0; inventory_key_tables[i]; i++) {
		const struct key *key = find_key(inventory_key_tables[i], name);

		*ret_table = inventory_key_tables[i];
		if (key && !(*ret_table)->inner)
			return key;
	}
	return NULL;
}

/* "a service has image, build, ..."; nobody reads dozens. */
static int list_keys(struct reader *r, const struct key_table *table)
{
	enum { SHOWN_KEYS = 24 };
	CLEANUP_BUF struct buf list = BUF_INIT(4096);
	size_t n = 0;

	for (size_t i = 0; i < table->n; i++) {
		n += table->keys[i].read != NULL;
		if (table->keys[i].read && n <= SHOWN_KEYS &&
		    buf_addf(&list, "%s%s", list.len > 0 ? ", " : "", table->keys[i].name) < 0)
			return -1;
	}
	if (n <= SHOWN_KEYS)
		return mistake_hint(r, "%s has %s", table->what, list.data);
	return mistake_hint(
	    r, "%s has %s and %zu more (man shipit.yml)", table->what, list.data, n - SHOWN_KEYS);
}

static int report_unknown(
    struct reader *r, const struct node *node, const struct key_table *table, struct seen *seen)
{
	const struct key *nearest = nearest_key(table, node->text);
	const struct key_table *other;
	const struct key *elsewhere = nearest ? NULL : key_elsewhere(node->text, &other);
	char shown[SHOWN_SIZE];

	if (elsewhere && elsewhere->kind == KEY_LATER)
		return report_later(r, node, other, elsewhere, &(struct seen){0});
	if (mistake(r, node, "unknown key \"%s\"", show_text(shown, node->text)) < 0)
		return -1;
	if (nearest) {
		seen->v[nearest - table->keys] = true;
		return mistake_hint(r, "did you mean \"%s\"?", nearest->name);
	}
	return elsewhere ? mistake_hint(r, "it is a key of %s", other->what) : list_keys(r, table);
}

/* Compose lets tools and people keep notes under x-... everywhere. */
static bool is_extension(const char *key)
{
	return strncmp(key, "x-", 2) == 0;
}

static int check_keys(
    struct reader *r, const struct node *map, const struct key_table *table, struct seen *seen)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct node *node = map->entries[i].key;
		const struct key *key = find_key(table, node->text);
		int result = 0;

		if (key && key->kind == KEY_LATER)
			result = report_later(r, node, table, key, seen);
		else if (!key && !is_extension(node->text))
			result = report_unknown(r, node, table, seen);
		if (result < 0)
			return -1;
	}
	return 0;
}

int schema_read(struct reader *r, const struct node *map, const struct key_table *table,
    void *target, struct seen *seen)
{
	struct seen own = {0};

	if (!seen)
		seen = &own;
	memset(seen, 0, sizeof(*seen));
	if (map->kind != NODE_MAP)
		return mistake_kind(r, map, "a mapping");
	if (check_keys(r, map, table, seen) < 0)
		return -1;
	for (size_t i = 0; i < table->n; i++) {
		const struct key *key = &table->keys[i];
		const struct entry *entry = node_find(map, key->name);
		int result = 0;

		if (entry && key->read)
			result = key->read(r, entry->value, (char *)target + key->offset, key->arg);
		else if (!entry && key->kind == KEY_REQUIRED && !seen->v[i])
			result = mistake(
			    r, map, "the key `%s` is missing in %s", key->name, table->what);
		if (result < 0)
			return -1;
		seen->v[i] = seen->v[i] || entry;
	}
	return 0;
}

bool schema_seen(const struct key_table *table, const struct seen *seen, const char *key)
{
	const struct key *found = find_key(table, key);

	return found && seen->v[found - table->keys];
}
