/* What base/ does without memory: it says so, and what was there stays as it was. */
#include "tests/unit/base_memory.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/strv.h"
#include "base/text.h"
#include "tests/unit/base_check.h"

static void errors_need_no_memory(void **state UNUSED)
{
	struct error err = {0};

	memory_fail_at(1, false);
	error_set(&err, ERROR_LOCKED, "held by %s", "ann");
	memory_is_back();
	assert_int_equal(err.kind, ERROR_MEMORY);
	assert_string_equal(error_text(&err), "out of memory");
	error_release(&err);

	memory_fail_at(1, false);
	error_errno(&err, EACCES, "reading %s", "x");
	memory_is_back();
	assert_int_equal(err.kind, ERROR_MEMORY);
	assert_int_equal(err.code, EACCES);
	error_release(&err);
}

/* The bare message says more than that there is no memory to say where. */
static void context_is_what_goes_first(void **state UNUSED)
{
	for (size_t n = 1; n < 6; n++) {
		struct error err = {0};
		bool failed;

		error_set(&err, ERROR_LOCKED, "held by %s", "ann");
		memory_fail_at(n, false);
		error_wrap(&err, "host %s", "web1");
		error_hint(&err, "wait for %s", "ann");
		failed = memory_is_back();
		assert_int_equal(err.kind, ERROR_LOCKED);
		assert_contains(error_text(&err), "held by ann");
		assert_true(failed || err.hint != NULL);
		error_release(&err);
	}
}

static void a_buffer_stays_as_it_was(void **state UNUSED)
{
	struct buf buf = BUF_INIT(1000);
	struct error err = {0};
	char *taken;

	memory_fail_at(1, false);
	assert_int_equal(buf_adds(&buf, "x"), -1);
	assert_null(buf_steal(&buf));
	memory_is_back();
	assert_string_equal(buf.data, "");
	assert_false(buf.too_long);
	buf_error(&buf, &err, "it");
	assert_error(&err, ERROR_MEMORY, "out of memory");
	buf_adds(&buf, "kept");
	memory_fail_at(1, false);
	assert_int_equal(buf_addf(&buf, "%0*d", 200, 1), -1);
	assert_int_equal(text_clean(&buf,
			     "\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b"
			     "\x1b\x1b\x1b\x1b\x1b",
			     20, true),
	    -1);
	memory_is_back();
	assert_int_equal(strncmp(buf.data, "kept", 4), 0);
	taken = buf_steal(&buf);
	assert_non_null(taken);
	free(taken);
	memory_fail_at(1, false);
	assert_null(string_printf("%d", 1));
	memory_is_back();
}

static void a_list_stays_as_it_was(void **state UNUSED)
{
	struct strv list = {0}, other = {0};
	struct pairs pairs = {0};

	strv_split(&list, "a b", " ");
	strv_add(&other, "c");
	pairs_set(&pairs, "A", "1");
	for (size_t n = 1; n < 8; n++)
		for (int once = 0; once < 2; once++) {
			int rc;

			memory_fail_at(n, once == 1);
			rc = strv_split(&list, "c d e", " ");
			if (memory_is_back())
				assert_int_equal(rc, -1);
			if (rc < 0)
				assert_int_equal(list.n, 2);
			while (list.n > 2) {
				list.n--;
				free(list.v[list.n]);
			}
			memory_fail_at(n, once == 1);
			rc = strv_copy(&other, &list);
			memory_is_back();
			assert_int_equal(other.n, rc < 0 ? 1 : 2);
			strv_release(&other);
			strv_add(&other, "c");
			memory_fail_at(n, once == 1);
			rc = pairs_set(&pairs, "A", "2");
			rc = pairs_set(&pairs, "B", "2") < 0 ? -1 : rc;
			memory_is_back();
			assert_true(pairs.n == 2 || rc < 0);
			assert_non_null(pairs_find(&pairs, "A")->value);
		}
	strv_release(&list);
	strv_release(&other);
	pairs_release(&pairs);
}

/* A child's output that there is no room for is not all of it. */
static void a_childs_output_is_whole_or_an_error(void **state UNUSED)
{
	const char *const argv[] = {"sh", "-c", "echo 1234; echo 5678 >&2", NULL};

	for (size_t n = 1; n < 12; n++) {
		struct proc_result result = {0};
		struct error err = {0};
		int rc;

		memory_fail_at(n, false);
		rc = proc_run(argv, 1000, clock_now_ms() + 20000, -1, &result, &err);
		memory_is_back();
		if (rc == 0) {
			assert_string_equal(result.out.data, "1234\n");
			assert_string_equal(result.err.data, "5678\n");
			proc_result_release(&result);
		} else {
			assert_int_equal(err.kind, ERROR_MEMORY);
		}
		error_release(&err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(errors_need_no_memory),
	    cmocka_unit_test(context_is_what_goes_first),
	    cmocka_unit_test(a_buffer_stays_as_it_was),
	    cmocka_unit_test(a_list_stays_as_it_was),
	    cmocka_unit_test(a_childs_output_is_whole_or_an_error),
	};

	if (!memory_can_fail()) {
		print_message("memory cannot be made to fail here\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
