/* A program in the containers of a service: on one host with this program's own stdio, or on many
 * at once, line by line. No engine ends what was started so: when we go, it goes on. */
#ifndef SHIPIT_DEPLOY_EXEC_H
#define SHIPIT_DEPLOY_EXEC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strv.h"
#include "deploy/event.h"
#include "deploy/visit.h"

/* Where its bytes come from and go to, unchanged. The descriptors are borrowed, and may be anything
 * that poll(2) takes. */
struct exec_stdio {
	int in, out, err;
	bool terminal;	  /* it gets a terminal of its own; `err` is not used */
	const char *term; /* with `terminal`: TERM */
	/* With `terminal`: it is about to run (true), or has ended; called in pairs. */
	void (*attached)(void *context, bool is);
	/* The size that its terminal is to have. */
	void (*size)(void *context, int *ret_rows, int *ret_columns);
	void *context;
};

struct exec_options {
	struct visit_options visit;
	const char *limit;
	int parallel; /* hosts at once; 0: 16 */
	const struct service *service;
	const struct strv *argv;
	/* Of one host. NULL: it has no stdin, and each line is an event: EVENT_LOG with host,
	 * service, `stream` and `text`. */
	const struct exec_stdio *stdio;
};

struct exec_host {
	const struct host *host;
	struct error error; /* why there is no status; ERROR_CONFLICT: it does not run there */
	int status; /* its exit code; -1: not known; without an error nobody read to its end */
};

struct exec {
	struct exec_host *hosts;
	size_t n;
};

/* Those hosts where the service is to run. ERROR_USAGE when there are none. */
int exec_hosts(
    const struct exec_options *options, const struct host ***ret, size_t *ret_n, struct error *err);
/* Fails only where nothing could be begun. With `stdio` exec_hosts has to give one host. */
int exec_run(const struct exec_options *options, struct exec *ret, struct error *err);
void exec_release(struct exec *exec);

#endif
