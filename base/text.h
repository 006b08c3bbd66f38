/* Text that goes to people. */
#ifndef SHIPIT_BASE_TEXT_H
#define SHIPIT_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/strv.h"

/* Append `text` with control characters (C0 but tab, DEL, C1) and bytes that are not UTF-8 shown as
 * \x1b and so on, so that nothing from a host can drive a terminal. Newlines become "\n" when
 * `one_line`, else stay. */
int text_clean(struct buf *out, const char *text, size_t len, bool one_line);

/* Is all of it UTF-8? JSON can carry nothing else. */
bool text_is_utf8(const char *text);

/* Of `known`, the one nearest to `word` by edit distance when it is near enough to be a slip of the
 * pen (at most a third of its length, rounded up), else NULL. */
const char *text_nearest(const char *word, const char *const *known, size_t n);

/* fnmatch-like glob over whole names: * ? [a-z]. */
bool text_glob(const char *pattern, const char *name);

/* Names of projects, environments, services: [a-z0-9]+([-_][a-z0-9]+)*, at most 40 bytes: what an
 * image name, a container name and a DNS label all allow; no dot, so prefixes cannot collide. */
bool text_is_name(const char *text);

/* "1.2 GB", "34 MB", "512 B" (decimal units, as engines print). */
enum { TEXT_BYTES_SIZE = 24 };
void text_bytes(uint64_t bytes, char out[TEXT_BYTES_SIZE]);
/* Whole bytes, or with a unit: "500MB" (decimal), "10GiB" or as coreutils do "10G" (binary); case
 * does not matter. -1: it is no such size, or more than 2^63 - 1. */
int text_parse_bytes(const char *text, uint64_t *ret);

#endif
