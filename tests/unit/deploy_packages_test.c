/* Which packages an image has, from databases as package managers write them, and broken ones. */
#include <sqlite3.h>
#include <stdio.h>

#include "deploy/packages.h"
#include "tests/unit/base_check.h"
#include "transport/registry/content.h"

/* Of one file; out: "name version arch; ..." */
static void read_file(const char *path, const void *data, size_t len, char *out, size_t size)
{
	struct content_file file = {.path = (char *)(uintptr_t)path, .data = BUF_INIT(64 << 20)};
	const struct content content = {.files = &file, .n_files = 1};
	struct packages packages = {0};
	struct error err = {0};

	assert_true(packages_want(path));
	assert_int_equal(buf_add(&file.data, data, len), 0);
	*out = '\0';
	if (packages_read(&content, &packages, &err) < 0)
		snprintf(out, size, "error");
	else
		assert_true(packages.known);
	for (size_t i = 0; i < packages.n; i++)
		snprintf(out + strlen(out), size - strlen(out), "%s%s %s %s", i > 0 ? "; " : "",
		    packages.v[i].name, packages.v[i].version, packages.v[i].arch);
	packages_release(&packages);
	error_release(&err);
	buf_release(&file.data);
}

static void assert_read(const char *path, const char *text, const char *expected)
{
	char out[4096];

	read_file(path, text, strlen(text), out, sizeof(out));
	assert_string_equal(out, expected);
}

static void what_dpkg_writes(void **state UNUSED)
{
	assert_read("var/lib/dpkg/status",
	    "Package: openssl\nStatus: install ok installed\nArchitecture: amd64\nVersion: "
	    "3.0.15-1~deb12u1\nDescription: x\n Package: no field\n .\n\n"
	    "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n"
	    "Package: half\nStatus: install ok half-installed\nVersion: 1\n\n\n"
	    "Version: 1:2\r\nPackage: curl\r\nStatus: hold ok installed",
	    "curl 1:2 ; openssl 3.0.15-1~deb12u1 amd64");
	assert_read("var/lib/dpkg/status.d/base", "Package: base-files\nVersion: 12.4\n",
	    "base-files 12.4 ");
	assert_false(packages_want("var/lib/dpkg/status.d/base.md5sums"));
	assert_false(packages_want("var/lib/dpkg/status.d/"));
	assert_false(packages_want("var/lib/dpkg/status.d/a/b"));
	assert_false(packages_want("var/lib/dpkg/status-old"));
}

static void what_apk_writes(void **state UNUSED)
{
	assert_read("lib/apk/db/installed",
	    "C:Q1abc=\nP:musl\nV:1.2.4-r2\nA:x86_64\nF:lib\nR:ld-musl.so\n\n"
	    "P:busybox\nV:1.36.1-r5\nA:x86_64\n",
	    "busybox 1.36.1-r5 x86_64; musl 1.2.4-r2 x86_64");
}

static void odd_text_is_skipped(void **state UNUSED)
{
	char line[600] = "P:", out[4096];
	static const char with_nul[] = "P:a\0b\nV:1\n\nP:c\nV:1\n";

	assert_read("lib/apk/db/installed", "", "");
	assert_read("lib/apk/db/installed", "\n\n\n", "");
	assert_read("lib/apk/db/installed",
	    "P:a\n\nV:1\n\nP:a b\nV:1\n\nP:x\x1b[2J\nV:1\n\nP:\xc3\xa4\nV:1\n", "");
	memset(line + 2, 'a', 400);
	snprintf(line + 402, sizeof(line) - 402, "\nV:1\n\nP:b\nV:2\n");
	assert_read("lib/apk/db/installed", line, "b 2 ");
	read_file("lib/apk/db/installed", with_nul, sizeof(with_nul) - 1, out, sizeof(out));
	assert_string_equal(out, "c 1 ");
}

/* --- rpm */

static void put_number(unsigned char *at, uint32_t number)
{
	for (int i = 0; i < 4; i++)
		at[i] = (unsigned char)(number >> (24 - 8 * i));
}

struct tag {
	uint32_t tag, type;
	const char *text; /* NULL: `number` */
	uint32_t number;
};

static size_t make_header(const struct tag *tags, size_t n, unsigned char out[1024])
{
	unsigned char *data = out + 8 + n * 16;
	uint32_t at = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char *entry = out + 8 + i * 16;

		put_number(entry, tags[i].tag);
		put_number(entry + 4, tags[i].type);
		put_number(entry + 8, at);
		put_number(entry + 12, 1);
		if (tags[i].text != NULL) {
			memcpy(data + at, tags[i].text, strlen(tags[i].text) + 1);
			at += (uint32_t)strlen(tags[i].text) + 1;
		} else {
			put_number(data + at, tags[i].number);
			at += 4;
		}
	}
	put_number(out, (uint32_t)n);
	put_number(out + 4, at);
	return 8 + n * 16 + at;
}

static void add_row(sqlite3 *db, const void *blob, size_t len)
{
	sqlite3_stmt *statement = NULL;

	assert_int_equal(
	    sqlite3_prepare_v2(db, "INSERT INTO Packages(blob) VALUES(?1)", -1, &statement, NULL),
	    SQLITE_OK);
	sqlite3_bind_blob(statement, 1, blob, (int)len, SQLITE_TRANSIENT);
	assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
	sqlite3_finalize(statement);
}

static sqlite3 *make_rpmdb(const char *schema)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, schema, NULL, NULL, NULL), SQLITE_OK);
	return db;
}

/* Reads it, and closes it. */
static void assert_rpmdb(sqlite3 *db, const char *expected)
{
	sqlite3_int64 len = 0;
	unsigned char *data = sqlite3_serialize(db, "main", &len, 0);
	char out[4096];

	assert_non_null(data);
	read_file("var/lib/rpm/rpmdb.sqlite", data, (size_t)len, out, sizeof(out));
	assert_string_equal(out, expected);
	sqlite3_free(data);
	sqlite3_close(db);
}

static const char schema[] =
    "CREATE TABLE Packages(hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)";

static void what_rpm_writes(void **state UNUSED)
{
	static const struct tag openssl[] = {{1000, 6, "openssl", 0}, {1001, 6, "3.0.15", 0},
	    {1002, 6, "1.el9", 0}, {1003, 4, NULL, 1}, {1022, 6, "x86_64", 0}};
	static const struct tag bash[] = {
	    {1000, 6, "bash", 0}, {1001, 6, "5.1", 0}, {1002, 6, "9", 0}};
	static const struct tag key[] = {
	    {1000, 6, "gpg-pubkey", 0}, {1001, 6, "1", 0}, {1002, 6, "2", 0}};
	unsigned char blob[1024];
	sqlite3 *db = make_rpmdb(schema);

	add_row(db, blob, make_header(openssl, ARRAY_SIZE(openssl), blob));
	add_row(db, blob, make_header(bash, ARRAY_SIZE(bash), blob));
	add_row(db, blob, make_header(key, ARRAY_SIZE(key), blob));
	assert_rpmdb(db, "bash 5.1-9 ; openssl 1:3.0.15-1.el9 x86_64");
}

static void broken_headers_are_skipped(void **state UNUSED)
{
	static const struct tag good[] = {
	    {1000, 6, "bash", 0}, {1001, 6, "5.1", 0}, {1002, 6, "9", 0}};
	unsigned char blob[1024];
	size_t len = make_header(good, ARRAY_SIZE(good), blob);
	sqlite3 *db = make_rpmdb(schema);

	for (size_t cut = 0; cut < len; cut++)
		add_row(db, blob, cut);
	put_number(blob, 0xffffffff); /* so many entries */
	add_row(db, blob, len);
	put_number(blob, 3);
	put_number(blob + 8 + 8, 0xfffffff0); /* where the name is */
	add_row(db, blob, len);
	assert_rpmdb(db, "");
}

static void what_is_no_database_is_an_error(void **state UNUSED)
{
	char out[64];

	read_file("var/lib/rpm/rpmdb.sqlite", "SQLite format 3", 16, out, sizeof(out));
	assert_string_equal(out, "error");
	read_file("usr/lib/sysimage/rpm/rpmdb.sqlite", "nonsense", 8, out, sizeof(out));
	assert_string_equal(out, "error");
	assert_rpmdb(make_rpmdb("CREATE TABLE other(x)"), "error");
	/* A schema that asks for endless work. */
	assert_rpmdb(make_rpmdb("CREATE VIEW Packages(blob) AS WITH RECURSIVE t(x) AS (SELECT 1"
				" UNION ALL SELECT x + 1 FROM t) SELECT x FROM t"),
	    "error");
}

/* --- what changed */

static struct packages packages_of(const char *text)
{
	struct content_file file = {
	    .path = (char[]){"lib/apk/db/installed"}, .data = BUF_INIT(64 * 1024)};
	const struct content content = {.files = &file, .n_files = 1};
	struct packages packages;

	assert_int_equal(buf_adds(&file.data, text), 0);
	assert_int_equal(packages_read(&content, &packages, NULL), 0);
	buf_release(&file.data);
	return packages;
}

static void assert_changes(const char *from, const char *to, const char *expected)
{
	struct packages old = packages_of(from), new = packages_of(to);
	struct package_change *changes = NULL;
	char out[1024] = "";
	size_t n = 0;

	assert_int_equal(packages_compare(&old, &new, &changes, &n, NULL), 0);
	for (size_t i = 0; i < n; i++)
		snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s%s %s>%s",
		    i > 0 ? "; " : "", changes[i].name,
		    changes[i].from != NULL ? changes[i].from : "",
		    changes[i].to != NULL ? changes[i].to : "");
	assert_string_equal(out, expected);
	free(changes);
	packages_release(&old);
	packages_release(&new);
}

static void changes_are_told(void **state UNUSED)
{
	assert_changes("", "", "");
	assert_changes("P:a\nV:1\n\nP:b\nV:1\n", "P:b\nV:1\n\nP:a\nV:1\n", "");
	assert_changes("P:a\nV:1\n\nP:b\nV:1\n\nP:d\nV:1\n", "P:a\nV:2\n\nP:c\nV:1\n\nP:d\nV:1\n",
	    "a 1>2; b 1>; c >1");
	/* Of one name for two architectures each for itself. */
	assert_changes(
	    "P:a\nV:1\nA:x\n\nP:a\nV:1\nA:y\n", "P:a\nV:1\nA:x\n\nP:a\nV:2\nA:y\n", "a 1>2");
	assert_changes("P:k\nV:1\n\nP:k\nV:2\n", "P:k\nV:2\n\nP:k\nV:3\n", "k 1>2; k 2>3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_dpkg_writes),
	    cmocka_unit_test(what_apk_writes),
	    cmocka_unit_test(odd_text_is_skipped),
	    cmocka_unit_test(what_rpm_writes),
	    cmocka_unit_test(broken_headers_are_skipped),
	    cmocka_unit_test(what_is_no_database_is_an_error),
	    cmocka_unit_test(changes_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
