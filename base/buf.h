/* A growing byte buffer that knows its own limit.
 *
 * `data` is always followed by a NUL that is not counted in `len`, so it can be read as a string;
 * before the first append it is "". Appending fails (-1, nothing changed) when the result would be
 * longer than `max` or memory runs out; buf_error() turns that into words.
 *
 *   struct buf out = BUF_INIT(64 * 1024);
 *   if (buf_addf(&out, "%s=%d", key, n) < 0) return buf_error(&out, err, "the header");  */
#ifndef SHIPIT_BASE_BUF_H
#define SHIPIT_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"

struct buf {
	char *data;
	size_t len;
	size_t cap;   /* bytes allocated, 0 while `data` is the static "" */
	size_t max;   /* the most that `len` may become */
	int too_long; /* the last failure was the limit, not memory */
	int secret;   /* memory that is given back is overwritten before */
};

extern char buf_empty[1];

#define BUF_INIT(limit)                                                                            \
	{                                                                                          \
		.data = buf_empty, .max = (limit)                                                  \
	}

#define BUF_SECRET(limit)                                                                          \
	{                                                                                          \
		.data = buf_empty, .max = (limit), .secret = 1                                     \
	}

void buf_init(struct buf *buf, size_t max);
int buf_add(struct buf *buf, const void *data, size_t len);
int buf_adds(struct buf *buf, const char *string);
int buf_addc(struct buf *buf, char c);
int buf_addf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
int buf_vaddf(struct buf *buf, const char *format, va_list args) PRINTF_LIKE(2, 0);

/* Drop the first `n` bytes (all, when there are fewer). */
void buf_drop(struct buf *buf, size_t n);
/* Forget the content, keep the memory. */
void buf_clear(struct buf *buf);
/* The content as a malloc'ed string, the buffer empty afterwards; NULL when out of memory. */
char *buf_steal(struct buf *buf);
/* Set `err` for the append that just failed: too long, or out of memory. Returns -1. */
int buf_error(const struct buf *buf, struct error *err, const char *what);
/* Free; the buffer is empty and usable afterwards. */
void buf_release(struct buf *buf);
/* The same after overwriting the content, for secrets. */
void buf_wipe(struct buf *buf);

#define CLEANUP_BUF __attribute__((cleanup(buf_release)))

/* printf into fresh memory; NULL when out of memory. */
char *string_printf(const char *format, ...) PRINTF_LIKE(1, 2);

#endif
