/* The lines that go with mistakes, and what other readers of YAML would make of a value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "inventory/problems.h"
#include "inventory/traps.h"
#include "tests/unit/inventory_fake.h"

/* `expected`: the line with "|" before the place; NULL: there is none. */
static void check_quote(const char *text, int line, int column, const char *expected)
{
	struct problems problems = {0};
	const struct position pos = {.file = "f", .line = line, .column = column};

	assert_int_equal(problems_text(&problems, "f", text, strlen(text)), 0);
	assert_int_equal(problem_add(&problems, &pos, "wrong"), 0);
	assert_int_equal(problems_quote(&problems, &problems), 0);
	const struct problem *p = &problems.v[0];
	if (!expected) {
		assert_null(p->quote);
	} else {
		CLEANUP_FREE char *shown = NULL;

		assert_non_null(p->quote);
		assert_true(p->quote_at <= strlen(p->quote));
		shown =
		    string_printf("%.*s|%s", (int)p->quote_at, p->quote, p->quote + p->quote_at);
		assert_string_equal(shown, expected);
	}
	problems_release(&problems);
}

static void test_lines(void **state UNUSED)
{
	check_quote("a: 1\nb: 2\n", 2, 1, "|b: 2");
	check_quote("a: 1\nb: 2", 2, 4, "b: |2");
	check_quote("a: 1\nb: 2\n", 1, 9, "a: 1|");
	check_quote("a: 1\nb: 2\n", 3, 1, NULL);
	check_quote("a: 1\nb: 2\n", 0, 0, NULL);
	check_quote("a: 1\n\nb: 2\n", 2, 1, NULL);
	check_quote("a: 1\n  \t\nb: 2\n", 2, 3, NULL);
	check_quote("", 1, 1, NULL);
	/* Lines end, and characters count, as they do for libyaml. */
	check_quote("a: 1\r\nb: 2\r\n", 2, 4, "b: |2");
	check_quote("a: 1\rb: 2\rc: 3", 3, 4, "c: |3");
	check_quote("a: 1\xc2\x85"
		    "b: 2\xe2\x80\xa8"
		    "c: 3\xe2\x80\xa9"
		    "d: 4",
	    4, 4, "d: |4");
	check_quote("\xef\xbb\xbf"
		    "a: 1\n",
	    1, 1, "|a: 1");
	check_quote("\xc3\xa4: \xe8\xaa\xac x\n", 1, 6, "\xc3\xa4: \xe8\xaa\xac |x");
	check_quote("\ta: 1\n", 1, 2, "\t|a: 1");
	check_quote("a: \xff\xfe x\n", 1, 4, "a: |\xff\xfe x");
}

/* Of a line of megabytes no more is kept than is shown. */
static void test_long_line(void **state UNUSED)
{
	enum { LEN = 4 * 1024 * 1024, MANY = 3000 };
	struct problems problems = {0};
	char *text = malloc(LEN + 1);

	assert_non_null(text);
	for (size_t i = 0; i < LEN; i += 2)
		memcpy(text + i, "\xc3\xa4", 2);
	text[LEN] = '\0';
	assert_int_equal(problems_text(&problems, "f", text, LEN), 0);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(
		    problem_add(&problems,
			&(struct position){.file = "f", .line = 1, .column = 1 + 500 * i}, "wrong"),
		    0);
	assert_int_equal(problems_quote(&problems, &problems), 0);
	for (int i = 0; i < MANY; i++) {
		const struct problem *p = &problems.v[i];

		assert_true(strlen(p->quote) <= 1000);
		assert_true(p->quote_at <= 400 && p->quote_at % 2 == 0);
		assert_int_equal((unsigned char)p->quote[0], 0xc3);
		assert_int_equal(strlen(p->quote) % 2, 0);
	}
	problems_release(&problems);
	free(text);
}

static void test_hidden(void **state UNUSED)
{
	struct problems problems = {0};
	const struct position pos = {.file = "f", .line = 1, .column = 1},
			      other = {.file = "secrets.env", .line = 1, .column = 1};

	assert_int_equal(problems_text(&problems, "f", "token: x\n", 9), 0);
	assert_int_equal(problem_add(&problems, &pos, "wrong"), 0);
	problem_hide(&problems);
	assert_int_equal(problem_add(&problems, &other, "wrong"), 0);
	assert_int_equal(problems_quote(&problems, &problems), 0);
	assert_null(problems.v[0].quote);
	assert_null(problems.v[1].quote);
	problems_release(&problems);
}

static void add_once(struct problems *problems, const char *file, int line, const char *text)
{
	assert_int_equal(
	    problem_add(
		problems, &(struct position){.file = file, .line = line, .column = 3}, "%s", text),
	    0);
	problem_once(problems);
}

static void test_one_cause(void **state UNUSED)
{
	struct problems problems = {0};

	for (int i = 9; i > 0; i--)
		add_once(&problems, i < 7 ? "a" : "b", i, i % 2 ? "odd" : "even");
	add_once(&problems, "a", 10, "alone");
	assert_int_equal(problem_add(&problems,
			     &(struct position){.file = "a", .line = 11, .column = 1}, "twice"),
	    0);
	assert_int_equal(problem_add(&problems,
			     &(struct position){.file = "a", .line = 12, .column = 1}, "twice"),
	    0);
	assert_int_equal(problems_file(&problems, "a"), 0);
	problems_sort(&problems);
	assert_int_equal(problems_merge(&problems), 0);
	/* "b" was named first. */
	static const char *const texts[] = {"odd (also at 9:3, a:1:3, a:3:3, a:5:3)",
	    "even (also at a:2:3, a:4:3, a:6:3)", "alone", "twice", "twice"};
	assert_int_equal(problems.n, ARRAY_SIZE(texts));
	for (size_t i = 0; i < problems.n; i++)
		assert_string_equal(problems.v[i].text, texts[i]);
	for (int i = 13; i < 30; i++)
		add_once(&problems, "a", i, "many");
	problems_sort(&problems);
	assert_int_equal(problems_merge(&problems), 0);
	assert_int_equal(problems.n, ARRAY_SIZE(texts) + 1);
	assert_string_equal(
	    problems.v[problems.n - 1].text, "many (also at 14:3, 15:3, 16:3, 17:3 and 12 more)");
	problems_release(&problems);
}

/* What variables hold and what stands in files of them is not shown. */
static void test_no_secrets(void **state UNUSED)
{
	static const char text[] = "project: shop\n"
				   "services: {web: {image: \"${A} b\", env_file: bad.env}}\n"
				   "hosts: {web1: }\n"
				   "environments: {prod: {hosts: [web1]}}\n";
	static char folder[] = "tests/unit/golden/inventory";
	struct source source = {folder, fake_variable, fake_read_file};
	struct problems problems = {0};
	struct inventory *inv = NULL;
	bool own = false;

	assert_int_equal(inventory_parse(text, strlen(text), "shipit.yml", "/project", &source,
			     &inv, &problems, NULL),
	    -1);
	assert_true(problems.n > 2);
	for (size_t i = 0; i < problems.n; i++) {
		const struct problem *p = &problems.v[i];

		if (strcmp(p->pos.file, "shipit.yml") != 0) {
			assert_null(p->quote);
			continue;
		}
		assert_non_null(strstr(p->quote, "${A} b"));
		own = true;
	}
	assert_true(own);
	problems_release(&problems);
}

static void test_traps(void **state UNUSED)
{
	static const struct {
		const char *text, *what; /* NULL: the same to everybody */
	} cases[] = {
	    {"yes", "true"},
	    {"Off", "false"},
	    {"NO", "false"},
	    {"y", NULL},
	    {"N", NULL},
	    {"nO", NULL},
	    {"true", NULL},
	    {"False", NULL},
	    {"null", "nothing"},
	    {"~", "nothing"},
	    {"", NULL},
	    {"=", "a mistake"},
	    {"==", NULL},
	    {"22:22", "the number 1342"},
	    {"1:30:00", "the number 5400"},
	    {"8080:80", NULL},
	    {"33:33", "the number 2013"},
	    {"1000:1000", NULL},
	    {"0:0", NULL},
	    {"22:", NULL},
	    {"12:60", NULL},
	    {"-1:30", "the number -90"},
	    {"0755", "the number 493"},
	    {"0o17", "the number 15"},
	    {"0x1F", "the number 31"},
	    {"-0x10", "the number -16"},
	    {"0xfg", NULL},
	    {"0b101", "the number 5"},
	    {"0", NULL},
	    {"00", "the number 0"},
	    {"089", "the number 89"},
	    {"-5", NULL},
	    {"+5", "the number 5"},
	    {"12345", NULL},
	    {"9223372036854775807", NULL},
	    {"123456789012345678901", "the number 1.23456789012346e+20"},
	    {"1_000", "the number 1000"},
	    {"1_a", NULL},
	    {"_1", NULL},
	    {"3.10", "the number 3.1"},
	    {"3.1", NULL},
	    {"1.0", "the number 1"},
	    {"1.27.0", NULL},
	    {"1.", "the number 1"},
	    {".5", "the number 0.5"},
	    {"-.50", "the number -0.5"},
	    {".", NULL},
	    {"..", NULL},
	    {"./data", NULL},
	    {"1e3", "the number 1000"},
	    {"1e", NULL},
	    {"1.5e-3", "the number 0.0015"},
	    {"4f9e2d1", NULL},
	    {"1e10", "the number 10000000000"},
	    {".inf", "infinity"},
	    {"-.Inf", "infinity"},
	    {".nan", "no number"},
	    {"2024-01-31", "a date"},
	    {"2024-01-31T10:00:00Z", "a date"},
	    {"2024-01-31 10:00:00", "a date"},
	    {"2024-01", NULL},
	    {"2024-01-31x", NULL},
	    {"2024-01-31-1", NULL},
	    {"10.0.0.9", NULL},
	    {"10.0.0.0/8", NULL},
	    {"64m", NULL},
	    {"30s", NULL},
	    {"1.27-alpine", NULL},
	    {"nginx", NULL},
	    {"-", NULL},
	    {"+", NULL},
	    {"-c", NULL},
	    {"0-2,5", NULL},
	    {"[::1]:80", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char what[TRAP_SIZE] = "";
		bool trap = yaml_trap(cases[i].text, what);

		if (trap != (cases[i].what != NULL) || (trap && strcmp(what, cases[i].what) != 0))
			fail_msg("\"%s\": %s", cases[i].text, trap ? what : "no trap");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_long_line),
	    cmocka_unit_test(test_hidden),
	    cmocka_unit_test(test_one_cause),
	    cmocka_unit_test(test_no_secrets),
	    cmocka_unit_test(test_traps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
