/* A rollout: one deploy or rollback over the hosts of an environment.
 *
 * Data goes one way: inventory and choices come in, a `struct rollout` is made, rollout_run() works
 * through it with a thread for each host, events tell what happens, and the result is a value. */
#ifndef SHIPIT_DEPLOY_ROLLOUT_H
#define SHIPIT_DEPLOY_ROLLOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/strv.h"
#include "deploy/event.h"
#include "inventory/inventory.h"
#include "transport/ssh/session.h"

/* The last five change what is there, and bring nothing new (act.h). */
enum rollout_kind {
	ROLLOUT_DEPLOY,
	ROLLOUT_ROLLBACK,
	ROLLOUT_START,
	ROLLOUT_STOP,
	ROLLOUT_RESTART,
	ROLLOUT_DOWN,
	ROLLOUT_PRUNE,
};

/* What the user chose. Borrowed pointers; must outlive the rollout. */
struct rollout_options {
	const struct inventory *inventory;
	const struct environment *environment;
	const struct strv *services; /* names; empty: all of the environment's */
	const char *limit;	     /* as in deploy/hosts.h; NULL: all */
	enum rollout_kind kind;
	const char *to; /* rollback: the release; NULL: the previous one */
	const char
	    *undo; /* rollback: the rollout to take back; NULL: the last one by the ledgers */
	bool
	    prune_services; /* deploy, prune: take down those that are no longer in the inventory */
	bool force;	    /* replace what is unchanged, too */
	bool prune_first;   /* deploy: remove old releases before the new one is delivered */
	bool adopt; /* a stranger's container that holds a port is taken for the one before */
	bool no_build;
	bool pull, no_cache; /* of builds */
	bool refresh; /* deploy: newer images for what runs, by what is in them, and nothing else */
	const struct strv *notes; /* said at the beginning; NULL: nothing */
	bool dry_run;		 /* plan only: connects and reads, takes no lock, changes nothing */
	bool fail_unreachable;	 /* an unreachable host ends the rollout before the first swap */
	int canary;		 /* deploy: over what the environment says; 0: as that says */
	struct share batch;	 /* the same */
	const char *continues;	 /* deploy: the rollout of which this is the rest; NULL: none */
	const struct strv *only; /* names of hosts, no others; NULL: all */
	/* Between batches, with `pause: confirm`: go on? Its context is prompt_context; NULL: yes.
	 */
	bool (*confirm)(void *context, const char *question);
	int parallel;	   /* hosts at work at once; 0: 16 */
	uint64_t max_rate; /* bytes per second that all hosts together get; 0: no limit */
	const char *by;	   /* "ann@laptop" */
	session_prompt_fn *prompt;
	void *prompt_context;
	struct events *events;
};

/* What became of one host. */
enum host_outcome {
	HOST_UNTOUCHED, /* nothing was changed: it ended before, or there was nothing to do here */
	HOST_UNCHANGED, /* it runs what was wanted already, or was left alone by a rollback */
	HOST_DONE,	/* committed */
	HOST_REVERTED,	/* changed and put back */
	HOST_PARTIAL,	/* some services committed, some not */
	HOST_DOWN,	/* a service is down and could not be brought back */
	HOST_UNREACHABLE, /* never reached */
	HOST_UNKNOWN,	  /* the link was lost and what became of it could not be learned */
};

struct host_result {
	const char *host; /* borrowed from the inventory */
	enum host_outcome outcome;
	struct error error;	  /* kind ERROR_NONE when there is none */
	int64_t step_ms[N_STEPS]; /* how long each step took in all; -1: not done */
	uint64_t bytes;		  /* moved to it */
	struct strv
	    plan; /* the plan in words, a line each; with dry_run: and the docker run lines */
};

struct rollout_result {
	char *rollout; /* its id */
	struct host_result *hosts;
	size_t n_hosts;
	bool interrupted;
	struct error error; /* what ended it as a whole, before or beside the hosts */
};

struct rollout;

/* Check the choices (unknown service, no host left): ERROR_USAGE. */
int rollout_new(const struct rollout_options *options, struct rollout **ret, struct error *err);
/* Do it all; returns when every thread has ended and events are closed. Never fails as a call:
 * look at the result. Runs in a thread of its own while main takes the events. */
void rollout_run(struct rollout *rollout);
/* First call: start nothing new, revert what is not committed; second: let go at once (the hosts
 * revert by themselves). Safe in a signal handler. */
void rollout_interrupt(struct rollout *rollout);
const struct rollout_result *rollout_result(const struct rollout *rollout);
void rollout_free(struct rollout *rollout);

/* "deploy", "stop", ... */
const char *rollout_kind_name(enum rollout_kind kind);
/* The same of what the user chose: "refresh", too. */
const char *rollout_name(const struct rollout_options *options);

/* "done", "reverted", ...: what the summary and the report call it. */
const char *host_outcome_name(enum host_outcome outcome);
/* It runs what was wanted. */
bool host_is_done(const struct host_result *host);
size_t rollout_count(const struct rollout_result *result, enum host_outcome outcome);
/* Moved to all hosts. */
uint64_t rollout_bytes(const struct rollout_result *result);
/* The first thing that went wrong; "" when nothing did. */
const char *rollout_first_error(const struct rollout_result *result);

/* DESIGN's exit codes, from the outcomes alone. Pure. */
int rollout_exit_code(const struct rollout_result *result);

#endif
