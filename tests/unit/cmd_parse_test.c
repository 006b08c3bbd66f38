/* The command line: what is taken, what is refused, and what is said then. */
#include "tests/unit/cmd_golden.h"

#include "cmd/command.h"

static struct parsed parsed;
static struct error err;

static int parse(const char *first, ...)
{
	char *argv[16] = {"shipit"};
	int argc = 1;
	va_list args;

	parsed_release(&parsed);
	error_release(&err);
	va_start(args, first);
	for (const char *word = first; word != NULL; word = va_arg(args, const char *))
		argv[argc++] = (char *)(uintptr_t)word;
	va_end(args);
	return command_parse(argc, argv, &parsed, &err);
}

static void refused(const char *text, const char *hint)
{
	assert_int_equal(err.kind, ERROR_USAGE);
	assert_string_equal(error_text(&err), text);
	if (hint != NULL)
		assert_string_equal(err.hint, hint);
}

static int teardown(void **state)
{
	(void)state;
	parsed_release(&parsed);
	error_release(&err);
	return 0;
}

static void test_forms(void **state)
{
	(void)state;
	assert_int_equal(parse("-f", "a.yml", "deploy", "prod", "web", "--dry-run", NULL), 0);
	assert_string_equal(parsed.command->name, "deploy");
	assert_string_equal(parsed.settings.files.v[0], "a.yml");
	assert_true(parsed.settings.dry_run);
	assert_int_equal(parsed.arguments.n, 2);
	assert_string_equal(parsed.arguments.v[1], "web");

	assert_int_equal(parse("deploy", "--file=a=b", "prod", "--unreachable=fail", NULL), 0);
	assert_string_equal(parsed.settings.files.v[0], "a=b");
	assert_string_equal(parsed.settings.unreachable, "fail");

	assert_int_equal(parse("history", "-vvqn5", "-fx", NULL), 0);
	assert_int_equal(parsed.settings.verbose, 2);
	assert_true(parsed.settings.quiet);
	assert_int_equal(parsed.settings.number, 5);
	assert_string_equal(parsed.settings.files.v[0], "x");

	assert_int_equal(parse("-fa.yml", "config", "--file", "b", "-f", "c", NULL), 0);
	assert_int_equal(parsed.settings.files.n, 3);
	assert_string_equal(parsed.settings.files.v[0], "a.yml");
	assert_string_equal(parsed.settings.files.v[2], "c");

	assert_int_equal(parse("build", "--", "--pull", "-", NULL), 0);
	assert_false(parsed.settings.pull);
	assert_string_equal(parsed.arguments.v[0], "--pull");
	assert_int_equal(parse("build", "-", NULL), 0);
	assert_string_equal(parsed.arguments.v[0], "-");

	assert_int_equal(parse("status", "--limit", "-odd", NULL), 0);
	assert_string_equal(parsed.settings.limit, "-odd");
	assert_int_equal(parse("--parallel", "3", "--parallel=4", "status", NULL), 0);
	assert_int_equal(parsed.settings.parallel, 4);
}

static void test_help_asks_for_nothing_else(void **state)
{
	(void)state;
	assert_int_equal(parse("deploy", "-h", NULL), 0);
	assert_true(parsed.settings.help);
	assert_int_equal(parse("-h", NULL), 0);
	assert_null(parsed.command);
	assert_int_equal(parse(NULL, NULL), 0);
	assert_null(parsed.command);
}

static void test_suggestions(void **state)
{
	(void)state;
	assert_int_equal(parse("deplyo", NULL), -1);
	refused("unknown command \"deplyo\"; did you mean \"deploy\"?",
	    "`shipit -h` lists the commands and what they share");
	assert_int_equal(parse("ps", NULL), -1);
	refused("unknown command \"ps\"; did you mean \"status\"?", NULL);
	assert_int_equal(parse("registry", "rm", NULL), -1);
	refused("unknown command \"registry rm\"", NULL);
	assert_int_equal(parse("xyzzy", NULL), -1);
	refused("unknown command \"xyzzy\"", NULL);
	assert_int_equal(parse("deploy", "prod", "--forec", NULL), -1);
	refused("unknown option --forec; did you mean --force?",
	    "`shipit deploy -h` lists what it takes");
	assert_int_equal(parse("deploy", "prod", "--unre=skip", NULL), -1);
	refused("unknown option --unre; did you mean --unreachable?", NULL);
	assert_int_equal(parse("status", "--wibble", NULL), -1);
	refused("unknown option --wibble", NULL);
	assert_int_equal(parse("-x", NULL), -1);
	refused("unknown option -x", NULL);
}

static void test_misplaced(void **state)
{
	(void)state;
	assert_int_equal(parse("--dry-run", "deploy", "prod", NULL), -1);
	refused("--dry-run goes after its command: shipit deploy --dry-run", NULL);
	assert_int_equal(parse("-n5", "history", NULL), -1);
	refused("-n goes after its command: shipit history -n", NULL);
	assert_int_equal(parse("status", "--to", "x", NULL), -1);
	refused("--to is an option of `shipit rollback`, not of `shipit status`", NULL);
}

static void test_values(void **state)
{
	(void)state;
	assert_int_equal(parse("status", "--limit", NULL), -1);
	refused("--limit takes PATTERN, and nothing follows", NULL);
	assert_int_equal(parse("status", "--limit=", NULL), -1);
	refused("--limit takes PATTERN, and it is empty", NULL);
	assert_int_equal(parse("status", "--json=yes", NULL), -1);
	refused("--json takes no value", NULL);
	for (size_t i = 0; i < 5; i++) {
		static const char *const bad[] = {"0", "-1", "x", "5x", "99999999999999999999"};

		assert_int_equal(parse("status", "--parallel", bad[i], NULL), -1);
		assert_int_equal(err.kind, ERROR_USAGE);
	}
	assert_int_equal(parse("deploy", "prod", "--unreachable", "maybe", NULL), -1);
	refused("--unreachable takes skip|fail, not \"maybe\"", NULL);
}

static void test_arity(void **state)
{
	(void)state;
	assert_int_equal(parse("deploy", NULL), -1);
	refused("`shipit deploy` needs to know the environment",
	    "usage: shipit deploy ENV [SERVICE...]");
	assert_int_equal(parse("status", "a", "b", NULL), -1);
	refused("`shipit status` does not take \"b\"", "usage: shipit status [ENV]");
	assert_int_equal(parse("version", "a", NULL), -1);
	refused("`shipit version` does not take \"a\"", "usage: shipit version");
	assert_int_equal(parse("rollback", NULL), 0);
	assert_int_equal(parse("rollback", "a", "b", "c", NULL), 0);
}

static void test_groups(void **state)
{
	(void)state;
	assert_int_equal(parse("registry", "gc", "--max-size", "10G", NULL), 0);
	assert_string_equal(parsed.command->name, "registry gc");
	assert_int_equal(parsed.arguments.n, 0);
	assert_true(parsed.settings.max_size == UINT64_C(10) << 30);
	assert_int_equal(parse("registry", "--json", "serve", "--listen=[::1]:0", NULL), 0);
	assert_string_equal(parsed.command->name, "registry serve");
	assert_string_equal(parsed.settings.listen, "[::1]:0");
	assert_int_equal(parse("registry", "-h", NULL), 0);
	assert_string_equal(parsed.command->name, "registry");

	assert_int_equal(parse("registry", NULL), -1);
	refused("`shipit registry` needs to know which: list, gc, verify, serve",
	    "`shipit registry -h` lists what it takes");
	assert_int_equal(parse("registry", "lsit", NULL), -1);
	refused("unknown command \"registry lsit\"; did you mean \"registry list\"?",
	    "`shipit registry -h` lists what it takes");
	assert_int_equal(parse("registry", "deploy", NULL), -1);
	refused("unknown command \"registry deploy\"", NULL);
	assert_int_equal(parse("registry gc", NULL), -1);
	assert_int_equal(parse("gc", NULL), -1);
	refused("unknown command \"gc\"", NULL);
	assert_int_equal(parse("registry", "gc", "app", NULL), -1);
	refused("`shipit registry gc` does not take \"app\"", "usage: shipit registry gc");
}

static void test_options_of_groups(void **state)
{
	(void)state;
	assert_int_equal(parse("registry", "list", "--max-size", "1G", NULL), -1);
	refused("--max-size is an option of `shipit registry gc`, not of `shipit registry list`",
	    "`shipit registry list -h` lists what it takes");
	assert_int_equal(parse("registry", "--max-size", "1G", "gc", NULL), -1);
	refused("--max-size goes after its command: shipit registry gc --max-size", NULL);
	assert_int_equal(parse("registry", "gc", "--dry-run", NULL), -1);
	refused("--dry-run is an option of `shipit deploy`, not of `shipit registry gc`", NULL);
	assert_int_equal(parse("deploy", "prod", "--listen", "x", NULL), -1);
	refused("--listen is an option of `shipit registry serve`, not of `shipit deploy`", NULL);
	for (size_t i = 0; i < 6; i++) {
		static const char *const bad[] = {"0", "-1G", "G", "10Q", "1.5G", ""};

		assert_int_equal(parse("registry", "gc", "--max-size", bad[i], NULL), -1);
		assert_int_equal(err.kind, ERROR_USAGE);
	}
	assert_int_equal(parse("registry", "gc", "--max-size", "10Q", NULL), -1);
	refused("--max-size takes a size such as 500MB or 10G, not \"10Q\"", NULL);
}

/* What the parser relies on: no name or letter twice in what a command knows. */
static void test_tables(void **state)
{
	const struct command *group = NULL; /* its commands follow it */

	(void)state;
	for (size_t c = 0; c < n_commands; c++) {
		const struct command *command = &commands[c];

		assert_ptr_equal(command_find(command->name), command);
		if (command->run == NULL)
			assert_true(command_is_in(command, NULL) && command->n_options == 0);
		if (!command_is_in(command, NULL))
			assert_true(command_is_in(command, group));
		else
			group = command;
		for (size_t i = 0; i < command->n_options; i++)
			for (size_t g = 0; g < n_global_options; g++) {
				const struct option_spec *own = &command->options[i];
				const struct option_spec *global = &global_options[g];

				assert_string_not_equal(own->name, global->name);
				/* But for `logs -f`, as everybody types it. */
				if (own->letter != 0 && strcmp(command->name, "logs") != 0)
					assert_int_not_equal(own->letter, global->letter);
			}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_forms, teardown),
	    cmocka_unit_test_teardown(test_help_asks_for_nothing_else, teardown),
	    cmocka_unit_test_teardown(test_suggestions, teardown),
	    cmocka_unit_test_teardown(test_misplaced, teardown),
	    cmocka_unit_test_teardown(test_values, teardown),
	    cmocka_unit_test_teardown(test_arity, teardown),
	    cmocka_unit_test_teardown(test_groups, teardown),
	    cmocka_unit_test_teardown(test_options_of_groups, teardown),
	    cmocka_unit_test_teardown(test_tables, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
