/* Help fits one screen, and the manual page knows every command and option, and no other. */
#include "tests/unit/cmd_golden.h"

#include "base/text.h"
#include "cmd/help.h"
#include "inventory/schema.h"

enum { LINES = 24, COLUMNS = 80 };

static void fits(const char *text)
{
	size_t lines = 0;

	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		if (len > COLUMNS)
			fail_msg("%zu columns: %.*s", len, (int)len, text);
		assert_int_equal(text[len], '\n');
		text += len + 1;
		lines++;
	}
	assert_in_range(lines, 5, LINES);
}

static void test_fits(void **state)
{
	struct buf text = BUF_INIT(16384);

	(void)state;
	assert_int_equal(help_all(&text), 0);
	fits(text.data);
	golden_compare("help.txt", text.data);
	for (size_t i = 0; i < n_commands; i++) {
		buf_clear(&text);
		assert_int_equal(help_command(&commands[i], &text), 0);
		fits(text.data);
		for (size_t k = 0; k < commands[i].n_options; k++)
			assert_non_null(strstr(text.data, commands[i].options[k].help));
	}
	buf_clear(&text);
	assert_int_equal(help_command(command_find("deploy"), &text), 0);
	golden_compare("help-deploy.txt", text.data);
	buf_clear(&text);
	assert_int_equal(help_command(command_find("registry"), &text), 0);
	golden_compare("help-registry.txt", text.data);
	buf_release(&text);
}

static char *read_page(const char *path)
{
	struct buf page = BUF_INIT((size_t)1 << 20);
	FILE *file = fopen(path, "r");
	char chunk[4096];
	size_t n;

	assert_non_null(file);
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		assert_int_equal(buf_add(&page, chunk, n), 0);
	fclose(file);
	return buf_steal(&page);
}

/* The page is mdoc(7): an option begins an item as ".It Fl f , Fl Fl file Ar FILE", a command as
 * ".It Cm deploy Ar ENV ...". */
static void item_of(const struct option_spec *option, char *out, size_t size)
{
	char letter[16] = "", argument[64] = "";

	if (option->letter != 0)
		snprintf(letter, sizeof(letter), "Fl %c , ", option->letter);
	if (option->argument != NULL)
		snprintf(argument, sizeof(argument), " Ar %s", option->argument);
	snprintf(out, size, "\n.It %sFl Fl %s%s\n", letter, option->name, argument);
}

static size_t count_of(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what))
		n++;
	return n;
}

static void has_options(const char *page, const struct option_spec *options, size_t n)
{
	char item[256];

	for (size_t i = 0; i < n; i++) {
		item_of(&options[i], item, sizeof(item));
		if (strstr(page, item) == NULL)
			fail_msg("docs/shipit.1 lacks:%s", item);
	}
}

static void test_manual_agrees(void **state)
{
	char *page = read_page("docs/shipit.1"), item[64];
	size_t options = n_global_options;

	(void)state;
	has_options(page, global_options, n_global_options);
	for (size_t i = 0; i < n_commands; i++) {
		snprintf(item, sizeof(item), "\n.It Cm %s", commands[i].name);
		if (strstr(page, item) == NULL)
			fail_msg("docs/shipit.1 lacks: %s", item);
		has_options(page, commands[i].options, commands[i].n_options);
		options += commands[i].n_options;
	}
	assert_int_equal(count_of(page, "\n.It Cm "), n_commands);
	assert_int_equal(count_of(page, "\n.It Fl "), options);
	free(page);
}

/* Every key that the inventory may have stands in its page. */
static void test_keys_are_in_the_manual(void **state)
{
	char *page = read_page("docs/shipit.yml.5"), item[128];

	(void)state;
	for (size_t t = 0; inventory_key_tables[t] != NULL; t++)
		for (size_t i = 0; i < inventory_key_tables[t]->n; i++) {
			const struct key *key = &inventory_key_tables[t]->keys[i];

			if (key->kind != KEY_OPTIONAL && key->kind != KEY_REQUIRED)
				continue;
			snprintf(item, sizeof(item), "\n.It Cm %s\n", key->name);
			if (strstr(page, item) == NULL)
				fail_msg("docs/shipit.yml.5 lacks %s of %s", key->name,
				    inventory_key_tables[t]->what);
		}
	free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fits),
	    cmocka_unit_test(test_manual_agrees),
	    cmocka_unit_test(test_keys_are_in_the_manual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
