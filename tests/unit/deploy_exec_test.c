/* The bytes of a program in a container, between the engine's stream and where they belong: the
 * engine's end is a socket pair here (the real one: tests/e2e/exec_test.sh). */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/proc.h"
#include "deploy/exec_pump.h"

/* 0: what the pump reads and writes, 1: ours. */
static int far[2], in[2], out[2], err[2];
static struct cancel cancel = CANCEL_INIT;

static int setup(void **state)
{
	(void)state;
	assert_int_equal(fd_socketpair(far), 0);
	assert_int_equal(fd_nonblock(far[0]), 0);
	assert_int_equal(fd_pipe(in), 0);
	assert_int_equal(fd_pipe(out), 0);
	assert_int_equal(fd_pipe(err), 0);
	assert_int_equal(cancel_init(&cancel, NULL), 0);
	return 0;
}

static void drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		drop(&far[i]);
		drop(&in[i]);
		drop(&out[i]);
		drop(&err[i]);
	}
	cancel_release(&cancel);
	return 0;
}

static int pump(struct error *error)
{
	const struct exec_stdio stdio = {.in = in[0], .out = out[1], .err = err[1]};

	return exec_pump(far[0], &stdio, NULL, NULL, cancel.fd, error);
}

static void *pump_thread(void *result)
{
	*(int *)result = pump(NULL);
	return NULL;
}

static void frame(int fd, char stream, const char *text)
{
	char head[8] = {stream, 0, 0, 0, 0, 0, 0, (char)strlen(text)};

	assert_int_equal(fd_write_all(fd, head, sizeof(head)), 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static void want_text(int fd, const char *text)
{
	char got[256] = "";

	assert_int_equal(read(fd, got, sizeof(got) - 1), (int)strlen(text));
	assert_string_equal(got, text);
}

static void test_streams(void **state)
{
	(void)state;
	assert_int_equal(fd_write_all(in[1], "typed", 5), 0);
	drop(&in[1]);
	frame(far[1], 1, "out ");
	frame(far[1], 2, "err");
	frame(far[1], 1, "more");
	shutdown(far[1], SHUT_WR);
	assert_int_equal(pump(NULL), 0);
	want_text(out[0], "out more");
	want_text(err[0], "err");
	want_text(far[1], "typed");
}

/* Its end is passed on, and what it answers to that comes back. */
static void test_end_of_input(void **state)
{
	pthread_t thread;
	int rc = -1;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, pump_thread, &rc), 0);
	assert_int_equal(fd_write_all(in[1], "all", 3), 0);
	drop(&in[1]);
	want_text(far[1], "all");
	want_text(far[1], "");
	frame(far[1], 1, "seen");
	want_text(out[0], "seen");
	drop(&far[1]);
	pthread_join(thread, NULL);
	assert_int_equal(rc, 0);
}

/* Who does not read makes the program wait: what is between them is bounded. */
static void test_stalled_reader(void **state)
{
	char piece[4096] = {0};
	pthread_t thread;
	size_t taken = 0, came = 0;
	ssize_t n;
	int rc = -1;

	(void)state;
	piece[0] = 1;
	piece[6] = 0x0f;
	piece[7] = (char)0xf8; /* 4096 - 8 */
	assert_int_equal(pthread_create(&thread, NULL, pump_thread, &rc), 0);
	assert_int_equal(fd_nonblock(far[1]), 0);
	for (int64_t end = clock_now_ms() + 500; clock_now_ms() < end;) {
		n = send(far[1], piece, sizeof(piece), MSG_NOSIGNAL);
		if (n > 0)
			taken += (size_t)n;
		else
			usleep(1000);
		assert_true(n <= 0 || (size_t)n == sizeof(piece));
	}
	assert_true(taken < (size_t)4 * 1024 * 1024);
	shutdown(far[1], SHUT_WR);
	while ((n = read(out[0], piece, sizeof(piece))) > 0) {
		came += (size_t)n;
		if (came == taken - taken / sizeof(piece) * 8)
			break;
	}
	pthread_join(thread, NULL);
	assert_int_equal(rc, 0);
}

static void test_reader_is_gone(void **state)
{
	(void)state;
	drop(&out[0]);
	frame(far[1], 1, "for nobody");
	assert_int_equal(pump(NULL), 1);
}

static void test_cancelled(void **state)
{
	CLEANUP_ERROR struct error error = {0};

	(void)state;
	cancel_fire(&cancel);
	assert_int_equal(pump(&error), -1);
	assert_int_equal(error.kind, ERROR_CANCELLED);
}

static void test_lines(void **state)
{
	static const char *const expected[] = {"1 one", "1 two", "2 warn", "2 ing", "1 half"};
	struct event_source source = {.host = "h1", .service = "web"};
	struct event event;

	(void)state;
	assert_int_equal(events_new(16, &source.events, NULL), 0);
	frame(far[1], 1, "one\ntwo\nha");
	frame(far[1], 2, "warn\ning\n");
	frame(far[1], 1, "lf");
	shutdown(far[1], SHUT_WR);
	assert_int_equal(exec_tell(far[0], &source, cancel.fd, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		char text[64];

		assert_true(events_take(source.events, clock_now_ms(), &event));
		snprintf(text, sizeof(text), "%d %s", event.stream, event.text);
		assert_string_equal(text, expected[i]);
		assert_string_equal(event.host, "h1");
		event_release(&event);
	}
	events_free(source.events);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_streams, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_end_of_input, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_stalled_reader, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_reader_is_gone, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_cancelled, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
