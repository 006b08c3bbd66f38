/* What the files of store_gc() have in common. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_STORE_GC_H
#define SHIPIT_TRANSPORT_REGISTRY_STORE_GC_H

#include "transport/registry/store_internal.h"

struct gc {
	struct store *store;
	struct connection *connection;
	const struct store_gc_options *options;
	struct store_gc_result *result;
	int64_t in_use; /* bytes of chunks that blobs refer to; kept by gc_to_limit() */
	uint64_t page_size;
	int64_t step; /* chunks of a transaction */
};

/* ERROR_CANCELLED when it is time to stop. */
int gc_go_on(const struct gc *gc, struct error *err);
/* Remove blobs that nothing refers to. */
int gc_blobs(struct gc *gc, struct error *err);
/* (store_limit.c) Remove images until the rest is below the limit. */
int gc_to_limit(struct gc *gc, struct error *err);

#endif
