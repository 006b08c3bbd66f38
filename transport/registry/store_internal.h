/* What the files of the store have in common: connections to the database, SQL, errors.
 *
 * SQLite's connections are not shared: each is used by one thread at a time, taken out of the
 * store's pool and given back. No statement stays open in between, because a read transaction that
 * is held lets the write-ahead log grow without bounds. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_STORE_INTERNAL_H
#define SHIPIT_TRANSPORT_REGISTRY_STORE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>

#include "base/attr.h"
#include "transport/registry/store.h"

enum {
	STORE_PAGE_SIZE = 8192,
	STORE_BUSY_MS = 60 * 1000,
	STORE_YOUNG_MS = 60 * 60 * 1000, /* what was asked for since then stays */
};

struct connection;

struct store {
	char *path, *lock_path;
	pthread_mutex_t mutex; /* of the list */
	struct connection *idle;
	int n_idle;
};

/* --- connections (store_connection.c) */

/* NULL: an error. */
struct connection *connection_take(struct store *store, struct error *err);
/* Back into the pool, rolled back when a transaction is open. Takes NULL. */
void connection_give(struct connection *connection);
/* Close one of the idle ones; the store is being closed. */
void connection_drop_idle(struct store *store);
sqlite3 *connection_db(const struct connection *connection);
static inline void connection_cleanup(struct connection **connection)
{
	connection_give(*connection);
}
#define CLEANUP_CONNECTION __attribute__((cleanup(connection_cleanup)))

/* How long its statements wait for other writers; NULL is taken. STORE_BUSY_MS is usual. */
void connection_patience(struct connection *connection, int ms);

/* About so many bytes will be read before it is given back: pages are read many at once (window.h).
 */
void connection_read_much(struct connection *connection, size_t bytes);

/* Bring the log back into the file and let it start over, as far as others let us. */
void connection_checkpoint(struct connection *connection);

/* Open the file as every connection is to be; `flags` of sqlite3_open_v2(). */
int database_open(const char *path, int flags, sqlite3 **ret, struct error *err);
void database_close(sqlite3 *db); /* takes NULL */

/* --- SQL: statements are prepared once for each connection, known by the address of their text */

struct value {
	enum { VALUE_END, VALUE_INT, VALUE_TEXT, VALUE_BYTES, VALUE_NULL } type;
	int64_t number; /* or the length */
	const void *data;
};
#define V_INT(n)                                                                                   \
	{                                                                                          \
		.type = VALUE_INT, .number = (int64_t)(n)                                          \
	}
#define V_TEXT(text)                                                                               \
	{                                                                                          \
		.type = (text) != NULL ? VALUE_TEXT : VALUE_NULL, .data = (text)                   \
	}
#define V_BYTES(bytes, len)                                                                        \
	{                                                                                          \
		.type = (bytes) != NULL ? VALUE_BYTES : VALUE_NULL, .number = (int64_t)(len),      \
		.data = (bytes)                                                                    \
	}
#define V_DIGEST(raw) V_BYTES(raw, DIGEST_RAW_SIZE)
/* VALUES(V_TEXT(name), V_INT(5)); what they point to has to live until the statement is over. */
#define VALUES(...)                                                                                \
	(const struct value[])                                                                     \
	{                                                                                          \
		__VA_ARGS__,                                                                       \
		{                                                                                  \
			.type = VALUE_END                                                          \
		}                                                                                  \
	}

/* A statement that gives rows: 1: a row is there, 0: none, -1: an error. */
int sql_rows(struct connection *connection, const char *sql, const struct value *values,
    sqlite3_stmt **ret, struct error *err);
int sql_next(struct connection *connection, sqlite3_stmt *rows, struct error *err);
static inline void sql_rows_cleanup(sqlite3_stmt **rows)
{
	sqlite3_reset(*rows);
}
/* Ends the statement's transaction at the end of the scope. */
#define CLEANUP_ROWS __attribute__((cleanup(sql_rows_cleanup)))

/* One that gives none. */
int sql_run(
    struct connection *connection, const char *sql, const struct value *values, struct error *err);
/* The first column of the first row: 1, or 0 when there is no row (or NULL in it). */
int sql_int(struct connection *connection, const char *sql, const struct value *values,
    int64_t *ret, struct error *err);
/* A copy of a text column; NULL: it is NULL, or there is no memory for it. */
char *sql_text(sqlite3_stmt *rows, int column);
/* A column of bytes, valid until the next step; `data` NULL when it is NULL. */
struct bytes {
	const void *data;
	int64_t len;
};
int sql_bytes(sqlite3_stmt *rows, int column, struct bytes *ret, struct error *err);
/* Rows that the last statement changed, and the id of the row it inserted. */
int64_t sql_changes(const struct connection *connection);
int64_t sql_last_id(const struct connection *connection);

/* A transaction that writes, from its first statement on. */
int transaction_begin(struct connection *connection, struct error *err);
/* Commit when `rc` is 0, else roll back; the result of it all. */
int transaction_end(struct connection *connection, int rc, struct error *err);

/* What SQLite says, in words. `needed`: bytes that are missing on a full disk, at most or (more may
 * come) at least; 0: not known. Returns -1. */
int store_error(const char *path, sqlite3 *db, int rc, struct error *err);
int store_full(const char *path, uint64_t needed, bool at_most, struct error *err);
/* Is it the error for a full disk? */
bool store_is_full(const struct error *err);

/* --- the rest */

/* Manifests that are images of their own, one row for each tag, and for each manifest without a tag
 * that is no part of an index there: a view that store_list() and store_gc() share. Columns:
 * repository (id), name, tag (NULL), manifest, pushed, used, retained. What is retained are the
 * manifests tagged last, however many tags each has. */
#define STORE_IMAGES                                                                               \
	"ranks AS (SELECT repository, manifest, row_number() OVER (PARTITION BY repository"        \
	"   ORDER BY max(pushed) DESC, manifest DESC) AS rank"                                     \
	" FROM tags GROUP BY repository, manifest),"                                               \
	"images AS (SELECT r.id AS repository, r.name AS name, t.name AS tag, e.manifest AS "      \
	"manifest,"                                                                                \
	"  coalesce(t.pushed, e.pushed) AS pushed, max(e.used, coalesce(t.used, 0)) AS used,"      \
	"  coalesce(k.rank <= r.retain, 0) AS retained"                                            \
	" FROM entries e JOIN repositories r ON r.id = e.repository"                               \
	" LEFT JOIN tags t ON t.repository = e.repository AND t.manifest = e.manifest"             \
	" LEFT JOIN ranks k ON k.repository = e.repository AND k.manifest = e.manifest"            \
	" WHERE t.name IS NOT NULL OR NOT EXISTS(SELECT 1 FROM manifests m"                        \
	"  JOIN children c ON c.digest = m.digest"                                                 \
	"  JOIN entries i ON i.manifest = c.manifest AND i.repository = e.repository"              \
	"  WHERE m.id = e.manifest))"

/* Unix time in milliseconds: what `used` and `pushed` are kept in. */
int64_t store_now_ms(void);

/* Only for the one who gets it (gc, migration): 1: it is ours, 0: somebody holds the store. */
int store_lock_exclusive(const char *lock_path, int *ret_fd, struct error *err);
/* Somebody has held it for a minute: ERROR_TIMEOUT. */
int store_lock_late(const char *lock_path, struct error *err);

/* "sha256:..." to bytes; what is none is not there: ERROR_NOT_FOUND. */
int store_digest_raw(
    const char *digest, unsigned char ret[DIGEST_RAW_SIZE], const char *what, struct error *err);
/* Column `column` as a digest's text; "" when it is NULL. */
void store_column_digest(sqlite3_stmt *rows, int column, char ret[DIGEST_TEXT_SIZE]);

/* The id of a repository, made when `make`. 1, or 0: there is none. */
int repository_id(
    struct connection *connection, const char *name, bool make, int64_t *ret, struct error *err);
int no_repository(const char *name, struct error *err);
/* A blob that is in a repository: 1, 0, -1. */
int repository_blob(struct connection *connection, int64_t repository,
    const unsigned char digest[DIGEST_RAW_SIZE], struct blob_info *ret, int64_t *ret_id,
    struct error *err);

/* (store_manifests.c) The id of what `reference` is there: 1, 0, -1. */
int manifest_id(struct connection *connection, int64_t repository, const char *reference,
    int64_t *ret, struct error *err);
/* May the blob be elsewhere, and not in the store? */
struct descriptor;
bool manifest_may_lack(const struct descriptor *descriptor);
/* Put a manifest that the store has into a repository, now. */
int entry_put(
    struct connection *connection, int64_t repository, int64_t manifest, struct error *err);
int tag_put(struct connection *connection, int64_t repository, const char *tag, int64_t manifest,
    struct error *err);
/* Take a manifest out of a repository, with its tags; when it is in no other, it is gone. */
int entry_remove(
    struct connection *connection, int64_t repository, int64_t manifest, struct error *err);

#endif
