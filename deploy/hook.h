/* Programs of the user's that run on this machine before and after a rollout. */
#ifndef SHIPIT_DEPLOY_HOOK_H
#define SHIPIT_DEPLOY_HOOK_H

#include "base/error.h"
#include "deploy/event.h"
#include "inventory/inventory.h"

enum hook { HOOK_BEFORE_DEPLOY, HOOK_AFTER_DEPLOY, HOOK_ON_FAILURE };

struct hook_call {
	const struct inventory *inventory; /* in whose folder it runs */
	const struct strv *variables;	   /* "SHIPIT_ENV=prod", ...: beside our own environment */
	int cancel_fd;
	struct events *events;
};

/* Nothing where the inventory names none. ERROR_FAILED with its last lines when it does not end
 * with 0. */
int hook_run(const struct hook_call *call, enum hook hook, struct error *err);

#endif
