/* Text that goes to people: nothing from a host may drive a terminal. */
#include "base/text.h"
#include "tests/unit/base_check.h"

static void clean_shows_what_it_takes_away(void **state UNUSED)
{
	static const struct {
		const char *in, *one_line, *lines;
	} cases[] = {
	    {"", "", ""},
	    {"plain\ttext", "plain\ttext", NULL},
	    {"two\nlines", "two\\nlines", "two\nlines"},
	    {"\r\n", "\\x0d\\n", "\\x0d\n"},
	    {"\x1b[31mred\x1b]0;title\a", "\\x1b[31mred\\x1b]0;title\\x07", NULL},
	    {"del\x7f", "del\\x7f", NULL},
	    {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x9a\xa2",
		"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x9a\xa2", NULL},
	    /* C1, of which 0x9b is what ESC [ is: as UTF-8, and as a bare byte */
	    {"\xc2\x9b"
	     "31m\x9b",
		"\\xc2\\x9b31m\\x9b", NULL},
	    {"\xc2\xa0", "\xc2\xa0", NULL},
	    /* not UTF-8: overlong, surrogates, beyond the last plane, cut short, stray */
	    {"\xc0\xaf", "\\xc0\\xaf", NULL},
	    {"\xe0\x9f\xbf", "\\xe0\\x9f\\xbf", NULL},
	    {"\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf", NULL},
	    {"\xed\xa0\x80", "\\xed\\xa0\\x80", NULL},
	    {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", NULL},
	    {"\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80", NULL},
	    {"\xe2\x82", "\\xe2\\x82", NULL},
	    {"\xe2\x82x", "\\xe2\\x82x", NULL},
	    {"\x80\xff", "\\x80\\xff", NULL},
	    {"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf",
		NULL},
	    /* what turns the direction of writing: U+202A..202E and U+2066..2069 */
	    {"a\xe2\x80\xae"
	     "b\xe2\x81\xa6",
		"a\\xe2\\x80\\xaeb\\xe2\\x81\\xa6", NULL},
	    {"\xe2\x80\xaa\xe2\x81\xa9", "\\xe2\\x80\\xaa\\xe2\\x81\\xa9", NULL},
	    {"\xe2\x80\xa9\xe2\x81\xa5", "\xe2\x80\xa9\xe2\x81\xa5", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *lines = cases[i].lines != NULL ? cases[i].lines : cases[i].one_line;
		CLEANUP_BUF struct buf one = BUF_INIT(200);
		CLEANUP_BUF struct buf many = BUF_INIT(200);

		assert_int_equal(text_clean(&one, cases[i].in, strlen(cases[i].in), true), 0);
		assert_string_equal(one.data, cases[i].one_line);
		assert_int_equal(text_clean(&many, cases[i].in, strlen(cases[i].in), false), 0);
		assert_string_equal(many.data, lines);
	}
}

static void clean_shows_nul_and_stops_at_the_limit(void **state UNUSED)
{
	CLEANUP_BUF struct buf out = BUF_INIT(6);

	assert_int_equal(text_clean(&out, "a\0b", 3, true), 0);
	assert_string_equal(out.data, "a\\x00b");
	assert_int_equal(text_clean(&out, "c", 1, true), -1);
	assert_true(out.too_long);
}

static bool is_harmless(const struct buf *out, bool one_line)
{
	for (size_t i = 0; i < out->len; i++) {
		unsigned char c = (unsigned char)out->data[i];
		unsigned char before = i > 0 ? (unsigned char)out->data[i - 1] : 0;

		if (c == 0x7f || (c < 0x20 && c != '\t' && (c != '\n' || one_line)))
			return false;
		if (before == 0xc2 && c < 0xa0)
			return false;
	}
	return true;
}

/* For any bytes: no control characters come out, what comes out is UTF-8, and stays as it is when
 * it is cleaned once more. */
static void clean_of_anything_is_harmless(void **state UNUSED)
{
	static const unsigned char odd[] = {
	    0xc2, 0x9b, 0x1b, 0xe2, 0x80, 0xae, 0xf0, 0x9f, '\n', 0};
	uint64_t random = 7;

	for (int round = 0; round < 20000; round++) {
		CLEANUP_BUF struct buf out = BUF_INIT(400);
		CLEANUP_BUF struct buf again = BUF_INIT(400);
		bool one_line = round % 2 == 0;
		char bytes[64];
		size_t n = check_below(&random, sizeof(bytes));

		for (size_t i = 0; i < n; i++)
			bytes[i] = check_below(&random, 2) == 0
				       ? (char)odd[check_below(&random, sizeof(odd))]
				       : (char)check_random(&random);
		assert_int_equal(text_clean(&out, bytes, n, one_line), 0);
		assert_true(is_harmless(&out, one_line));
		assert_true(text_is_utf8(out.data));
		assert_int_equal(text_clean(&again, out.data, out.len, one_line), 0);
		assert_string_equal(again.data, out.data);
	}
}

static void utf8_is_told(void **state UNUSED)
{
	assert_true(text_is_utf8(""));
	assert_true(text_is_utf8("\x01 \xc3\xa4 \xf0\x9f\x9a\xa2"));
	assert_false(text_is_utf8("a\xff"));
	assert_false(text_is_utf8("\xc3"));
	assert_false(text_is_utf8("\xed\xa0\x80"));
}

static void nearest_is_a_slip_of_the_pen(void **state UNUSED)
{
	static const char *const keys[] = {"image", "ports", "volumes", "environment", "env_file",
	    "restart", "networks", "user", "a"};
	static const struct {
		const char *word, *want;
	} cases[] = {
	    {"image", "image"},
	    {"imgae", "image"}, /* neighbours swapped: one slip */
	    {"port", "ports"},
	    {"volumse", "volumes"},
	    {"enviroment", "environment"},
	    {"env-file", "env_file"},
	    {"envrionmnet", "environment"},
	    {"restrat", "restart"},
	    {"network_mode", NULL},
	    {"xxxxx", NULL},
	    {"", NULL},
	    {"zz", "a" /* two of two letters */},
	};
	char longest[300];

	for (size_t i = 0; i < ARRAY_SIZE(cases) - 1; i++) {
		const char *got = text_nearest(cases[i].word, keys, ARRAY_SIZE(keys));

		if (cases[i].want == NULL)
			assert_null(got);
		else
			assert_string_equal(got, cases[i].want);
	}
	assert_null(text_nearest("zz", keys, ARRAY_SIZE(keys)));
	assert_null(text_nearest("image", NULL, 0));
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_null(text_nearest(longest, keys, ARRAY_SIZE(keys)));
	longest[64] = '\0';
	assert_null(text_nearest(longest, keys, ARRAY_SIZE(keys)));
}

static void globs_match_whole_names(void **state UNUSED)
{
	assert_true(text_glob("web*", "web1.example.com"));
	assert_true(text_glob("web[0-9]", "web1"));
	assert_true(text_glob("?", "a"));
	assert_false(text_glob("web", "web1"));
	assert_false(text_glob("[", "web"));
	assert_false(text_glob("", "a"));
}

static void names_are_what_every_engine_takes(void **state UNUSED)
{
	static const char *const good[] = {
	    "a", "0", "shop", "a-b", "a_b", "1-2_3", "abcdefghijabcdefghijabcdefghijabcdefghij"};
	static const char *const bad[] = {"", "-a", "a-", "_a", "a_", "a--b", "a__b", "a-_b", "A",
	    "a.b", "a b", "\xc3\xa4", "a\n", "a/b", "abcdefghijabcdefghijabcdefghijabcdefghijk",
	    "-", "a:b"};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(text_is_name(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(text_is_name(bad[i]));
}

static void bytes_are_as_engines_print_them(void **state UNUSED)
{
	static const struct {
		uint64_t bytes;
		const char *want;
	} cases[] = {{0, "0 B"}, {1, "1 B"}, {999, "999 B"}, {1000, "1.0 kB"}, {1234, "1.2 kB"},
	    {9949, "9.9 kB"}, {9960, "10 kB"}, {34000000, "34 MB"}, {999400, "999 kB"},
	    {999600, "1.0 MB"}, {1200000000, "1.2 GB"}, {5000000000000, "5.0 TB"},
	    {UINT64_MAX, "18447 PB"}};
	char text[TEXT_BYTES_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		text_bytes(cases[i].bytes, text);
		assert_string_equal(text, cases[i].want);
	}
}

static void sizes_are_read_as_people_write_them(void **state UNUSED)
{
	static const struct {
		const char *text;
		uint64_t want;
	} good[] = {{"0", 0}, {"17", 17}, {"17B", 17}, {"1k", 1024}, {"1kB", 1000}, {"1KiB", 1024},
	    {"500MB", 500000000}, {"500 MB", 500000000}, {"10G", UINT64_C(10) << 30},
	    {"10gib", UINT64_C(10) << 30}, {"2T", UINT64_C(2) << 40},
	    {"8191P", UINT64_C(8191) << 50}, {"9223372036854775807", INT64_MAX}};
	static const char *const bad[] = {"", " 1", "-1", "+1", "x", "G", "1.5G", "1X", "1Gi",
	    "1GBB", "1G ", "1 G B", "0x10", "8192P", "9223372036854775808", "99999999999999999999"};
	uint64_t bytes;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(text_parse_bytes(good[i].text, &bytes), 0);
		assert_true(bytes == good[i].want);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (text_parse_bytes(bad[i], &bytes) == 0)
			fail_msg("\"%s\" was taken", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(clean_shows_what_it_takes_away),
	    cmocka_unit_test(clean_shows_nul_and_stops_at_the_limit),
	    cmocka_unit_test(clean_of_anything_is_harmless),
	    cmocka_unit_test(utf8_is_told),
	    cmocka_unit_test(nearest_is_a_slip_of_the_pen),
	    cmocka_unit_test(globs_match_whole_names),
	    cmocka_unit_test(names_are_what_every_engine_takes),
	    cmocka_unit_test(bytes_are_as_engines_print_them),
	    cmocka_unit_test(sizes_are_read_as_people_write_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
