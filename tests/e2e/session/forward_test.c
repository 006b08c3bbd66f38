/* Forwards, from there and from here. */
#include "tests/e2e/session/peers.h"
#include "tests/e2e/session/suite.h"

static void *use_both(void *argument)
{
	run_both(connect_port((int)(intptr_t)argument), 2, 1);
	return NULL;
}

static void through_forward(const char *config, int streams, uint64_t bytes)
{
	struct server server;
	struct session *session;
	struct listener listener;
	pthread_t threads[32];
	int port;

	server_start(&server, config);
	listener_start(&listener, "both", serve_both);
	session = open_session(&server);
	port = forward(session, listener.path);
	begin_both(bytes);
	for (int i = 0; i < streams; i++)
		pthread_create(&threads[i], NULL, use_both, (void *)(intptr_t)port);
	for (int i = 0; i < streams; i++)
		pthread_join(threads[i], NULL);
	expect_both(streams);
	assert_int_equal(atomic_load(&listener.accepted), streams);
	session_close(session);
	listener_stop(&listener);
	server_stop(&server);
}

static void test_remote_twenty(void **state)
{
	(void)state;
	through_forward("", 20, 1000000);
}

static void test_remote_rekey(void **state)
{
	const char *megabytes = getenv("SESSION_MB");

	(void)state;
	through_forward("RekeyLimit 1M", 1,
	    (megabytes != NULL ? strtoull(megabytes, NULL, 10) : 200) * 1000000);
}

static void test_remote_rekey_many(void **state)
{
	(void)state;
	through_forward("RekeyLimit 1M", 20, 3000000);
}

static void test_remote_tcp(void **state)
{
	struct server server;
	struct session *session;
	struct listener listener;
	char to[64], text[SMALL];
	int port, fd;

	(void)state;
	server_start(&server, "");
	listener_start(&listener, NULL, serve_echo);
	session = open_session(&server);
	snprintf(to, sizeof(to), "localhost:%d", listener.port);
	port = forward(session, to);
	fd = connect_port(port);
	assert_int_equal(write(fd, "through", 7), 7);
	shutdown(fd, SHUT_WR);
	read_all(fd, text);
	assert_string_equal(text, "through");
	close(fd);
	/* The target is gone: what arrives is closed. */
	listener_stop(&listener);
	fd = connect_port(port);
	read_all(fd, text);
	assert_string_equal(text, "");
	close(fd);
	session_close(session);
	server_stop(&server);
}

/* Somebody on the host who opens connections and leaves them gets no more than these; another one
 * waits, and comes through when one ends; a second forward is not touched by it. */
/* The master has no such limit: there the registry's own holds alone. */
static void test_remote_crowd(void **state)
{
	enum { CROWD = 32 };
	struct server server;
	struct session *session;
	struct listener listener;
	char text[SMALL];
	int fds[CROWD], first, second, fd, other;

	(void)state;
	if (by_openssh())
		return;
	server_start(&server, "");
	listener_start(&listener, "echo", serve_echo);
	session = open_session(&server);
	first = forward(session, listener.path);
	second = forward(session, listener.path);
	for (int i = 0; i < CROWD; i++)
		fds[i] = connect_port(first);
	assert_true(become(&listener.accepted, CROWD));
	fd = connect_port(first);
	assert_int_equal(write(fd, "late", 4), 4);
	other = connect_port(second);
	assert_int_equal(write(other, "aside", 5), 5);
	shutdown(other, SHUT_WR);
	read_all(other, text);
	assert_string_equal(text, "aside");
	assert_int_equal(atomic_load(&listener.accepted), CROWD + 1);
	close(fds[0]);
	shutdown(fd, SHUT_WR);
	read_all(fd, text);
	assert_string_equal(text, "late");
	for (int i = 1; i < CROWD; i++)
		close(fds[i]);
	close(fd);
	close(other);
	session_close(session);
	listener_stop(&listener);
	server_stop(&server);
}

static void test_remote_cancel(void **state)
{
	struct server server;
	struct session *session;
	struct listener listener;
	struct error err = {0};
	int first, second;

	(void)state;
	server_start(&server, "");
	listener_start(&listener, "echo", serve_echo);
	session = open_session(&server);
	first = forward(session, listener.path);
	second = forward(session, "127.0.0.1:1");
	assert_int_not_equal(first, second);
	assert_int_equal(session_forward_cancel(session, first, &err), 0);
	assert_int_equal(session_forward_cancel(session, first, &err), -1);
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
	/* The order of messages makes this certain: the host has heard of it before the exec. */
	assert_int_equal(exec_status(session, "true", (char[SMALL]){0}), 0);
	assert_int_equal(connect_port(first), -1);
	assert_int_equal(session_forward_remote(session, "nonsense", &first, &err), -1);
	assert_int_equal(err.kind, ERROR_USAGE);
	error_release(&err);
	session_close(session);
	listener_stop(&listener);
	server_stop(&server);
}

static void test_remote_refused(void **state)
{
	struct server server;
	struct session *session;
	struct error err = {0};
	int port;

	(void)state;
	server_start(&server, "AllowTcpForwarding no");
	session = open_session(&server);
	assert_int_equal(session_forward_remote(session, "/nowhere", &port, &err), -1);
	assert_non_null(strstr(err.hint, "AllowTcpForwarding"));
	assert_int_equal(exec_status(session, "true", (char[SMALL]){0}), 0);
	error_release(&err);
	session_close(session);
	server_stop(&server);
}

/* The host's reader goes away in the middle: the sender here must hear of it. */
static void test_remote_reader_gone(void **state)
{
	struct server server;
	struct session *session;
	struct listener listener;
	char data[65536];
	int fd;

	(void)state;
	server_start(&server, "");
	listener_start(&listener, "flood", serve_counted_flood);
	session = open_session(&server);
	fd = connect_port(forward(session, listener.path));
	for (int i = 0; i < 100; i++)
		assert_true(recv(fd, data, sizeof(data), 0) > 0);
	poll(NULL, 0, 300); /* the window fills up */
	close(fd);
	assert_true(become(&floods, 0));
	session_close(session);
	listener_stop(&listener);
	server_stop(&server);
}

static char *connectable(struct session *session, const char *to, bool is_command)
{
	struct error err = {0};
	char *path = NULL;

	if (session_forward_local(session, to, is_command, &path, &err) < 0)
		fail_msg("local forward: %s", error_text(&err));
	return path;
}

static void expect_echo(const char *path, const char *end)
{
	char text[SMALL], expected[64];
	int fd = connect_path(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "through", 7), 7);
	shutdown(fd, SHUT_WR);
	read_all(fd, text);
	snprintf(expected, sizeof(expected), "through%s", end);
	assert_string_equal(text, expected);
	close(fd);
}

static void test_local(void **state)
{
	struct server server;
	struct session *session;
	struct listener tcp, local;
	struct stat st;
	char to[64];
	char *paths[3];
	int fds[10];

	(void)state;
	server_start(&server, "");
	listener_start(&tcp, NULL, serve_echo);
	listener_start(&local, "echo", serve_echo);
	session = open_session(&server);
	snprintf(to, sizeof(to), "127.0.0.1:%d", tcp.port);
	paths[0] = connectable(session, to, false);
	paths[1] = connectable(session, local.path, false);
	paths[2] = connectable(session, "cat; echo end; echo said >&2", true);
	assert_int_equal(stat(paths[0], &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	expect_echo(paths[0], "");
	expect_echo(paths[1], "");
	expect_echo(paths[2], "end\n");
	for (int i = 0; i < 10; i++)
		fds[i] = connect_path(paths[i % 3]);
	for (int i = 9; i >= 0; i--) {
		char c;

		assert_int_equal(write(fds[i], "x", 1), 1);
		assert_int_equal(read(fds[i], &c, 1), 1);
		close(fds[i]);
	}
	session_close(session);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(stat(paths[i], &st), -1);
		free(paths[i]);
	}
	listener_stop(&tcp);
	listener_stop(&local);
	server_stop(&server);
}

static void test_local_refused(void **state)
{
	struct server server;
	struct session *session;
	struct error err = {0};
	char text[SMALL], to[64];
	char *path;
	int fd;

	(void)state;
	server_start(&server, "");
	session = open_session(&server);
	path = connectable(session, "/nowhere/docker.sock", false);
	assert_int_equal(session_forward_error(session, path, &err), 0);
	fd = connect_path(path);
	read_all(fd, text);
	assert_string_equal(text, "");
	close(fd);
	assert_int_equal(session_forward_error(session, path, &err), -1);
	assert_non_null(strstr(err.message, "/nowhere/docker.sock"));
	free(path);
	snprintf(to, sizeof(to), "127.0.0.1:%d", free_port());
	path = connectable(session, to, false);
	fd = connect_path(path);
	read_all(fd, text);
	close(fd);
	assert_int_equal(session_forward_error(session, path, &err), -1);
	assert_non_null(strstr(err.message, to));
	free(path);
	error_release(&err);
	session_close(session);
	server_stop(&server);
}

/* One after another: nothing is kept of those that have ended. */
static void test_connect(void **state)
{
	struct server server;
	struct session *session;
	struct listener listener;
	struct error err = {0};
	char to[64], text[SMALL];
	int fds;

	(void)state;
	server_start(&server, "");
	listener_start(&listener, NULL, serve_echo);
	session = open_session(&server);
	snprintf(to, sizeof(to), "127.0.0.1:%d", listener.port);
	for (int i = 0; i < 20; i++) {
		int fd = session_connect(session, to, -1, &err);

		if (fd < 0)
			fail_msg("%s", error_text(&err));
		assert_int_equal(write(fd, "through", 7), 7);
		shutdown(fd, SHUT_WR);
		read_all(fd, text);
		assert_string_equal(text, "through");
		close(fd);
		if (i == 0)
			fds = count_fds();
	}
	for (int i = 0; i < 200 && count_fds() > fds; i++)
		poll(NULL, 0, 10);
	assert_true(count_fds() <= fds);
	listener_stop(&listener);
	for (int i = 0; i < 2; i++) { /* and the session lives on */
		assert_int_equal(session_connect(session, to, -1, &err), -1);
		assert_int_equal(err.kind, ERROR_FAILED);
		assert_non_null(strstr(err.message, to));
		if (by_openssh())
			assert_non_null(strstr(err.message, "Connection refused"));
	}
	assert_int_equal(session_connect(session, "nonsense", -1, &err), -1);
	assert_int_equal(exec_status(session, "true", (char[SMALL]){0}), 0);
	error_release(&err);
	session_close(session);
	server_stop(&server);
}

/* A listener whose queue is full: the kernel drops what comes. */
static void test_connect_in_time(void **state)
{
	struct server server;
	struct session *session;
	struct error err = {0};
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(address);
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), filler[4];
	int64_t begun;
	char to[64];

	(void)state;
	assert_int_equal(bind(listening, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(listening, 0), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &len), 0);
	for (int i = 0; i < 4; i++) {
		filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(filler[i], (struct sockaddr *)&address, len);
	}
	server_start(&server, "");
	session = open_session(&server);
	snprintf(to, sizeof(to), "127.0.0.1:%d", ntohs(address.sin_port));
	begun = clock_now_ms();
	assert_int_equal(session_connect(session, to, begun + 1000, &err), -1);
	assert_int_equal(err.kind, ERROR_TIMEOUT);
	assert_in_range(clock_now_ms() - begun, 900, 30000);
	for (int i = 0; i < 4; i++)
		close(filler[i]);
	close(listening);
	error_release(&err);
	session_close(session);
	server_stop(&server);
}

/* Whoever closes the local socket lets go of what runs there. */
static void test_local_closed(void **state)
{
	struct server server;
	struct session *session;
	char *path, mark[128], command[256];
	int fd;

	(void)state;
	server_start(&server, "");
	session = open_session(&server);
	snprintf(mark, sizeof(mark), "%s/mark", top);
	snprintf(command, sizeof(command), "echo up; cat >/dev/null; echo done >%s", mark);
	path = connectable(session, command, true);
	fd = connect_path(path);
	assert_int_equal(read(fd, command, 3), 3);
	close(fd);
	for (int i = 0; i < 500 && access(mark, F_OK) < 0; i++)
		poll(NULL, 0, 10);
	assert_int_equal(access(mark, F_OK), 0);
	free(path);
	session_close(session);
	server_stop(&server);
}

SUITE(TEST(test_remote_twenty), TEST(test_remote_rekey), TEST(test_remote_rekey_many),
    TEST(test_remote_tcp), TEST(test_remote_crowd), TEST(test_remote_cancel),
    TEST(test_remote_refused), TEST(test_remote_reader_gone), TEST(test_local),
    TEST(test_local_refused), TEST(test_local_closed), TEST(test_connect),
    TEST(test_connect_in_time))
