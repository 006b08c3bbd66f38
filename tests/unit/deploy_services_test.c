/* Which services of an environment a command is about. */
#include "deploy/services.h"
#include "tests/unit/deploy_check.h"

static struct service services[] = {
    {.name = (char[]){"db"}}, {.name = (char[]){"api"}}, {.name = (char[]){"web"}}};
static struct host hosts[] = {{.name = (char[]){"h1"}}};
static struct inventory inventory = {
    .services = services, .n_services = ARRAY_SIZE(services), .hosts = hosts, .n_hosts = 1};
static struct environment all = {.name = (char[]){"all"}};
static struct environment some = {.name = (char[]){"some"}, .services = STRV("web", "db")};

static void names_choose_in_the_files_order(void **state UNUSED)
{
	const struct strv none = {0}, two = STRV("web", "db"), one = STRV("api");
	const struct {
		const struct environment *env;
		const struct strv *names;
		const char *want; /* by their numbers */
	} cases[] = {{&all, NULL, "012"}, {&all, &none, "012"}, {&all, &two, "02"},
	    {&all, &one, "1"}, {&some, NULL, "02"}, {&some, &two, "02"}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct service **chosen = NULL;
		size_t n = 0;

		assert_int_equal(
		    services_choose(&inventory, cases[i].env, cases[i].names, &chosen, &n, NULL),
		    0);
		assert_int_equal(n, strlen(cases[i].want));
		for (size_t k = 0; k < n; k++)
			assert_ptr_equal(chosen[k], &services[cases[i].want[k] - '0']);
		free(chosen);
	}
}

static void what_is_none_is_told(void **state UNUSED)
{
	const struct strv other = STRV("web", "api"), host = STRV("h1"), slip = STRV("wbe");
	const struct service **chosen = NULL;
	struct inventory empty = {0};
	struct error err = {0};
	size_t n = 0;

	assert_int_equal(services_choose(&inventory, &some, &other, &chosen, &n, &err), -1);
	assert_error(&err, ERROR_USAGE, "there is no service api in some");
	assert_int_equal(services_choose(&inventory, &all, &host, &chosen, &n, &err), -1);
	assert_string_equal(err.hint, "h1 is a host: --limit h1");
	assert_error(&err, ERROR_USAGE, "there is no service h1 in all");
	assert_int_equal(services_choose(&inventory, &all, &slip, &chosen, &n, &err), -1);
	assert_string_equal(err.hint, "did you mean \"web\"?");
	assert_error(&err, ERROR_USAGE, "there is no service wbe in all");
	assert_int_equal(services_choose(&empty, &all, NULL, &chosen, &n, &err), -1);
	assert_error(&err, ERROR_USAGE, "has no services");
	assert_null(chosen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_choose_in_the_files_order),
	    cmocka_unit_test(what_is_none_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
