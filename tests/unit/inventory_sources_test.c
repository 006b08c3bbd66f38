/* An inventory of several texts, each case in tests/unit/golden/sources: NAME.1.yml, over it
 * NAME.2.yml or what a program printed, NAME.2.json, and so on; base.yml where there is no first
 * one. What comes of it is compared with NAME.expected, as in inventory_golden_test.c. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/inventory_dump.h"
#include "tests/unit/inventory_fake.h"

enum { TEXTS_MAX = 4 };

static char folder[] = "tests/unit/golden/sources";

static char *read_whole(const char *name, size_t *ret_len)
{
	char *path = string_printf("%s/%s", folder, name), *text = NULL;
	struct error err = {0};

	if (source_system.read_file(NULL, path, (size_t)64 << 20, &text, ret_len, &err) < 0)
		error_release(&err);
	free(path);
	return text;
}

struct texts {
	struct source_text v[TEXTS_MAX];
	char *names[TEXTS_MAX], *owned[TEXTS_MAX];
	size_t n;
};

static bool add_text(struct texts *texts, char *name, bool is_output)
{
	size_t len = 0;
	char *text = read_whole(name, &len);

	if (!text) {
		free(name);
		return false;
	}
	texts->names[texts->n] = name;
	texts->owned[texts->n] = text;
	texts->v[texts->n++] = (struct source_text){name, text, len, is_output};
	return true;
}

static void read_texts(const char *name, struct texts *texts)
{
	*texts = (struct texts){0};
	if (!add_text(texts, string_printf("%s.1.yml", name), false))
		assert_true(add_text(texts, strdup("base.yml"), false));
	for (int i = 2; i <= TEXTS_MAX; i++)
		if (!add_text(texts, string_printf("%s.%d.yml", name, i), false) &&
		    !add_text(texts, string_printf("%s.%d.json", name, i), true))
			break;
	assert_true(texts->n > 1);
}

static void release_texts(struct texts *texts)
{
	for (size_t i = 0; i < texts->n; i++) {
		free(texts->names[i]);
		free(texts->owned[i]);
	}
}

static void outcome_of(const char *name, struct buf *out)
{
	struct source source = {folder, fake_variable, fake_read_file};
	struct inventory *inv = NULL;
	struct problems problems = {0};
	struct error err = {0};
	struct texts texts;

	read_texts(name, &texts);
	const struct source_texts from = {texts.v, texts.n, "it", "/project/it", "/project"};
	int result = inventory_parse_all(&from, &source, &inv, &problems, &err);
	dump_problems(out, "", &problems);
	if (result == 0) {
		assert_int_equal(problems.n, 0);
		dump_inventory(out, inv);
	} else {
		assert_int_equal(err.kind, ERROR_INVENTORY);
		assert_true(problems.n > 0);
		assert_null(inv);
		buf_addf(out, "%s\n", error_text(&err));
	}
	inventory_free(inv);
	problems_release(&problems);
	error_release(&err);
	release_texts(&texts);
}

static int check_case(const char *name)
{
	struct buf out = BUF_INIT((size_t)1 << 24);
	char *path = string_printf("%s/%s.expected", folder, name);
	size_t len;
	char *expected = read_whole(path + strlen(folder) + 1, &len);
	int differs;

	outcome_of(name, &out);
	differs = !expected || strcmp(expected, out.data) != 0;
	if (differs && getenv("GOLDEN_UPDATE")) {
		FILE *file = fopen(path, "w");

		assert_non_null(file);
		assert_int_equal(fwrite(out.data, 1, out.len, file), out.len);
		fclose(file);
		differs = 0;
	}
	if (differs)
		print_error("%s: expected\n%sgot\n%s", name, expected ? expected : "", out.data);
	free(expected);
	free(path);
	buf_release(&out);
	return differs;
}

/* Each has a second text. */
static int is_case(const struct dirent *entry)
{
	return strstr(entry->d_name, ".2.") != NULL;
}

static void test_all(void **state UNUSED)
{
	struct dirent **entries = NULL;
	int n = scandir(folder, &entries, is_case, alphasort), wrong = 0;

	assert_true(n >= 15);
	for (int i = 0; i < n; i++) {
		*strstr(entries[i]->d_name, ".2.") = '\0';
		wrong += check_case(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	assert_int_equal(wrong, 0);
}

/* Names that come from elsewhere are as hostile as they like to be. */
static size_t problems_of(const char *text, size_t len)
{
	struct source source = {folder, fake_variable, fake_read_file};
	struct inventory *inv = NULL;
	struct problems problems = {0};
	struct error err = {0};
	static const char base[] = "project: shop\nservices: {web: {image: web}}\n"
				   "environments: {prod: {hosts: ['*']}}\n";
	const struct source_text v[] = {
	    {"base.yml", base, strlen(base), false}, {"./hosts.py", text, len, true}};
	const struct source_texts from = {v, 2, "it", "/project/it", "/project"};
	size_t n;

	inventory_parse_all(&from, &source, &inv, &problems, &err);
	n = problems.n;
	inventory_free(inv);
	problems_release(&problems);
	error_release(&err);
	return n;
}

/* Groups in groups in groups, each in all before it: so many ways that nobody could walk them. */
static void test_many_groups(void **state UNUSED)
{
	enum { GROUPS = 1500, HOSTS = 200 };
	struct buf text = BUF_INIT((size_t)64 << 20);

	buf_adds(&text, "{\"_meta\": {}, \"g0\": [");
	for (int i = 0; i < HOSTS; i++)
		buf_addf(&text, "%s\"h%d\"", i > 0 ? ", " : "", i);
	buf_adds(&text, "]");
	for (int i = 1; i < GROUPS; i++) {
		buf_addf(&text, ", \"g%d\": {\"children\": [", i);
		for (int k = 0; k < i; k++)
			buf_addf(&text, "%s\"g%d\"", k > 0 ? ", " : "", k);
		buf_adds(&text, "]}");
	}
	buf_adds(&text, "}");
	assert_int_equal(problems_of(text.data, text.len), 1);
	buf_release(&text);
}

/* A long way to a value is not told again for all that is below it. */
static void test_long_keys(void **state UNUSED)
{
	enum { LEVELS = 50, ITEMS = 20 * 1000, KEY = 1 << 20 };
	struct buf text = BUF_INIT((size_t)64 << 20);

	buf_adds(&text, "{\"hosts\": [\"h1\"], \"x-a\": ");
	for (int i = 0; i < LEVELS; i++) {
		buf_adds(&text, "{\"");
		for (int k = 0; k < KEY / LEVELS; k++)
			buf_addc(&text, 'k');
		buf_adds(&text, "\": ");
	}
	buf_adds(&text, "[1");
	for (int i = 1; i < ITEMS; i++)
		buf_adds(&text, ",1");
	buf_adds(&text, "]");
	for (int i = 0; i <= LEVELS; i++)
		buf_adds(&text, "}");
	assert_int_equal(problems_of(text.data, text.len), 0);
	buf_release(&text);
}

static void test_many_values(void **state UNUSED)
{
	struct buf text = BUF_INIT((size_t)64 << 20);

	buf_adds(&text, "{\"hosts\": [\"h1\"], \"x-a\": [1");
	for (int i = 0; i < 300 * 1000; i++)
		buf_adds(&text, ",1");
	buf_adds(&text, "]}");
	assert_int_equal(problems_of(text.data, text.len), 1);
	buf_clear(&text);
	buf_adds(&text, "{\"_meta\": {}, \"g\": [\"h\"");
	for (int i = 0; i < 40 * 1000; i++)
		buf_addf(&text, ",\"h%d\"", i);
	buf_adds(&text, "]}");
	assert_int_equal(problems_of(text.data, text.len), 1);
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all),
	    cmocka_unit_test(test_many_groups),
	    cmocka_unit_test(test_long_keys),
	    cmocka_unit_test(test_many_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
