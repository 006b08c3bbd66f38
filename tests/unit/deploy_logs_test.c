/* Times as containers' lines have them, as an engine wants them. */
#include "base/buf.h"
#include "deploy/logs.h"
#include "tests/unit/deploy_check.h"

static void times_are_seconds_since_1970(void **state UNUSED)
{
	static const struct {
		const char *time, *want;
	} cases[] = {
	    {"1970-01-01T00:00:00Z", "0"},
	    {"2026-11-22T17:54:32Z", "1795370072"},
	    {"2026-11-22T17:54:32.123456789Z", "1795370072.123456789"},
	    {"2026-11-22T18:54:32.5+01:00", "1795370072.5"},
	    {"2026-11-22T12:24:32-05:30", "1795370072"},
	    {"2026-11-22T17:54:32.Z", NULL},
	    {"2026-11-22T17:54:32", NULL},
	    {"2026-11-22T17:54:32+1", NULL},
	    {"2026-11-22T17:54:32+01:0x", NULL},
	    {"2026-11-22T17:54:32+:1:00", NULL},
	    {"2026-11-22T17:54:32Zx", NULL},
	    {"2026-11-22 17:54:32Z", NULL},
	    {"yesterday", NULL},
	    {"", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_FREE char *since = logs_since(cases[i].time);

		if (cases[i].want == NULL)
			assert_null(since);
		else
			assert_string_equal(since, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(times_are_seconds_since_1970)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
