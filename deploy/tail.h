/* What a program says: each line goes out as an event, and the last ones are kept for the error. */
#ifndef SHIPIT_DEPLOY_TAIL_H
#define SHIPIT_DEPLOY_TAIL_H

#include "base/buf.h"
#include "deploy/event.h"

enum { TAIL_LINES = 20 };

struct tail {
	struct event_source source;
	char *lines[TAIL_LINES];
	size_t n;
};

/* A proc_line_fn. Running out of memory loses only lines. */
void tail_line(void *tail, const char *line);
/* "\n    LINE" for each that is kept. */
void tail_text(const struct tail *tail, struct buf *out);
void tail_release(struct tail *tail);

#endif
