/* Connections: a small pool, with their statements. */
#include <errno.h>
#include <string.h>

#include "transport/registry/store_internal.h"
#include "transport/registry/window.h"

enum {
	IDLE_MAX = 8,
	STATEMENTS_MAX = 96,
	CACHE_KIB = 1024,
	LOG_KEPT = 4 * 1024 * 1024, /* of the write-ahead log, so that there is room in it when the
				       disk is full */
	CHECKPOINT_PAGES = 2048,    /* 16 MiB: what the next commit takes back into the file */
	CHECKPOINT_PAGES_HARD = 8192, /* 64 MiB: now it waits for readers */
	CHECKPOINT_WAIT_MS = 1000,
	GROW_BYTES = 1024 * 1024, /* the file grows by as much */
};

struct statement {
	const char *sql;
	sqlite3_stmt *prepared;
};

struct connection {
	struct store *store;
	sqlite3 *db;
	struct connection *next;
	bool reads_much;
	struct statement statements[STATEMENTS_MAX];
	size_t n;
};

sqlite3 *connection_db(const struct connection *connection)
{
	return connection->db;
}

void connection_patience(struct connection *connection, int ms)
{
	sqlite3_busy_timeout(connection->db, ms);
}

void connection_read_much(struct connection *connection, size_t bytes)
{
	window_open(connection->db, bytes);
	connection->reads_much = true;
}

void connection_checkpoint(struct connection *connection)
{
	sqlite3_busy_timeout(connection->db, CHECKPOINT_WAIT_MS);
	sqlite3_wal_checkpoint_v2(connection->db, "main", SQLITE_CHECKPOINT_RESTART, NULL, NULL);
	sqlite3_busy_timeout(connection->db, STORE_BUSY_MS);
}

/* After a commit. Readers that are always there keep the log from starting over: past 64 MiB the
 * writer waits for them, for a moment. */
static int after_commit(void *context UNUSED, sqlite3 *db, const char *name, int pages)
{
	if (pages >= CHECKPOINT_PAGES_HARD) {
		sqlite3_busy_timeout(db, CHECKPOINT_WAIT_MS);
		sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
		sqlite3_busy_timeout(db, STORE_BUSY_MS);
	} else if (pages >= CHECKPOINT_PAGES) {
		sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	}
	return SQLITE_OK; /* the commit is done, whatever became of the checkpoint */
}

static int configure(sqlite3 *db)
{
	char sql[256];
	int keep = 1, grow = GROW_BYTES;

	sqlite3_extended_result_codes(db, 1);
	sqlite3_busy_timeout(db, STORE_BUSY_MS);
	sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
	sqlite3_file_control(db, "main", SQLITE_FCNTL_CHUNK_SIZE, &grow);
	sqlite3_wal_hook(db, after_commit, NULL);
	sqlite3_snprintf(sizeof(sql), sql,
	    "PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; PRAGMA secure_delete=OFF;"
	    "PRAGMA cache_size=-%d; PRAGMA journal_size_limit=%d;"
	    "PRAGMA mmap_size=1;", /* what makes SQLite ask window.h; that maps nothing */
	    CACHE_KIB, LOG_KEPT);
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

int database_open(const char *path, int flags, sqlite3 **ret, struct error *err)
{
	sqlite3 *db = NULL;
	int rc = sqlite3_open_v2(
	    path, &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, window_vfs());

	if (rc == SQLITE_OK)
		rc = configure(db);
	if (rc != SQLITE_OK) {
		store_error(path, db, rc, err);
		sqlite3_close(db);
		return -1;
	}
	*ret = db;
	return 0;
}

/* Whoever closes the file last would cut the log to nothing, and what is kept of it with it. */
void database_close(sqlite3 *db)
{
	if (db != NULL)
		sqlite3_exec(db, "PRAGMA journal_size_limit=-1", NULL, NULL, NULL);
	sqlite3_close(db);
}

static struct connection *connection_open(struct store *store, struct error *err)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (connection == NULL) {
		error_memory(err);
		return NULL;
	}
	connection->store = store;
	if (database_open(store->path, SQLITE_OPEN_READWRITE, &connection->db, err) < 0) {
		free(connection);
		return NULL;
	}
	return connection;
}

static void connection_close(struct connection *connection)
{
	for (size_t i = 0; i < connection->n; i++)
		sqlite3_finalize(connection->statements[i].prepared);
	database_close(connection->db);
	free(connection);
}

void connection_drop_idle(struct store *store)
{
	struct connection *connection = store->idle;

	store->idle = connection->next;
	store->n_idle--;
	connection_close(connection);
}

struct connection *connection_take(struct store *store, struct error *err)
{
	struct connection *connection;

	pthread_mutex_lock(&store->mutex);
	connection = store->idle;
	if (connection != NULL) {
		store->idle = connection->next;
		store->n_idle--;
	}
	pthread_mutex_unlock(&store->mutex);
	return connection != NULL ? connection : connection_open(store, err);
}

void connection_give(struct connection *connection)
{
	struct store *store;
	bool keep;

	if (connection == NULL)
		return;
	store = connection->store;
	for (size_t i = 0; i < connection->n; i++)
		sqlite3_reset(connection->statements[i].prepared);
	if (!sqlite3_get_autocommit(connection->db))
		sqlite3_exec(connection->db, "ROLLBACK", NULL, NULL, NULL);
	if (connection->reads_much)
		window_open(connection->db, 0);
	connection->reads_much = false;
	pthread_mutex_lock(&store->mutex);
	/* What could not even be rolled back, for want of memory, closing rolls back. */
	keep = store->n_idle < IDLE_MAX && sqlite3_get_autocommit(connection->db);
	if (keep) {
		connection->next = store->idle;
		store->idle = connection;
		store->n_idle++;
	}
	pthread_mutex_unlock(&store->mutex);
	if (!keep)
		connection_close(connection);
}

/* --- SQL */

static sqlite3_stmt *prepare(struct connection *connection, const char *sql, struct error *err)
{
	struct statement *slot;
	int rc;

	for (size_t i = 0; i < connection->n; i++)
		if (connection->statements[i].sql == sql)
			return connection->statements[i].prepared;
	if (connection->n == STATEMENTS_MAX) {
		error_set(err, ERROR_FAILED, "too many statements");
		return NULL;
	}
	slot = &connection->statements[connection->n];
	rc = sqlite3_prepare_v3(
	    connection->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &slot->prepared, NULL);
	if (rc != SQLITE_OK) {
		store_error(connection->store->path, connection->db, rc, err);
		return NULL;
	}
	slot->sql = sql;
	connection->n++;
	return slot->prepared;
}

static int bind(sqlite3_stmt *statement, const struct value *values)
{
	int rc = SQLITE_OK;

	for (int i = 1; rc == SQLITE_OK && values != NULL && values->type != VALUE_END;
	     i++, values++) {
		if (values->type == VALUE_INT)
			rc = sqlite3_bind_int64(statement, i, values->number);
		else if (values->type == VALUE_TEXT)
			rc = sqlite3_bind_text(statement, i, values->data, -1, SQLITE_STATIC);
		else if (values->type == VALUE_BYTES)
			rc = sqlite3_bind_blob64(statement, i, values->data,
			    (sqlite3_uint64)values->number, SQLITE_STATIC);
		else
			rc = sqlite3_bind_null(statement, i);
	}
	return rc;
}

int sql_next(struct connection *connection, sqlite3_stmt *rows, struct error *err)
{
	int rc = sqlite3_step(rows);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc != SQLITE_DONE)
		store_error(connection->store->path, connection->db, rc, err);
	sqlite3_reset(rows);
	return rc == SQLITE_DONE ? 0 : -1;
}

int sql_rows(struct connection *connection, const char *sql, const struct value *values,
    sqlite3_stmt **ret, struct error *err)
{
	sqlite3_stmt *statement = prepare(connection, sql, err);
	int rc;

	if (statement == NULL)
		return -1;
	rc = bind(statement, values);
	if (rc != SQLITE_OK)
		return store_error(connection->store->path, connection->db, rc, err);
	*ret = statement;
	return sql_next(connection, statement, err);
}

int sql_run(
    struct connection *connection, const char *sql, const struct value *values, struct error *err)
{
	CLEANUP_ROWS sqlite3_stmt *rows = NULL;

	return sql_rows(connection, sql, values, &rows, err) < 0 ? -1 : 0;
}

int sql_int(struct connection *connection, const char *sql, const struct value *values,
    int64_t *ret, struct error *err)
{
	CLEANUP_ROWS sqlite3_stmt *rows = NULL;
	int found = sql_rows(connection, sql, values, &rows, err);

	if (found > 0 && sqlite3_column_type(rows, 0) == SQLITE_NULL)
		found = 0;
	if (found > 0)
		*ret = sqlite3_column_int64(rows, 0);
	return found;
}

char *sql_text(sqlite3_stmt *rows, int column)
{
	const unsigned char *text = sqlite3_column_text(rows, column);

	return text != NULL ? strdup((const char *)text) : NULL;
}

int sql_bytes(sqlite3_stmt *rows, int column, struct bytes *ret, struct error *err)
{
	bool is_null = sqlite3_column_type(rows, column) == SQLITE_NULL;

	ret->data = sqlite3_column_blob(rows, column);
	ret->len = sqlite3_column_bytes(rows, column);
	if (ret->data != NULL || is_null)
		return 0;
	if (ret->len > 0)
		return error_memory(err);
	ret->data = ""; /* SQLite says NULL for what is empty */
	return 0;
}

int64_t sql_changes(const struct connection *connection)
{
	return sqlite3_changes64(connection->db);
}

int64_t sql_last_id(const struct connection *connection)
{
	return sqlite3_last_insert_rowid(connection->db);
}

int transaction_begin(struct connection *connection, struct error *err)
{
	return sql_run(connection, "BEGIN IMMEDIATE", NULL, err);
}

/* Room in the file for all that is about to be committed: else the log could not be brought back
 * into it when the disk is full, would not start over, and not even gc could write. */
static int reserve_room(struct connection *connection, struct error *err)
{
	sqlite3_file *file = NULL;
	int64_t pages = 0;
	sqlite3_int64 have = 0, need;

	if (sql_int(connection, "PRAGMA page_count", NULL, &pages, err) < 0)
		return -1;
	need = pages * STORE_PAGE_SIZE;
	if (sqlite3_file_control(connection->db, "main", SQLITE_FCNTL_FILE_POINTER, &file) !=
		SQLITE_OK ||
	    file->pMethods->xFileSize(file, &have) != SQLITE_OK || have >= need)
		return 0;
	if (sqlite3_file_control(connection->db, "main", SQLITE_FCNTL_SIZE_HINT, &need) !=
	    SQLITE_OK)
		return store_full(connection->store->path, 0, false, err);
	return 0;
}

int transaction_end(struct connection *connection, int rc, struct error *err)
{
	if (rc == 0)
		rc = reserve_room(connection, err);
	if (rc == 0)
		rc = sql_run(connection, "COMMIT", NULL, err);
	if (rc < 0 && !sqlite3_get_autocommit(connection->db))
		sql_run(connection, "ROLLBACK", NULL, NULL);
	return rc < 0 ? -1 : 0;
}
