/* Which hosts of an environment --limit leaves. */
#include "deploy/hosts.h"
#include "tests/unit/deploy_check.h"

static struct host hosts[] = {
    {.name = (char[]){"web1.example.com"}, .tags = STRV("web", "eu")},
    {.name = (char[]){"web2.example.com"}, .tags = STRV("web")},
    {.name = (char[]){"db1"}, .tags = STRV("db", "eu")},
    {.name = (char[]){"elsewhere"}},
};
static struct environment prod = {.name = (char[]){"prod"}, .hosts = STRV("tag:db", "tag:web")};
static struct environment empty = {.name = (char[]){"empty"}, .hosts = STRV("nothing*")};
static struct inventory inventory = {.hosts = hosts, .n_hosts = ARRAY_SIZE(hosts)};

static void limits_are_globs_or_tags(void **state UNUSED)
{
	static const struct {
		const char *limit;
		const char *want; /* by their numbers, in the file's order */
	} cases[] = {{NULL, "012"}, {"*", "012"}, {"web*", "01"}, {"web1.example.com", "0"},
	    {"tag:eu", "02"}, {"tag:web", "01"}, {"web[2-9]*", "1"}, {"elsewhere", NULL},
	    {"web1", NULL}, {"tag:", NULL}, {"tag:w*", NULL}, {"web1*,db1", "02"},
	    {"db1,web1*", "02"}, {"!db1", "01"}, {"!tag:web", "2"}, {"web*,!web2*", "0"},
	    {"!web2*,web*", "012"}, {"tag:eu,!db1", "0"}, {"!tag:eu,db1", "12"},
	    {"web*,nothing", NULL}, {"!nothing", NULL}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct host **chosen = NULL;
		struct error err = {0};
		size_t n = 0;
		int rc = hosts_choose(&inventory, &prod, cases[i].limit, NULL, &chosen, &n, &err);

		if (cases[i].want == NULL) {
			assert_int_equal(rc, -1);
			assert_null(chosen);
			assert_string_equal(
			    err.hint, "its hosts: web1.example.com, web2.example.com, db1");
			assert_error(&err, ERROR_USAGE, "no host of prod matches --limit");
			continue;
		}
		assert_int_equal(rc, 0);
		assert_int_equal(n, strlen(cases[i].want));
		for (size_t j = 0; j < n; j++)
			assert_ptr_equal(chosen[j], &hosts[cases[i].want[j] - '0']);
		free(chosen);
	}
}

static void nothing_left_is_an_error(void **state UNUSED)
{
	const char *const limits[] = {"", ",", "!*", "web1*,!web1*"};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		const struct host **chosen = NULL;
		struct error err = {0};
		size_t n = 0;

		assert_int_equal(
		    hosts_choose(&inventory, &prod, limits[i], NULL, &chosen, &n, &err), -1);
		assert_null(chosen);
		assert_error(&err, ERROR_USAGE, "no host of prod is left by --limit");
	}
}

static void only_those_that_are_named(void **state UNUSED)
{
	const struct strv two = STRV("db1", "web2.example.com", "elsewhere"), gone = STRV("web9");
	const struct host **chosen = NULL;
	struct error err = {0};
	size_t n = 0;

	assert_int_equal(hosts_choose(&inventory, &prod, NULL, &two, &chosen, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_ptr_equal(chosen[0], &hosts[1]);
	assert_ptr_equal(chosen[1], &hosts[2]);
	free(chosen);
	assert_int_equal(hosts_choose(&inventory, &prod, "tag:db", &two, &chosen, &n, NULL), 0);
	assert_int_equal(n, 1);
	free(chosen);
	chosen = NULL;
	assert_int_equal(hosts_choose(&inventory, &prod, NULL, &gone, &chosen, &n, &err), -1);
	assert_error(&err, ERROR_USAGE, "no host of prod is left");
}

static void an_environment_without_hosts_is_an_error(void **state UNUSED)
{
	const struct host **chosen = NULL;
	struct error err = {0};
	size_t n = 0;

	assert_int_equal(hosts_choose(&inventory, &empty, NULL, NULL, &chosen, &n, &err), -1);
	assert_error(&err, ERROR_USAGE, "the environment empty has no hosts");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(limits_are_globs_or_tags),
	    cmocka_unit_test(nothing_left_is_an_error),
	    cmocka_unit_test(only_those_that_are_named),
	    cmocka_unit_test(an_environment_without_hosts_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
