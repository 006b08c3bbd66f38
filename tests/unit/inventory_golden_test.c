/* Every tests/unit/golden/inventory/NAME.yml is read and what comes of it, the mistakes or the
 * inventory, compared with NAME.expected. GOLDEN_UPDATE=1 writes what is, to be read by somebody
 * before it is committed. Runs from the top of the repository. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/inventory_dump.h"
#include "tests/unit/inventory_fake.h"

static char folder[] = "tests/unit/golden/inventory";

static char *read_whole(const char *name, const char *ending, size_t *ret_len)
{
	char path[4096];
	char *text = NULL;
	struct error err = {0};

	snprintf(path, sizeof(path), "%s/%s%s", folder, name, ending);
	if (source_system.read_file(NULL, path, (size_t)64 << 20, &text, ret_len, &err) < 0)
		error_release(&err);
	return text;
}

static void write_whole(const char *name, const struct buf *text)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s.expected", folder, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text->data, 1, text->len, file), text->len);
	fclose(file);
}

static void outcome_of(const char *name, struct buf *out)
{
	struct source source = {folder, fake_variable, fake_read_file};
	struct inventory *inv = NULL;
	struct problems problems = {0};
	struct error err = {0};
	char file[512];
	size_t len;
	char *text = read_whole(name, ".yml", &len);

	assert_non_null(text);
	snprintf(file, sizeof(file), "%s.yml", name);
	int result = inventory_parse(text, len, file, "/project", &source, &inv, &problems, &err);
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
	free(text);
}

static int is_case(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 4 && strcmp(entry->d_name + len - 4, ".yml") == 0;
}

static int check_case(const char *name)
{
	struct buf out = BUF_INIT((size_t)1 << 24);
	size_t len;
	char *expected = read_whole(name, ".expected", &len);
	int differs;

	outcome_of(name, &out);
	differs = !expected || strcmp(expected, out.data) != 0;
	if (differs && getenv("GOLDEN_UPDATE"))
		write_whole(name, &out);
	else if (differs)
		print_error(
		    "%s.yml: expected\n%sgot\n%s", name, expected ? expected : "", out.data);
	free(expected);
	buf_release(&out);
	return differs && !getenv("GOLDEN_UPDATE");
}

static void test_all(void **state UNUSED)
{
	struct dirent **entries = NULL;
	int n = scandir(folder, &entries, is_case, alphasort), wrong = 0;

	assert_true(n >= 60);
	for (int i = 0; i < n; i++) {
		entries[i]->d_name[strlen(entries[i]->d_name) - 4] = '\0';
		wrong += check_case(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	assert_int_equal(wrong, 0);
}

/* The promise that one run shows all: ten mistakes, ten lines. */
static void test_ten(void **state UNUSED)
{
	struct buf out = BUF_INIT((size_t)1 << 20);
	int lines = 0;

	outcome_of("ten-mistakes", &out);
	for (const char *at = out.data; (at = strchr(at, '\n')); at++)
		lines++;
	assert_int_equal(lines, 11);
	assert_non_null(strstr(out.data, "\nten-mistakes.yml has 10 mistakes\n"));
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_all), cmocka_unit_test(test_ten)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
