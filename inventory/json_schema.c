#include "inventory/json_schema.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "inventory/keys.h"
#include "shapes_text.h"

static const char over[] = "override_of_";

/* Readers that many keys share. */
static const struct {
	read_fn *read;
	const char *shape;
} shape_of[] = {
    {read_string, "text"},
    {read_text, "filled"},
    {read_path, "filled"},
    {read_bool, "flag"},
    {read_duration, "duration"},
    {read_delay, "delay"},
    {read_age, "age"},
    {read_list, "texts"},
    {read_words, "words"},
    {read_pairs, "pairs"},
    {read_host_patterns, "host_patterns"},
    {setting_text, "filled"},
    {setting_flag, "flag"},
    {setting_choice, "flag"},
    {setting_number, "integer_from_-1"},
    {setting_oom_score, "oom_score"},
    {setting_size, "size"},
    {setting_cpus, "cpus"},
    {setting_list, "filled_texts"},
    {setting_hosts, "host_addresses"},
    {setting_paths, "absolute_paths"},
    {setting_pairs, "pairs"},
    {setting_limits, "limits"},
};

/* "port" of "a port", "volume_of_the_file" of "a volume of the file", "build" of "`build`". */
static void name_of(const struct key_table *table, char out[64])
{
	const char *what = table->what;
	size_t n = 0;

	if (strncmp(what, "a ", 2) == 0)
		what += 2;
	else if (strncmp(what, "an ", 3) == 0)
		what += 3;
	for (; *what && n + 1 < 64; what++)
		if (*what != '`')
			out[n++] = *what == ' ' ? '_' : *what;
	out[n] = '\0';
}

static json_t *reference(const char *name)
{
	CLEANUP_FREE char *text = string_printf("#/definitions/%s", name);

	return text != NULL ? json_pack("{s:s}", "$ref", text) : NULL;
}

/* ---- what a key's value may be */

static json_t *shape_of_count(const struct range *range)
{
	CLEANUP_FREE char *title =
	    string_printf("a whole number from %d to %d", range->least, range->most);

	return title == NULL
		   ? NULL
		   : json_pack("{s:s, s:[{s:s, s:i, s:i}, {s:s, s:s}]}", "title", title, "anyOf",
			 "type", "integer", "minimum", range->least, "maximum", range->most, "type",
			 "string", "pattern", "^-?[0-9]+$|\\$[A-Za-z_{]");
}

static json_t *shape_of_choice(const struct choices *choices)
{
	json_t *names = json_array();

	for (size_t i = 0; i < choices->n; i++)
		json_array_append_new(names, json_string(choices->names[i]));
	return json_pack("{s:s, s:[{s:o}, o]}", "title", choices->expected, "anyOf", "enum", names,
	    reference("variable"));
}

/* Of the key, of its reader, or made of the reader's argument. */
static json_t *shape_of_key(
    const json_t *shapes, const char *table, const struct key *key, struct error *err)
{
	CLEANUP_FREE char *path = string_printf("%s.%s", table, key->name);
	const json_t *own;

	if (path == NULL)
		return NULL;
	own = json_object_get(json_object_get(shapes, "keys"), path);
	if (own != NULL)
		return json_deep_copy(own);
	if (key->kind == KEY_IGNORED)
		return json_object();
	if (key->read == read_table) {
		char name[64];

		name_of(key->arg, name);
		return reference(name);
	}
	if (key->read == read_count)
		return shape_of_count(key->arg);
	if (key->read == read_choice)
		return shape_of_choice(key->arg);
	if (key->read == read_pairs && key->arg == &environment_rule)
		return reference("environment_variables");
	for (size_t i = 0; i < ARRAY_SIZE(shape_of); i++)
		if (shape_of[i].read == key->read)
			return reference(shape_of[i].shape);
	error_set(err, ERROR_FAILED, "shapes.json has no shape for `%s`", path);
	return NULL;
}

/* What stands beside a reference is not looked at, so it goes into a list of one. */
static json_t *described(json_t *shape, const char *doc)
{
	json_t *all = json_object_get(shape, "$ref") != NULL
			  ? json_pack("{s:s, s:[o]}", "description", doc, "allOf", shape)
			  : shape;

	if (all != NULL && all == shape && json_set(all, "description", json_string(doc)) < 0) {
		json_decref(all);
		return NULL;
	}
	return all;
}

/* ---- tables */

static json_t *object_of(
    const json_t *shapes, const struct key_table *table, const char *name, struct error *err)
{
	CLEANUP_JSON json_t *properties = json_object(), *required = json_array();

	for (size_t i = 0; i < table->n; i++) {
		const struct key *key = &table->keys[i];
		json_t *shape = NULL;

		if (key->kind == KEY_LATER)
			continue;
		shape = shape_of_key(shapes, name, key, err);
		if (shape == NULL ||
		    json_set(properties, key->name, described(shape, key->doc)) < 0)
			return NULL;
		if (key->kind == KEY_REQUIRED)
			json_array_append_new(required, json_string(key->name));
	}
	json_t *object = json_pack("{s:s, s:s, s:O, s:{s:{}}, s:b, s:O}", "title", table->what,
	    "type", "object", "properties", properties, "patternProperties", "^x-",
	    "additionalProperties", 0, "required", required);
	json_t *more = json_object_get(json_object_get(shapes, "tables"), name);

	if (object != NULL && more != NULL && json_object_update(object, more) < 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

/* ---- overrides: a mapping over another one, so nothing is missing in it */

static bool is_table(const char *name)
{
	for (size_t i = 0; inventory_key_tables[i] != NULL; i++) {
		char known[64];

		name_of(inventory_key_tables[i], known);
		if (strcmp(name, known) == 0)
			return true;
	}
	return false;
}

static int loosen(json_t *value);

static int loosen_object(json_t *object)
{
	const char *ref = json_str(object, "$ref", NULL);
	const char *name = ref != NULL ? strrchr(ref, '/') + 1 : NULL, *key;
	json_t *member;

	if (name != NULL && is_table(name)) {
		CLEANUP_FREE char *text = string_printf("#/definitions/%s%s", over, name);

		return text != NULL ? json_set(object, "$ref", json_string(text)) : -1;
	}
	json_object_foreach(object, key, member)
	{
		/* A list's items are not merged. */
		if (strcmp(key, "items") != 0 && loosen(member) < 0)
			return -1;
	}
	return 0;
}

static int loosen(json_t *value)
{
	json_t *item;
	size_t i;

	if (json_is_object(value))
		return loosen_object(value);
	json_array_foreach(value, i, item)
	{
		if (loosen(item) < 0)
			return -1;
	}
	return 0;
}

static json_t *override_of(const json_t *object)
{
	json_t *copy = json_deep_copy(object);

	json_object_del(copy, "required");
	json_object_del(copy, "anyOf");
	json_object_del(copy, "oneOf");
	if (copy == NULL || loosen(copy) == 0)
		return copy;
	json_decref(copy);
	return NULL;
}

/* ---- all of it */

static int define_tables(const json_t *shapes, json_t *definitions, struct error *err)
{
	for (size_t i = 0; inventory_key_tables[i] != NULL; i++) {
		char name[64];
		CLEANUP_FREE char *override = NULL;

		/* A file of its own kind, which has a schema elsewhere. */
		if (inventory_key_tables[i] == &compose_table)
			continue;
		name_of(inventory_key_tables[i], name);
		override = string_printf("%s%s", over, name);
		if (override == NULL ||
		    json_set(definitions, name,
			object_of(shapes, inventory_key_tables[i], name, err)) < 0 ||
		    json_set(
			definitions, override, override_of(json_object_get(definitions, name))) < 0)
			return -1;
	}
	return 0;
}

/* Move what `value` refers to, and what that refers to, from `all` to `used`. */
static int collect(const json_t *value, const json_t *all, json_t *used)
{
	const char *ref = json_str(value, "$ref", NULL), *key;
	const char *name = ref != NULL ? strrchr(ref, '/') + 1 : NULL;
	json_t *member;
	size_t i;

	if (name != NULL && json_object_get(used, name) == NULL) {
		json_t *definition = json_object_get(all, name);

		return json_object_set(used, name, definition) < 0 ? -1
								   : collect(definition, all, used);
	}
	json_object_foreach((json_t *)value, key, member)
	{
		if (collect(member, all, used) < 0)
			return -1;
	}
	json_array_foreach(value, i, member)
	{
		if (collect(member, all, used) < 0)
			return -1;
	}
	return 0;
}

static json_t *make(const json_t *shapes, struct error *err)
{
	CLEANUP_JSON json_t *all = json_deep_copy(json_object_get(shapes, "shapes")),
			    *used = json_object();
	json_t *root;

	if (all == NULL || define_tables(shapes, all, err) < 0)
		return NULL;
	root = json_object_get(all, "shipit.yml");
	if (collect(root, all, used) < 0 || json_object_set(root, "definitions", used) < 0 ||
	    json_set(root, "$schema", json_string("http://json-schema.org/draft-07/schema#")) < 0)
		return NULL;
	return json_incref(root);
}

json_t *inventory_json_schema(struct error *err)
{
	CLEANUP_JSON json_t *shapes = NULL;
	json_t *schema;

	if (json_parse(
		(const char *)shapes_text, sizeof(shapes_text), "shapes.json", &shapes, err) < 0)
		return NULL;
	schema = make(shapes, err);
	if (schema == NULL && err->kind == ERROR_NONE)
		error_memory(err);
	return schema;
}
