/* What a program says: each line goes out as an event, and the last ones are kept for the error. */
#ifndef SHIPIT_DEPLOY_TAIL_H
#define SHIPIT_DEPLOY_TAIL_H

#include "base/proc.h"
#include "deploy/event.h"

enum { TAIL_LINES = 20 };

struct tail {
	struct event_source source;
	char *lines[TAIL_LINES];
	size_t n;
};

/* Run a program on this machine to its end, as one step: its beginning, its lines and its end are
 * told. `what` is for the error: "building shop-web". ERROR_FAILED with its last lines when it does
 * not end with 0. */
int tail_run(const struct event_source *source, enum step step, const char *what,
    const struct proc_options *program, int64_t deadline_ms, int cancel_fd, struct error *err);

/* The same, of which nothing is told but the lines. */
int tail_program(struct tail *tail, const char *what, const struct proc_options *program,
    int64_t deadline_ms, int cancel_fd, struct error *err);

/* A line_fn. Running out of memory loses only lines. */
void tail_line(void *tail, const char *line);
/* Add what is kept to an error. */
void tail_explain(const struct tail *tail, struct error *err);
void tail_release(struct tail *tail);

/* The last of these, below "its last words:". */
void last_words(struct error *err, char *const *lines, size_t n);

#endif
