/* Programs that print an inventory (docs/inventory.md, "Programs"). */
#ifndef SHIPIT_INVENTORY_PROGRAM_H
#define SHIPIT_INVENTORY_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
	PROGRAM_OUTPUT_MAX = 16 * 1024 * 1024,
	PROGRAM_TIMEOUT_MS = 30 * 1000, /* unless it is said */
};

struct program_rules {
	int64_t timeout_ms;
	int64_t cache_ms; /* how old an answer may be; 0: each is asked for */
	bool ask_anew;	  /* whatever is in the cache */
	int cancel_fd;
};

/* What the program at the absolute `path` prints when it is called with --list in the folder `dir`:
 * malloc'ed and NUL-terminated, at most PROGRAM_OUTPUT_MAX bytes. From the cache
 * (inventory/answers.h) as `rules` allow; `ret_fresh`: it was not. `shown` is the program's name in
 * messages; all errors but an interruption are ERROR_INVENTORY. */
int program_ask(const char *path, const char *shown, const char *dir,
    const struct program_rules *rules, char **ret_text, size_t *ret_len, bool *ret_fresh,
    struct error *err);

#endif
