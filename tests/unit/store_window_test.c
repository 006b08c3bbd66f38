/* Rows read through windows are what they are without, whatever others write meanwhile. */
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/base_check.h"
#include "transport/registry/window.h"

enum { ROWS = 400, ROUNDS = 60, BYTES_MAX = 60000 };

static char path[64];

static sqlite3 *open_with(const char *vfs)
{
	sqlite3 *db = NULL;

	assert_int_equal(
	    sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
			     "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA mmap_size=1;"
			     "CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, data BLOB)",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	return db;
}

static void run(sqlite3 *db, const char *sql)
{
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

/* Rows of all lengths, in one transaction. */
static void write_rows(sqlite3 *db, unsigned *seed, int n)
{
	static unsigned char data[BYTES_MAX];
	sqlite3_stmt *put;

	run(db, "BEGIN");
	assert_int_equal(
	    sqlite3_prepare_v2(db, "REPLACE INTO t VALUES(?1, ?2)", -1, &put, NULL), SQLITE_OK);
	for (int i = 0; i < n; i++) {
		int len = rand_r(seed) % BYTES_MAX;

		for (int j = 0; j < len; j += 16)
			data[j] = (unsigned char)rand_r(seed);
		sqlite3_bind_int(put, 1, rand_r(seed) % ROWS);
		sqlite3_bind_blob(put, 2, data, len, SQLITE_STATIC);
		assert_int_equal(sqlite3_step(put), SQLITE_DONE);
		sqlite3_reset(put);
	}
	sqlite3_finalize(put);
	run(db, "COMMIT");
}

/* One that another connection steps through at the same time. */
static sqlite3_stmt *all_rows(sqlite3 *db)
{
	sqlite3_stmt *rows;

	assert_int_equal(sqlite3_prepare_v2(db, "SELECT id, data FROM t WHERE id >= ?1 ORDER BY id",
			     -1, &rows, NULL),
	    SQLITE_OK);
	return rows;
}

static void compare(sqlite3_stmt *a, sqlite3_stmt *b, int most)
{
	for (int i = 0; i < most; i++) {
		int rc = sqlite3_step(a);

		assert_int_equal(rc, sqlite3_step(b));
		if (rc != SQLITE_ROW)
			return;
		assert_int_equal(sqlite3_column_int(a, 0), sqlite3_column_int(b, 0));
		assert_int_equal(sqlite3_column_bytes(a, 1), sqlite3_column_bytes(b, 1));
		if (sqlite3_column_bytes(a, 1) > 0)
			assert_memory_equal(sqlite3_column_blob(a, 1), sqlite3_column_blob(b, 1),
			    (size_t)sqlite3_column_bytes(a, 1));
	}
}

/* Both see the same snapshot; then somebody writes, and takes the log back into the file. */
static void rows_are_what_they_are(void **state UNUSED)
{
	sqlite3 *plain, *windowed, *writer;
	sqlite3_stmt *a, *b;
	unsigned seed = 20261126;

	assert_non_null(window_vfs());
	plain = open_with(NULL);
	windowed = open_with(window_vfs());
	writer = open_with(window_vfs());
	write_rows(writer, &seed, ROWS);
	a = all_rows(windowed);
	b = all_rows(plain);
	for (int i = 0; i < ROUNDS; i++) {
		int from = rand_r(&seed) % ROWS, n = 1 + rand_r(&seed) % ROWS;

		sqlite3_bind_int(a, 1, from);
		sqlite3_bind_int(b, 1, from);
		window_open(windowed, (size_t)(rand_r(&seed) % 3) * 400000);
		compare(a, b, n / 2);
		write_rows(writer, &seed, 1 + rand_r(&seed) % 20);
		sqlite3_wal_checkpoint_v2(writer, "main",
		    i % 2 ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_FULL, NULL, NULL);
		compare(a, b, n);
		sqlite3_reset(a);
		sqlite3_reset(b);
		if (i % 3 == 0)
			window_open(windowed, 0);
		if (i % 10 == 9)
			run(writer, "DELETE FROM t WHERE id % 7 = 3; VACUUM");
	}
	sqlite3_finalize(a);
	sqlite3_finalize(b);
	assert_int_equal(sqlite3_close(plain), SQLITE_OK);
	assert_int_equal(sqlite3_close(windowed), SQLITE_OK);
	assert_int_equal(sqlite3_close(writer), SQLITE_OK);
}

/* A checkpoint changes the file without a commit. What lay in a window beside the pages that were
 * wanted, and was newer in the log, is old then. */
static void a_checkpoint_is_noticed(void **state UNUSED)
{
	sqlite3 *plain = open_with(NULL), *windowed = open_with(window_vfs());
	sqlite3_stmt *a = all_rows(windowed), *b = all_rows(plain);

	run(plain, "PRAGMA wal_autocheckpoint=0; DELETE FROM t; VACUUM;"
		   "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 100)"
		   " INSERT INTO t SELECT i, CAST(replace(hex(zeroblob(20000)), '00', 'O') AS BLOB)"
		   " FROM c");
	sqlite3_wal_checkpoint_v2(plain, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	run(plain, "UPDATE t SET data = CAST(replace(hex(zeroblob(20000)), '00', 'N') AS BLOB)"
		   " WHERE id % 2 = 0");
	run(windowed, "PRAGMA cache_size=-64");
	window_open(windowed, 8000000);
	for (int from = 1; from <= 97; from += 96) {
		sqlite3_bind_int(a, 1, from);
		sqlite3_bind_int(b, 1, from);
		compare(a, b, ROWS);
		sqlite3_reset(a);
		sqlite3_reset(b);
		sqlite3_wal_checkpoint_v2(plain, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	}
	sqlite3_finalize(a);
	sqlite3_finalize(b);
	assert_int_equal(sqlite3_close(plain), SQLITE_OK);
	assert_int_equal(sqlite3_close(windowed), SQLITE_OK);
}

static void other_databases_are_left_alone(void **state UNUSED)
{
	sqlite3 *db = open_with(NULL);

	window_open(db, 100000);
	run(db, "SELECT count(*), sum(length(data)) FROM t");
	window_open(db, 0);
	sqlite3_close(db);
}

static int make_path(void **state UNUSED)
{
	snprintf(path, sizeof(path), "/tmp/store_window.XXXXXX");
	close(mkstemp(path));
	return 0;
}

static int remove_path(void **state UNUSED)
{
	static const char *const ends[] = {"", "-wal", "-shm"};

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		char name[80];

		snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		unlink(name);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rows_are_what_they_are),
	    cmocka_unit_test(a_checkpoint_is_noticed),
	    cmocka_unit_test(other_databases_are_left_alone),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
