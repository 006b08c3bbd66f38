/* Reading a mapping by a table: each key is one line in one table, which says how to read it, where
 * to put it and what it means. Adding a key is adding a line.
 *
 * All functions here and all readers return 0, or -1 when out of memory and only then. Mistakes go
 * into the reader's problems, each once, and reading goes on. */
#ifndef SHIPIT_INVENTORY_SCHEMA_H
#define SHIPIT_INVENTORY_SCHEMA_H

#include "base/attr.h"
#include "inventory/inventory.h"
#include "inventory/source.h"
#include "inventory/yaml.h"

/* What readers share. */
struct reader {
	struct inventory *inv; /* what is being made */
	struct problems *problems;
	const struct source *source;
	struct pairs dotenv;	     /* variables of the `.env` beside the file */
	bool wants_origins;	     /* somebody asks where values come from */
	size_t n_own;		     /* of `inv->files`: the inventory's own */
	const char *shown_dir;	     /* goes before the names of other files in messages */
	char *compose_dir;	     /* the folder of the first Compose file; NULL: there is none */
	struct yaml made;	     /* nodes put together of the files' own */
	const struct node *services; /* the section; NULL: there is none without mistakes */
	struct json_t *own_variables; /* what environments set for the file itself */
	size_t own_left;	      /* bytes that more of them may have */
	size_t repeated;	      /* nodes read again for an environment */
	struct json_t *places;	      /* of each host's name: its place in `inv->hosts` */
	bool hosts_incomplete;	 /* a host could not be read: do not complain that it is missing */
	bool secrets_incomplete; /* the same of a secret */
	size_t n_ports;		 /* published, all services together */
};

/* Put `value` where `field` points. `arg` is the table line's own. */
typedef int read_fn(struct reader *r, const struct node *value, void *field, const void *arg);

/* Of a key whose value is read elsewhere. */
read_fn read_elsewhere;
/* What the table describes; `arg`: const struct key_table *. */
read_fn read_table;

enum key_kind {
	KEY_OPTIONAL,
	KEY_REQUIRED,
	KEY_IGNORED, /* accepted, without effect */
	KEY_LATER,   /* known, and refused by name; `doc` is a hint or NULL */
};

struct key {
	const char *name;
	read_fn *read;
	size_t offset; /* of the field in what the table describes */
	const void *arg;
	enum key_kind kind;
	const char *doc;
};

/* clang-format off */
#define KEY(name, read, offset, doc)          {name, read, offset, NULL, KEY_OPTIONAL, doc}
#define KEY_ARG(name, read, arg, offset, doc) {name, read, offset, arg, KEY_OPTIONAL, doc}
#define NEEDED(name, read, offset, doc)       {name, read, offset, NULL, KEY_REQUIRED, doc}
#define IGNORED(name, doc)                    {name, NULL, 0, NULL, KEY_IGNORED, doc}
#define LATER(name)                           {name, NULL, 0, NULL, KEY_LATER, NULL}
#define REFUSED(name, hint)                   {name, NULL, 0, NULL, KEY_LATER, hint}
/* The same for a key that was written for `instead`, which then counts as written. */
#define REPLACED(name, instead, hint)         {name, NULL, 0, instead, KEY_LATER, hint}
/* clang-format on */

enum { SCHEMA_MAX_KEYS = 128 };

struct key_table {
	const char *what; /* "a service": for messages */
	const struct key *keys;
	size_t n;
	bool inner; /* its keys are so common that they say nothing in another place */
};

#define KEY_TABLE(what, keys)                                                                      \
	{                                                                                          \
		what, keys, ARRAY_SIZE(keys), false                                                \
	}
#define INNER_TABLE(what, keys)                                                                    \
	{                                                                                          \
		what, keys, ARRAY_SIZE(keys), true                                                 \
	}

/* Which keys of a table a mapping has, or was probably meant to have (a slip of the pen counts, so
 * that it is one mistake and not two). */
struct seen {
	bool v[SCHEMA_MAX_KEYS];
	bool strange; /* there is a key that nothing is known about, perhaps a needed one's name */
};

/* Read the mapping `map` into `target`, the keys in the order of the table. `seen` may be NULL. */
int schema_read(struct reader *r, const struct node *map, const struct key_table *table,
    void *target, struct seen *seen);
bool schema_seen(const struct key_table *table, const struct seen *seen, const char *key);

/* Every table there is, NULL at the end: for the test that compares them with the manual. */
extern const struct key_table *const inventory_key_tables[];

/* A mistake at `node`, and what to do about the one added last. */
int mistake(struct reader *r, const struct node *node, const char *format, ...) PRINTF_LIKE(3, 4);
int mistake_hint(struct reader *r, const char *format, ...) PRINTF_LIKE(2, 3);
/* "expected WHAT, found a list". Silent for a node that was complained about already. */
int mistake_kind(struct reader *r, const struct node *node, const char *expected);
/* `expected WHAT, found "text"`. */
int mistake_value(struct reader *r, const struct node *node, const char *expected);
/* The same, and which of the `names` is nearest. */
int mistake_choice(struct reader *r, const struct node *node, const char *expected,
    const char *const *names, size_t n);

/* The text of a scalar: 1 and *ret_text, or as mistake_kind. `expected`: "a string". */
int scalar_text(
    struct reader *r, const struct node *node, const char *expected, const char **ret_text);

/* `node` is read again, for the environment or service `at`. 1; 0: that would be too much in all,
 * which is said once; -1: out of memory. */
int reader_repeats(struct reader *r, const struct node *at, const struct node *node);

/* A variable of the caller, an environment or `.env`; NULL when it is not set. Borrowed. */
const char *reader_variable(void *reader, const char *name);
/* The folder that a path which stands there is meant from. Borrowed. */
const char *reader_dir(const struct reader *r, const struct node *node);
/* The variables of one value, in place, once; what it comes to is taken from `left`. */
int reader_fill(struct reader *r, struct node *node, size_t *left);
/* All values of a tree, in place; keys are left as they are, as in Compose. */
int reader_interpolate(struct reader *r, struct yaml *yaml);

#endif
