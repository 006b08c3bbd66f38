/* What the containers of an environment say, from all hosts at once, as events: EVENT_LOG with
 * host, service, `said_at` and `text`. When nobody takes the
 * events, hosts wait: memory is bounded by the queue. */
#ifndef SHIPIT_DEPLOY_LOGS_H
#define SHIPIT_DEPLOY_LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strv.h"
#include "deploy/event.h"
#include "deploy/visit.h"

struct logs_options {
	struct visit_options visit;
	const struct strv *services; /* names; empty: all of the environment's */
	const char *limit;
	int tail;	   /* the last so many lines of each; negative: all */
	const char *since; /* as in transport/engine.h; NULL */
	/* Go on until cancelled: through restarts and deploys, and where the link is lost from
	 * where it was, so that no line that the engine still has is lost or said twice. */
	bool follow;
};

struct logs_host {
	const struct host *host;
	struct error error; /* what kept it from being read; with `follow` what it was at the end */
	size_t containers;  /* found */
};

struct logs {
	struct logs_host *hosts;
	size_t n;
};

/* Fails only where nothing could be begun. ERROR_USAGE: an unknown service. */
int logs_run(const struct logs_options *options, struct logs *ret, struct error *err);
void logs_release(struct logs *logs);

/* "2026-11-27T19:45:07.123456789Z" as `since` wants it; malloc'ed; NULL when it is no such time, or
 * no memory is left. */
char *logs_since(const char *time);

#endif
