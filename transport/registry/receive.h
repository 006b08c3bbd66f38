/* Import by push: a registry for one image and one client, the engine on this machine.
 *
 * An engine exports an image only as a whole; of an image of which the store lacks just a layer or
 * two, a push is faster, as engines first ask for each layer that they know a digest of whether the
 * registry has it (distribution-spec, "Checking if content exists in the registry"). They go by
 * digests of their own packing, or of the registry that a base image came from, which are not the
 * store's; so everything that is asked for is said to be there, whatever its digest, but the
 * image's config; and what counts is the end: the config came, and of its diff_ids each is in the
 * store, those that came through here unpacked, verified and packed as the store does. The engine's
 * own manifest is not kept. Whatever goes another way means "not like this", and the caller exports
 * the image: nothing is lost but some milliseconds.
 *
 * It listens on a free port of 127.0.0.1, for a second or so, and asks for one-time credentials. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_RECEIVE_H
#define SHIPIT_TRANSPORT_REGISTRY_RECEIVE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"
#include "transport/registry/store.h"

struct engine;

/* How many layers of the image (`inspect` is the engine's) the store lacks, maybe none: the config
 * alone may be new. -1 when a push could not help: all are missing, the engine is not Docker with
 * its classic store, or not here. */
int receive_worth(struct store *store, struct engine *engine, const json_t *inspect);

/* Have `engine` push `name`. `config` gets the config's bytes, and all its layers are in the store
 * when `ret_whole` is true; when it is false, try another way. -1: what would fail another way too
 * (cancelled, a full disk). The caller holds the store. */
int receive_push(struct store *store, struct engine *engine, const char *name,
    const json_t *inspect, struct buf *config, bool *ret_whole, struct error *err);

#endif
