#include "transport/registry/store_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "transport/registry/store_internal.h"

/* Times are milliseconds since 1970; digests and hashes are 32 raw bytes.
 *
 * Chunks and their bytes are two tables, so that whoever looks at all chunks does not read all
 * bytes. `hash` is of what the chunk unpacks to, or of the bytes themselves (recipe 0: as is).
 * AUTOINCREMENT: ids that a reader remembers never come to mean something else. */
static const char first[] =
    "CREATE TABLE repositories("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  name TEXT NOT NULL UNIQUE,"
    "  retain INTEGER NOT NULL DEFAULT 0);"

    "CREATE TABLE chunks("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  hash BLOB NOT NULL,"
    "  recipe INTEGER NOT NULL,"
    "  size INTEGER NOT NULL,"	 /* unpacked */
    "  stored INTEGER NOT NULL," /* as it is in `bytes` */
    "  UNIQUE(hash, recipe));"
    "CREATE TABLE bytes("
    "  chunk INTEGER PRIMARY KEY REFERENCES chunks(id) ON DELETE CASCADE,"
    "  crc INTEGER NOT NULL,"
    "  data BLOB NOT NULL);"

    "CREATE TABLE blobs("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  digest BLOB NOT NULL UNIQUE,"
    "  size INTEGER NOT NULL,"
    "  recipe INTEGER NOT NULL,"
    "  diff_id BLOB,"
    "  used INTEGER NOT NULL);" /* last asked for, or taken in */
    "CREATE INDEX blobs_diff_id ON blobs(diff_id, recipe) WHERE diff_id IS NOT NULL;"
    "CREATE TABLE pieces(" /* of a blob that is gone: taken away in steps */
    "  blob INTEGER NOT NULL,"
    "  start INTEGER NOT NULL,"
    "  length INTEGER NOT NULL,"
    "  chunk INTEGER NOT NULL REFERENCES chunks(id),"
    "  PRIMARY KEY(blob, start)) WITHOUT ROWID;"
    "CREATE INDEX pieces_chunk ON pieces(chunk, length);"
    "CREATE TABLE links(" /* blobs that were put into a repository */
    "  repository INTEGER NOT NULL REFERENCES repositories(id) ON DELETE CASCADE,"
    "  blob INTEGER NOT NULL REFERENCES blobs(id) ON DELETE CASCADE,"
    "  PRIMARY KEY(repository, blob)) WITHOUT ROWID;"
    "CREATE INDEX links_blob ON links(blob);"

    "CREATE TABLE manifests("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  digest BLOB NOT NULL UNIQUE,"
    "  media_type TEXT NOT NULL,"
    "  is_index INTEGER NOT NULL,"
    "  config BLOB,"  /* digest: the identity of the image */
    "  subject BLOB," /* digest */
    "  data BLOB NOT NULL);"
    "CREATE INDEX manifests_config ON manifests(config) WHERE config IS NOT NULL;"
    "CREATE INDEX manifests_subject ON manifests(subject) WHERE subject IS NOT NULL;"
    "CREATE TABLE manifest_blobs("
    "  manifest INTEGER NOT NULL REFERENCES manifests(id) ON DELETE CASCADE,"
    "  blob INTEGER NOT NULL REFERENCES blobs(id),"
    "  PRIMARY KEY(manifest, blob)) WITHOUT ROWID;"
    "CREATE INDEX manifest_blobs_blob ON manifest_blobs(blob);"
    "CREATE TABLE children(" /* of an index; those that were never pushed as well */
    "  manifest INTEGER NOT NULL REFERENCES manifests(id) ON DELETE CASCADE,"
    "  digest BLOB NOT NULL,"
    "  PRIMARY KEY(manifest, digest)) WITHOUT ROWID;"
    "CREATE INDEX children_digest ON children(digest);"
    "CREATE TABLE entries(" /* manifests of a repository */
    "  repository INTEGER NOT NULL REFERENCES repositories(id) ON DELETE CASCADE,"
    "  manifest INTEGER NOT NULL REFERENCES manifests(id) ON DELETE CASCADE,"
    "  pushed INTEGER NOT NULL,"
    "  used INTEGER NOT NULL,"
    "  PRIMARY KEY(repository, manifest)) WITHOUT ROWID;"
    "CREATE INDEX entries_manifest ON entries(manifest);"
    "CREATE TABLE tags("
    "  repository INTEGER NOT NULL,"
    "  name TEXT NOT NULL,"
    "  manifest INTEGER NOT NULL,"
    "  pushed INTEGER NOT NULL,"
    "  used INTEGER NOT NULL,"
    "  PRIMARY KEY(repository, name),"
    "  FOREIGN KEY(repository, manifest) REFERENCES entries(repository, manifest)"
    "    ON DELETE CASCADE) WITHOUT ROWID;"
    "CREATE INDEX tags_manifest ON tags(repository, manifest);";

/* `claimed`: when a manifest last came that refers to the blob: one asked for later is about to be
 * referred to by another. `aliases`: what engines call our images. */
static const char second[] =
    "ALTER TABLE blobs ADD COLUMN claimed INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE aliases("
    "  name BLOB PRIMARY KEY,"
    "  manifest INTEGER NOT NULL REFERENCES manifests(id) ON DELETE CASCADE"
    ") WITHOUT ROWID;"
    "CREATE INDEX aliases_manifest ON aliases(manifest);";

static const char *const steps[STORE_SCHEMA] = {first, second};

const char *store_schema_step(int version)
{
	return version >= 0 && version < STORE_SCHEMA ? steps[version] : NULL;
}

/* --- what kind of file it is, before SQLite touches it */

enum { LOOK_AGAIN_MS = 20 };
enum { HEADER_SIZE = 100, AT_READ_VERSION = 19, AT_USER_VERSION = 60, AT_APPLICATION_ID = 68 };

struct header {
	bool empty; /* or not there */
	bool sqlite, wal;
	int version, application;
};

static int big_endian(const unsigned char *bytes)
{
	return (int)((uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
		     bytes[3]);
}

/* Through SQLite's own descriptor: if we closed one of ours, every lock that this process has on
 * the file would be gone (sqlite.org/howtocorrupt.html, 2.2). Opening reads nothing. */
static int read_start(
    const char *path, unsigned char ret[HEADER_SIZE], int *ret_rc, struct error *err)
{
	sqlite3_file *file = NULL;
	sqlite3 *db = NULL;
	int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	if (rc != SQLITE_OK)
		store_error(path, db, rc, err);
	else
		*ret_rc = file->pMethods->xRead(file, ret, HEADER_SIZE, 0);
	sqlite3_close(db);
	return rc == SQLITE_OK ? 0 : -1;
}

/* The database header (sqlite.org/fileformat2.html, 1.3). */
static int header_read(const char *path, struct header *ret, struct error *err)
{
	static const unsigned char zeros[HEADER_SIZE];
	unsigned char bytes[HEADER_SIZE];
	struct stat st;
	int rc = SQLITE_OK;

	*ret = (struct header){.empty = true};
	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "the image store %s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERROR_FAILED, "the image store %s is not a file", path);
	if (st.st_size == 0)
		return 0;
	if (read_start(path, bytes, &rc, err) < 0)
		return -1;
	/* Zeros: whoever was making it got no further than to reserve room. */
	ret->empty = rc == SQLITE_OK && memcmp(bytes, zeros, HEADER_SIZE) == 0;
	ret->sqlite = rc == SQLITE_OK && memcmp(bytes, "SQLite format 3", 16) == 0;
	if (ret->sqlite) {
		ret->wal = bytes[AT_READ_VERSION] == 2;
		ret->version = big_endian(bytes + AT_USER_VERSION);
		ret->application = big_endian(bytes + AT_APPLICATION_ID);
	}
	return 0;
}

static int refuse_foreign(const char *path, struct error *err)
{
	error_set(err, ERROR_FAILED, "%s is there and is not an image store of shipit", path);
	return error_hint(err, "move it away, or set SHIPIT_STORE to another file");
}

static int refuse_newer(const char *path, int version, struct error *err)
{
	error_set(err, ERROR_FAILED,
	    "the image store %s was written by a newer shipit: its schema is %d, this one knows up "
	    "to %d",
	    path, version, STORE_SCHEMA);
	return error_hint(err, "update shipit, or set SHIPIT_STORE to another file");
}

static bool is_ours(const struct header *header)
{
	return header->sqlite && header->application == STORE_APPLICATION_ID;
}

/* Of a file that nobody is writing to. */
static int header_check(const char *path, const struct header *header, struct error *err)
{
	if (header->empty)
		return 0;
	return is_ours(header) ? 0 : refuse_foreign(path, err);
}

/* --- making and migrating */

static int run(const char *path, sqlite3 *db, const char *sql, struct error *err)
{
	int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : store_error(path, db, rc, err);
}

static int version_read(const char *path, sqlite3 *db, int *ret, struct error *err)
{
	sqlite3_stmt *statement = NULL;
	int rc = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return rc == SQLITE_ROW ? 0 : store_error(path, db, rc, err);
}

/* What SQLite has to know before there is a table, and what tells others whose file it is. */
static int make_header(const char *path, sqlite3 *db, struct error *err)
{
	char sql[128];

	sqlite3_snprintf(sizeof(sql), sql,
	    "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA application_id=%d;", STORE_APPLICATION_ID);
	return run(path, db, sql, err);
}

static int migrate_steps(const char *path, sqlite3 *db, int version, struct error *err)
{
	char sql[64];

	if (version == 0 && make_header(path, db, err) < 0)
		return -1;
	for (; version < STORE_SCHEMA; version++)
		if (run(path, db, steps[version], err) < 0)
			return -1;
	sqlite3_snprintf(sizeof(sql), sql, "PRAGMA user_version=%d", STORE_SCHEMA);
	return run(path, db, sql, err);
}

/* All steps in one transaction: it is of the old schema or of the new one, never between, and a new
 * file is nothing or all of it. Deferred, as the first thing written has to be what kind of file it
 * is; nobody else is here. */
static int migrate(const char *path, sqlite3 *db, int version, struct error *err)
{
	char sql[64];

	sqlite3_snprintf(sizeof(sql), sql, "PRAGMA page_size=%d; BEGIN", STORE_PAGE_SIZE);
	if (run(path, db, sql, err) < 0)
		return -1;
	if (migrate_steps(path, db, version, err) < 0 || run(path, db, "COMMIT", err) < 0) {
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
		return version == 0 ? -1
				    : error_wrap(err, "schema %d to %d", version, STORE_SCHEMA);
	}
	return 0;
}

/* Nothing is written, not even what is in the log into the file. */
static int look_inside(const char *path, sqlite3 **ret_db, int *ret_version, struct error *err)
{
	sqlite3 *db = NULL;

	if (database_open(path, SQLITE_OPEN_READWRITE, &db, err) < 0)
		return -1;
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (version_read(path, db, ret_version, err) < 0) {
		database_close(db);
		return -1;
	}
	*ret_db = db;
	return 0;
}

static int open_prepared(const char *path, sqlite3 *db, int version, struct error *err)
{
	if (version > STORE_SCHEMA)
		return refuse_newer(path, version, err);
	if (version < STORE_SCHEMA && migrate(path, db, version, err) < 0)
		return -1;
	return run(path, db, "PRAGMA journal_mode=WAL", err);
}

/* By ourselves, so that it is nobody else's to read from the start. */
static int make_file(const char *path, struct error *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 && errno == ENOSPC)
		return store_full(path, 0, false, err);
	if (fd < 0)
		return error_errno(err, errno, "the image store %s", path);
	close(fd);
	return 0;
}

static int make_or_migrate(const char *path, const struct header *header, struct error *err)
{
	sqlite3 *db = NULL;
	int version = 0, rc;

	if (header->empty && make_file(path, err) < 0)
		return -1;
	if (look_inside(path, &db, &version, err) < 0)
		return -1;
	rc = open_prepared(path, db, version, err);
	database_close(db);
	return rc;
}

/* What the file itself says may be older than what is in its log. */
static int is_current(const char *path, const struct header *header, bool *ret, struct error *err)
{
	sqlite3 *db = NULL;
	int version = 0;

	*ret = false;
	if (header->version == 0 || !header->wal)
		return 0;
	if (look_inside(path, &db, &version, err) < 0)
		return -1;
	database_close(db);
	*ret = version == STORE_SCHEMA;
	return version > STORE_SCHEMA ? refuse_newer(path, version, err) : 0;
}

/* Without the lock: a file that another program is just making may be anything yet, room without
 * content for instance. So only what is in order, or newer, is told for certain. */
static int look(const char *path, bool *ret_current, struct error *err)
{
	struct header header;

	*ret_current = false;
	if (header_read(path, &header, err) < 0)
		return -1;
	if (!is_ours(&header))
		return 0;
	if (header.version > STORE_SCHEMA)
		return refuse_newer(path, header.version, err);
	return is_current(path, &header, ret_current, err);
}

/* Alone with the file, or when others who were faster have made it current and are at work with it
 * already: they hold it for as long as a rollout takes. */
static int wait_alone(
    const char *path, const char *lock_path, int *ret_lock, bool *ret_current, struct error *err)
{
	int64_t deadline_ms = clock_now_ms() + STORE_BUSY_MS;

	for (;;) {
		int alone;

		if (look(path, ret_current, err) < 0)
			return -1;
		if (*ret_current)
			return 0;
		alone = store_lock_exclusive(lock_path, ret_lock, err);
		if (alone != 0)
			return alone < 0 ? -1 : 0;
		if (clock_left_ms(deadline_ms) == 0)
			return store_lock_late(lock_path, err);
		poll(NULL, 0, LOOK_AGAIN_MS);
	}
}

int store_schema_prepare(const char *path, const char *lock_path, struct error *err)
{
	CLEANUP_CLOSE int lock = -1;
	struct header header;
	bool current;

	if (wait_alone(path, lock_path, &lock, &current, err) < 0)
		return -1;
	if (current)
		return 0;
	if (header_read(path, &header, err) < 0)
		return -1;
	if (header_check(path, &header, err) < 0) {
		unlink(lock_path); /* beside a file that is not ours */
		return -1;
	}
	return make_or_migrate(path, &header, err);
}
