/* Tar archives in memory: what goes in comes out, and what is broken is said to be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "transport/tar.h"

struct seen {
	const struct tar_entry *want;
	size_t n, max;
};

static int compare(void *context, const struct tar_member *member, struct error *err UNUSED)
{
	struct seen *seen = context;
	const struct tar_entry *want = &seen->want[seen->n++];
	bool folder = want->name[strlen(want->name) - 1] == '/';

	assert_true(seen->n <= seen->max);
	assert_string_equal(member->name, want->name);
	assert_int_equal(member->type, folder ? TAR_FOLDER : TAR_FILE);
	assert_int_equal(member->len, folder ? 0 : want->len);
	assert_memory_equal(member->data, want->data != NULL ? want->data : "", member->len);
	assert_int_equal(member->data[member->len], '\0');
	assert_int_equal(member->mode, want->mode != 0 ? want->mode : folder ? 0700 : 0600);
	if (want->mtime != 0)
		assert_int_equal(member->mtime, want->mtime);
	return 0;
}

static void what_goes_in_comes_out(void **state UNUSED)
{
	char longest[3000], big[100000];
	const struct tar_entry entries[] = {
	    {.name = "000001.json", .data = "{}\n", .len = 3, .mtime = 1000000000},
	    {.name = "empty"},
	    {.name = "secrets/", .mode = 0755},
	    {.name = "secrets/key",
		.data = "\0\1\n\0",
		.len = 4,
		.mode = 0440,
		.uid = 1000,
		.gid = 7},
	    {.name = "\xc3\xa4 \xe2\x82\xac", .data = "x", .len = 1},
	    {.name = "\xff\xfe", .data = "y", .len = 1, .uid = 4000000000U},
	    {.name = longest, .data = big, .len = sizeof(big)},
	};
	struct seen seen = {entries, 0, ARRAY_SIZE(entries)};
	struct buf tar = BUF_INIT(1 << 20);

	memset(longest, 'n', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7919 >> 3);
	assert_int_equal(tar_make(entries, ARRAY_SIZE(entries), &tar, NULL), 0);
	assert_int_equal(tar_walk(tar.data, tar.len, sizeof(big), compare, &seen, NULL), 0);
	assert_int_equal(seen.n, ARRAY_SIZE(entries));
	buf_release(&tar);
}

static void an_empty_archive_has_no_members(void **state UNUSED)
{
	struct seen seen = {0};
	struct buf tar = BUF_INIT(1 << 20);

	assert_int_equal(tar_make(NULL, 0, &tar, NULL), 0);
	assert_int_equal(tar_walk(tar.data, tar.len, 10, compare, &seen, NULL), 0);
	assert_int_equal(tar_walk(NULL, 0, 10, compare, &seen, NULL), 0);
	buf_release(&tar);
}

static void limits_hold(void **state UNUSED)
{
	const struct tar_entry entry = {.name = "a", .data = "12345678", .len = 8};
	struct seen seen = {&entry, 0, 1};
	struct buf tar = BUF_INIT(1000);
	struct error err = {0};

	assert_int_equal(tar_make(&entry, 1, &tar, &err), -1);
	assert_non_null(strstr(error_text(&err), "longer than 1000"));
	buf_release(&tar);
	buf_init(&tar, 1 << 20);
	assert_int_equal(tar_make(&entry, 1, &tar, NULL), 0);
	assert_int_equal(tar_walk(tar.data, tar.len, 7, compare, &seen, &err), -1);
	assert_int_equal(err.kind, ERROR_PROTOCOL);
	assert_non_null(strstr(error_text(&err), "longer than 7"));
	assert_int_equal(tar_walk(tar.data, tar.len, 8, compare, &seen, NULL), 0);
	error_release(&err);
	buf_release(&tar);
}

static int stop(void *context UNUSED, const struct tar_member *member, struct error *err)
{
	return error_set(err, ERROR_CONFLICT, "enough of %s", member->name);
}

static void a_caller_may_stop(void **state UNUSED)
{
	const struct tar_entry entries[] = {{.name = "a"}, {.name = "b"}};
	struct buf tar = BUF_INIT(1 << 20);
	struct error err = {0};

	assert_int_equal(tar_make(entries, 2, &tar, NULL), 0);
	assert_int_equal(tar_walk(tar.data, tar.len, 7, stop, NULL, &err), -1);
	assert_string_equal(error_text(&err), "enough of a");
	error_release(&err);
	buf_release(&tar);
}

static int ignore(void *context UNUSED, const struct tar_member *member, struct error *err UNUSED)
{
	/* Every byte of it can be read. */
	return memchr(member->data, 1, member->len) == member->data ? 0 : 0;
}

/* A cut is an error wherever a file or a header is hit by it. */
static void cut_and_flipped_archives_are_survived(void **state UNUSED)
{
	static const char text[700] = "a ledger's line\n";
	const struct tar_entry entries[] = {
	    {.name = "one", .data = text, .len = sizeof(text)}, {.name = "two/"}};
	struct buf tar = BUF_INIT(1 << 20);

	assert_int_equal(tar_make(entries, 2, &tar, NULL), 0);
	for (size_t len = 1; len < tar.len; len++) {
		char *cut = malloc(len);
		int rc;

		memcpy(cut, tar.data, len);
		rc = tar_walk(cut, len, 1024, ignore, NULL, NULL);
		if (len < 512 + sizeof(text))
			assert_int_equal(rc, -1);
		free(cut);
	}
	srand(3);
	for (int round = 0; round < 3000; round++) {
		size_t at = (size_t)rand() % tar.len;
		char was = tar.data[at];

		tar.data[at] = (char)rand();
		tar_walk(tar.data, tar.len, 1024, ignore, NULL, NULL);
		tar.data[at] = was;
	}
	buf_release(&tar);
}

static void compressed_archives_are_refused(void **state UNUSED)
{
	static const char gzip[] = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00\x00";
	struct error err = {0};

	assert_int_equal(tar_walk(gzip, sizeof(gzip), 100, ignore, NULL, &err), -1);
	assert_int_equal(err.kind, ERROR_PROTOCOL);
	error_release(&err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_goes_in_comes_out),
	    cmocka_unit_test(an_empty_archive_has_no_members),
	    cmocka_unit_test(limits_hold),
	    cmocka_unit_test(a_caller_may_stop),
	    cmocka_unit_test(cut_and_flipped_archives_are_survived),
	    cmocka_unit_test(compressed_archives_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
