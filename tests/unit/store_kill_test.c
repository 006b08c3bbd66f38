/* Programs that are killed in the middle, and several at once. */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "tests/unit/store_place.h"

enum { LAYER = 3000000, ROUNDS = 12 };

static struct place place;

static int setup(void **state UNUSED)
{
	place_make(&place);
	return 0;
}

static int teardown(void **state UNUSED)
{
	place_remove(&place);
	return 0;
}

/* An import, as a program of its own does it; the exit code says whether it worked. Nothing of
 * cmocka's here: its failures would jump into the parent's frames. */
static int import_steps(struct store *store, struct error *err)
{
	unsigned char *data = content(42, LAYER);
	struct blob_writer *writer;
	struct blob_info info;
	int rc = blob_begin(store, BLOB_LAYER, &writer, err);

	for (size_t at = 0; rc == 0 && at < LAYER; at += 100000)
		rc = blob_write(writer, data + at, 100000, err);
	free(data);
	if (rc < 0 || blob_commit(writer, NULL, &info, err) < 0)
		return -1;
	return store_blob_link(store, "web", info.digest, err);
}

static int gc_steps(struct store *store, struct error *err)
{
	struct store_gc_options options = {.limit = 1, .cancel_fd = -1};
	struct store_gc_result result;

	if (store_gc(store, &options, &result, err) < 0)
		return -1;
	store_gc_result_release(&result);
	return 0;
}

static pid_t start(int (*steps)(struct store *, struct error *))
{
	pid_t pid = fork();

	if (pid == 0) {
		struct error err = {0};
		struct store *store;
		int rc = store_open(place.path, &store, &err);

		if (rc == 0)
			rc = steps(store, &err);
		if (rc < 0)
			dprintf(2, "child: %s\n", error_text(&err));
		if (rc == 0)
			store_close(store);
		_exit(rc == 0 ? 0 : 1);
	}
	assert_true(pid > 0);
	return pid;
}

static int end_of(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* How long one takes, so that moments can be chosen within it. */
static int64_t take_time(int (*steps)(struct store *, struct error *))
{
	int64_t begin = clock_now_ms();

	assert_int_equal(end_of(start(steps)), 0);
	return clock_now_ms() - begin + 1;
}

/* Whatever is visible is whole. */
static void assert_whole(void)
{
	place_open(&place);
	assert_clean(&place);
	place_close(&place);
}

static void killed_imports_leave_nothing_partial(void **state UNUSED)
{
	uint64_t random = 99;
	int64_t ms = take_time(import_steps);

	place_remove(&place);
	place_make(&place);
	for (int round = 0; round < ROUNDS; round++) {
		pid_t pid = start(import_steps);
		int64_t us = (int64_t)check_below(&random, (size_t)ms * 1000);

		nanosleep(
		    &(struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000},
		    NULL);
		kill(pid, SIGKILL);
		end_of(pid);
		assert_whole();
	}
	assert_int_equal(end_of(start(import_steps)), 0);
	assert_int_equal(place_number(&place, "SELECT count(*) FROM blobs"), 1);
	assert_whole();
}

static void a_killed_gc_leaves_nothing_partial(void **state UNUSED)
{
	uint64_t random = 7;
	int64_t ms = 0;

	for (int round = 0; round < ROUNDS / 2; round++) {
		int64_t us;
		pid_t pid;

		place_open(&place);
		put_image(&place, "web", "v1", (uint64_t)round, LAYER / 2);
		put_image(&place, "web", "v2", (uint64_t)round + 100, LAYER / 2);
		place_sql(&place, "UPDATE blobs SET used = 0, claimed = 0");
		place_close(&place);
		if (ms == 0) {
			ms = take_time(gc_steps);
			continue;
		}
		us = (int64_t)check_below(&random, (size_t)ms * 1000);
		pid = start(gc_steps);
		nanosleep(
		    &(struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000},
		    NULL);
		kill(pid, SIGKILL);
		end_of(pid);
		assert_whole();
	}
	assert_int_equal(end_of(start(gc_steps)), 0);
	assert_int_equal(place_number(&place, "SELECT count(*) FROM chunks"), 0);
	assert_int_equal(place_number(&place, "SELECT count(*) FROM pieces"), 0);
}

/* Two imports of one image and a gc: no error, one copy. */
static void three_programs_at_once(void **state UNUSED)
{
	for (int round = 0; round < 3; round++) {
		pid_t pids[] = {
		    start(import_steps), start(gc_steps), start(import_steps), start(gc_steps)};

		for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
			assert_int_equal(end_of(pids[i]), 0);
		assert_int_equal(place_number(&place, "SELECT count(*) FROM blobs"), 1);
		assert_int_equal(
		    place_number(&place, "SELECT count(*) = count(DISTINCT hash) FROM chunks"), 1);
		assert_whole();
		if (round == 1) { /* the third time there is nothing to find */
			place_remove(&place);
			place_make(&place);
		}
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(killed_imports_leave_nothing_partial),
	    TEST(a_killed_gc_leaves_nothing_partial),
	    TEST(three_programs_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
