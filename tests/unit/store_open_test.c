/* Which files are opened, made, migrated and refused. */
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tests/unit/store_place.h"

#include "transport/registry/store_schema.h"

static struct place place;

static int setup(void **state UNUSED)
{
	place_make(&place);
	return 0;
}

static int teardown(void **state UNUSED)
{
	place_remove(&place);
	return 0;
}

static struct buf bytes_of(const char *path)
{
	struct buf bytes = BUF_INIT(16 * 1024 * 1024);
	char chunk[4096];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		assert_int_equal(buf_add(&bytes, chunk, (size_t)n), 0);
	close(fd);
	return bytes;
}

static void put_file(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static void assert_refused(enum error_kind kind, const char *words)
{
	struct buf before = bytes_of(place.path), after;
	struct store *store = NULL;
	struct error err = {0};

	assert_int_equal(store_open(place.path, &store, &err), -1);
	assert_null(store);
	assert_contains(error_text(&err), place.path);
	assert_non_null(err.hint);
	assert_error(&err, kind, words);
	after = bytes_of(place.path);
	assert_int_equal(before.len, after.len);
	assert_memory_equal(before.data, after.data, after.len);
	buf_release(&before);
	buf_release(&after);
}

static void a_new_one_is_nobody_elses(void **state UNUSED)
{
	char folder[128], file[160], lock[200];
	struct store *store;
	struct stat st;

	umask(0);
	snprintf(folder, sizeof(folder), "%s/a", place.folder);
	snprintf(file, sizeof(file), "%s/b/s.db", folder);
	assert_ok(store_open(file, &store, OK_ERR));
	assert_string_equal(store_file(store), file);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(folder, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	store_close(store);
	store_close(NULL);
	assert_ok(store_open(file, &store, OK_ERR));
	store_close(store);
	unlink(file);
	snprintf(lock, sizeof(lock), "%s.lock", file);
	assert_int_equal(stat(lock, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	unlink(lock);
	snprintf(lock, sizeof(lock), "%s-wal", file);
	unlink(lock);
	snprintf(lock, sizeof(lock), "%s-shm", file);
	unlink(lock);
	*strrchr(file, '/') = '\0';
	assert_int_equal(rmdir(file), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void where_it_is(void **state UNUSED)
{
	char *path, *expected;

	setenv("HOME", "/home/ann", 1);
	setenv("SHIPIT_STORE", "/x/y.db", 1);
	setenv("XDG_DATA_HOME", "/data", 1);
	assert_ok(store_path(&path, OK_ERR));
	assert_string_equal(path, "/x/y.db");
	free(path);
	unsetenv("SHIPIT_STORE");
	assert_ok(store_path(&path, OK_ERR));
	assert_string_equal(path, "/data/shipit/store.db");
	free(path);
	setenv("XDG_DATA_HOME", "relative/is/ignored", 1);
	assert_ok(store_path(&path, OK_ERR));
	assert_string_equal(path, "/home/ann/.local/share/shipit/store.db");
	free(path);
	setenv("SHIPIT_STORE", place.path, 1);
	expected = place.path;
	assert_ok(store_open(NULL, &place.store, OK_ERR));
	assert_string_equal(store_file(place.store), expected);
	unsetenv("SHIPIT_STORE");
}

static void what_is_no_store_is_refused(void **state UNUSED)
{
	sqlite3 *db;

	put_file(place.path, "hello", 5);
	assert_refused(ERROR_FAILED, "is not an image store");
	unlink(place.path);
	assert_int_equal(sqlite3_open(place.path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "CREATE TABLE t(x); PRAGMA user_version=2", NULL, NULL, NULL), 0);
	sqlite3_close(db);
	assert_refused(ERROR_FAILED, "is not an image store");
}

static void a_folder_is_refused(void **state UNUSED)
{
	struct store *store;
	struct error err = {0};

	assert_int_equal(store_open(place.folder, &store, &err), -1);
	assert_error(&err, ERROR_FAILED, "is not a file");
	assert_int_equal(store_open("/proc/none/s.db", &store, &err), -1);
	assert_error(&err, ERROR_SYSTEM, "/proc/none");
}

static void a_newer_one_is_refused(void **state UNUSED)
{
	char words[32];

	place_open(&place);
	place_close(&place);
	place_sql(&place, "PRAGMA user_version=99; CREATE TABLE later(x)");
	snprintf(words, sizeof(words), "schema is 99");
	assert_refused(ERROR_FAILED, words);
}

/* Its header is still in the log, as it is while the newer program has it open. */
static void a_newer_one_is_refused_while_in_use(void **state UNUSED)
{
	struct store *store;
	struct error err = {0};
	sqlite3 *db;

	place_open(&place);
	place_close(&place);
	assert_int_equal(sqlite3_open(place.path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA wal_autocheckpoint=0; PRAGMA user_version=99",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(store_open(place.path, &store, &err), -1);
	assert_error(&err, ERROR_FAILED, "newer");
	sqlite3_close(db);
	assert_int_equal(place_number(&place, "PRAGMA user_version"), 99);
}

/* A file as the first schema has it, with an image in it. */
static void make_old(void)
{
	char pragma[64];

	snprintf(pragma, sizeof(pragma), "PRAGMA application_id=%d", STORE_APPLICATION_ID);
	place_sql(&place, "PRAGMA page_size=8192; PRAGMA auto_vacuum=INCREMENTAL");
	place_sql(&place, pragma);
	place_sql(&place, store_schema_step(0));
	place_sql(&place,
	    "PRAGMA journal_mode=WAL; PRAGMA user_version=1;"
	    "INSERT INTO repositories(name) VALUES('web');"
	    "INSERT INTO chunks(hash, recipe, size, stored) VALUES("
	    "x'2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881', 0, 1, 1);"
	    "INSERT INTO bytes VALUES(1, 2363233923, x'78');"
	    "INSERT INTO blobs(digest, size, recipe, used) VALUES("
	    "x'2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881', 1, 0, 5);"
	    "INSERT INTO pieces(blob, start, length, chunk) VALUES(1, 0, 1, 1);"
	    "INSERT INTO links VALUES(1, 1)");
}

static void assert_migrated(void)
{
	char digest[DIGEST_TEXT_SIZE];
	struct blob_info info;
	unsigned char *data;
	size_t len;

	assert_int_equal(place_number(&place, "PRAGMA user_version"), STORE_SCHEMA);
	assert_int_equal(digest_text("x", 1, digest, NULL), 0);
	assert_ok(store_blob_in(place.store, "web", digest, &info, OK_ERR));
	data = get_blob(&place, digest, &len);
	assert_int_equal(len, 1);
	free(data);
	put_image(&place, "web", "v1", 1, 1000);
	assert_clean(&place);
}

static void an_older_one_is_migrated(void **state UNUSED)
{
	assert_null(store_schema_step(-1));
	assert_null(store_schema_step(STORE_SCHEMA));
	make_old();
	place_open(&place);
	assert_migrated();
}

static void it_is_made_for_large_rows(void **state UNUSED)
{
	place_open(&place);
	assert_int_equal(place_number(&place, "PRAGMA page_size"), 8192);
	assert_int_equal(place_number(&place, "PRAGMA auto_vacuum"), 2);
	assert_int_equal(place_number(&place, "PRAGMA application_id"), STORE_APPLICATION_ID);
	assert_int_equal(
	    place_number(&place, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
}

/* Something in the file makes a step fail: it stays as it was. */
static void a_migration_is_all_or_nothing(void **state UNUSED)
{
	struct error err = {0};

	make_old();
	place_sql(&place, "CREATE TABLE aliases(x)");
	assert_int_equal(store_open(place.path, &place.store, &err), -1);
	assert_error(&err, ERROR_FAILED, "schema 1 to 2");
	assert_int_equal(place_number(&place, "PRAGMA user_version"), 1);
	assert_int_equal(
	    place_number(
		&place, "SELECT count(*) FROM pragma_table_info('blobs') WHERE name = 'claimed'"),
	    0);
	place_sql(&place, "DROP TABLE aliases");
	place_open(&place);
	assert_migrated();
}

/* Killed after the header and before the tables. */
static void a_half_made_one_is_finished(void **state UNUSED)
{
	char pragma[64];

	snprintf(pragma, sizeof(pragma), "PRAGMA application_id=%d", STORE_APPLICATION_ID);
	put_file(place.path, "", 0);
	place_open(&place);
	place_close(&place);
	place_remove(&place);
	place_make(&place);
	place_sql(&place, pragma);
	place_open(&place);
	put_image(&place, "web", "v1", 1, 1000);
	assert_clean(&place);
}

enum { CROWD = 8 };

/* Open the store, keep hold of it, say so, and stay until the other side closes. */
static void open_and_stay(int fd)
{
	struct store *store = NULL;
	struct store_hold *hold = NULL;
	char end;

	if (store_open(place.path, &store, NULL) == 0 && store_hold(store, &hold, NULL) == 0 &&
	    write(fd, "o", 1) == 1)
		_exit(read(fd, &end, 1) == 0 ? 0 : 1);
	_exit(1);
}

/* Programs that start at once on a machine without a store: the first makes it and goes to work,
 * and none of the others waits for that work to end. */
static void many_open_a_new_store_at_once(void **state UNUSED)
{
	int fds[CROWD][2];
	char opened = 0;

	for (int i = 0; i < CROWD; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds[i]), 0);
		if (fork() == 0) {
			for (int j = 0; j <= i; j++)
				close(fds[j][0]);
			open_and_stay(fds[i][1]);
		}
		close(fds[i][1]);
	}
	for (int i = 0; i < CROWD; i++) {
		struct pollfd slot = {.fd = fds[i][0], .events = POLLIN};

		assert_int_equal(poll(&slot, 1, 30000), 1);
		assert_int_equal(read(fds[i][0], &opened, 1), 1);
	}
	for (int i = 0; i < CROWD; i++)
		close(fds[i][0]);
	for (int i = 0; i < CROWD; i++) {
		int status = 1;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_new_one_is_nobody_elses),
	    TEST(where_it_is),
	    TEST(what_is_no_store_is_refused),
	    TEST(a_folder_is_refused),
	    TEST(a_newer_one_is_refused),
	    TEST(a_newer_one_is_refused_while_in_use),
	    TEST(it_is_made_for_large_rows),
	    TEST(an_older_one_is_migrated),
	    TEST(a_migration_is_all_or_nothing),
	    TEST(a_half_made_one_is_finished),
	    TEST(many_open_a_new_store_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
