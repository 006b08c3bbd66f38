/* Chunks of layers as gzip members (RFC 1952), by libdeflate, and back.
 *
 * The recipe says how: it stands with every chunk and every layer, so that chunks of one layer are
 * only ever put together with their like. Recipe 2: cut.h's table and sizes, libdeflate level
 * PACK_LEVEL, a header without time and name. Whoever changes one of these gives it a new number.
 * (Recipe 1: level 3.) */
#ifndef SHIPIT_TRANSPORT_REGISTRY_PACK_H
#define SHIPIT_TRANSPORT_REGISTRY_PACK_H

#include <stddef.h>

#include "base/error.h"

enum {
	RECIPE_AS_IS = 0,
	RECIPE_NOW = 2,
	PACK_LEVEL = 2, /* 3 % longer than level 6, in half of the time */
};

/* What a thread needs to pack. NULL: out of memory. */
struct packer;
struct packer *packer_new(void);
/* A member that unpacks to `data` (at most CUT_MAX bytes), malloc'ed; NULL: out of memory. */
unsigned char *pack(struct packer *packer, const void *data, size_t len, size_t *ret_len);
void packer_free(struct packer *packer); /* takes NULL */

/* The other way: `ret` has room for exactly `size` bytes. ERROR_PROTOCOL when the member does not
 * unpack to so many. */
struct unpacker;
int unpacker_new(struct unpacker **ret, struct error *err);
int unpack(struct unpacker *unpacker, const void *member, size_t len, void *ret, size_t size,
    struct error *err);
void unpacker_free(struct unpacker *unpacker); /* takes NULL */

#endif
