#include "inventory/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "inventory/hints.h"
#include "inventory/keys.h"
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
	if (mistake(r, node, "expected %s, found %s", expected, node_kind_text(node)) < 0)
		return -1;
	return hint_kind(r, node, expected);
}

int mistake_value(struct reader *r, const struct node *node, const char *expected)
{
	char shown[SHOWN_SIZE];

	if (node->bad || node->kind != NODE_SCALAR)
		return mistake_kind(r, node, expected);
	if (mistake(r, node, "expected %s, found \"%s\"", expected, show_text(shown, node->text)) <
	    0)
		return -1;
	return *node->text ? 0 : hint_empty(r, node);
}

int mistake_choice(struct reader *r, const struct node *node, const char *expected,
    const char *const *names, size_t n)
{
	if (node->bad || node->kind != NODE_SCALAR)
		return mistake_kind(r, node, expected);
	return mistake_value(r, node, expected) < 0 ? -1
						    : hint_nearest(r, node->text, "", names, n);
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

/* "before" of "before_deploy", when no other key begins so. */
static const struct key *only_longer(const struct key_table *table, const char *name)
{
	size_t len = strlen(name), n = 0;
	const struct key *found = NULL;

	for (size_t i = 0; len > 2 && i < table->n; i++)
		if (table->keys[i].read && strncmp(table->keys[i].name, name, len) == 0) {
			found = &table->keys[i];
			n++;
		}
	return n == 1 ? found : NULL;
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
	const struct key *longer = only_longer(table, name);
	if (longer)
		return longer;
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

/* Where else a key of that name is: "`ssh` or a host"; *ret_later: only where it is not supported.
 */
static int key_elsewhere(const char *name, struct buf *list, const struct key_table **ret_table,
    const struct key **ret_later)
{
	enum { SHOWN_TABLES = 3 };
	size_t n = 0;

	for (size_t i = 0; inventory_key_tables[i]; i++) {
		const struct key *key = find_key(inventory_key_tables[i], name);

		if (!key || inventory_key_tables[i]->inner)
			continue;
		if (key->kind == KEY_LATER && !*ret_later) {
			*ret_table = inventory_key_tables[i];
			*ret_later = key;
		}
		if (key->kind != KEY_LATER && n++ < SHOWN_TABLES &&
		    buf_addf(list, "%s%s", list->len > 0 ? " or " : "",
			inventory_key_tables[i]->what) < 0)
			return -1;
	}
	if (list->len > 0)
		*ret_later = NULL;
	return 0;
}

/* "port" and "ports", "before" and "before_deploy": nearer than a key of the very name in another
 * place. */
static bool is_same_word(const char *key, const char *name)
{
	size_t a = strlen(key), b = strlen(name);

	return strncmp(key, name, b) == 0 || (b == a + 1 && strncmp(key, name, a) == 0);
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

static int suggest_key(
    struct reader *r, const struct key_table *table, const struct key *key, struct seen *seen)
{
	seen->v[key - table->keys] = true;
	return mistake_hint(r, "did you mean \"%s\"?", key->name);
}

static int report_synonym(struct reader *r, const struct node *node, const struct key_table *table,
    const struct synonym *synonym, struct seen *seen)
{
	const struct key *key = synonym->key ? find_key(table, synonym->key) : NULL;

	if (mistake(r, node, "unknown key \"%s\"", synonym->word) < 0)
		return -1;
	if (key && suggest_key(r, table, key, seen) < 0)
		return -1;
	return synonym->hint ? mistake_hint(r, "%s", synonym->hint) : 0;
}

/* Compose lets tools and people keep notes under x-... everywhere. */
static bool is_extension(const char *key)
{
	return strncmp(key, "x-", 2) == 0;
}

/* Of one unknown key and one needed key that is missing, the unknown one is the other's name. */
static const struct key *only_missing(const struct node *map, const struct key_table *table)
{
	const struct key *missing = NULL;
	size_t n_missing = 0, n_unknown = 0;

	for (size_t i = 0; i < table->n; i++)
		if (table->keys[i].kind == KEY_REQUIRED && !node_find(map, table->keys[i].name)) {
			missing = &table->keys[i];
			n_missing++;
		}
	for (size_t i = 0; i < map->n; i++)
		n_unknown += !find_key(table, map->entries[i].key->text) &&
			     !is_extension(map->entries[i].key->text);
	return n_missing == 1 && n_unknown == 1 ? missing : NULL;
}

static int report_unknown(struct reader *r, const struct node *node, const struct key_table *table,
    const struct key *missing, struct seen *seen)
{
	CLEANUP_BUF struct buf elsewhere = BUF_INIT(1024);
	const struct synonym *synonym = find_synonym(table, node->text);
	const struct key *nearest = nearest_key(table, node->text), *later = NULL;
	const struct key_table *other = NULL;
	char shown[SHOWN_SIZE];

	if (synonym)
		return report_synonym(r, node, table, synonym, seen);
	if ((!nearest || !is_same_word(nearest->name, node->text)) &&
	    key_elsewhere(node->text, &elsewhere, &other, &later) < 0)
		return -1;
	if (later && !nearest)
		return report_later(r, node, other, later, &(struct seen){0});
	if (mistake(r, node, "unknown key \"%s\"", show_text(shown, node->text)) < 0)
		return -1;
	if (elsewhere.len > 0)
		return mistake_hint(r, "it is a key of %s", elsewhere.data);
	seen->strange = !nearest;
	if (table == &top_table)
		r->secrets_incomplete = true;
	if (nearest)
		return suggest_key(r, table, nearest, seen);
	if (!missing)
		return list_keys(r, table);
	seen->v[missing - table->keys] = true;
	return mistake_hint(r, "`%s` is missing: is this to be it?", missing->name);
}

static int check_keys(
    struct reader *r, const struct node *map, const struct key_table *table, struct seen *seen)
{
	const struct key *missing = only_missing(map, table);

	for (size_t i = 0; i < map->n; i++) {
		const struct node *node = map->entries[i].key;
		const struct key *key = find_key(table, node->text);
		int result = 0;

		if (key && key->kind == KEY_LATER) {
			result = report_later(r, node, table, key, seen);
		} else if (!key && !is_extension(node->text)) {
			result = report_unknown(r, node, table, missing, seen);
		}
		if (result < 0)
			return -1;
	}
	return 0;
}

static int report_missing(
    struct reader *r, const struct node *map, const struct key_table *table, const struct key *key)
{
	if (mistake(r, map, "the key `%s` is missing in %s", key->name, table->what) < 0)
		return -1;
	return hint_missing(r, table, key);
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
		else if (!entry && key->kind == KEY_REQUIRED && !seen->v[i] &&
			 (!seen->strange || table == &top_table))
			result = report_missing(r, map, table, key);
		if (result < 0)
			return -1;
		seen->v[i] = seen->v[i] || entry;
	}
	return 0;
}

int read_table(struct reader *r, const struct node *value, void *field, const void *arg)
{
	return schema_read(r, value, arg, field, NULL);
}

bool schema_seen(const struct key_table *table, const struct seen *seen, const char *key)
{
	const struct key *found = find_key(table, key);

	return found && seen->v[found - table->keys];
}
