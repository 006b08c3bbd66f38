/* Looking at all of it. */
#include "transport/registry/store_verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "transport/registry/blob_internal.h"

enum { WRONG_MAX = 1000, CHUNKS_STEP = 64 };

int verify_wrong(struct verify *verify, struct error *err, const char *format, ...)
{
	CLEANUP_FREE char *line = NULL;
	va_list args;
	int len;

	if (verify->result.wrong.n == WRONG_MAX)
		return 0;
	va_start(args, format);
	len = vasprintf(&line, format, args);
	va_end(args);
	if (len < 0) {
		line = NULL;
		return error_memory(err);
	}
	return strv_add(&verify->result.wrong, line) < 0 ? error_memory(err) : 0;
}

int verify_go_on(struct verify *verify, struct error *err)
{
	if (cancel_fd_fired(verify->cancel_fd))
		return error_set(err, ERROR_CANCELLED, "interrupted");
	if (verify->progress != NULL)
		verify->progress(verify->context, verify->result.bytes, verify->total);
	return 0;
}

int verify_unpack(struct verify *verify, const struct bytes *member, int64_t size)
{
	if (size < 0 || size > CUT_MAX)
		return -1;
	return unpack(
	    verify->unpacker, member->data, (size_t)member->len, verify->space, (size_t)size, NULL);
}

/* --- SQLite's own structure */

static int structure(struct verify *verify, struct error *err)
{
	CLEANUP_ROWS sqlite3_stmt *rows = NULL;
	int found = sql_rows(verify->connection, "PRAGMA integrity_check(100)", NULL, &rows, err);

	while (found > 0) {
		CLEANUP_FREE char *line = sql_text(rows, 0);

		if (line == NULL)
			return error_memory(err);
		if (strcmp(line, "ok") != 0 && verify_wrong(verify, err, "the file: %s", line) < 0)
			return -1;
		found = sql_next(verify->connection, rows, err);
	}
	return found;
}

static int references(struct verify *verify, struct error *err)
{
	CLEANUP_ROWS sqlite3_stmt *rows = NULL;
	int found = sql_rows(verify->connection, "PRAGMA foreign_key_check", NULL, &rows, err);

	while (found > 0) {
		CLEANUP_FREE char *from = sql_text(rows, 0), *to = sql_text(rows, 2);

		if (from == NULL || to == NULL)
			return error_memory(err);
		if (verify_wrong(verify, err, "a row of table %s refers to one of %s that is gone",
			from, to) < 0)
			return -1;
		found = sql_next(verify->connection, rows, err);
	}
	return found;
}

/* --- chunks */

struct chunk_row {
	int64_t id, recipe, size, stored, crc;
	struct bytes hash, bytes;
};

static int chunk_of(sqlite3_stmt *rows, struct chunk_row *ret, struct error *err)
{
	*ret = (struct chunk_row){
	    .id = sqlite3_column_int64(rows, 0),
	    .recipe = sqlite3_column_int64(rows, 1),
	    .size = sqlite3_column_int64(rows, 2),
	    .stored = sqlite3_column_int64(rows, 3),
	    .crc = sqlite3_column_int64(rows, 4),
	};
	return sql_bytes(rows, 5, &ret->hash, err) < 0 ? -1 : sql_bytes(rows, 6, &ret->bytes, err);
}

/* NULL: it is as it should be. */
static const char *chunk_fault(struct verify *verify, const struct chunk_row *chunk)
{
	unsigned char hash[DIGEST_RAW_SIZE];
	const void *unpacked = chunk->bytes.data;

	if (chunk->bytes.data == NULL)
		return "has no bytes";
	if (chunk_check("", chunk->id, &chunk->bytes, chunk->stored, chunk->crc, NULL) < 0)
		return "is not what was written: its CRC-32 differs";
	if (chunk->recipe != RECIPE_AS_IS) {
		if (chunk->size < 0 || verify_unpack(verify, &chunk->bytes, chunk->size) < 0)
			return "cannot be unpacked";
		unpacked = verify->space;
	}
	if (chunk->recipe == RECIPE_AS_IS && chunk->size != chunk->bytes.len)
		return "has another size than it should have";
	if (chunk->hash.len != DIGEST_RAW_SIZE ||
	    digest_raw(unpacked, (size_t)chunk->size, hash, NULL) < 0 ||
	    memcmp(hash, chunk->hash.data, DIGEST_RAW_SIZE) != 0)
		return "does not have the digest that it should have";
	return NULL;
}

static int chunk_verify(
    struct verify *verify, sqlite3_stmt *rows, int64_t *ret_id, struct error *err)
{
	struct chunk_row chunk;
	const char *fault;

	if (chunk_of(rows, &chunk, err) < 0)
		return -1;
	fault = chunk_fault(verify, &chunk);
	*ret_id = chunk.id;
	verify->result.chunks++;
	verify->result.bytes += (uint64_t)chunk.bytes.len;
	return fault == NULL
		   ? 0
		   : verify_wrong(verify, err, "chunk %lld %s", (long long)chunk.id, fault);
}

/* The next few: 1, 0: there are no more. */
static int chunks_step(struct verify *verify, int64_t *after, struct error *err)
{
	static const char sql[] =
	    "SELECT c.id, c.recipe, c.size, c.stored, b.crc, c.hash, b.data FROM chunks c"
	    " LEFT JOIN bytes b ON b.chunk = c.id WHERE c.id > ?1 ORDER BY c.id LIMIT ?2";
	CLEANUP_ROWS sqlite3_stmt *rows = NULL;
	int found = sql_rows(
	    verify->connection, sql, VALUES(V_INT(*after), V_INT(CHUNKS_STEP)), &rows, err);
	int any = found;

	while (found > 0) {
		if (chunk_verify(verify, rows, after, err) < 0)
			return -1;
		found = sql_next(verify->connection, rows, err);
	}
	return found < 0 ? -1 : any;
}

static int chunks(struct verify *verify, struct error *err)
{
	int64_t after = 0;
	int found;

	while ((found = chunks_step(verify, &after, err)) > 0)
		if (verify_go_on(verify, err) < 0)
			return -1;
	return found;
}

/* --- all */

/* A part that cannot be read is one more thing that is wrong, and no reason to skip the others. */
static int part(struct verify *verify, int (*look)(struct verify *, struct error *),
    const char *what, struct error *err)
{
	CLEANUP_ERROR struct error why = {0};

	if (look(verify, &why) == 0)
		return 0;
	if (why.kind == ERROR_PROTOCOL)
		return verify_wrong(verify, err, "%s: %s", what, error_text(&why));
	error_move(err, &why);
	return -1;
}

static int run(struct verify *verify, struct error *err)
{
	if (part(verify, structure, "structure", err) < 0 ||
	    part(verify, references, "references", err) < 0 ||
	    part(verify, chunks, "chunks", err) < 0 || part(verify, verify_blobs, "blobs", err) < 0)
		return -1;
	return part(verify, verify_manifests, "manifests", err);
}

static int prepare(struct verify *verify, struct store *store, struct error *err)
{
	/* Chunks twice: by themselves, and in blobs. */
	static const char sql[] = "SELECT coalesce((SELECT sum(stored) FROM chunks), 0)"
				  " + coalesce((SELECT sum(size) FROM blobs), 0)";
	int64_t total = 0;

	verify->space = malloc(CUT_MAX);
	if (verify->space == NULL)
		return error_memory(err);
	if (unpacker_new(&verify->unpacker, err) < 0 || store_hold(store, &verify->hold, err) < 0)
		return -1;
	verify->connection = connection_take(store, err);
	if (verify->connection == NULL)
		return -1;
	sql_int(verify->connection, sql, NULL, &total, NULL);
	verify->total = (uint64_t)total;
	return 0;
}

int store_verify(struct store *store, int cancel_fd, store_progress_fn *progress, void *context,
    struct store_verify_result *ret, struct error *err)
{
	struct verify verify = {
	    .store = store, .cancel_fd = cancel_fd, .progress = progress, .context = context};
	int rc = prepare(&verify, store, err);

	if (rc == 0)
		rc = run(&verify, err);
	connection_give(verify.connection);
	store_release(verify.hold);
	unpacker_free(verify.unpacker);
	free(verify.space);
	if (rc < 0)
		store_verify_result_release(&verify.result);
	else
		*ret = verify.result;
	return rc;
}

void store_verify_result_release(struct store_verify_result *result)
{
	strv_release(&result->wrong);
	*result = (struct store_verify_result){0};
}
