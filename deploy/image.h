/* Images on the laptop: put into the store or the external registry, known by their config
 * digests. How they are made: deploy/build.h. */
#ifndef SHIPIT_DEPLOY_IMAGE_H
#define SHIPIT_DEPLOY_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "deploy/event.h"
#include "inventory/inventory.h"

struct store;

/* What hosts of one platform get. All strings owned. */
struct image_variant {
	char *os, *arch;
	char *config;	/* config digest: its identity */
	char *manifest; /* NULL in a dry run: nothing was imported or pushed */
	uint64_t bytes; /* compressed; 0 unknown */
	uint64_t size;	/* unpacked, or what is known of it */
};

/* One service's image, ready to be pulled by hosts. All strings owned. */
struct image {
	char *local;		/* what it is called here: in the engine, or oci:PATH */
	char *repository, *tag; /* where hosts pull it from */
	char *digest; /* what the tag stands for: a manifest, or an index; NULL: not known */
	char *source; /* git commit of the build's context, "-dirty" appended; NULL: no git */
	struct image_variant *variants; /* at least one; a release's id is made of the first */
	size_t n;
};
void image_release(struct image *image);
/* What a host of this architecture gets; NULL: it is not for such hosts. */
const struct image_variant *image_for(const struct image *image, const char *arch);
/* Does an engine that says `id` mean this one? It may say the config's digest, the manifest's, or
 * that of the index in which the manifest is. */
bool image_is(const struct image *image, const struct image_variant *variant, const char *id);

/* The name that a service's image has in the laptop's engine: `image:`, or PROJECT-SERVICE. */
char *image_local_name(const struct inventory *inv, const struct service *service);

struct image_target {
	const struct inventory *inventory;
	const char *prefix;
	const char *tag;     /* the rollout; NULL: look it up, and import or push nothing */
	struct store *store; /* where it is imported into; NULL: the inventory's registry */
	int cancel_fd;
	struct events *events;
};
/* Find a service's image, in this machine's engine or in a file, and have it where hosts can pull
 * it from. */
int image_resolve(const struct image_target *target, const struct service *service,
    struct image *ret, struct error *err);
/* The same of what `tag` names there already, for hosts of `arch`: it must be the image whose
 * config digest is `config`, else ERROR_NOT_FOUND. */
int image_look(const struct image_target *target, const struct service *service, const char *arch,
    const char *config, struct image *ret, struct error *err);

#endif
