/* Names of hosts in few words. */
#include "tests/unit/cmd_golden.h"

#include "cmd/ui/names.h"

static void want(const char *names, size_t columns, const char *expected)
{
	CLEANUP_STRV struct strv list = {0};
	CLEANUP_BUF struct buf out = BUF_INIT(4096);

	assert_int_equal(strv_split(&list, names, " "), 0);
	assert_int_equal(names_add(&out, &list, columns), 0);
	assert_string_equal(out.data, expected);
}

static void test_names(void **state)
{
	(void)state;
	want("", 80, "");
	want("db", 80, "db");
	want("h1 h2", 80, "h1, h2");
	want("h1 h2 h3", 80, "h[1:3]");
	want("web8.example.com web9.example.com web10.example.com db", 80,
	    "web[8:10].example.com, db");
	want("web08 web09 web10", 80, "web[08:10]");
	want("web8 web09 web10", 80, "web8, web09, web10");
	want("a1b1 a1b2 a1b3 a2b1", 80, "a1b[1:3], a2b1");
	want("a1b7 a2b7 a3b7", 80, "a[1:3]b7");
	want("h1 h2 h3 h5 h6 h7", 80, "h[1:3], h[5:7]");
	want("h3 h2 h1", 80, "h3, h2, h1");
	/* A number that no long holds is text. */
	want("h99999999999999999999 h1 h2 h3", 80, "h99999999999999999999, h[1:3]");
}

static void test_cut(void **state)
{
	(void)state;
	want("alpha beta gamma delta", 12, "alpha, beta and 2 more");
	want("alpha beta", 1, "alpha and 1 more");
	want("h1 h2 h3 alpha beta", 6, "h[1:3] and 2 more");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
