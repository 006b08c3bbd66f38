/* The production line of chunks that are new: packed by several threads (those of layers), then
 * inserted by one, some megabytes in a transaction, so that whoever feeds it never waits for the
 * disk. What is under way is bounded; feeding waits then. One thread feeds and takes. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_CHUNK_LINE_H
#define SHIPIT_TRANSPORT_REGISTRY_CHUNK_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"

struct connection;
struct store;

struct chunk {
	struct chunk *next;
	struct chunk *bucket;		     /* the feeder's own list */
	unsigned char hash[DIGEST_RAW_SIZE]; /* of the unpacked bytes */
	size_t piece;			     /* the feeder's: where it belongs */
	size_t size;			     /* unpacked */
	unsigned char *data;		     /* unpacked, then as it is stored, then NULL */
	size_t len;
	int64_t id; /* once it is in the store */
};
/* `data` is copied. NULL: out of memory. */
struct chunk *chunk_new(const void *data, size_t len);
void chunk_free(struct chunk *chunk); /* takes NULL */

/* The row of a chunk that the store has: 1, with its id and stored length; 0: none; -1. */
int chunk_find(struct connection *connection, const unsigned char hash[DIGEST_RAW_SIZE], int recipe,
    int64_t *ret_id, size_t *ret_len, struct error *err);

struct chunk_line;
/* `recipe` RECIPE_AS_IS: nothing is packed. */
int chunk_line_new(struct store *store, int recipe, struct chunk_line **ret, struct error *err);
int chunk_line_feed(struct chunk_line *line, struct chunk *chunk, struct error *err); /* takes it */
/* What is in the store by now, a list (NULL: nothing new). `all`: wait until everything is. */
int chunk_line_take(struct chunk_line *line, bool all, struct chunk **ret, struct error *err);
/* Bytes that are packed and not inserted. */
uint64_t chunk_line_waiting(struct chunk_line *line);
void chunk_line_free(struct chunk_line *line); /* takes NULL; drops what is not inserted */

#endif
