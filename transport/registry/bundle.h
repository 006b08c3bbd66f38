/* An image out of the store as an archive that engines load: what `docker save` writes, in the form
 * that every engine reads (moby image/tarexport, "manifest.json").
 *
 *   <64 hex>.tar.gz   a layer's compressed bytes as the store has them; engines unpack gzip
 *   <64 hex>.json     the config, whose digest is the image's identity
 *   manifest.json     [{"Config": "...", "RepoTags": null, "Layers": ["...", ...]}]
 *
 * It has no tag: what loads it takes the image by its config's digest and names it afterwards, so
 * one that ended in the middle leaves no name behind. manifest.json comes last: an archive that is
 * cut short is none. Nothing is kept on disk, and no more than a block in memory.
 *
 * A layer whose whole chain (it and all below it) the reader has may be left out: Docker's classic
 * store looks for the chain first, and opens the layer's file only when it is not there. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_BUNDLE_H
#define SHIPIT_TRANSPORT_REGISTRY_BUNDLE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "transport/registry/store.h"

struct bundle;

/* Make one ready of the image whose manifest (not an index) is `manifest`. ERROR_NOT_FOUND when the
 * store does not have it whole; ERROR_PROTOCOL when config and manifest do not fit each other. */
int bundle_open(struct store *store, const char *repository, const char *manifest,
    struct bundle **ret, struct error *err);
void bundle_close(struct bundle *bundle); /* takes NULL */

/* The config's digest, and the diff_ids of its layers, the lowest first. Borrowed. */
const char *bundle_config(const struct bundle *bundle);
const json_t *bundle_diff_ids(const struct bundle *bundle);
/* All of the config; how many layers there are, and their digests. Borrowed. */
const json_t *bundle_config_json(const struct bundle *bundle);
size_t bundle_layers(const struct bundle *bundle);
const char *bundle_layer(const struct bundle *bundle, size_t i);

/* How many layers two images have in common, counted from the lowest. Pure; other types: 0. */
size_t bundle_common(const json_t *diff_ids, const json_t *others);
/* Leave the lowest `n` layers out. */
void bundle_leave_out(struct bundle *bundle, size_t n);

/* Bytes of the archive as it is to be written now. */
uint64_t bundle_bytes(const struct bundle *bundle);
/* Write it: `put` gets the pieces, at most 64 KiB each; the first failure of it is the end. What
 * is written was checked against its digest when it is the last piece of a file: one of a damaged
 * layer is never finished (ERROR_PROTOCOL). */
typedef int bundle_put_fn(void *context, const void *data, size_t len, struct error *err);
int bundle_write(struct bundle *bundle, bundle_put_fn *put, void *context, struct error *err);

#endif
