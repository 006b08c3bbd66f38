/* Errors as values: filled, wrapped, moved and released, also when memory is short. */
#include <errno.h>

#include "tests/unit/base_check.h"

static void a_fresh_one_says_nothing(void **state UNUSED)
{
	struct error err = {0};

	assert_string_equal(error_text(&err), "no error");
	assert_string_equal(error_text(NULL), "no error");
	error_release(&err);
	error_release(NULL);
}

static void set_says_what(void **state UNUSED)
{
	struct error err = {0};

	assert_int_equal(error_set(&err, ERROR_CONFLICT, "port %d of %s", 80, "web"), -1);
	assert_int_equal(err.kind, ERROR_CONFLICT);
	assert_int_equal(err.code, 0);
	assert_string_equal(error_text(&err), "port 80 of web");
	assert_null(err.hint);
	error_release(&err);
	assert_int_equal(err.kind, ERROR_NONE);
	assert_null(err.message);
}

/* A new one takes nothing over from the old one: neither its code nor its hint. */
static void set_replaces_all_of_it(void **state UNUSED)
{
	struct error err = {0};

	error_errno(&err, EACCES, "cannot read %s", "x");
	error_hint(&err, "chmod it");
	assert_int_equal(err.kind, ERROR_SYSTEM);
	assert_int_equal(err.code, EACCES);
	assert_string_equal(error_text(&err), "cannot read x: Permission denied");
	error_set(&err, ERROR_FAILED, "else");
	assert_int_equal(err.code, 0);
	assert_null(err.hint);
	assert_error(&err, ERROR_FAILED, "else");
}

static void its_own_text_may_go_into_the_new_one(void **state UNUSED)
{
	struct error err = {0};

	error_set(&err, ERROR_FAILED, "inner");
	error_hint(&err, "do it");
	error_set(&err, ERROR_TIMEOUT, "outer (%s)", error_text(&err));
	assert_string_equal(error_text(&err), "outer (inner)");
	error_hint(&err, "first");
	error_hint(&err, "%s, then again", err.hint);
	assert_string_equal(err.hint, "first, then again");
	error_errno(&err, ENOENT, "%s", error_text(&err));
	assert_error(&err, ERROR_SYSTEM, "outer (inner): No such file or directory");
}

static void wrap_keeps_the_rest(void **state UNUSED)
{
	struct error err = {0};

	error_errno(&err, ENOSPC, "writing");
	error_hint(&err, "make room");
	assert_int_equal(error_wrap(&err, "step %d", 2), -1);
	assert_int_equal(error_wrap(&err, "host %s", "web1"), -1);
	assert_string_equal(
	    error_text(&err), "host web1: step 2: writing: No space left on device");
	assert_int_equal(err.kind, ERROR_SYSTEM);
	assert_int_equal(err.code, ENOSPC);
	assert_string_equal(err.hint, "make room");
	error_release(&err);
}

static void memory_is_a_static_text(void **state UNUSED)
{
	struct error err = {0};

	error_set(&err, ERROR_FAILED, "before");
	assert_int_equal(error_memory(&err), -1);
	assert_int_equal(err.kind, ERROR_MEMORY);
	assert_true(err.is_static);
	error_wrap(&err, "context"); /* has nowhere to be put: the text stays */
	assert_string_equal(error_text(&err), "out of memory");
	error_hint(&err, "close a browser");
	error_set(&err, ERROR_FAILED, "after");
	assert_false(err.is_static);
	assert_error(&err, ERROR_FAILED, "after");
	error_errno(&err, ENOMEM, "mapping");
	assert_error(&err, ERROR_MEMORY, "mapping");
}

static void move_empties_the_other(void **state UNUSED)
{
	struct error from = {0}, to = {0};

	error_set(&to, ERROR_FAILED, "old");
	error_hint(&to, "old hint");
	error_set(&from, ERROR_LOCKED, "new");
	error_move(&to, &from);
	assert_int_equal(from.kind, ERROR_NONE);
	assert_null(from.message);
	assert_null(to.hint);
	error_move(&to, &to);
	assert_string_equal(error_text(&to), "new");
	error_memory(&from);
	error_move(&to, &from);
	assert_true(to.is_static);
	assert_false(from.is_static);
	error_move(NULL, &to);
	assert_int_equal(to.kind, ERROR_NONE);
}

static void nobody_has_to_care(void **state UNUSED)
{
	assert_int_equal(error_set(NULL, ERROR_FAILED, "%s", "x"), -1);
	assert_int_equal(error_errno(NULL, EIO, "%s", "x"), -1);
	assert_int_equal(error_memory(NULL), -1);
	assert_int_equal(error_wrap(NULL, "%s", "x"), -1);
	assert_int_equal(error_hint(NULL, "%s", "x"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_fresh_one_says_nothing),
	    cmocka_unit_test(set_says_what),
	    cmocka_unit_test(set_replaces_all_of_it),
	    cmocka_unit_test(its_own_text_may_go_into_the_new_one),
	    cmocka_unit_test(wrap_keeps_the_rest),
	    cmocka_unit_test(memory_is_a_static_text),
	    cmocka_unit_test(move_empties_the_other),
	    cmocka_unit_test(nobody_has_to_care),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
