/* Programs on the host: their streams, their ends, refusals. */
#include "tests/e2e/session/peers.h"
#include "tests/e2e/session/suite.h"

static void test_exec(void **state)
{
	struct server server;
	struct session *session;
	struct session_exec exec;
	char text[SMALL];

	(void)state;
	server_start(&server, "");
	session = open_session(&server);
	exec = start(session, "cat; echo oops >&2; exit 7");
	assert_int_equal(write(exec.in, "hello\n", 6), 6);
	close(exec.in);
	exec.in = -1;
	read_all(exec.out, text);
	assert_string_equal(text, "hello\n");
	read_all(exec.err, text);
	assert_string_equal(text, "oops\n");
	assert_int_equal(finish(session, &exec), 7);
	/* The master tells of no signals. */
	assert_int_equal(
	    exec_status(session, "kill -TERM $$", text), by_openssh() ? 255 : 128 + SIGTERM);
	assert_int_equal(exec_status(session, "true", text), 0);
	assert_non_null(strstr(session_describe(session), "@127.0.0.1:"));
	session_close(session);
	server_stop(&server);
}

static void test_exec_big(void **state)
{
	struct server server;
	struct session *session;
	struct session_exec exec;
	struct flow there = {.bytes = 20000000, .seed = 5}, back = there;
	pthread_t thread;

	(void)state;
	server_start(&server, "");
	session = open_session(&server);
	exec = start(session, "cat");
	there.fd = exec.in;
	back.fd = exec.out;
	pthread_create(&thread, NULL, send_flow, &there);
	receive_flow(&back);
	pthread_join(thread, NULL);
	assert_int_equal(there.wrong, 0);
	assert_int_equal(back.wrong, 0);
	assert_int_equal(finish(session, &exec), 0);
	session_close(session);
	server_stop(&server);
}

static void test_exec_stop(void **state)
{
	struct server server;
	struct session *session;
	struct session_exec exec;
	struct error err = {0};
	char text[SMALL];

	(void)state;
	server_start(&server, "");
	session = open_session(&server);
	exec = start(session, "echo on; sleep 1000");
	assert_int_equal(read(exec.out, text, 3), 3);
	assert_int_equal(session_exec_stop(session, exec.id, &err), 0);
	read_all(exec.out, text);
	assert_string_equal(text, "");
	assert_int_equal(finish(session, &exec), 129);
	/* Output that nobody reads is dropped, and the program ends as it likes. */
	exec = start(session, "head -c 3000000 /dev/zero; exit 3");
	shutdown(exec.out, SHUT_RDWR);
	assert_int_equal(finish(session, &exec), 3);
	session_close(session);
	server_stop(&server);
}

static void test_exec_refused(void **state)
{
	struct server server;
	struct session *session;
	struct session_exec exec, more;
	struct error err = {0};
	int status;

	(void)state;
	server_start(&server, "MaxSessions 1");
	session = open_session(&server);
	exec = start(session, "cat");
	assert_int_equal(session_exec(session, "cat", &more, &err), -1);
	assert_non_null(strstr(err.hint, "MaxSessions"));
	assert_int_equal(
	    session_exec_wait(session, exec.id, clock_now_ms() + 50, &status, &err), -1);
	assert_int_equal(err.kind, ERROR_TIMEOUT);
	assert_int_equal(session_exec_wait(session, 999, -1, &status, &err), -1);
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
	close(exec.in);
	exec.in = -1;
	assert_int_equal(finish(session, &exec), 0);
	error_release(&err);
	session_close(session);
	server_stop(&server);
}

SUITE(TEST(test_exec), TEST(test_exec_big), TEST(test_exec_stop), TEST(test_exec_refused))
