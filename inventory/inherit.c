#include "inventory/inherit.h"

#include <jansson.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "inventory/hints.h"
#include "inventory/interpolate.h"
#include "inventory/keys.h"
#include "inventory/overlay.h"
#include "inventory/problems.h"

/* What is merged where both have it; the rest is replaced. */
static const struct merged {
	const char *key;
	enum overlay_level level;
} merged[] = {
    {"environment", OVERLAY_KEY},
    {"rollout", OVERLAY_KEY},
    {"overrides", OVERLAY_SECTION},
};

static bool is_inherited(const char *key)
{
	return strcmp(key, "name") != 0 && strcmp(key, "extends") != 0;
}

static struct node *join(struct yaml *made, const struct entry *under, const struct entry *over)
{
	if (over == NULL)
		return under->value;
	for (size_t i = 0; i < ARRAY_SIZE(merged); i++)
		if (strcmp(merged[i].key, over->key->text) == 0)
			return overlay(
			    made, under->value, over->value, merged[i].key, merged[i].level);
	return over->value;
}

/* Where in `map` a key is; NULL: out of memory. */
static json_t *index_of(const struct node *map)
{
	json_t *index = json_object();

	for (size_t i = 0; i < map->n && index != NULL; i++)
		if (json_set(index, map->entries[i].key->text, json_integer((json_int_t)i)) < 0) {
			json_decref(index);
			return NULL;
		}
	return index;
}

static struct node *put_over(struct yaml *made, const struct node *under, const struct node *over)
{
	struct node *map = yaml_add(made, NODE_MAP, &over->pos);
	CLEANUP_JSON json_t *left = index_of(over);

	if (map == NULL || left == NULL)
		return NULL;
	for (size_t i = 0; i < under->n; i++) {
		const struct entry *entry = &under->entries[i];
		const json_t *at = json_object_get(left, entry->key->text);

		if (!is_inherited(entry->key->text))
			continue;
		if (node_add_entry(map, entry->key,
			join(made, entry,
			    at != NULL ? &over->entries[json_integer_value(at)] : NULL)) < 0)
			return NULL;
		json_object_del(left, entry->key->text);
	}
	for (size_t i = 0; i < over->n; i++)
		if (json_object_get(left, over->entries[i].key->text) != NULL &&
		    node_add_entry(map, over->entries[i].key, over->entries[i].value) < 0)
			return NULL;
	return map;
}

/* ---- what an environment extends ---- */

/* The way from the environment that is read up to the one it builds on in the end. */
struct line {
	const struct entry *environment[INHERIT_MAX + 1];
	size_t n;
	bool broken; /* it cannot be followed further */
};

static bool has(const struct line *line, const struct entry *entry)
{
	for (size_t i = 0; i < line->n; i++)
		if (line->environment[i] == entry)
			return true;
	return false;
}

static struct node *extends_of(const struct entry *entry)
{
	const struct entry *extends =
	    entry->value->kind == NODE_MAP ? node_find(entry->value, "extends") : NULL;

	return extends != NULL ? extends->value : NULL;
}

static int report_unknown(struct reader *r, const struct node *all, const struct node *name)
{
	CLEANUP_STRV struct strv known = {0};
	char shown[SHOWN_SIZE];

	for (size_t i = 0; i < all->n; i++)
		if (strv_add(&known, all->entries[i].key->text) < 0)
			return -1;
	if (mistake(r, name, "no environment is called \"%s\"", show_text(shown, name->text)) < 0)
		return -1;
	return hint_names(r, name->text, "environments", "", &known);
}

/* Each that is in the circle would find it, too. */
static int report_circle(struct reader *r, const struct line *line, const struct node *name)
{
	char shown[SHOWN_SIZE];
	int result =
	    mistake(r, name, "environments extend each other in a circle, here \"%s\" again",
		show_text(shown, name->text));

	for (size_t i = 0; i < line->n; i++)
		extends_of(line->environment[i])->bad = true;
	return result;
}

/* From `entry` on, as far as it can be followed; with mistakes told where `r` is given. */
static int follow(
    struct reader *r, const struct node *all, const struct entry *entry, struct line *ret)
{
	*ret = (struct line){.environment = {entry}, .n = 1};
	for (struct node *name; (name = extends_of(entry)) != NULL;) {
		const char *text;

		ret->broken = true;
		int got = r ? scalar_text(r, name, "an environment's name", &text)
			    : name->kind == NODE_SCALAR && !name->bad;

		if (got <= 0)
			return got;
		entry = node_find(all, name->text);
		if (entry == NULL)
			return r ? report_unknown(r, all, name) : 0;
		if (has(ret, entry))
			return r ? report_circle(r, ret, name) : 0;
		if (ret->n > INHERIT_MAX)
			return r ? mistake(r, name, "more than %d environments extend each other",
				       INHERIT_MAX)
				 : 0;
		ret->environment[ret->n++] = entry;
		ret->broken = false;
	}
	return 0;
}

/* What could not be found may have had hosts. */
static struct node *unknown_base(struct yaml *made, const struct position *pos)
{
	struct node *map = yaml_add(made, NODE_MAP, pos), *key = yaml_add(made, NODE_SCALAR, pos),
		    *hosts = yaml_add(made, NODE_NULL, pos);

	if (map == NULL || key == NULL || hosts == NULL)
		return NULL;
	hosts->bad = true;
	key->text = strdup("hosts");
	return key->text != NULL && node_add_entry(map, key, hosts) == 0 ? map : NULL;
}

struct node *inherit(struct reader *r, const struct node *all, const struct entry *entry)
{
	struct line line;
	struct node *whole;

	if (follow(r, all, entry, &line) < 0)
		return NULL;
	for (size_t i = 1; i < line.n; i++) {
		int got = reader_repeats(r, entry->key, line.environment[i]->value);

		if (got < 0)
			return NULL;
		if (got == 0)
			line = (struct line){{entry}, 1, true};
	}
	whole = line.environment[line.n - 1]->value;
	if (line.broken) {
		struct node *base = unknown_base(&r->made, &whole->pos);

		whole = base != NULL ? put_over(&r->made, base, whole) : NULL;
	}
	for (size_t i = line.n - 1; i > 0 && whole != NULL; i--) {
		struct node *over = line.environment[i - 1]->value;

		/* One that is no mapping is complained about where it stands. */
		whole = whole->kind == NODE_MAP ? put_over(&r->made, whole, over) : over;
	}
	return whole;
}

/* ---- variables ---- */

/* The first that sets it wins. A value is filled in at once, with what was taken before it: it is
 * the same in the file and in the container. */
static int take(struct reader *r, const char *name, size_t len, const char *text)
{
	if (json_object_getn(r->own_variables, name, len) != NULL)
		return 0;
	return json_object_setn_new_nocheck(r->own_variables, name, len, json_string_nocheck(text));
}

static int take_item(struct reader *r, struct node *item)
{
	const char *equals;

	if (reader_fill(r, item, &r->own_left) < 0)
		return -1;
	equals = item->kind == NODE_SCALAR && !item->bad ? strchr(item->text, '=') : NULL;
	return equals ? take(r, item->text, (size_t)(equals - item->text), equals + 1) : 0;
}

static int take_entry(struct reader *r, const struct entry *entry)
{
	const char *name = entry->key->text;

	if (reader_fill(r, entry->value, &r->own_left) < 0)
		return -1;
	if (entry->value->kind != NODE_SCALAR || entry->value->bad)
		return 0;
	return take(r, name, strlen(name), entry->value->text);
}

static int take_all(struct reader *r, const struct node *value)
{
	for (size_t i = 0; value->kind == NODE_LIST && i < value->n; i++)
		if (take_item(r, value->items[i]) < 0)
			return -1;
	for (size_t i = 0; value->kind == NODE_MAP && i < value->n; i++)
		if (take_entry(r, &value->entries[i]) < 0)
			return -1;
	return 0;
}

/* `taken`: of each environment whether that was done. */
static int take_line(
    struct reader *r, const struct node *all, const struct entry *entry, bool *taken)
{
	struct line line;

	if (follow(NULL, all, entry, &line) < 0)
		return -1;
	for (size_t i = 0; i < line.n; i++) {
		const struct node *environment = line.environment[i]->value;
		bool *done = &taken[line.environment[i] - all->entries];
		const struct entry *variables =
		    environment->kind == NODE_MAP ? node_find(environment, "environment") : NULL;

		if (variables != NULL && !*done && take_all(r, variables->value) < 0)
			return -1;
		*done = true;
	}
	return 0;
}

int inherit_variables(struct reader *r, const struct node *root)
{
	const struct entry *section = node_find(root, "environments");
	const char *chosen = r->source->variable(r->source->context, "SHIPIT_ENV");
	bool taken[MAX_ENVIRONMENTS] = {false};

	r->own_variables = json_object();
	r->own_left = YAML_MAX_BYTES;
	if (r->own_variables == NULL)
		return -1;
	/* More are a mistake that is told later. */
	if (section == NULL || section->value->kind != NODE_MAP ||
	    section->value->n > MAX_ENVIRONMENTS)
		return 0;
	for (size_t i = 0; i < section->value->n; i++) {
		const struct entry *entry = &section->value->entries[i];
		bool meant =
		    chosen == NULL || *chosen == '\0' || strcmp(chosen, entry->key->text) == 0;

		if (meant && take_line(r, section->value, entry, taken) < 0)
			return -1;
	}
	return 0;
}
