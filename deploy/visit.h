/* Hosts side by side, each over a session of its own and without a lock: what looking at them,
 * their logs and programs in their containers have in common. */
#ifndef SHIPIT_DEPLOY_VISIT_H
#define SHIPIT_DEPLOY_VISIT_H

#include <stddef.h>

#include "deploy/host_link.h"
#include "deploy/run_dir.h"

struct visit_options {
	const struct inventory *inventory;
	const struct environment *environment;
	session_prompt_fn *prompt;
	void *prompt_context;
	struct events *events; /* may be NULL */
	int cancel_fd;
};

struct visit {
	struct visit_options options;
	char *prefix; /* "shop.prod" */
	struct run_dir run_dir;
	struct heart *heart;
};

/* On failure there is nothing to end. */
int visit_begin(const struct visit_options *options, struct visit *ret, struct error *err);
/* `number`: another one for each host. The link is closed before the visit ends. From any thread.
 */
int visit_open(const struct visit *visit, size_t number, const struct host *host,
    struct host_link *ret, struct error *err);
void visit_end(struct visit *visit);

/* Call `fn` for each number below `n`, in threads, `at_once` at a time (0: 16); returns when all
 * have returned. */
typedef void visit_fn(void *context, size_t number);
void visit_each(size_t n, int at_once, visit_fn *fn, void *context);

#endif
