/* The exit code of a rollout: DESIGN's table, in which the first that fits counts. */
#include "deploy/rollout.h"
#include "tests/unit/deploy_check.h"

enum { HOSTS = 4 };

static const struct {
	const char *name;
	int want;
	struct {
		enum host_outcome outcome;
		enum error_kind error;
	} hosts[HOSTS];
	size_t n;
	enum error_kind error; /* of the whole */
	bool interrupted;
} cases[] = {
    {"all done", 0, {{HOST_DONE, 0}, {HOST_DONE, 0}}, 2, 0, false},
    {"done and unchanged", 0, {{HOST_DONE, 0}, {HOST_UNCHANGED, 0}}, 2, 0, false},
    {"all unchanged", 0, {{HOST_UNCHANGED, 0}}, 1, 0, false},

    {"one could not be reached", 4, {{HOST_DONE, 0}, {HOST_UNREACHABLE, ERROR_UNREACHABLE}}, 2, 0,
	false},
    {"its key is wrong", 4, {{HOST_UNREACHABLE, ERROR_HOST_KEY}, {HOST_UNCHANGED, 0}}, 2, 0, false},

    {"all reverted", 1, {{HOST_REVERTED, ERROR_FAILED}, {HOST_REVERTED, 0}}, 2, 0, false},
    {"one failed before its swap", 1, {{HOST_UNTOUCHED, ERROR_FAILED}, {HOST_UNTOUCHED, 0}}, 2, 0,
	false},
    {"one reverted, one had it already", 1, {{HOST_REVERTED, ERROR_FAILED}, {HOST_UNCHANGED, 0}}, 2,
	0, false},
    {"none could be reached", 1,
	{{HOST_UNREACHABLE, ERROR_UNREACHABLE}, {HOST_UNREACHABLE, ERROR_AUTH}}, 2, 0, false},
    {"unreachable ends it", 1, {{HOST_UNTOUCHED, 0}, {HOST_UNREACHABLE, ERROR_TIMEOUT}}, 2, 0,
	false},
    {"a failed build", 1, {{HOST_UNTOUCHED, 0}}, 1, ERROR_FAILED, false},
    {"reverted, and one unreachable", 1,
	{{HOST_REVERTED, ERROR_FAILED}, {HOST_UNREACHABLE, ERROR_UNREACHABLE}}, 2, 0, false},
    {"locked after something was reverted", 1,
	{{HOST_REVERTED, ERROR_FAILED}, {HOST_UNTOUCHED, ERROR_LOCKED}}, 2, 0, false},

    {"done here, reverted there", 3, {{HOST_DONE, 0}, {HOST_REVERTED, ERROR_FAILED}}, 2, 0, false},
    {"done here, not begun there", 3, {{HOST_DONE, 0}, {HOST_UNTOUCHED, 0}}, 2, 0, false},
    {"one service of two", 3, {{HOST_PARTIAL, ERROR_FAILED}}, 1, 0, false},
    {"not known", 3, {{HOST_UNKNOWN, ERROR_UNREACHABLE}}, 1, 0, false},
    {"done, and not known", 3, {{HOST_DONE, 0}, {HOST_UNKNOWN, ERROR_UNREACHABLE}}, 2, 0, false},
    {"partial goes before unreachable", 3,
	{{HOST_DONE, 0}, {HOST_REVERTED, 0}, {HOST_UNREACHABLE, ERROR_UNREACHABLE}}, 3, 0, false},
    {"done, though something failed", 3, {{HOST_DONE, ERROR_FAILED}}, 1, 0, false},
    {"done, though the whole failed", 3, {{HOST_DONE, 0}}, 1, ERROR_SYSTEM, false},

    {"down", 6, {{HOST_DOWN, ERROR_DOWN}}, 1, 0, false},
    {"down goes before partial", 6,
	{{HOST_DONE, 0}, {HOST_DOWN, ERROR_DOWN}, {HOST_UNKNOWN, 0}, {HOST_UNREACHABLE, 0}}, 4, 0,
	false},
    {"down, and locked", 6, {{HOST_DOWN, ERROR_DOWN}, {HOST_UNTOUCHED, ERROR_LOCKED}}, 2, 0, false},

    {"locked", 5, {{HOST_UNTOUCHED, ERROR_LOCKED}, {HOST_UNTOUCHED, 0}}, 2, 0, false},
    {"locked, and one unreachable", 5,
	{{HOST_UNTOUCHED, ERROR_LOCKED}, {HOST_UNREACHABLE, ERROR_UNREACHABLE}}, 2, 0, false},
    {"locked goes before failed", 5,
	{{HOST_UNTOUCHED, ERROR_FAILED}, {HOST_UNTOUCHED, ERROR_LOCKED}}, 2, 0, false},

    {"usage", 2, {{HOST_UNTOUCHED, 0}}, 1, ERROR_USAGE, false},
    {"inventory", 2, {{HOST_UNTOUCHED, 0}}, 1, ERROR_INVENTORY, false},
    {"the inventory cannot be honoured on a host", 2,
	{{HOST_UNTOUCHED, ERROR_INVENTORY}, {HOST_UNTOUCHED, 0}}, 2, 0, false},
    {"inventory goes before locked", 2,
	{{HOST_UNTOUCHED, ERROR_INVENTORY}, {HOST_UNTOUCHED, ERROR_LOCKED}}, 2, 0, false},
    {"the inventory, after a host was changed", 3,
	{{HOST_DONE, 0}, {HOST_UNTOUCHED, ERROR_INVENTORY}}, 2, 0, false},

    {"interrupted before anything", 130, {{HOST_UNTOUCHED, 0}}, 1, ERROR_CANCELLED, true},
    {"interrupted, reverted", 130, {{HOST_REVERTED, ERROR_CANCELLED}, {HOST_DONE, 0}}, 2, 0, true},
    {"interrupted twice: the host reverts by itself", 130, {{HOST_UNKNOWN, ERROR_CANCELLED}}, 1, 0,
	true},
    {"interrupted goes before down", 130, {{HOST_DOWN, ERROR_DOWN}, {HOST_REVERTED, 0}}, 2, 0,
	true},
    {"interrupted after all was done", 130, {{HOST_DONE, 0}}, 1, 0, true},
};

static void the_first_that_fits(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct host_result hosts[HOSTS] = {0};
		struct rollout_result result = {.hosts = hosts,
		    .n_hosts = cases[i].n,
		    .interrupted = cases[i].interrupted,
		    .error = {.kind = cases[i].error}};
		int code;

		for (size_t j = 0; j < cases[i].n; j++) {
			hosts[j].outcome = cases[i].hosts[j].outcome;
			hosts[j].error.kind = cases[i].hosts[j].error;
		}
		code = rollout_exit_code(&result);
		if (code != cases[i].want)
			fail_msg("%s: %d instead of %d", cases[i].name, code, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_first_that_fits)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
