/* Making room: what nothing refers to, then what was not used for longest. Everything in steps of
 * some milliseconds, each a transaction, so that others get their turn and the log stays small: it
 * has to fit into what is kept of it when the disk is full. */
#include <time.h>

#include "base/cancel.h"
#include "transport/registry/store_gc.h"

enum {
	PIECES_STEP = 2048,
	CHUNKS_STEP = 256,
	CHUNK_IDS_STEP = 4096,
	PAUSE_NS = 8 * 1000 * 1000, /* whoever waits for the lock looks every 2 ms */
};

int gc_go_on(const struct gc *gc, struct error *err)
{
	if (cancel_fd_fired(gc->options->cancel_fd))
		return error_set(err, ERROR_CANCELLED, "interrupted");
	return 0;
}

/* --- blobs */

/* The pieces of a blob that is gone. */
static int pieces_remove(struct gc *gc, int64_t blob, struct error *err)
{
	static const char sql[] = "DELETE FROM pieces WHERE blob = ?1 AND start IN"
				  " (SELECT start FROM pieces WHERE blob = ?1 LIMIT ?2)";

	do {
		if (gc_go_on(gc, err) < 0 ||
		    sql_run(gc->connection, sql, VALUES(V_INT(blob), V_INT(PIECES_STEP)), err) < 0)
			return -1;
		if (sql_changes(gc->connection) == PIECES_STEP)
			connection_checkpoint(gc->connection);
	} while (sql_changes(gc->connection) == PIECES_STEP);
	return 0;
}

/* What the blob's chunks take that no other blob has. */
static int blob_own_bytes(struct gc *gc, int64_t blob, int64_t *ret, struct error *err)
{
	static const char sql[] =
	    "SELECT sum(length) FROM (SELECT DISTINCT chunk, length FROM pieces WHERE blob = ?1) "
	    "own"
	    " WHERE NOT EXISTS(SELECT 1 FROM pieces p WHERE p.chunk = own.chunk AND p.blob <> ?1)";

	*ret = 0;
	return sql_int(gc->connection, sql, VALUES(V_INT(blob)), ret, err) < 0 ? -1 : 0;
}

/* One that nothing refers to and nobody is about to: 1, 0: none is left. */
static int blob_remove_one(struct gc *gc, struct error *err)
{
	static const char next[] = "SELECT id FROM blobs b WHERE NOT EXISTS(SELECT 1 FROM "
				   "manifest_blobs WHERE blob = b.id)"
				   " AND NOT (used > ?1 AND used > claimed) LIMIT 1";
	static const char forget[] =
	    "DELETE FROM blobs WHERE id = ?1 AND NOT (used > ?2 AND used > claimed)"
	    " AND NOT EXISTS(SELECT 1 FROM manifest_blobs WHERE blob = ?1)";
	int64_t young = store_now_ms() - STORE_YOUNG_MS, blob, bytes;
	int found = sql_int(gc->connection, next, VALUES(V_INT(young)), &blob, err);

	if (found <= 0)
		return found;
	if (sql_run(gc->connection, forget, VALUES(V_INT(blob), V_INT(young)), err) < 0)
		return -1;
	if (sql_changes(gc->connection) == 0)
		return 1; /* somebody came in between */
	gc->result->blobs++;
	if (blob_own_bytes(gc, blob, &bytes, err) < 0 || pieces_remove(gc, blob, err) < 0)
		return -1;
	gc->in_use -= bytes;
	return 1;
}

int gc_blobs(struct gc *gc, struct error *err)
{
	int found;

	while ((found = blob_remove_one(gc, err)) > 0)
		if (gc_go_on(gc, err) < 0)
			return -1;
	return found;
}

/* Pieces that an earlier gc had no time for. */
static int pieces_left_over(struct gc *gc, struct error *err)
{
	static const char next[] = "SELECT min(blob) FROM pieces WHERE blob > ?1";
	static const char known[] = "SELECT 1 FROM blobs WHERE id = ?1";
	int64_t blob = 0, one;
	int found, is_known;

	while ((found = sql_int(gc->connection, next, VALUES(V_INT(blob)), &blob, err)) > 0) {
		is_known = sql_int(gc->connection, known, VALUES(V_INT(blob)), &one, err);
		if (is_known < 0 || (is_known == 0 && pieces_remove(gc, blob, err) < 0))
			return -1;
	}
	return found;
}

/* --- chunks */

/* Those with ids in (after, after + CHUNK_IDS_STEP], gc->step at most. `ret_full`: there may be
 * more in it. */
static int chunks_remove_rows(struct gc *gc, int64_t after, bool *ret_full, struct error *err)
{
	static const char sql[] =
	    "DELETE FROM chunks WHERE id IN (SELECT id FROM chunks c WHERE id > ?1 AND id <= ?2"
	    " AND NOT EXISTS(SELECT 1 FROM pieces WHERE chunk = c.id) LIMIT ?3)";
	int64_t n;

	if (sql_run(gc->connection, sql,
		VALUES(V_INT(after), V_INT(after + CHUNK_IDS_STEP), V_INT(gc->step)), err) < 0)
		return -1;
	n = sql_changes(gc->connection);
	*ret_full = n == gc->step;
	gc->result->chunks += (size_t)n;
	return n > 0;
}

/* Only while nobody holds the store: who does may know ids of chunks that no piece has yet. */
static int chunks_step(struct gc *gc, int64_t after, bool *ret_full, struct error *err)
{
	CLEANUP_CLOSE int lock = -1;
	int free = store_lock_exclusive(gc->store->lock_path, &lock, err);
	int rc;

	*ret_full = false;
	if (free <= 0) {
		gc->result->held = free == 0;
		return free;
	}
	rc = chunks_remove_rows(gc, after, ret_full, err);
	if (rc < 0 && store_is_full(err) && gc->step > 1) {
		gc->step = gc->step / 8 > 0 ? gc->step / 8 : 1; /* with what room there is */
		error_release(err);
		*ret_full = true;
		return 0;
	}
	if (rc > 0)
		connection_checkpoint(gc->connection);
	return rc;
}

static void show(const struct gc *gc, int64_t done, int64_t total)
{
	if (gc->options->progress != NULL)
		gc->options->progress(gc->options->context, (uint64_t)done, (uint64_t)total);
}

static int chunks_remove(struct gc *gc, struct error *err)
{
	static const char next[] = "SELECT min(id) FROM chunks WHERE id > ?1";
	int64_t last = 0, id, after = 0;
	bool full;
	int found, rc;

	if (sql_int(gc->connection, "SELECT max(id) FROM chunks", NULL, &last, err) < 0)
		return -1;
	while ((found = sql_int(gc->connection, next, VALUES(V_INT(after)), &id, err)) > 0) {
		do {
			if (gc_go_on(gc, err) < 0)
				return -1;
			rc = chunks_step(gc, id - 1, &full, err);
			if (rc > 0)
				nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
		} while (full);
		if (rc < 0 || gc->result->held)
			return rc < 0 ? -1 : 0;
		after = id - 1 + CHUNK_IDS_STEP;
		show(gc, after < last ? after : last, last);
	}
	return found;
}

/* --- room */

static int pages_in_use(struct gc *gc, int64_t *ret, struct error *err)
{
	int64_t all = 0, unused = 0;

	if (sql_int(gc->connection, "PRAGMA page_count", NULL, &all, err) < 0 ||
	    sql_int(gc->connection, "PRAGMA freelist_count", NULL, &unused, err) < 0)
		return -1;
	*ret = all - unused;
	return 0;
}

static int vacuum_step(struct gc *gc, struct error *err)
{
	CLEANUP_ROWS sqlite3_stmt *rows = NULL;
	int found = sql_rows(gc->connection, "PRAGMA incremental_vacuum(256)", NULL, &rows, err);

	while (found > 0)
		found = sql_next(gc->connection, rows, err);
	return found;
}

/* Pages from the end of the file into its holes. That there is no room even for this is no error:
 * the holes will be used. */
static int shrink(struct gc *gc, struct error *err)
{
	CLEANUP_ERROR struct error why = {0};
	int64_t before, left = 0;

	if (sql_int(gc->connection, "PRAGMA freelist_count", NULL, &left, err) < 0)
		return -1;
	while (left > 0) {
		before = left;
		if (gc_go_on(gc, err) < 0)
			return -1;
		if (vacuum_step(gc, &why) < 0) {
			if (!store_is_full(&why))
				error_move(err, &why);
			return store_is_full(&why) ? 0 : -1;
		}
		connection_checkpoint(gc->connection);
		if (sql_int(gc->connection, "PRAGMA freelist_count", NULL, &left, err) < 0)
			return -1;
		if (left >= before)
			break;
	}
	return 0;
}

static int repositories_remove(struct gc *gc, struct error *err)
{
	static const char sql[] =
	    "DELETE FROM repositories WHERE retain = 0"
	    " AND NOT EXISTS(SELECT 1 FROM entries WHERE repository = repositories.id)"
	    " AND NOT EXISTS(SELECT 1 FROM links WHERE repository = repositories.id)";

	return sql_run(gc->connection, sql, NULL, err);
}

static int run(struct gc *gc, struct error *err)
{
	int64_t before, after;

	connection_checkpoint(gc->connection); /* room in the log */
	if (pages_in_use(gc, &before, err) < 0 || pieces_left_over(gc, err) < 0 ||
	    gc_blobs(gc, err) < 0)
		return -1;
	if (gc->options->limit > 0 && gc_to_limit(gc, err) < 0)
		return -1;
	if (repositories_remove(gc, err) < 0 || chunks_remove(gc, err) < 0 ||
	    pages_in_use(gc, &after, err) < 0 || shrink(gc, err) < 0)
		return -1;
	if (after < before)
		gc->result->bytes = (uint64_t)(before - after) * gc->page_size;
	return 0;
}

int store_gc(struct store *store, const struct store_gc_options *options,
    struct store_gc_result *ret, struct error *err)
{
	CLEANUP_CONNECTION struct connection *connection = connection_take(store, err);
	struct store_gc_result result = {0};
	struct gc gc = {.store = store,
	    .connection = connection,
	    .options = options,
	    .result = &result,
	    .step = CHUNKS_STEP};
	int64_t page_size = 0;

	if (connection == NULL ||
	    sql_int(connection, "PRAGMA page_size", NULL, &page_size, err) < 0)
		return -1;
	gc.page_size = (uint64_t)page_size;
	if (run(&gc, err) < 0) {
		store_gc_result_release(&result);
		return -1;
	}
	*ret = result;
	return 0;
}

void store_gc_result_release(struct store_gc_result *result)
{
	strv_release(&result->images);
	*result = (struct store_gc_result){0};
}
