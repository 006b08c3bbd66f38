/* Chunks of a blob that is being taken in: looked up by their hash, packed when they are new, and
 * inserted by the megabyte. */
#include <libdeflate.h>
#include <string.h>

#include "transport/registry/blob_internal.h"

enum {
	FLUSH_BYTES = 2 * 1024 * 1024, /* a transaction's worth: it locks the file for some 10 ms */
	FLUSH_CHUNKS = 256,
};

static int piece_add(struct blob_writer *writer, int64_t chunk, uint32_t length, struct error *err)
{
	if (writer->n == writer->room) {
		size_t room = writer->room + writer->room / 2 + 64;
		struct piece *pieces = reallocarray(writer->pieces, room, sizeof(*pieces));

		if (pieces == NULL)
			return error_memory(err);
		writer->pieces = pieces;
		writer->room = room;
	}
	writer->pieces[writer->n++] = (struct piece){.chunk = chunk, .length = length};
	return 0;
}

static const struct pack_job *pending_find(
    const struct blob_writer *writer, const unsigned char hash[DIGEST_RAW_SIZE])
{
	const struct pack_job *job = writer->pending[hash[0]];

	while (job != NULL && memcmp(job->hash, hash, DIGEST_RAW_SIZE) != 0)
		job = job->bucket;
	return job;
}

static void pending_remove(struct blob_writer *writer, const struct pack_job *job)
{
	struct pack_job **at = &writer->pending[job->hash[0]];

	while (*at != job)
		at = &(*at)->bucket;
	*at = job->bucket;
	writer->n_pending--;
}

/* 1: the store has it. */
static int chunk_find(struct connection *connection, const unsigned char hash[DIGEST_RAW_SIZE],
    int recipe, struct piece *ret, struct error *err)
{
	static const char sql[] = "SELECT id, stored FROM chunks WHERE hash = ?1 AND recipe = ?2";
	CLEANUP_ROWS sqlite3_stmt *rows = NULL;
	int found = sql_rows(connection, sql, VALUES(V_DIGEST(hash), V_INT(recipe)), &rows, err);

	if (found > 0) {
		ret->chunk = sqlite3_column_int64(rows, 0);
		ret->length = (uint32_t)sqlite3_column_int64(rows, 1);
	}
	return found;
}

/* Another writer may have been faster. */
static int chunk_insert(struct connection *connection, const struct pack_job *job, int recipe,
    struct piece *ret, struct error *err)
{
	static const char insert[] =
	    "INSERT INTO chunks(hash, recipe, size, stored) VALUES(?1, ?2, ?3, ?4)";
	static const char insert_bytes[] = "INSERT INTO bytes(chunk, crc, data) VALUES(?1, ?2, ?3)";
	int found = chunk_find(connection, job->hash, recipe, ret, err);

	if (found != 0)
		return found < 0 ? -1 : 0;
	if (sql_run(connection, insert,
		VALUES(V_DIGEST(job->hash), V_INT(recipe), V_INT(job->size), V_INT(job->len)),
		err) < 0)
		return -1;
	*ret = (struct piece){.chunk = sql_last_id(connection), .length = (uint32_t)job->len};
	return sql_run(connection, insert_bytes,
	    VALUES(V_INT(ret->chunk), V_INT(libdeflate_crc32(0, job->data, job->len)),
		V_BYTES(job->data, job->len)),
	    err);
}

static int ready_insert(
    struct blob_writer *writer, struct connection *connection, struct error *err)
{
	struct pack_job *job;
	int rc = 0;

	if (transaction_begin(connection, err) < 0)
		return -1;
	for (job = writer->ready; job != NULL && rc == 0; job = job->next)
		rc =
		    chunk_insert(connection, job, writer->recipe, &writer->pieces[job->piece], err);
	if (transaction_end(connection, rc, err) < 0)
		return -1;
	while ((job = writer->ready) != NULL) {
		writer->ready = job->next;
		pending_remove(writer, job);
		pack_job_free(job);
	}
	writer->ready_end = &writer->ready;
	writer->ready_bytes = writer->n_ready = 0;
	return 0;
}

/* The piece itself, or the one of the same content. */
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

static void ready_add(struct blob_writer *writer, struct pack_job *job)
{
	job->next = NULL;
	*writer->ready_end = job;
	writer->ready_end = &job->next;
	writer->ready_bytes += job->len;
	writer->n_ready++;
}

/* What the threads have packed. */
static int ready_collect(struct blob_writer *writer, bool all, struct error *err)
{
	struct pack_job *job = NULL;

	if (writer->packer != NULL && packer_take(writer->packer, all, &job, err) < 0)
		return -1;
	while (job != NULL) {
		struct pack_job *next = job->next;

		ready_add(writer, job);
		job = next;
	}
	return 0;
}

/* The same content came earlier in this blob: pieces only point backwards. */
static void pieces_resolve(struct blob_writer *writer)
{
	for (size_t i = 0; i < writer->n; i++)
		if (writer->pieces[i].chunk < 0)
			writer->pieces[i] = writer->pieces[-1 - writer->pieces[i].chunk];
}

int chunks_flush(
    struct blob_writer *writer, struct connection *connection, bool all, struct error *err)
{
	bool full = writer->n_pending == PENDING_MAX;

	if (ready_collect(writer, all || full, err) < 0)
		return -1;
	if (!all && !full && writer->ready_bytes < FLUSH_BYTES && writer->n_ready < FLUSH_CHUNKS)
		return 0;
	if (writer->ready != NULL) {
		if (ready_insert(writer, connection, err) < 0)
			return -1;
		/* It is not known yet: its digest will be asked for, and now there is time. */
		if (writer->form == BLOB_LAYER && chunks_digest(writer, connection, err) < 0)
			return -1;
	}
	if (all)
		pieces_resolve(writer);
	return 0;
}

static int chunk_new(
    struct blob_writer *writer, const unsigned char hash[DIGEST_RAW_SIZE], struct error *err)
{
	struct pack_job *job;

	if (writer->form == BLOB_LAYER && writer->packer == NULL &&
	    packer_new(&writer->packer, err) < 0)
		return -1;
	job = pack_job_new(writer->chunk, writer->chunk_len);
	if (job == NULL)
		return error_memory(err);
	memcpy(job->hash, hash, DIGEST_RAW_SIZE);
	job->piece = writer->n;
	if (piece_add(writer, PIECE_UNKNOWN, 0, err) < 0) {
		pack_job_free(job);
		return -1;
	}
	job->bucket = writer->pending[hash[0]];
	writer->pending[hash[0]] = job;
	writer->n_pending++;
	if (writer->form == BLOB_LAYER)
		return packer_feed(writer->packer, job, err);
	ready_add(writer, job);
	return 0;
}

int chunk_finish(struct blob_writer *writer, struct connection *connection, struct error *err)
{
	unsigned char hash[DIGEST_RAW_SIZE];
	const struct pack_job *same;
	struct piece known;
	int found, rc;

	if (digest_raw(writer->chunk, writer->chunk_len, hash, err) < 0)
		return -1;
	same = pending_find(writer, hash);
	found = same != NULL ? 0 : chunk_find(connection, hash, writer->recipe, &known, err);
	if (found < 0)
		return -1;
	if (same != NULL)
		rc = piece_add(writer, -1 - (int64_t)same->piece, 0, err);
	else if (found > 0)
		rc = piece_add(writer, known.chunk, known.length, err);
	else
		rc = chunk_new(writer, hash, err);
	writer->chunk_len = 0;
	return rc < 0 ? -1 : chunks_flush(writer, connection, false, err);
}

void chunks_release(struct blob_writer *writer)
{
	packer_free(writer->packer);
	while (writer->ready != NULL) {
		struct pack_job *job = writer->ready;

		writer->ready = job->next;
		pack_job_free(job);
	}
	digest_free(writer->packed);
	free(writer->pieces);
	free(writer->chunk);
}
