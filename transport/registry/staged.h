/* An image in stages: images of its first layers alone, each with some more than the one before,
 * the last one being the image itself. A host that pulls one after the other keeps what it has when
 * the link dies: an engine forgets the layers of a pull that was broken off, but not of an image.
 *
 * Configs and manifests of the stages are computed from the image's own: rootfs.diff_ids, history
 * and layers are cut, all else stays. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_STAGED_H
#define SHIPIT_TRANSPORT_REGISTRY_STAGED_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "transport/registry/manifest.h"
#include "transport/registry/store.h"

enum {
	STAGED_FROM = 64 * 1024 * 1024,	 /* less than this is pulled at once */
	STAGED_LEAST = 32 * 1024 * 1024, /* what a stage adds, compressed */
};

/* An image, as its own manifest and config describe it. */
struct staged {
	struct manifest manifest;
	struct image_config config;
};
#define CLEANUP_STAGED __attribute__((cleanup(staged_release)))

/* Of an image's two texts; what is an index, or does not fit together, is ERROR_PROTOCOL. */
int staged_parse(const char *manifest, size_t manifest_len, const char *config, size_t config_len,
    struct staged *ret, struct error *err);
/* The same of an image in the store, by its manifest's digest. */
int staged_read(struct store *store, const char *repository, const char *digest, struct staged *ret,
    struct error *err);
void staged_release(struct staged *staged);

/* How many of the first layers an image with these diff_ids has as well. */
size_t staged_shared(const struct staged *staged, const json_t *diff_ids);
/* Compressed bytes of the layers from number `from` up to, and without, `to`. */
uint64_t staged_bytes(const struct staged *staged, size_t from, size_t to);
/* Where the first `there` layers are: how many layers the next stage has. All of them: what is left
 * is not worth a stage before the image itself. */
size_t staged_next(const struct staged *staged, size_t there);
/* Config and manifest of the stage of the first `layers`; malloc'ed. */
int staged_make(const struct staged *staged, size_t layers, char **ret_config, char **ret_manifest,
    struct error *err);

#endif
