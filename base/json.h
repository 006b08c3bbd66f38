/* Small helpers over jansson. Getters never fail: they give the default when the path is not
 * there or has another type, so that an engine's odd answer cannot crash us. */
#ifndef SHIPIT_BASE_JSON_H
#define SHIPIT_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strv.h"

/* Nested members by a path "State.Health.Status"; NULL when any step is missing. Borrowed. */
json_t *json_at(const json_t *root, const char *path);
const char *json_str(const json_t *root, const char *path, const char *otherwise);
int64_t json_int(const json_t *root, const char *path, int64_t otherwise);
bool json_flag(const json_t *root, const char *path, bool otherwise);

/* The one canonical text of a value: keys sorted by bytes, no white space, UTF-8. malloc'ed; NULL
 * when out of memory. */
char *json_canonical(const json_t *value);

/* json_object_set_new that also fails where the value could not be made. */
int json_set(json_t *object, const char *key, json_t *value);
/* The same as an array of strings; NULL when out of memory, or one is not UTF-8. */
json_t *json_words(const struct strv *words);

/* Parse with bounds (depth by jansson's own limit); `what` names it in the error. ERROR_PROTOCOL,
 * or ERROR_MEMORY. */
int json_parse(const char *text, size_t len, const char *what, json_t **ret, struct error *err);

static inline void json_cleanup(json_t **value)
{
	json_decref(*value);
}
#define CLEANUP_JSON __attribute__((cleanup(json_cleanup)))

#endif
