/* What to do about a mistake, for the one that was added last. All return 0, or -1 when out of
 * memory. */
#ifndef SHIPIT_INVENTORY_HINTS_H
#define SHIPIT_INVENTORY_HINTS_H

#include "inventory/schema.h"

/* A value of the wrong kind where `expected` was. */
int hint_kind(struct reader *r, const struct node *node, const char *expected);
/* `did you mean "web"?`, when one of `known` is near to `word`; each has `before` before it. */
int hint_nearest(
    struct reader *r, const char *word, const char *before, const char *const *known, size_t n);
/* The same, or else which there are: `what` is "hosts". */
int hint_names(struct reader *r, const char *word, const char *what, const char *before,
    const struct strv *known);
/* A text that is empty, perhaps for its variables. */
int hint_empty(struct reader *r, const struct node *node);
/* A key that is needed. */
int hint_missing(struct reader *r, const struct key_table *table, const struct key *key);

/* What another tool, or common sense, calls a key. */
struct synonym {
	const struct key_table *table;
	const char *word;
	const char *key;  /* the one that is meant; NULL: there is none */
	const char *hint; /* NULL: the key says it */
};
const struct synonym *find_synonym(const struct key_table *table, const char *word);

#endif
