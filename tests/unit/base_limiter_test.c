#include <pthread.h>

#include "base/clock.h"
#include "base/limiter.h"
#include "tests/unit/base_check.h"

enum { RATE = 1000 * 1000, THREADS = 3, TAKES = 10, BYTES = 10 * 1000 };

static void *take_some(void *context)
{
	for (int i = 0; i < TAKES; i++)
		if (limiter_take(context, BYTES, -1) < 0)
			return context;
	return NULL;
}

static void test_all_together(void **state UNUSED)
{
	struct limiter *limiter = NULL;
	pthread_t threads[THREADS];
	int64_t begun_ms = clock_now_ms(), took_ms;
	void *failed;

	assert_int_equal(limiter_new(RATE, &limiter, NULL), 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_some, limiter), 0);
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	took_ms = clock_now_ms() - begun_ms;
	/* 300 kB, of which a tenth of a second's worth is free, and the last one does not wait for
	 * its own time. */
	assert_in_range(took_ms, 300 - 100 - 10 - 2, 30000);
	limiter_free(limiter);
}

static void *wait_long(void *context)
{
	return limiter_take(context, 100 * RATE, -1) == 0 && limiter_take(context, 1, -1) < 0
		   ? context
		   : NULL;
}

static void test_stop(void **state UNUSED)
{
	struct limiter *limiter = NULL;
	int64_t begun_ms = clock_now_ms();
	pthread_t thread;
	void *stopped;

	assert_int_equal(limiter_new(RATE, &limiter, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, wait_long, limiter), 0);
	usleep(20 * 1000); /* whether it waits already or not, it has to end */
	limiter_stop(limiter);
	pthread_join(thread, &stopped);
	assert_ptr_equal(stopped, limiter);
	assert_in_range(clock_now_ms() - begun_ms, 0, 30000);
	limiter_free(limiter);
}

static void test_cancel(void **state UNUSED)
{
	struct limiter *limiter = NULL;
	int fds[2];

	assert_int_equal(limiter_new(RATE, &limiter, NULL), 0);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(limiter_take(limiter, 100 * RATE, fds[0]), 0);
	assert_int_equal(write(fds[1], "", 1), 1);
	assert_int_equal(limiter_take(limiter, 1, fds[0]), -1);
	close(fds[0]);
	close(fds[1]);
	limiter_free(limiter);
}

static void test_pieces(void **state UNUSED)
{
	static const struct {
		uint64_t rate;
		size_t piece;
	} cases[] = {{1, 1024}, {RATE, RATE / 20}, {UINT64_C(1) << 62, 1024 * 1024}};

	assert_true(limiter_piece(NULL) == SIZE_MAX);
	assert_int_equal(limiter_take(NULL, SIZE_MAX, -1), 0);
	limiter_stop(NULL);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct limiter *limiter = NULL;

		assert_int_equal(limiter_new(cases[i].rate, &limiter, NULL), 0);
		assert_int_equal(limiter_piece(limiter), cases[i].piece);
		limiter_free(limiter);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_together),
	    cmocka_unit_test(test_stop),
	    cmocka_unit_test(test_cancel),
	    cmocka_unit_test(test_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
