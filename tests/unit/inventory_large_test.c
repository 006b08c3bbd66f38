/* Files of tens of thousands of mistakes, keys, environments and variables: what is said of them.
 * How long that takes is measured by tests/bench/inventories.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "inventory/problems.h"
#include "tests/unit/inventory_fake.h"

static char folder[] = "tests/unit/golden/inventory";
static const char head[] = "project: shop\nhosts: {a: {}}\n";

static size_t mistakes_of_all(const struct source_text *texts, size_t n_texts)
{
	const struct source source = {folder, fake_variable, fake_read_file};
	const struct source_texts from = {texts, n_texts, "it", "/project/it", "/project"};
	struct inventory *inv = NULL;
	struct problems problems = {0};
	struct error err = {0};
	int rc = inventory_parse_all(&from, &source, &inv, &problems, &err);
	size_t n = problems.n;

	assert_true(rc == 0 || err.kind == ERROR_INVENTORY);
	inventory_free(inv);
	problems_release(&problems);
	error_release(&err);
	return n;
}

static size_t mistakes_of_two(const char *text, const char *over)
{
	const struct source_text texts[] = {
	    {"shipit.yml", text, strlen(text), false}, {"over.yml", over, strlen(over), false}};

	return mistakes_of_all(texts, *over ? 2 : 1);
}

static size_t mistakes_of(const char *text)
{
	return mistakes_of_two(text, "");
}

/* "BEFORE0AFTER", "BEFORE1AFTER", ... */
static void repeat(struct buf *text, const char *before, const char *after, int n)
{
	for (int i = 0; i < n; i++)
		assert_int_equal(buf_addf(text, "%s%d%s\n", before, i, after), 0);
}

static void test_unknown_keys(void **state UNUSED)
{
	enum { MANY = 50000 };
	CLEANUP_BUF struct buf text = BUF_INIT((size_t)4 << 20);

	buf_addf(
	    &text, "%sservices: {web: {image: shop}}\nenvironments: {prod: {hosts: [a]}}\n", head);
	repeat(&text, "strange", ": 1", MANY);
	assert_int_equal(mistakes_of(text.data), MANY);
}

static void test_unknown_names(void **state UNUSED)
{
	enum { MANY = 30000, KNOWN = 1000 };
	CLEANUP_BUF struct buf text = BUF_INIT((size_t)4 << 20);

	buf_addf(&text, "%sservices:\n", head);
	repeat(&text, "  service", ": {image: shop}", KNOWN);
	buf_adds(&text, "environments:\n  prod:\n    hosts: [a]\n    services:\n");
	repeat(&text, "    - nothing", "", MANY);
	assert_int_equal(mistakes_of(text.data), MANY);
}

static void test_unknown_networks(void **state UNUSED)
{
	enum { MANY = 3000, KNOWN = 20000 };
	CLEANUP_BUF struct buf text = BUF_INIT((size_t)4 << 20);

	buf_addf(&text, "%sservices:\n  web:\n    image: shop\n    networks:\n", head);
	repeat(&text, "    - nothing", "", MANY);
	buf_adds(&text, "environments: {prod: {hosts: [a]}}\nnetworks:\n");
	repeat(&text, "  network", ":", KNOWN);
	assert_int_equal(mistakes_of(text.data), 0);
}

static void test_inherited_keys(void **state UNUSED)
{
	enum { MANY = 40000 };
	CLEANUP_BUF struct buf text = BUF_INIT((size_t)4 << 20);

	buf_addf(&text, "%sservices: {web: {image: shop}}\nenvironments:\n", head);
	buf_adds(&text, "  one:\n    hosts: [a]\n");
	repeat(&text, "    x-one", ": 1", MANY);
	buf_adds(&text, "  two:\n    extends: one\n");
	repeat(&text, "    x-two", ": 1", MANY);
	assert_int_equal(mistakes_of(text.data), 0);
}

static void test_environments(void **state UNUSED)
{
	enum { MANY = 30000 };
	CLEANUP_BUF struct buf text = BUF_INIT((size_t)4 << 20);

	buf_addf(&text, "%sservices: {web: {image: shop}}\nenvironments:\n", head);
	repeat(&text, "  e", ": {extends: last}", MANY);
	buf_adds(&text, "  last: {hosts: [a]}\n");
	assert_int_equal(mistakes_of(text.data), 1);
}

static void test_inherited_variables(void **state UNUSED)
{
	enum { MANY = 50000, ENVIRONMENTS = 900 };
	CLEANUP_BUF struct buf text = BUF_INIT((size_t)4 << 20);

	buf_addf(&text, "%sservices: {web: {image: shop}}\nenvironments:\n", head);
	buf_adds(&text, "  first:\n    hosts: [a]\n    environment:\n");
	repeat(&text, "      VARIABLE", ": 1", MANY);
	repeat(&text, "  e", ": {extends: first}", ENVIRONMENTS);
	assert_int_equal(mistakes_of(text.data), 1);
}

/* What files make together counts as what one of them has. */
static void test_repeated_of_two(void **state UNUSED)
{
	enum { MANY = 450 };
	CLEANUP_BUF struct buf text = BUF_INIT((size_t)4 << 20);

	buf_addf(&text, "%senvironments:\n", head);
	repeat(&text, "  e", ": {hosts: [a], overrides: {web: {retain: 5}}}", MANY);
	buf_adds(&text, "services:\n  web:\n    image: shop\n    environment:\n");
	repeat(&text, "      VARIABLE", ": 1", MANY);
	assert_int_equal(mistakes_of(text.data), 1);
	assert_int_equal(mistakes_of_two(text.data, "services: {web: {retain: 4}}\n"), 1);
}

/* Aliases make much of little in each file, and there may be many files. */
static void test_many_files(void **state UNUSED)
{
	enum { FILES = 12, MANY = 150000 };
	CLEANUP_BUF struct buf text = BUF_INIT((size_t)4 << 20);
	struct source_text texts[FILES];

	buf_addf(
	    &text, "%sservices: {web: {image: shop}}\nenvironments: {prod: {hosts: [a]}}\n", head);
	buf_adds(&text, "x-much:\n- &thousand [");
	for (int i = 0; i < 1000; i++)
		buf_adds(&text, "1, ");
	buf_adds(&text, "]\n");
	for (int i = 0; i < MANY / 1000; i++)
		buf_adds(&text, "- *thousand\n");
	for (int i = 0; i < FILES; i++)
		texts[i] = (struct source_text){"shipit.yml", text.data, text.len, false};
	assert_int_equal(mistakes_of_all(texts, 2), 0);
	assert_int_equal(mistakes_of_all(texts, FILES), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_unknown_keys),
	    cmocka_unit_test(test_unknown_names),
	    cmocka_unit_test(test_unknown_networks),
	    cmocka_unit_test(test_inherited_keys),
	    cmocka_unit_test(test_environments),
	    cmocka_unit_test(test_inherited_variables),
	    cmocka_unit_test(test_repeated_of_two),
	    cmocka_unit_test(test_many_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
