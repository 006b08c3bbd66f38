/* Exit codes: of errors before a rollout, and of what only looks. */
#include "tests/unit/cmd_golden.h"

#include "cmd/cli.h"

static void test_errors(void **state)
{
	(void)state;
	assert_int_equal(exit_code_of(ERROR_NONE), 0);
	assert_int_equal(exit_code_of(ERROR_USAGE), 2);
	assert_int_equal(exit_code_of(ERROR_INVENTORY), 2);
	assert_int_equal(exit_code_of(ERROR_LOCKED), 5);
	assert_int_equal(exit_code_of(ERROR_DOWN), 6);
	assert_int_equal(exit_code_of(ERROR_CANCELLED), 130);
	for (int kind = ERROR_NONE; kind <= ERROR_SYSTEM; kind++) {
		int code = exit_code_of((enum error_kind)kind);

		assert_true(code == 1 || kind == ERROR_NONE || kind == ERROR_USAGE ||
			    kind == ERROR_INVENTORY || kind == ERROR_LOCKED || kind == ERROR_DOWN ||
			    kind == ERROR_CANCELLED);
	}
}

static int survey_code(const enum error_kind *kinds, const enum step *steps, size_t n)
{
	struct survey_host hosts[4] = {0};
	const struct survey survey = {hosts, n};

	for (size_t i = 0; i < n; i++) {
		hosts[i].error.kind = kinds[i];
		hosts[i].step = steps[i];
	}
	return survey_exit_code(&survey);
}

static void test_surveys(void **state)
{
	static const enum step connect[] = {STEP_CONNECT, STEP_CONNECT, STEP_CONNECT};
	static const enum step facts[] = {STEP_FACTS, STEP_FACTS, STEP_FACTS};

	(void)state;
	assert_int_equal(survey_code((enum error_kind[]){ERROR_NONE, ERROR_NONE}, facts, 2), 0);
	assert_int_equal(
	    survey_code((enum error_kind[]){ERROR_NONE, ERROR_UNREACHABLE}, connect, 2), 4);
	assert_int_equal(survey_code((enum error_kind[]){ERROR_NONE, ERROR_AUTH}, connect, 2), 4);
	assert_int_equal(
	    survey_code((enum error_kind[]){ERROR_TIMEOUT, ERROR_UNREACHABLE}, connect, 2), 1);
	assert_int_equal(
	    survey_code((enum error_kind[]){ERROR_NONE, ERROR_NOT_FOUND}, connect, 2), 1);
	assert_int_equal(survey_code((enum error_kind[]){ERROR_NONE, ERROR_TIMEOUT}, facts, 2), 1);
	assert_int_equal(worse_exit_code(0, 4), 4);
	assert_int_equal(worse_exit_code(4, 1), 1);
	assert_int_equal(worse_exit_code(1, 0), 1);
	assert_int_equal(worse_exit_code(0, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_surveys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
