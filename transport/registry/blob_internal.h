/* What the files that take blobs in and give them out have in common. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_BLOB_INTERNAL_H
#define SHIPIT_TRANSPORT_REGISTRY_BLOB_INTERNAL_H

#include "transport/registry/chunk_line.h"
#include "transport/registry/cut.h"
#include "transport/registry/pack.h"
#include "transport/registry/store_internal.h"

enum {
	PIECE_SIZE = 64 * 1024, /* of blobs that are kept as they are */
	PIECE_MAX = 192 * 1024, /* a packed chunk is hardly longer than CUT_MAX */
	PENDING_BUCKETS = 256,	/* by the first byte of the hash */
};

/* Where a piece of the blob is: an id, or the piece before that has the same content and whose id
 * is not known yet (-1 - its index), or PIECE_UNKNOWN. */
#define PIECE_UNKNOWN INT64_MIN
struct piece {
	int64_t chunk;
	uint32_t length; /* as it is stored */
};

struct blob_writer {
	struct store *store;
	struct store_hold *hold;
	enum blob_form form;
	int recipe;
	bool failed;		    /* a call failed: nothing comes of it any more */
	struct digest *digest;	    /* of all bytes that came */
	uint64_t written, expected; /* expected 0: not known */

	struct cutter cutter;
	unsigned char *chunk; /* CUT_MAX bytes: the one that is being filled */
	size_t chunk_len;

	struct piece *pieces;
	size_t n, room;

	/* Not in the store yet: by hash, since the same chunk may come again meanwhile. */
	struct chunk *pending[PENDING_BUCKETS];
	struct chunk_line *line; /* made with the first chunk that is new */
	struct digest *packed;	 /* of the first `n_packed` pieces, as they are stored */
	size_t n_packed;
};

/* (chunks.c) The chunk that was filled becomes a piece. */
int chunks_add(struct blob_writer *writer, struct connection *connection, struct error *err);
/* Wait until all are in the store; every piece has its id then. */
int chunks_finish(struct blob_writer *writer, struct connection *connection, struct error *err);
/* Carry the digest of the pieces on, as far as they are known. */
int chunks_digest(struct blob_writer *writer, struct connection *connection, struct error *err);
void chunks_release(struct blob_writer *writer);

/* (blob_rows.c) 1: found, and `ret_id` (may be NULL) set; 0: none; -1. */
int blob_row(struct connection *connection, const unsigned char digest[DIGEST_RAW_SIZE],
    struct blob_info *ret, int64_t *ret_id, struct error *err);
/* By the unpacked layer's digest, of the recipe of today. */
int layer_row(struct connection *connection, const unsigned char diff_id[DIGEST_RAW_SIZE],
    struct blob_info *ret, int64_t *ret_id, struct error *err);
/* Somebody asked for it: gc leaves it for an hour. Trying is enough. */
void blob_touch(struct connection *connection, int64_t blob);

/* Bytes of a chunk as SQLite gave them: whole? ERROR_PROTOCOL. */
int chunk_check(const char *path, int64_t chunk, const struct bytes *bytes, int64_t length,
    int64_t crc, struct error *err);
/* Add a chunk's stored bytes to a digest. */
int chunk_digest_add(const char *path, struct connection *connection, int64_t chunk, int64_t length,
    struct digest *digest, struct error *err);

#endif
