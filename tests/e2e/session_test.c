/* Sessions against a real sshd on loopback. VERBOSE=1 shows what they log. */

#include "session_help.h"

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
	assert_int_equal(exec_status(session, "kill -TERM $$", text), 128 + SIGTERM);
	assert_int_equal(exec_status(session, "true", text), 0);
	session_close(session);
	server_stop(&server);
}

static void test_remote_small(void **state)
{
	struct server server;
	struct session *session;
	struct listener listener;
	struct error err = {0};
	char text[SMALL];
	int port = 0, fd;

	(void)state;
	server_start(&server, "");
	listener_start(&listener, "echo", serve_echo);
	session = open_session(&server);
	assert_int_equal(session_forward_remote(session, listener.path, &port, &err), 0);
	fd = connect_port(port);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "through", 7), 7);
	shutdown(fd, SHUT_WR);
	read_all(fd, text);
	assert_string_equal(text, "through");
	close(fd);
	session_close(session);
	listener_stop(&listener);
	server_stop(&server);
}

static void test_local_small(void **state)
{
	struct server server;
	struct session *session;
	struct listener tcp, local;
	struct error err = {0};
	char text[SMALL], to[64];
	char *paths[3];

	(void)state;
	server_start(&server, "");
	listener_start(&tcp, NULL, serve_echo);
	listener_start(&local, "echo2", serve_echo);
	session = open_session(&server);
	snprintf(to, sizeof(to), "127.0.0.1:%d", tcp.port);
	assert_int_equal(session_forward_local(session, to, false, &paths[0], &err), 0);
	assert_int_equal(session_forward_local(session, local.path, false, &paths[1], &err), 0);
	assert_int_equal(session_forward_local(session, "cat; echo end", true, &paths[2], &err), 0);
	for (int i = 0; i < 3; i++) {
		int fd = connect_path(paths[i]);

		assert_true(fd >= 0);
		assert_int_equal(write(fd, "through", 7), 7);
		shutdown(fd, SHUT_WR);
		read_all(fd, text);
		assert_string_equal(text, i == 2 ? "throughend\n" : "through");
		close(fd);
		free(paths[i]);
	}
	session_close(session);
	listener_stop(&tcp);
	listener_stop(&local);
	server_stop(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_exec),
	    cmocka_unit_test(test_remote_small),
	    cmocka_unit_test(test_local_small),
	};

	verbose = getenv("VERBOSE") != NULL;
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, make_keys, remove_all);
}
