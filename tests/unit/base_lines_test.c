/* Lines out of bytes, wherever they are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/lines.h"

static char told[256];

static void tell(void *context, const char *line)
{
	(void)context;
	snprintf(told + strlen(told), sizeof(told) - strlen(told), "<%s>", line);
}

/* In pieces of `piece` bytes. */
static void want(const char *text, size_t len, size_t max, size_t piece, const char *expected)
{
	struct lines lines;

	told[0] = '\0';
	lines_init(&lines, max, tell, NULL);
	for (size_t at = 0; at < len; at += piece)
		assert_int_equal(
		    lines_feed(&lines, text + at, len - at < piece ? len - at : piece), 0);
	lines_end(&lines);
	assert_string_equal(told, expected);
}

static void test_cut_anywhere(void **state)
{
	static const char text[] = "one\n\ntwo\r\nthree";

	(void)state;
	for (size_t piece = 1; piece <= sizeof(text); piece++)
		want(text, sizeof(text) - 1, 64, piece, "<one><><two><three>");
	want("", 0, 64, 1, "");
	want("\n", 1, 64, 1, "<>");
}

/* A line of exactly the most that fits is one; its newline makes no empty one. */
static void test_long(void **state)
{
	(void)state;
	for (size_t piece = 1; piece <= 12; piece++) {
		want("12345678\nx\n", 11, 4, piece, "<1234><5678><x>");
		want("123456\n\n", 8, 4, piece, "<1234><56><>");
	}
}

static void test_cut(void **state)
{
	struct lines lines;

	(void)state;
	told[0] = '\0';
	lines_init(&lines, 64, tell, NULL);
	lines_cut(&lines);
	assert_int_equal(lines_feed(&lines, "half", 4), 0);
	lines_cut(&lines);
	assert_int_equal(lines_feed(&lines, "\nwhole\n", 7), 0);
	lines_end(&lines);
	assert_string_equal(told, "<half><whole>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cut_anywhere),
	    cmocka_unit_test(test_long),
	    cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
