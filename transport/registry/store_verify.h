/* What the files of store_verify() have in common. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_STORE_VERIFY_H
#define SHIPIT_TRANSPORT_REGISTRY_STORE_VERIFY_H

#include "transport/registry/store_internal.h"

struct unpacker;

struct verify {
	struct store *store;
	struct connection *connection;
	struct store_hold *hold; /* chunks that are being looked at stay */
	int cancel_fd;
	store_progress_fn *progress;
	void *context;
	uint64_t total;
	struct unpacker *unpacker;
	unsigned char *space; /* CUT_MAX bytes: what the last chunk unpacks to */
	struct store_verify_result result;
};

/* One more thing that is wrong. -1: no memory for it. */
int verify_wrong(struct verify *verify, struct error *err, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Shows how far it is; ERROR_CANCELLED. */
int verify_go_on(struct verify *verify, struct error *err);
/* Into `space`; -1: it is no member of `size` bytes. */
int verify_unpack(struct verify *verify, const struct bytes *member, int64_t size);

/* (store_verify_blobs.c) Every blob against its digest, every manifest against its own and what it
 * refers to. */
int verify_blobs(struct verify *verify, struct error *err);
int verify_manifests(struct verify *verify, struct error *err);

#endif
