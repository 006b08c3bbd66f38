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

/* The line of the mistake added last may hold a secret. */
void problem_hide(struct problems *problems);

/* The mistake added last has the same cause as all that have its text. */
void problem_once(struct problems *problems);
/* So many that nobody reads what to do about each: to look for it would take for ever. */
bool problems_are_many(const struct problems *problems);
/* Say those that have one cause once, in the first place; when they are sorted. */
int problems_merge(struct problems *problems);

/* Mistakes in `file` come before those in files that were not named yet. */
int problems_file(struct problems *problems, const char *file);

/* What stands in `file` may be shown beside its mistakes; it is copied. Not for files of secrets.
 */
int problems_text(struct problems *problems, const char *file, const char *text, size_t len);

/* Borrowed; NULL: nobody is to see it. */
const char *problems_text_of(const struct problems *problems, const char *file);

/* Give each the line that it is about, from the files that `texts` was told; once they are sorted.
 */
int problems_quote(struct problems *problems, const struct problems *texts);

void problem_release(struct problem *problem);

/* Into the order of the files, and each only once: a mistake behind a YAML anchor is met wherever
 * the anchor is used. */
void problems_sort(struct problems *problems);

/* `text` made fit for a message: control characters replaced, cut where it is long. */
enum { SHOWN_SIZE = 80 };
const char *show_text(char out[SHOWN_SIZE], const char *text);

/* "12:5", or "other.yml:12:5" where that is another file than `from` is in. */
enum { POSITION_SIZE = 2 * SHOWN_SIZE + 16 };
const char *show_position(
    char out[POSITION_SIZE], const struct position *pos, const struct position *from);
/* The same value: one behind an alias stands in one place only. */
bool same_position(const struct position *a, const struct position *b);

#endif
