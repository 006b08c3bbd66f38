#include "base/strv.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int strv_take(struct strv *list, char *string)
{
	char **v = NULL;

	if (string != NULL)
		v = reallocarray(list->v, list->n + 2, sizeof(*v));
	if (v == NULL) {
		free(string);
		return -1;
	}
	v[list->n++] = string;
	v[list->n] = NULL;
	list->v = v;
	return 0;
}

int strv_add(struct strv *list, const char *string)
{
	return strv_take(list, strdup(string));
}

int strv_addn(struct strv *list, const char *string, size_t len)
{
	return strv_take(list, strndup(string, len));
}

int strv_addf(struct strv *list, const char *format, ...)
{
	va_list args;
	char *text = NULL;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	return strv_take(list, len < 0 ? NULL : text);
}

int strv_copy(struct strv *to, const struct strv *from)
{
	struct strv copy = {0};

	for (size_t i = 0; i < from->n; i++)
		if (strv_add(&copy, from->v[i]) < 0) {
			strv_release(&copy);
			return -1;
		}
	strv_release(to);
	*to = copy;
	return 0;
}

int strv_split(struct strv *list, const char *string, const char *separators)
{
	size_t before = list->n;

	for (string += strspn(string, separators); *string != '\0';
	     string += strspn(string, separators)) {
		size_t len = strcspn(string, separators);

		if (strv_addn(list, string, len) < 0) {
			while (list->n > before) {
				free(list->v[--list->n]);
				list->v[list->n] = NULL;
			}
			return -1;
		}
		string += len;
	}
	return 0;
}

bool strv_has(const struct strv *list, const char *string)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i], string) == 0)
			return true;
	return false;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(struct strv *list)
{
	if (list->n > 1)
		qsort(list->v, list->n, sizeof(*list->v), compare);
}

void strv_release(struct strv *list)
{
	if (list == NULL)
		return;
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i]);
	free(list->v);
	*list = (struct strv){0};
}

/* Where `key` is in the slots, or the free one that it would take. FNV-1a. */
static size_t *slot_of(const struct pairs *pairs, const char *key)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (const char *c = key; *c != '\0'; c++)
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
	for (size_t i = hash & (pairs->n_slots - 1);; i = (i + 1) & (pairs->n_slots - 1)) {
		size_t *slot = &pairs->slots[i];

		if (*slot == 0 || strcmp(pairs->v[*slot - 1].key, key) == 0)
			return slot;
	}
}

/* Room for one more: at least half of the slots stay free, so that runs of them are short. */
static int grow_slots(struct pairs *pairs)
{
	enum { MANY = 16 };
	struct pairs grown = {
	    pairs->v, pairs->n, NULL, pairs->n_slots > 0 ? 2 * pairs->n_slots : 4 * MANY};

	if (pairs->v == NULL || pairs->n < MANY || 2 * (pairs->n + 1) <= pairs->n_slots)
		return 0;
	grown.slots = calloc(grown.n_slots, sizeof(*grown.slots));
	if (grown.slots == NULL)
		return -1;
	for (size_t i = 0; i < grown.n; i++)
		*slot_of(&grown, grown.v[i].key) = i + 1;
	free(pairs->slots);
	*pairs = grown;
	return 0;
}

static struct pair *find(const struct pairs *pairs, const char *key)
{
	if (pairs->slots != NULL) {
		size_t slot = *slot_of(pairs, key);

		return slot > 0 ? &pairs->v[slot - 1] : NULL;
	}
	for (size_t i = 0; i < pairs->n; i++)
		if (strcmp(pairs->v[i].key, key) == 0)
			return &pairs->v[i];
	return NULL;
}

const struct pair *pairs_find(const struct pairs *pairs, const char *key)
{
	return find(pairs, key);
}

static int set(struct pairs *pairs, const char *key, const char *value, bool secret)
{
	char *value_copy = value != NULL ? strdup(value) : NULL;
	struct pair *pair = find(pairs, key), *v;
	char *key_copy;

	if (value != NULL && value_copy == NULL)
		return -1;
	if (pair != NULL) {
		free(pair->value);
		pair->value = value_copy;
		pair->secret = secret;
		return 0;
	}
	key_copy = strdup(key);
	v = key_copy != NULL && grow_slots(pairs) == 0
		? reallocarray(pairs->v, pairs->n + 1, sizeof(*v))
		: NULL;
	if (v == NULL) {
		free(key_copy);
		free(value_copy);
		return -1;
	}
	pairs->v = v;
	pairs->v[pairs->n++] = (struct pair){key_copy, value_copy, secret};
	if (pairs->slots != NULL)
		*slot_of(pairs, key_copy) = pairs->n;
	return 0;
}

int pairs_set(struct pairs *pairs, const char *key, const char *value)
{
	return set(pairs, key, value, false);
}

int pairs_set_secret(struct pairs *pairs, const char *key, const char *secret)
{
	return set(pairs, key, secret, true);
}

int pairs_set_all(struct pairs *pairs, const struct pairs *from)
{
	for (size_t i = 0; i < from->n; i++)
		if (set(pairs, from->v[i].key, from->v[i].value, from->v[i].secret) < 0)
			return -1;
	return 0;
}

void pairs_release(struct pairs *pairs)
{
	for (size_t i = 0; i < pairs->n; i++) {
		free(pairs->v[i].key);
		free(pairs->v[i].value);
	}
	free(pairs->v);
	free(pairs->slots);
	*pairs = (struct pairs){0};
}
