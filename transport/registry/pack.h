/* Chunks of layers as gzip members (RFC 1952), made by libdeflate on a few threads.
 *
 * The recipe says how: it stands with every chunk and every layer, so that chunks of one layer are
 * only ever put together with their like. Recipe 1: cut.h's table and sizes, libdeflate level
 * PACK_LEVEL, a header without time and name. Whoever changes one of these gives it a new number.
 */
#ifndef SHIPIT_TRANSPORT_REGISTRY_PACK_H
#define SHIPIT_TRANSPORT_REGISTRY_PACK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/digest.h"
#include "base/error.h"

enum {
	RECIPE_AS_IS = 0,
	RECIPE_NOW = 1,
	PACK_LEVEL = 6,
};

/* One chunk: `data` is first what it unpacks to, then the member (malloc'ed both). */
struct pack_job {
	struct pack_job *next;
	struct pack_job *bucket; /* the caller's: the next of those it looks for by hash */
	unsigned char hash[DIGEST_RAW_SIZE]; /* of the unpacked bytes */
	size_t piece;			     /* for the caller: where it belongs */
	size_t size;			     /* unpacked */
	unsigned char *data;
	size_t len;
};
/* `data` is copied. NULL: out of memory. */
struct pack_job *pack_job_new(const void *data, size_t len);
void pack_job_free(struct pack_job *job); /* takes NULL */

/* Threads that pack; the results come in about the order in which they were fed. Not more than a
 * few MiB are under way: feeding waits then. One thread feeds and takes. */
struct packer;
int packer_new(struct packer **ret, struct error *err);
int packer_feed(struct packer *packer, struct pack_job *job, struct error *err); /* takes the job */
/* What is ready, a list (NULL: nothing). `all`: wait until everything is. */
int packer_take(struct packer *packer, bool all, struct pack_job **ret, struct error *err);
void packer_free(struct packer *packer); /* takes NULL; drops what is not taken */

/* The other way: `ret` has room for exactly `size` bytes. ERROR_PROTOCOL when the member does not
 * unpack to so many. */
struct unpacker;
int unpacker_new(struct unpacker **ret, struct error *err);
int unpack(struct unpacker *unpacker, const void *member, size_t len, void *ret, size_t size,
    struct error *err);
void unpacker_free(struct unpacker *unpacker);

#endif
