/* The page names what the tables know: each key that can be written has a row of its own in
 * docs/inventory.md, each that is refused stands in its list. Runs from the top of the
 * repository. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/buf.h"

#include "inventory/json_schema.h"
#include "inventory/schema.h"

static char *read_page(void)
{
	char *text = NULL;
	size_t len;
	struct error err = {0};

	if (source_system.read_file(NULL, "docs/inventory.md", (size_t)1 << 20, &text, &len, &err) <
	    0)
		fail_msg("%s", error_text(&err));
	return text;
}

static bool holds(const char *text, const char *format, const char *key)
{
	char *needle = string_printf(format, key);
	bool found = strstr(text, needle) != NULL;

	free(needle);
	return found;
}

static void test_every_key(void **state UNUSED)
{
	char *page = read_page();
	const char *refused = strstr(page, "\n## Not supported yet\n");
	int missing = 0;

	assert_non_null(refused);
	for (size_t i = 0; inventory_key_tables[i]; i++)
		for (size_t k = 0; k < inventory_key_tables[i]->n; k++) {
			const struct key *key = &inventory_key_tables[i]->keys[k];
			bool found = key->kind == KEY_LATER ? holds(refused, "`%s`", key->name)
							    : holds(page, "\n| `%s` |", key->name);

			if (!found)
				print_error("docs/inventory.md does not have `%s` of %s\n",
				    key->name, inventory_key_tables[i]->what);
			missing += !found;
		}
	assert_int_equal(missing, 0);
	free(page);
}

/* And the other way: what has a row can be written somewhere. */
static void test_every_row(void **state UNUSED)
{
	char *page = read_page();
	size_t rows = 0;

	for (char *at = page; (at = strstr(at, "\n| `")); at++) {
		char key[64] = "";
		bool known = false;
		int end = 0;

		if (sscanf(at, "\n| `%63[a-z_]` |%n", key, &end) != 1 || end == 0)
			continue;
		for (size_t i = 0; inventory_key_tables[i]; i++)
			for (size_t k = 0; k < inventory_key_tables[i]->n; k++)
				known |= strcmp(inventory_key_tables[i]->keys[k].name, key) == 0;
		if (!known)
			fail_msg("docs/inventory.md has a row for `%s`, which is no key", key);
		rows++;
	}
	assert_true(rows > 50);
	free(page);
}

/* The tables are what people are shown, so each line says what the key is for. */
static void test_every_line(void **state UNUSED)
{
	for (size_t i = 0; inventory_key_tables[i]; i++)
		for (size_t k = 0; k < inventory_key_tables[i]->n; k++) {
			const struct key *key = &inventory_key_tables[i]->keys[k];

			assert_true(key->kind == KEY_LATER || (key->doc && *key->doc));
			assert_true(
			    key->kind == KEY_LATER || key->kind == KEY_IGNORED || key->read);
			for (size_t other = 0; other < k; other++)
				assert_string_not_equal(
				    key->name, inventory_key_tables[i]->keys[other].name);
		}
}

/* Editors are told what each key may be. */
static void test_every_shape(void **state UNUSED)
{
	struct error err = {0};
	json_t *schema = inventory_json_schema(&err);

	if (schema == NULL)
		fail_msg("%s", error_text(&err));
	json_decref(schema);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_shape),
	    cmocka_unit_test(test_every_key),
	    cmocka_unit_test(test_every_row),
	    cmocka_unit_test(test_every_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
