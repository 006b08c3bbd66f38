/* What is to be done on one host. A value: made from what is wanted and what the host says, before
 * anything is changed; shown by --dry-run, carried out by host.c, tested by hand. Pure. */
#ifndef SHIPIT_DEPLOY_PLAN_H
#define SHIPIT_DEPLOY_PLAN_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/strv.h"
#include "deploy/facts.h"
#include "deploy/found.h"
#include "deploy/image.h"
#include "deploy/names.h"
#include "deploy/options.h"
#include "deploy/secrets.h"
#include "inventory/inventory.h"

enum plan_action {
	PLAN_NOTHING, /* the service does not run on this host */
	PLAN_KEEP,    /* what is wanted runs already, or a rollback leaves it alone */
	PLAN_CREATE,  /* a new container takes the place of the old one, if there is one */
	PLAN_RETURN,  /* a retained container takes the place of the current one */
};

struct planned {
	const struct service *service; /* borrowed */
	enum plan_action action;
	char *why;			/* of KEEP, for people */
	const struct container *old;	/* borrowed from the facts; NULL: none */
	const struct container *target; /* RETURN: the retained one; borrowed */
	char release[RELEASE_SIZE];
	char *previous; /* what is current now; NULL: nothing */
	char *image;	/* config digest */
	char *image_id; /* CREATE: what the engine calls it; NULL: to be delivered first */
	const struct image *from; /* CREATE: where it can be had; NULL: nowhere. Borrowed */
	char config[CONFIG_HASH_SIZE];
	bool same;     /* KEEP of a refresh: the newest image has nothing else in it */
	char *content; /* the image's fingerprint, of a refresh; NULL: not known */
	json_t *options;
	bool overlap;	     /* the old one is stopped once the new one is ready */
	bool healthy;	     /* readiness waits for a healthcheck: the service's own */
	struct strv changed; /* rollback: secrets whose value is another one than it was then */
};

struct plan {
	struct planned *services; /* in the inventory's order */
	size_t n;
};

/* The image of a release that is no longer on the host, as it can be delivered again: what the
 * rollout `made_by` put into the store or registry. NULL: it cannot be had. Borrowed. */
typedef const struct image *plan_find_image_fn(void *context, const struct service *service,
    const char *arch, const char *made_by, const char *config);

/* What a refresh is to do with a service on a host, by what is in the images. */
enum plan_refresh {
	PLAN_REFRESH_DEPLOY,
	PLAN_REFRESH_SAME,  /* the image that runs is the same but for its times */
	PLAN_REFRESH_LEAVE, /* `why` says why not */
};
struct plan_refreshed {
	enum plan_refresh verdict;
	char *why;     /* of LEAVE; owned */
	char *content; /* the new image's fingerprint; owned; NULL: not known */
};
/* `service`: its place among those chosen; `current` may be NULL. */
typedef int plan_refresh_fn(void *context, size_t service, const struct image_variant *variant,
    const struct container *current, struct plan_refreshed *ret, struct error *err);

/* What the plan of a host is made for. Borrowed. */
struct plan_input {
	const struct inventory *inventory;
	const struct environment *environment;
	const struct host *host;
	const char *prefix;
	const struct facts *facts;
	const struct found *found;	       /* one for each of `services` */
	const struct service *const *services; /* the ones chosen */
	size_t n_services;
	struct secrets *secrets;	/* those not asked for yet are; NULL: there are none */
	const char *key;		/* of the host, for their seals */
	plan_find_image_fn *find_image; /* rollback; NULL: there are none */
	void *find_context;
	plan_refresh_fn *refresh; /* refresh; NULL: a deploy, which takes each new image */
	void *refresh_context;
};

/* `images` and `releases`: one for each of the services chosen. */
int plan_deploy(const struct plan_input *input, const struct image *images,
    char (*releases)[RELEASE_SIZE], bool force, struct plan *ret, struct error *err);

/* To `to`, or where it is NULL to the release before, for what `undo` (a rollout) did. */
int plan_rollback(const struct plan_input *input, const char *to, const char *undo,
    struct plan *ret, struct error *err);

/* What facts can tell beforehand: architecture, disk, names and ports that others hold. */
int plan_preflight(const struct plan_input *input, const struct plan *plan, struct error *err);

/* The plan in words, a line each: "web: replace 2026... by 2026...". */
int plan_words(const struct plan *plan, struct strv *ret, struct error *err);
bool plan_changes(const struct plan *plan);
void plan_release(struct plan *plan);

#endif
