#include "base/json.h"

#ifdef __APPLE__
#include <malloc/malloc.h>
#define malloc_usable_size malloc_size
#else
#include <malloc.h>
#endif

#include <stdlib.h>
#include <string.h>

/* Short of memory, jansson calls a line no JSON, drops the end of a string without a word, and
 * writes text with something missing: that it ran short is noted here. */
static _Thread_local bool starved;

static void *allocate(size_t size)
{
	void *memory = malloc(size);

	starved = starved || memory == NULL;
	return memory;
}

/* Bodies of requests hold secrets. */
static void wipe_and_free(void *memory)
{
	if (memory != NULL)
		explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

__attribute__((constructor)) static void watch_memory(void)
{
	json_set_alloc_funcs(allocate, wipe_and_free);
}

json_t *json_at(const json_t *root, const char *path)
{
	const json_t *at = root;

	while (at != NULL && *path != '\0') {
		size_t len = strcspn(path, ".");
		char name[64];

		if (len >= sizeof(name))
			return NULL;
		memcpy(name, path, len);
		name[len] = '\0';
		at = json_object_get(at, name);
		path += len;
		if (*path == '.')
			path++;
	}
	return (json_t *)(uintptr_t)at;
}

const char *json_str(const json_t *root, const char *path, const char *otherwise)
{
	const char *text = json_string_value(json_at(root, path));

	return text != NULL ? text : otherwise;
}

int64_t json_int(const json_t *root, const char *path, int64_t otherwise)
{
	const json_t *value = json_at(root, path);

	return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

bool json_flag(const json_t *root, const char *path, bool otherwise)
{
	const json_t *value = json_at(root, path);

	return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

char *json_canonical(const json_t *value)
{
	char *text;

	starved = false;
	text = json_dumps(value, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY);
	if (!starved)
		return text;
	free(text);
	return NULL;
}

int json_set(json_t *object, const char *key, json_t *value)
{
	return value == NULL ? -1 : json_object_set_new(object, key, value);
}

json_t *json_words(const struct strv *words)
{
	json_t *array = json_array();

	for (size_t i = 0; i < words->n; i++)
		if (json_array_append_new(array, json_string(words->v[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

int json_parse(const char *text, size_t len, const char *what, json_t **ret, struct error *err)
{
	json_error_t where;
	json_t *value;

	starved = false;
	value = json_loadb(text, len, JSON_DECODE_ANY, &where);
	if (starved) {
		json_decref(value);
		return error_memory(err);
	}
	if (value == NULL)
		return error_set(err, ERROR_PROTOCOL, "%s is not valid JSON: %s (line %d)", what,
		    where.text, where.line);
	*ret = value;
	return 0;
}
