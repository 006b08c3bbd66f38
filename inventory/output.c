#include "inventory/output.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "inventory/keys.h"
#include "inventory/problems.h"

enum { PATH_MAX_BYTES = 200 };

static struct position position_of(const struct output *o, const char *path)
{
	return (struct position){.file = o->file, .path = path};
}

static int out_of_memory(struct output *o)
{
	o->no_memory = true;
	return -1;
}

int output_mistake(struct output *o, const char *path, const char *format, ...)
{
	struct position pos = position_of(o, path);
	va_list args;

	va_start(args, format);
	int rc = problem_vadd(o->r->problems, &pos, format, args);
	va_end(args);
	return rc < 0 ? out_of_memory(o) : 0;
}

const char *output_path(struct output *o, const char *format, ...)
{
	struct strv *owner = &o->r->inv->files;
	char *text = NULL;
	va_list args;

	va_start(args, format);
	int len = vasprintf(&text, format, args);
	va_end(args);
	if (strv_take(owner, len < 0 ? NULL : text) == 0)
		return owner->v[owner->n - 1];
	out_of_memory(o);
	return NULL;
}

struct node *output_node(struct output *o, enum node_kind kind, const char *path)
{
	struct position pos = position_of(o, path);

	if (!path)
		return NULL;
	if (++o->n_nodes > YAML_MAX_NODES) {
		output_mistake(o, path, "more than %d values", YAML_MAX_NODES);
		return NULL;
	}
	struct node *node = yaml_add(o->yaml, kind, &pos);
	if (!node)
		out_of_memory(o);
	return node;
}

struct node *output_text(struct output *o, const char *text, const char *path)
{
	struct node *node = output_node(o, NODE_SCALAR, path);

	if (!node)
		return NULL;
	node->quoted = true;
	node->text = strdup(text);
	if (node->text)
		return node;
	out_of_memory(o);
	return NULL;
}

int output_add(struct output *o, struct node *list, struct node *item)
{
	if (!item)
		return -1;
	return node_add_item(list, item) < 0 ? out_of_memory(o) : 0;
}

int output_append(struct output *o, struct node *map, const char *key, struct node *value)
{
	struct node *node = value ? output_text(o, key, value->pos.path) : NULL;

	if (!node)
		return -1;
	node->is_key = true;
	return node_add_entry(map, node, value) < 0 ? out_of_memory(o) : 0;
}

int output_set(struct output *o, struct node *map, const char *key, struct node *value)
{
	for (size_t i = 0; i < map->n; i++)
		if (value && strcmp(map->entries[i].key->text, key) == 0) {
			map->entries[i].value = value;
			return 0;
		}
	return output_append(o, map, key, value);
}

/* ---- any value */

/* A way that is long already leads to what is around it. */
static const char *path_below(struct output *o, const char *path, const char *key)
{
	if (strlen(path) + strlen(key) > PATH_MAX_BYTES)
		return path;
	return output_path(o, "%s%s%s", path, *path ? "." : "", key);
}

static struct node *value_at(
    struct output *o, const json_t *value, const char *path, unsigned depth);

static int add_items(
    struct output *o, struct node *list, const json_t *value, const char *path, unsigned depth)
{
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *item = json_array_get(value, i);
		bool is_short = !json_is_object(item) && !json_is_array(item);
		const char *at = is_short || strlen(path) > PATH_MAX_BYTES
				     ? path
				     : output_path(o, "%s[%zu]", path, i);

		if (!at || output_add(o, list, value_at(o, item, at, depth)) < 0)
			return -1;
	}
	return 0;
}

static int add_entries(
    struct output *o, struct node *map, const json_t *value, const char *path, unsigned depth)
{
	const char *key;
	json_t *member;

	json_object_foreach((json_t *)(uintptr_t)value, key, member)
	{
		const char *at = path_below(o, path, key);

		if (!at || output_append(o, map, key, value_at(o, member, at, depth)) < 0)
			return -1;
	}
	return 0;
}

static struct node *collection_at(
    struct output *o, const json_t *value, const char *path, unsigned depth)
{
	bool is_list = json_is_array(value);
	struct node *node = output_node(o, is_list ? NODE_LIST : NODE_MAP, path);

	if (!node)
		return NULL;
	if (depth > YAML_MAX_DEPTH) {
		output_mistake(o, path, "more than %d levels", YAML_MAX_DEPTH);
		return NULL;
	}
	int rc = is_list ? add_items(o, node, value, path, depth + 1)
			 : add_entries(o, node, value, path, depth + 1);
	return rc < 0 ? NULL : node;
}

/* Numbers and the like as they are written. */
static struct node *plain_at(struct output *o, const json_t *value, const char *path)
{
	CLEANUP_FREE char *text = json_canonical(value);
	struct node *node = text ? output_text(o, text, path) : NULL;

	if (!text)
		out_of_memory(o);
	if (!node)
		return NULL;
	node->quoted = false;
	if (json_is_null(value))
		node->kind = NODE_NULL;
	return node;
}

static struct node *value_at(
    struct output *o, const json_t *value, const char *path, unsigned depth)
{
	if (json_is_string(value))
		return output_text(o, json_string_value(value), path);
	if (json_is_array(value) || json_is_object(value))
		return collection_at(o, value, path, depth);
	return plain_at(o, value, path);
}

struct node *output_value(struct output *o, const json_t *value, const char *path)
{
	return value_at(o, value, path, 1);
}

/* ---- which of the two it is */

static bool is_own_key(const char *name)
{
	for (size_t i = 0; i < top_table.n; i++)
		if (strcmp(top_table.keys[i].name, name) == 0)
			return true;
	return false;
}

/* A group may be called "hosts" or "services", so `_meta` decides where it is there. */
static bool is_ansible(const json_t *root)
{
	const char *key;
	json_t *member;

	if (json_object_get(root, "_meta"))
		return true;
	json_object_foreach((json_t *)(uintptr_t)root, key, member)
	{
		if (is_own_key(key))
			return false;
	}
	return true;
}

static int read_root(struct output *o, const json_t *root)
{
	const struct problems *problems = o->r->problems;
	size_t before = problems->n;

	if (!json_is_object(root))
		return output_mistake(o, "", "what it printed is %s: an inventory is a JSON object",
		    json_is_array(root) ? "a JSON array" : "a single value");
	struct node *tree = is_ansible(root) ? ansible_tree(o, root) : output_value(o, root, "");
	/* After a mistake hosts or tags may be missing, which would be complained about. */
	o->yaml->root = problems->n == before ? tree : NULL;
	return o->no_memory ? -1 : 0;
}

int output_parse(struct reader *r, const char *text, size_t len, const char *file, struct yaml *ret)
{
	struct output o = {.r = r, .file = file, .yaml = ret};
	CLEANUP_ERROR struct error err = {0};
	CLEANUP_JSON json_t *root = NULL;

	*ret = (struct yaml){0};
	if (len == 0)
		return output_mistake(&o, "", "it printed nothing: an inventory is a JSON object");
	if (json_parse(text, len, "what it printed", &root, &err) == 0)
		return read_root(&o, root);
	if (err.kind == ERROR_MEMORY)
		return -1;
	return output_mistake(&o, "", "%s", error_text(&err));
}
