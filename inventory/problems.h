/* Collecting the mistakes of an inventory. Everything here returns 0, or -1 when out of memory and
 * only then: a mistake is not a failure of the reader, which goes on to find the next one. */
#ifndef SHIPIT_INVENTORY_PROBLEMS_H
#define SHIPIT_INVENTORY_PROBLEMS_H

#include <stdarg.h>

#include "base/attr.h"
#include "inventory/inventory.h"

/* Add a mistake at `pos`; the file's name is copied. */
int problem_add(struct problems *problems, const struct position *pos, const char *format, ...)
    PRINTF_LIKE(3, 4);
int problem_vadd(struct problems *problems, const struct position *pos, const char *format,
    va_list args) PRINTF_LIKE(3, 0);

/* What to do about the mistake added last; replaces an earlier hint. */
int problem_hint(struct problems *problems, const char *format, ...) PRINTF_LIKE(2, 3);

/* Mistakes in `file` come before those in files that were not named yet. */
int problems_file(struct problems *problems, const char *file);

/* Into the order of the files, and each only once: a mistake behind a YAML anchor is met wherever
 * the anchor is used. */
void problems_sort(struct problems *problems);

/* `text` made fit for a message: control characters replaced, cut where it is long. */
enum { SHOWN_SIZE = 80 };
const char *show_text(char out[SHOWN_SIZE], const char *text);

#endif
