/* Lines out of bytes that come cut anywhere. */
#ifndef SHIPIT_BASE_LINES_H
#define SHIPIT_BASE_LINES_H

#include <stdbool.h>

#include "base/buf.h"

/* Takes a line: no newline, nor the carriage return before it. */
typedef void line_fn(void *context, const char *line);

struct lines {
	struct buf part; /* since the last newline */
	bool more;	 /* its beginning has been told already */
	line_fn *line;
	void *context;
};

/* Lines longer than `max` bytes are told in pieces of that. */
void lines_init(struct lines *lines, size_t max, line_fn *line, void *context);
/* -1: out of memory. */
int lines_feed(struct lines *lines, const char *data, size_t len);
/* Tell what there is of a line so far, as a piece. */
void lines_cut(struct lines *lines);
/* Tell what has no newline, and release. */
void lines_end(struct lines *lines);

#endif
