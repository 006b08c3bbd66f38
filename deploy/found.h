/* What is to be thought of what is found on a host: which container of a service is the current
 * one, what an interrupted rollout left behind, and what sets it right. Pure: facts in, words and
 * repairs out. docs/formats.md says the rule: what runs decides. */
#ifndef SHIPIT_DEPLOY_FOUND_H
#define SHIPIT_DEPLOY_FOUND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strv.h"
#include "deploy/facts.h"

enum repair_kind {
	REPAIR_STOP,   /* a second one runs beside the current one */
	REPAIR_POLICY, /* `value`: the restart policy it ought to have */
	REPAIR_RENAME, /* `value`: the name it ought to have */
	REPAIR_START,  /* the current one was left stopped by an interrupted swap */
	REPAIR_REMOVE, /* a container whose release was never committed */
	REPAIR_LEDGER, /* write `result` (and `error`) as the outcome of entry `seq`, or a line anew
			*/
};

struct repair {
	enum repair_kind kind;
	const struct container *container; /* borrowed from the facts; NULL for REPAIR_LEDGER */
	char *value;
	int64_t seq; /* REPAIR_LEDGER; 0: a new line about `container` */
	enum ledger_result result;
};

struct found {
	const char *service;		 /* borrowed */
	const struct container *current; /* borrowed; NULL: there is none */
	/* What an interrupted rollout tried and what became of it; NULL: none was. Borrowed. */
	const struct ledger_entry *pending;
	enum ledger_result pending_result;
	/* In the order in which they are to be done: a name is freed before it is taken, and the
	 * current one comes back by itself before another one no longer does. */
	struct repair *repairs;
	size_t n_repairs;
	bool drift;	   /* what is there is not what the ledger says, and no interrupted rollout
			      explains it */
	struct strv words; /* a line for each thing worth saying */
};

int found_make(const struct facts *facts, const char *prefix, const char *service,
    struct found *ret, struct error *err);
void found_release(struct found *found);

#endif
