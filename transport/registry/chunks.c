/* Chunks of a blob that is being taken in: looked up by their hash, sent down the line when they
 * are new, and remembered as the blob's pieces. */
#include <string.h>

#include "transport/registry/blob_internal.h"

static int piece_add(struct blob_writer *writer, int64_t chunk, size_t length, struct error *err)
{
	if (writer->n == writer->room) {
		size_t room = writer->room + writer->room / 2 + 64;
		struct piece *pieces = reallocarray(writer->pieces, room, sizeof(*pieces));

		if (pieces == NULL)
			return error_memory(err);
		writer->pieces = pieces;
		writer->room = room;
	}
	writer->pieces[writer->n++] = (struct piece){.chunk = chunk, .length = (uint32_t)length};
	return 0;
}

/* --- chunks that are on their way */

static const struct chunk *pending_find(
    const struct blob_writer *writer, const unsigned char hash[DIGEST_RAW_SIZE])
{
	const struct chunk *chunk = writer->pending[hash[0]];

	while (chunk != NULL && memcmp(chunk->hash, hash, DIGEST_RAW_SIZE) != 0)
		chunk = chunk->bucket;
	return chunk;
}

static void pending_add(struct blob_writer *writer, struct chunk *chunk)
{
	chunk->bucket = writer->pending[chunk->hash[0]];
	writer->pending[chunk->hash[0]] = chunk;
}

static void pending_remove(struct blob_writer *writer, const struct chunk *chunk)
{
	struct chunk **at = &writer->pending[chunk->hash[0]];

	while (*at != chunk)
		at = &(*at)->bucket;
	*at = chunk->bucket;
}

/* What has arrived in the store gives its pieces their ids. 1: something has. */
static int collect(struct blob_writer *writer, bool all, struct error *err)
{
	struct chunk *chunk = NULL;
	int any;

	if (writer->line == NULL)
		return 0;
	if (chunk_line_take(writer->line, all, &chunk, err) < 0)
		return -1;
	any = chunk != NULL;
	while (chunk != NULL) {
		struct chunk *next = chunk->next;

		writer->pieces[chunk->piece] =
		    (struct piece){.chunk = chunk->id, .length = (uint32_t)chunk->len};
		pending_remove(writer, chunk);
		chunk_free(chunk);
		chunk = next;
	}
	return any;
}

/* --- the digest of what is stored */

/* The piece itself, or the one of the same content; NULL: not known yet. */
static const struct piece *piece_at(const struct blob_writer *writer, size_t i)
{
	const struct piece *piece = &writer->pieces[i];

	if (piece->chunk < 0 && piece->chunk != PIECE_UNKNOWN)
		piece = &writer->pieces[-1 - piece->chunk];
	return piece->chunk != PIECE_UNKNOWN ? piece : NULL;
}

int chunks_digest(struct blob_writer *writer, struct connection *connection, struct error *err)
{
	const struct piece *piece;

	if (writer->packed == NULL && digest_new(&writer->packed, err) < 0)
		return -1;
	for (; writer->n_packed < writer->n; writer->n_packed++) {
		piece = piece_at(writer, writer->n_packed);
		if (piece == NULL)
			return 0;
		if (chunk_digest_add(writer->store->path, connection, piece->chunk, piece->length,
			writer->packed, err) < 0)
			return -1;
	}
	return 0;
}

/* --- one more, and all of them */

static int add_new(
    struct blob_writer *writer, const unsigned char hash[DIGEST_RAW_SIZE], struct error *err)
{
	struct chunk *chunk;

	if (writer->line == NULL &&
	    chunk_line_new(writer->store, writer->recipe, &writer->line, err) < 0)
		return -1;
	chunk = chunk_new(writer->chunk, writer->chunk_len);
	if (chunk == NULL)
		return error_memory(err);
	memcpy(chunk->hash, hash, DIGEST_RAW_SIZE);
	chunk->piece = writer->n;
	if (piece_add(writer, PIECE_UNKNOWN, 0, err) < 0) {
		chunk_free(chunk);
		return -1;
	}
	pending_add(writer, chunk);
	return chunk_line_feed(writer->line, chunk, err);
}

int chunks_add(struct blob_writer *writer, struct connection *connection, struct error *err)
{
	unsigned char hash[DIGEST_RAW_SIZE];
	const struct chunk *same;
	int64_t id;
	size_t len;
	int rc;

	if (digest_raw(writer->chunk, writer->chunk_len, hash, err) < 0)
		return -1;
	rc = collect(writer, false, err);
	/* It is a new layer: its digest will be asked for, and now there is time. */
	if (rc > 0 && writer->form == BLOB_LAYER)
		rc = chunks_digest(writer, connection, err);
	if (rc < 0)
		return -1;
	same = pending_find(writer, hash);
	if (same != NULL)
		rc = piece_add(writer, -1 - (int64_t)same->piece, 0, err);
	else if ((rc = chunk_find(connection, hash, writer->recipe, &id, &len, err)) > 0)
		rc = piece_add(writer, id, len, err);
	else if (rc == 0)
		rc = add_new(writer, hash, err);
	writer->chunk_len = 0;
	return rc;
}

int chunks_finish(struct blob_writer *writer, struct connection *connection, struct error *err)
{
	if (collect(writer, true, err) < 0)
		return -1;
	if (writer->packed != NULL && chunks_digest(writer, connection, err) < 0)
		return -1;
	for (size_t i = 0; i < writer->n; i++) /* they only point backwards */
		writer->pieces[i] = *piece_at(writer, i);
	return 0;
}

void chunks_release(struct blob_writer *writer)
{
	chunk_line_free(writer->line);
	digest_free(writer->packed);
	free(writer->pieces);
	free(writer->chunk);
}
