/* A list of strings that it owns. `v` is NULL-terminated once anything was added, so it can be
 * handed to exec; `v` is NULL while the list is empty. */
#ifndef SHIPIT_BASE_STRV_H
#define SHIPIT_BASE_STRV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

struct strv {
	char **v;
	size_t n;
};

/* All return 0, or -1 when out of memory (the list is unchanged). */
int strv_add(struct strv *list, const char *string);
int strv_addn(struct strv *list, const char *string, size_t len);
int strv_addf(struct strv *list, const char *format, ...) PRINTF_LIKE(2, 3);
int strv_take(struct strv *list, char *string); /* takes ownership, also on failure; NULL fails */
int strv_copy(struct strv *to, const struct strv *from);
/* Split at any byte of `separators`, empty pieces left out. */
int strv_split(struct strv *list, const char *string, const char *separators);

bool strv_has(const struct strv *list, const char *string);
void strv_sort(struct strv *list);
void strv_release(struct strv *list);

#define CLEANUP_STRV __attribute__((cleanup(strv_release)))

/* A list of KEY=VALUE pairs in the order they were written; keys are unique once set by
 * pairs_set. `value` may be NULL ("the key alone"). */
struct pair {
	char *key;
	char *value;
	bool secret; /* `value` is the name of a secret, for which its own value stands */
};

struct pairs {
	struct pair *v;
	size_t n;
	size_t *slots; /* by the hash of a key: its place in `v`, from 1; of many pairs only */
	size_t n_slots;
};

int pairs_set(struct pairs *pairs, const char *key, const char *value);
int pairs_set_secret(struct pairs *pairs, const char *key, const char *secret);
int pairs_set_all(struct pairs *pairs, const struct pairs *from);
const struct pair *pairs_find(const struct pairs *pairs, const char *key);
void pairs_release(struct pairs *pairs);

#endif
