/* Getting images into the store: from an engine, or from files that other builders leave.
 *
 * Archives are read as streams, once, in whatever order their members come, and in bounded memory:
 * the old layout of `docker save` (manifest.json, a folder for each layer), the OCI layout that
 * newer engines, buildah, skopeo, kaniko, nix and bazel write, as a tar or as a folder, compressed
 * or not. They are not trusted: names are only ever compared, nothing is unpacked, links lead at
 * most to other members.
 *
 * Layers that come unpacked are packed by the store, and the image gets a manifest of our making.
 * Layers that come packed, and manifests and indexes that are there, are kept as they are; but an
 * index around an image that got another manifest names that one, and is else the same. Images that
 * an index lists and the archive lacks stay in the index.
 *
 * Unpacked layers are checked against the config's diff_ids; packed ones have their own digest, and
 * engines check the diff_ids when they unpack them. What is bounded: members (100,000), what is
 * kept in memory (32 MiB), and of a compressed archive what it unpacks to: past 4 GiB no more than
 * 200 times what was read, 1 TiB at most. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_IMPORT_H
#define SHIPIT_TRANSPORT_REGISTRY_IMPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "transport/registry/store.h"

struct engine;

/* `done` and `total` are bytes of the archive; total 0: not known. `phase`: "exporting" (the engine
 * prepares), "importing". Called often. */
typedef void import_progress_fn(void *context, uint64_t done, uint64_t total, const char *phase);

struct import_target {
	struct store *store;
	const char *repository, *tag; /* where the image is to be found afterwards */
	int cancel_fd;
	import_progress_fn *progress; /* may be NULL */
	void *context;
	bool far; /* the engine is another machine's: it cannot push to this one */
};

/* One image; several when what was imported is for several platforms. */
struct import_image {
	char manifest[DIGEST_TEXT_SIZE];
	char config[DIGEST_TEXT_SIZE]; /* its identity */
	char *os, *arch;
	uint64_t bytes;	   /* config and layers, as they travel */
	uint64_t unpacked; /* layers unpacked, those that the store packed just now; else 0 */
};
struct imported {
	struct import_image *images; /* at least one; of an index, those that are there whole */
	size_t n;
	bool known; /* the store had it: nothing was moved */
};
void imported_release(struct imported *imported);

/* What the engine calls `name`. An image that the store knows is not exported. */
int import_engine(const struct import_target *target, struct engine *engine, const char *name,
    struct imported *ret, struct error *err);

/* "oci:PATH[:NAME]" (a folder, or a tar of one) or "docker-archive:PATH[:NAME]": NAME chooses among
 * several images in it; where there is only one, it may be left out. */
int import_file(const struct import_target *target, const char *source, struct imported *ret,
    struct error *err);
/* Is `image:` of a service one of these? */
bool import_is_file(const char *source);

/* What is in the store already under that name: images of a tag, as import gives them. */
int import_look(struct store *store, const char *repository, const char *reference,
    struct imported *ret, struct error *err);

#endif
