/* Lists of strings, and of KEY=VALUE pairs. */
#include "base/strv.h"
#include "tests/unit/base_check.h"

static void assert_list(const struct strv *list, const char *const *want)
{
	size_t n = 0;

	while (want[n] != NULL)
		n++;
	assert_int_equal(list->n, n);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(list->v[i], want[i]);
	if (n > 0)
		assert_null(list->v[n]); /* as exec wants it */
}

static void adds_in_order(void **state UNUSED)
{
	CLEANUP_STRV struct strv list = {0};

	assert_int_equal(strv_add(&list, "docker"), 0);
	assert_int_equal(strv_addn(&list, "buildings", 5), 0);
	assert_int_equal(strv_addf(&list, "--tag=%s:%d", "x", 1), 0);
	assert_int_equal(strv_take(&list, strdup("")), 0);
	assert_int_equal(strv_take(&list, NULL), -1);
	assert_list(&list, (const char *[]){"docker", "build", "--tag=x:1", "", NULL});
	assert_true(strv_has(&list, "build"));
	assert_true(strv_has(&list, ""));
	assert_false(strv_has(&list, "buil"));
}

static void splits_at_any_separator(void **state UNUSED)
{
	static const struct {
		const char *text, *separators;
		const char *want[5];
	} cases[] = {
	    {"a b c", " ", {"a", "b", "c"}},
	    {"  a   b ", " ", {"a", "b"}},
	    {"", " ", {NULL}},
	    {" , ,", ", ", {NULL}},
	    {"a,b;c", ",;", {"a", "b", "c"}},
	    {"/dev/a:/dev/b:rwm", ":", {"/dev/a", "/dev/b", "rwm"}},
	    {"whole", "", {"whole"}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_STRV struct strv list = {0};

		assert_int_equal(strv_split(&list, cases[i].text, cases[i].separators), 0);
		assert_list(&list, cases[i].want);
	}
}

static void copies_are_deep(void **state UNUSED)
{
	CLEANUP_STRV struct strv from = {0}, to = {0}, none = {0};

	strv_split(&from, "b a", " ");
	strv_add(&to, "gone");
	assert_int_equal(strv_copy(&to, &from), 0);
	strv_sort(&from);
	from.v[0][0] = 'z';
	assert_list(&to, (const char *[]){"b", "a", NULL});
	assert_int_equal(strv_copy(&to, &to), 0);
	assert_list(&to, (const char *[]){"b", "a", NULL});
	assert_int_equal(strv_copy(&to, &none), 0);
	assert_list(&to, (const char *[]){NULL});
	strv_sort(&none);
	strv_release(NULL);
}

static void sorts_by_bytes(void **state UNUSED)
{
	CLEANUP_STRV struct strv list = {0};

	strv_split(&list, "b \xc3\xa4 B a aa A", " ");
	strv_sort(&list);
	assert_list(&list, (const char *[]){"A", "B", "a", "aa", "b", "\xc3\xa4", NULL});
}

static void pairs_keep_order_and_are_unique(void **state UNUSED)
{
	struct pairs pairs = {0};

	assert_null(pairs_find(&pairs, "A"));
	assert_int_equal(pairs_set(&pairs, "B", "1"), 0);
	assert_int_equal(pairs_set(&pairs, "A", NULL), 0);
	assert_int_equal(pairs_set(&pairs, "", ""), 0);
	assert_int_equal(pairs_set(&pairs, "B", "2"), 0);
	assert_int_equal(pairs.n, 3);
	assert_string_equal(pairs.v[0].key, "B");
	assert_string_equal(pairs_find(&pairs, "B")->value, "2");
	assert_null(pairs_find(&pairs, "A")->value);
	assert_int_equal(pairs_set(&pairs, "A", "x"), 0);
	assert_int_equal(pairs_set(&pairs, "B", pairs_find(&pairs, "B")->value), 0);
	assert_int_equal(pairs_set(&pairs, "B", NULL), 0);
	assert_null(pairs_find(&pairs, "B")->value);
	assert_string_equal(pairs_find(&pairs, "A")->value, "x");
	assert_int_equal(pairs.n, 3);
	pairs_release(&pairs);
	assert_int_equal(pairs.n, 0);
}

/* Sets are found, in order and each once, however many there are. */
static void many_pairs(void **state UNUSED)
{
	enum { MANY = 20000 };
	struct pairs pairs = {0};
	char key[32], value[32];

	for (int round = 0; round < 2; round++)
		for (int i = 0; i < MANY; i++) {
			snprintf(key, sizeof(key), "KEY_%d", i);
			snprintf(value, sizeof(value), "%d", i + round);
			assert_int_equal(pairs_set(&pairs, key, value), 0);
		}
	assert_int_equal(pairs.n, MANY);
	for (int i = 0; i < MANY; i++) {
		snprintf(key, sizeof(key), "KEY_%d", i);
		snprintf(value, sizeof(value), "%d", i + 1);
		assert_string_equal(pairs.v[i].key, key);
		assert_ptr_equal(pairs_find(&pairs, key), &pairs.v[i]);
		assert_string_equal(pairs.v[i].value, value);
	}
	assert_null(pairs_find(&pairs, "KEY_"));
	assert_null(pairs_find(&pairs, "KEY_20000"));
	pairs_release(&pairs);
	assert_null(pairs_find(&pairs, "KEY_1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(adds_in_order),
	    cmocka_unit_test(splits_at_any_separator),
	    cmocka_unit_test(copies_are_deep),
	    cmocka_unit_test(sorts_by_bytes),
	    cmocka_unit_test(pairs_keep_order_and_are_unique),
	    cmocka_unit_test(many_pairs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
