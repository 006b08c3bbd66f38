/* What start, stop, restart, down and prune do on a host: a value, made from what is found there;
 * shown by --dry-run, carried out by host_act.c. Pure. */
#ifndef SHIPIT_DEPLOY_ACT_H
#define SHIPIT_DEPLOY_ACT_H

#include <stddef.h>

#include "base/error.h"
#include "base/strv.h"
#include "deploy/plan.h"
#include "deploy/rollout.h"

enum act_kind {
	ACT_POLICY,  /* `value`: its restart policy from now on */
	ACT_START,   /* and wait until it is up */
	ACT_STOP,    /* TERM, and after its time KILL */
	ACT_RESTART, /* both in one call, which the engine finishes whatever becomes of us */
	ACT_REMOVE,  /* a container */
	ACT_UNTAG,   /* an image's name; the image goes with the last one */
	ACT_DOWN,    /* the ledger's line that the service is no longer here */
	ACT_NETWORK, /* remove it, when it is ours and nobody else uses it */
	ACT_LEDGER,  /* the container through which the ledger is read; the volume stays */
};

struct act {
	enum act_kind kind;
	char *service; /* NULL: of none */
	char *name;    /* what people call it: a container, an image, a network */
	char *value;
	const struct container *container; /* borrowed from the facts; NULL: of none */
};

struct acts {
	struct act *v; /* in the order in which they are to be done */
	size_t n;
	struct strv notes; /* what is worth saying and nothing to be done about */
};

/* `kind`: one of ROLLOUT_START to ROLLOUT_PRUNE. Of the input, secrets and images are not needed.
 */
int acts_make(
    enum rollout_kind kind, const struct plan_input *input, struct acts *ret, struct error *err);
/* "web: stop shop.prod.web" */
char *act_words(const struct act *act);
void acts_release(struct acts *acts);

/* Services that have containers with our labels here and do not run here by the inventory; `found`
 * and `services` are not needed. */
int act_left_services(const struct plan_input *input, struct strv *ret, struct error *err);

#endif
