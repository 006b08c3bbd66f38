#include "inventory/origins.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "inventory/inherit.h"
#include "inventory/overlay.h"

enum { PLACE_MAX = 64 * 1024 };

/* "shipit.yml:4:12", "./hosts.py: hosts.web1.port"; with what variables it was made of. */
static int add_place(struct buf *out, const struct node *node)
{
	const struct position *pos = &node->pos;
	int rc = pos->path ? buf_addf(out, "%s: %s", pos->file, pos->path)
			   : buf_addf(out, "%s:%d:%d", pos->file, pos->line, pos->column);

	if (rc == 0 && node->note)
		rc = buf_addf(out, ", %s", node->note);
	return rc;
}

/* File names are whatever bytes they like. */
static json_t *as_text(const struct buf *place)
{
	CLEANUP_BUF struct buf clean = BUF_INIT(4 * PLACE_MAX);

	if (text_clean(&clean, place->data, place->len, true) < 0)
		return NULL;
	return json_string(clean.data);
}

static json_t *place_of(const struct node *node)
{
	CLEANUP_BUF struct buf place = BUF_INIT(PLACE_MAX);

	return add_place(&place, node) == 0 ? as_text(&place) : NULL;
}

/* Is it no part of the list as it is written? Then it was joined with another one. */
static bool is_elsewhere(const struct node *list, const struct node *item)
{
	return item->pos.file != list->pos.file || item->pos.line < list->pos.line;
}

/* Does it follow `last` there? */
static bool goes_on(const struct node *last, const struct node *item)
{
	return last && item->pos.file == last->pos.file && item->pos.line >= last->pos.line;
}

/* Where a list begins, and where the others do that it was joined with. */
static json_t *place_of_list(const struct node *list)
{
	CLEANUP_BUF struct buf place = BUF_INIT(PLACE_MAX);
	const struct node *last = NULL;
	int rc = add_place(&place, list);

	for (size_t i = 0; i < list->n && rc == 0; i++) {
		const struct node *item = list->items[i];
		bool begins = is_elsewhere(list, item) && !goes_on(last, item);

		if (begins)
			rc = buf_adds(&place, ", ") < 0 ? -1 : add_place(&place, item);
		else if (item->note && !strstr(place.data, item->note))
			rc = buf_addf(&place, ", %s", item->note);
		if (is_elsewhere(list, item))
			last = item;
	}
	/* Thousands of lists joined: what could be told of them is told. */
	return rc == 0 || place.too_long ? as_text(&place) : NULL;
}

static json_t *origin(const struct node *node, const char *key);

/* KEY=VALUE as the entry KEY. */
static json_t *origins_of_pairs(const struct node *list)
{
	json_t *all = json_object();

	for (size_t i = 0; all && i < list->n; i++) {
		const struct node *item = list->items[i];
		const char *text = item->kind == NODE_SCALAR ? item->text : "";

		if (json_object_setn_new(all, text, strcspn(text, "="), place_of(item)) < 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

/* The mapping's own place is its member "". */
static json_t *origins_of_map(const struct node *map)
{
	json_t *all = json_object();
	bool well = all && json_set(all, "", place_of(map)) == 0;

	for (size_t i = 0; i < map->n && well; i++) {
		const char *key = map->entries[i].key->text;

		well = json_set(all, key, origin(map->entries[i].value, key)) == 0;
	}
	if (well)
		return all;
	json_decref(all);
	return NULL;
}

static json_t *origin(const struct node *node, const char *key)
{
	if (node->kind == NODE_MAP)
		return origins_of_map(node);
	if (node->kind != NODE_LIST)
		return place_of(node);
	if (strcmp(key, "environment") == 0 || strcmp(key, "labels") == 0 ||
	    strcmp(key, "args") == 0)
		return origins_of_pairs(node);
	return place_of_list(node);
}

/* ---- what is found by more than its key */

/* A range stands for hosts that have other names: they are found by where it stands. */
static int add_ranges(json_t *hosts, const struct node *section)
{
	for (size_t i = 0; section->kind == NODE_MAP && i < section->n; i++) {
		const struct entry *entry = &section->entries[i];
		CLEANUP_JSON json_t *place = place_of(entry->key);
		json_t *range = json_object_get(hosts, entry->key->text);

		if (!place)
			return -1;
		if (strchr(entry->key->text, '[') &&
		    json_object_set(hosts, json_string_value(place), range) < 0)
			return -1;
	}
	return 0;
}

/* Services as they are in an environment that overrides them. */
static int add_overrides(struct reader *r, json_t *environment, const struct node *overrides,
    const struct node *services)
{
	json_t *all = json_object_get(environment, "overrides");

	for (size_t i = 0; overrides->kind == NODE_MAP && i < overrides->n; i++) {
		const struct entry *over = &overrides->entries[i];
		const struct entry *under = node_find(services, over->key->text);
		struct node *whole = under ? overlay(&r->made, under->value, over->value,
						 over->key->text, OVERLAY_ITEM)
					   : over->value;

		if (!whole || json_set(all, over->key->text, origin(whole, "")) < 0)
			return -1;
	}
	return 0;
}

/* With what an environment inherits. */
static int add_environments(
    struct reader *r, json_t *environments, const struct node *section, const struct node *services)
{
	for (size_t i = 0; i < section->n; i++) {
		const struct entry *entry = &section->entries[i];
		const struct node *whole = inherit(r, section, entry);
		const struct entry *overrides = whole ? node_find(whole, "overrides") : NULL;
		json_t *all = whole ? origin(whole, "") : NULL;

		if (json_set(environments, entry->key->text, all) < 0)
			return -1;
		if (overrides && services && add_overrides(r, all, overrides->value, services) < 0)
			return -1;
	}
	return 0;
}

int origins_make(struct reader *r, const struct node *root)
{
	const struct entry *hosts = node_find(root, "hosts"),
			   *environments = node_find(root, "environments"),
			   *services = node_find(root, "services");
	json_t *all = r->inv->origins = origins_of_map(root);

	r->repeated = 0; /* it was not too much when it was read */
	if (!all || (hosts && add_ranges(json_object_get(all, "hosts"), hosts->value) < 0))
		return -1;
	return environments ? add_environments(r, json_object_get(all, "environments"),
				  environments->value, services ? services->value : NULL)
			    : 0;
}
