/* What refresh.c, refresh_engine.c and refresh_content.c share. */
#ifndef SHIPIT_DEPLOY_REFRESH_INTERNAL_H
#define SHIPIT_DEPLOY_REFRESH_INTERNAL_H

#include "deploy/packages.h"
#include "deploy/run.h"
#include "transport/registry/content.h"

/* What is in one image. */
struct known_image {
	char *config; /* its identity */
	char fingerprint[CONTENT_SIZE];
	struct packages packages;
};

struct refreshed_service {
	char *had; /* the id that its name had in this machine's engine before; NULL: none */
	struct strv taken_back; /* fingerprints, from all hosts' ledgers */
	struct strv compared;	/* config digests of what ran, about which the changes were told */
	bool same;		/* somewhere what runs is the same */
};

struct refresh {
	pthread_mutex_t lock; /* over what follows: hosts compare one after the other */
	struct store *store;  /* the rollout's, or of `aside` */
	/* Where hosts pull from a registry that is not ours, it is only for comparing. */
	bool external;
	struct local_registry aside;
	struct refreshed_service *services; /* one for each service chosen */
	size_t n_services;
	struct known_image **images; /* do not move once they are there */
	size_t n_images;
	struct strv told;
};

/* --- refresh_engine.c: this machine's engine */

/* Remember what the names stand for, then have all images built or pulled anew. */
int refresh_make(struct rollout *rollout, struct error *err);
/* The name goes back to what it had (`back`), and the other one, when it has no name any more, is
 * removed. That it cannot be is said with -v: nothing depends on it. */
void refresh_tidy(struct rollout *rollout, size_t service, bool back);

/* --- refresh_content.c: with the lock held */

void known_image_free(struct known_image *image); /* takes NULL */

/* What is in the new image; borrowed. -1: it could not be read (or no memory). */
int refresh_new_content(struct rollout *rollout, size_t service,
    const struct image_variant *variant, const struct known_image **ret, struct error *err);
/* The same of what runs on a host. */
int refresh_old_content(struct host_run *run, size_t service, const struct container *current,
    const struct known_image **ret, struct error *err);

#endif
