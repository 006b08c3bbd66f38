/* Long work beside a user interface: the work runs in a thread of its own, the main thread shows
 * the events and hears the user. */
#ifndef SHIPIT_CMD_WORK_H
#define SHIPIT_CMD_WORK_H

#include "cmd/cli.h"
#include "cmd/signals.h"
#include "deploy/visit.h"

/* The interface that fits: JSON, a live table on a terminal, or lines. For what only looks, events
 * are worth no lines, unless -v asks for them. */
int work_ui(const struct cli *cli, bool only_looks, struct ui **ret, struct error *err);

typedef void work_fn(void *context);

struct work {
	work_fn *run; /* emits into `events` */
	void *context;
	struct events *events;
	signals_fn *interrupt; /* told by signals, in the handler; NULL: cli->cancel is enough */
	void *interrupt_context;
	const char *first, *second; /* what the first and the second interrupt do, for people */
};

/* Returns when `run` has returned and every event was shown. */
int work_run(struct cli *cli, struct ui *ui, struct work *work, struct error *err);

/* Work on hosts whose lines are shown as they come (ui_new_tail, with its `width`): `visit`, which
 * `run` works with, is told who asks people and where events go. */
int work_tail(struct cli *cli, struct visit_options *visit, const char *const *hosts, size_t n,
    size_t width, work_fn *run, void *context, struct error *err);

#endif
