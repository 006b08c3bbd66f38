/* Helpers for descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/proc.h"
#include "tests/unit/base_check.h"

static void helpers_set_flags_and_write_all(void **state UNUSED)
{
	CLEANUP_FREE char *big = calloc(1, 1 << 20);
	int fds[2];

	assert_int_equal(fd_pipe(fds), 0);
	assert_int_equal(fcntl(fds[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fd_nonblock(fds[1]), 0);
	assert_true((fcntl(fds[1], F_GETFL) & O_NONBLOCK) != 0);
	assert_int_equal(fd_cloexec(-1), -1);
	assert_int_equal(fd_nonblock(-1), -1);
	close(fds[0]);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(fd_write_all(fds[1], big, 1 << 20), -1);
	assert_int_equal(errno, EPIPE);
	signal(SIGPIPE, SIG_DFL);
	close(fds[1]);
}

static void *drain(void *context)
{
	const int *fd = context;
	static size_t total;
	char chunk[5000];
	ssize_t n;

	total = 0;
	while ((n = read(*fd, chunk, sizeof(chunk))) > 0)
		total += (size_t)n;
	return &total;
}

/* Through a pipe that is smaller, non-blocking, with a slow reader. */
static void write_all_waits_for_room(void **state UNUSED)
{
	CLEANUP_FREE char *big = calloc(1, 1 << 20);
	pthread_t thread;
	void *total;
	int fds[2];

	assert_int_equal(fd_pipe(fds), 0);
	fd_nonblock(fds[1]);
	assert_int_equal(pthread_create(&thread, NULL, drain, &fds[0]), 0);
	assert_int_equal(fd_write_all(fds[1], big, 1 << 20), 0);
	close(fds[1]);
	pthread_join(thread, &total);
	assert_int_equal(*(size_t *)total, 1 << 20);
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(helpers_set_flags_and_write_all),
	    cmocka_unit_test(write_all_waits_for_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
