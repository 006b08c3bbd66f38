/* Where an inventory's words come from besides its own file: the caller's environment and the
 * files that it names. Behind functions, so that tests and the fuzzer touch neither. */
#ifndef SHIPIT_INVENTORY_SOURCE_H
#define SHIPIT_INVENTORY_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "inventory/inventory.h"

struct source {
	void *context;
	/* A variable's value, or NULL when it is not set. Borrowed. */
	const char *(*variable)(void *context, const char *name);
	/* The whole of a file of at most `max` bytes, malloc'ed and NUL-terminated. */
	int (*read_file)(void *context, const char *path, size_t max, char **ret_text,
	    size_t *ret_len, struct error *err);
};

/* The process's environment and the file system. */
extern const struct source source_system;

/* One of the texts that an inventory is made of. All borrowed. */
struct source_text {
	const char *name; /* as the user wrote it; for messages */
	const char *text;
	size_t len;
	bool is_output; /* JSON that a program printed */
};

struct source_texts {
	const struct source_text *v; /* later ones go over earlier ones; at least one */
	size_t n;
	const char *name; /* what all of it is called in messages */
	const char *path; /* as in struct inventory */
	const char *dir;
};

/* As inventory_load, for texts. `.env` is not read, and no program is run. */
int inventory_parse_all(const struct source_texts *from, const struct source *source,
    struct inventory **ret, struct problems *problems, struct error *err);

/* The same for the text of one file that is called `name` (as the user wrote it; for
 * messages) and lies in the folder `dir` (absolute). */
int inventory_parse(const char *text, size_t len, const char *name, const char *dir,
    const struct source *source, struct inventory **ret, struct problems *problems,
    struct error *err);

#endif
