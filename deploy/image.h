/* Images on the laptop: built by the engine's own command, put into the local registry, known by
 * their config digest. */
#ifndef SHIPIT_DEPLOY_IMAGE_H
#define SHIPIT_DEPLOY_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "deploy/event.h"
#include "inventory/inventory.h"

struct engine;

/* One service's image, ready to be pulled by hosts. All strings owned. */
struct image {
	char *local;		/* what it is called in the laptop's engine */
	char *config;		/* config digest: its identity */
	char *manifest;		/* NULL in a dry run: nothing was pushed */
	char *repository, *tag; /* in the local registry */
	char *arch, *os;
	char *source;	/* git commit of the build's context, "-dirty" appended; NULL: no git */
	uint64_t bytes; /* compressed; 0 unknown */
	uint64_t size;	/* unpacked */
};
void image_release(struct image *image);

struct image_options {
	bool pull, no_cache;
	int cancel_fd;
};

/* The name that a service's image has in the laptop's engine: `image:`, or PROJECT-SERVICE. */
char *image_local_name(const struct inventory *inv, const struct service *service);

/* Run the engine's build for a service that has one; its output goes out as EVENT_LOG. A failure
 * carries the last 20 lines. */
int image_build(const struct inventory *inv, const struct service *service,
    const struct image_options *options, struct events *events, struct error *err);

/* Look it up in the laptop's engine; with `rollout` (a tag) push it to the inventory's registry,
 * too, and read the digests back from there. */
int image_resolve(const struct inventory *inv, const char *prefix, const struct service *service,
    const char *rollout, int cancel_fd, struct events *events, struct image *ret,
    struct error *err);

#endif
