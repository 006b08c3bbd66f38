/* Everything a host or a file may say reaches people as text, and as nothing else. */
#include "tests/unit/cmd_golden.h"

#include "cmd/complain.h"
#include "cmd/ui/columns.h"
#include "cmd/ui/words.h"
#include "cmd/yaml_out.h"

static const char hostile[] = "a\033[2J\033]0;t\a\b\r\x7f\xc2\x9b"
			      "b\xff\xfe\xe2\x80\xae"
			      "c\td";

static void harmless(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		assert_true(c >= ' ' || c == '\n' || c == '\t');
		assert_int_not_equal(c, 0x7f);
		assert_false(c == 0xc2 && (unsigned char)text[i + 1] < 0xa0);
		assert_int_not_equal(c, 0xff);
	}
	assert_null(strstr(text, "\xe2\x80\xae"));
}

static void test_complain(void **state)
{
	struct memory out;
	struct error err = {0};

	(void)state;
	memory_open(&out);
	error_set(&err, ERROR_FAILED, "first %s\nsecond %s\n", hostile, hostile);
	error_hint(&err, "do %s", hostile);
	complain(out.file, false, "web1", "swap", &err);
	fflush(out.file);
	harmless(out.text, out.len);
	golden_compare("complain.txt", out.text);
	error_release(&err);
	memory_close(&out);
}

static void said(const char *host, const char *step, const char *message, const char *expected)
{
	struct memory out;

	memory_open(&out);
	complain_text(out.file, false, host, step, message, NULL);
	fflush(out.file);
	assert_string_equal(out.text, expected);
	memory_close(&out);
}

static void test_nothing_said_twice(void **state)
{
	(void)state;
	said("web1", "swap", "web1: swap: it broke", "shipit: web1: swap: it broke\n");
	said("web1", "swap", "swap: it broke", "shipit: web1: swap: it broke\n");
	said("web1", NULL, "web12: it broke", "shipit: web1: web12: it broke\n");
	said(NULL, NULL, "it broke", "shipit: it broke\n");
}

static struct problem quoted(const char *line, size_t at)
{
	return (struct problem){.pos = {.file = "shipit.yml", .line = 1, .column = 1},
	    .text = (char *)(uintptr_t) "this is wrong",
	    .quote = (char *)(uintptr_t)line,
	    .quote_at = at};
}

#define TIMES_10(text) text text text text text text text text text text

static void test_problems(void **state)
{
	static const char wide[] = TIMES_10(TIMES_10("\xe8\xaa\xac\xe6\x98\x8e"));
	struct problem v[] = {
	    {.pos = {.file = "shipit.yml", .line = 12, .column = 5},
		.text = (char *)(uintptr_t) "unknown key \"prots\"",
		.hint = (char *)(uintptr_t) "did you mean \"ports\"?"},
	    {.pos = {.file = "b.env"}, .text = (char *)(uintptr_t)hostile},
	    quoted("  prots: [80]", 2),
	    quoted("\tprots: [80]", 1),
	    quoted(hostile, 5),
	    quoted("\xe8\xaa\xac\xe6\x98\x8e e\xcc\x81: [x]", 11),
	    quoted(wide, 6),
	    quoted(wide, 6 * 70),
	    quoted("the caret is behind the end:", 28),
	};
	const struct problems problems = {.v = v, .n = ARRAY_SIZE(v)};
	struct memory out;

	(void)state;
	memory_open(&out);
	complain_problems(out.file, false, "", &problems);
	fflush(out.file);
	harmless(out.text, out.len);
	golden_compare("problems.txt", out.text);
	memory_close(&out);
}

/* The first ones are shown with their lines, then each takes one. */
static void test_many_problems(void **state)
{
	enum { MANY = 300, WHOLE = 40 };
	struct problem v[MANY];
	const struct problems problems = {.v = v, .n = MANY};
	struct memory out;
	size_t lines = 0;

	(void)state;
	memory_open(&out);
	for (size_t i = 0; i < MANY; i++) {
		v[i] = quoted("a line", 0);
		v[i].hint = (char *)(uintptr_t) "do this";
	}
	complain_problems(out.file, true, "warning: ", &problems);
	fflush(out.file);
	for (const char *at = out.text; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	assert_int_equal(lines, 4 * WHOLE + (MANY - WHOLE));
	assert_non_null(strstr(out.text, "\033[35m^\033["));
	assert_non_null(strstr(out.text, "this is wrong; do this\n"));
	memory_close(&out);
}

static void test_columns(void **state)
{
	static const char *const headings[] = {"HOST", "STATE", "BY", NULL};
	struct columns table;
	struct memory out;

	(void)state;
	memory_open(&out);
	columns_init(&table, headings);
	columns_add(&table, HUE_PLAIN, "web1");
	columns_add(&table, HUE_GOOD, hostile);
	columns_addf(&table, HUE_PLAIN, "%s@%d", "ann", 1);
	columns_add(&table, HUE_PLAIN, "a-long-name\nof two lines");
	columns_add(&table, HUE_GOOD, NULL);
	columns_add(&table, HUE_PLAIN, "");
	assert_int_equal(columns_rows(&table), 2);
	assert_int_equal(columns_print(&table, out.file, false, 2), 0);
	columns_release(&table);
	fflush(out.file);
	harmless(out.text, out.len);
	golden_compare("columns.txt", out.text);
	memory_close(&out);
}

static void test_yaml(void **state)
{
	struct memory out;
	json_t *value = json_pack("{s:s, s:s, s:s, s:s, s:i, s:b, s:n, s:[s,s,i], s:{}, s:{s:s}}",
	    "plain", "a/b-c.d", "number", "123", "word", "no", "odd", "a: \033[2J \xc2\x9b # b",
	    "n", 5, "yes", 1, "none", "list", "x", "- y", 3, "empty", "map", "key: odd", "v");

	(void)state;
	assert_non_null(value);
	memory_open(&out);
	yaml_print(value, NULL, out.file);
	json_decref(value);
	fflush(out.file);
	harmless(out.text, out.len);
	golden_compare("yaml.txt", out.text);
	memory_close(&out);
}

static void duration(int64_t ms, const char *expected)
{
	char out[WORDS_SIZE];

	words_duration(ms, out);
	assert_string_equal(out, expected);
}

static void test_words(void **state)
{
	char out[2 * WORDS_SIZE];

	(void)state;
	duration(-1, "-");
	duration(49, "0.0 s");
	duration(9949, "9.9 s");
	duration(9950, "10 s");
	duration(59400, "59 s");
	duration(59999, "1 min 0 s");
	duration(192000, "3 min 12 s");
	duration(7500000, "2 h 5 min");
	words_clock(725000, out);
	assert_string_equal(out, "12:05");
	words_clock(3725000, out);
	assert_string_equal(out, "1:02:05");
	words_bytes(34000000, 120000000, 11000000, out);
	assert_string_equal(out, "34 MB of 120 MB, 11 MB/s");
	words_bytes(0, 0, 5, out);
	assert_string_equal(out, "");
	words_hosts(1, out);
	assert_string_equal(out, "1 host");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_complain),
	    cmocka_unit_test(test_nothing_said_twice),
	    cmocka_unit_test(test_problems),
	    cmocka_unit_test(test_many_problems),
	    cmocka_unit_test(test_columns),
	    cmocka_unit_test(test_yaml),
	    cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
