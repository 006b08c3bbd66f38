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
	    {"web1", NULL}, {"tag:", NULL}, {"tag:w*", NULL}, {"", NULL}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct host **chosen = NULL;
		struct error err = {0};
		size_t n = 0;
		int rc = hosts_choose(&inventory, &prod, cases[i].limit, &chosen, &n, &err);

		if (cases[i].want == NULL) {
			assert_int_equal(rc, -1);
			assert_null(chosen);
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

static void an_environment_without_hosts_is_an_error(void **state UNUSED)
{
	const struct host **chosen = NULL;
	struct error err = {0};
	size_t n = 0;

	assert_int_equal(hosts_choose(&inventory, &empty, NULL, &chosen, &n, &err), -1);
	assert_error(&err, ERROR_USAGE, "the environment empty has no hosts");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(limits_are_globs_or_tags),
	    cmocka_unit_test(an_environment_without_hosts_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
