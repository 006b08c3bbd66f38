/* A request that turns its connection into a stream, and servers that do odd things instead. */
#include <fcntl.h>
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
#include "base/proc.h"
#include "transport/http_upgrade.h"
#include "transport/socket.h"

/* Answers one connection with `answer`; then it is closed, or kept open until the end. */
struct server {
	char dir[64];
	char *path;
	int fd, connection;
	const char *answer;
	size_t len, cut; /* sent in pieces of so many bytes; 0: in one */
	bool stays;
	char asked[1024];
	pthread_t thread;
};

static struct server server;

static void *serve(void *context)
{
	size_t got = 0, sent = 0, piece = server.cut > 0 ? server.cut : server.len;

	(void)context;
	server.connection = accept(server.fd, NULL, NULL);
	while (strstr(server.asked, "\r\n\r\n{}") == NULL && got < sizeof(server.asked) - 1) {
		ssize_t n =
		    read(server.connection, server.asked + got, sizeof(server.asked) - 1 - got);

		if (n <= 0)
			break;
		got += (size_t)n;
	}
	while (sent < server.len) {
		size_t len = server.len - sent < piece ? server.len - sent : piece;

		if (fd_write_all(server.connection, server.answer + sent, len) < 0)
			break;
		sent += len;
	}
	if (!server.stays)
		close(server.connection);
	return NULL;
}

static void start(const char *answer, size_t len, size_t cut, bool stays)
{
	server = (struct server){
	    .dir = "/tmp/upgrade.XXXXXX", .answer = answer, .len = len, .cut = cut, .stays = stays};
	assert_non_null(mkdtemp(server.dir));
	server.fd = socket_listen(server.dir, &server.path, NULL);
	assert_true(server.fd >= 0);
	/* The listener is non-blocking; the thread waits. */
	assert_int_equal(fcntl(server.fd, F_SETFL, 0), 0);
	assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static void stop(void)
{
	pthread_join(server.thread, NULL);
	if (server.stays)
		close(server.connection);
	close(server.fd);
	unlink(server.path);
	free(server.path);
	rmdir(server.dir);
}

static int ask(int cancel_fd, struct error *err)
{
	return http_upgrade(server.path, "/v1.41/exec/x/start", "{}", cancel_fd, err);
}

/* What stands right behind the head is the stream's, however it comes. */
static void test_stream(void **state)
{
	static const char *const heads[] = {
	    "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"};

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (size_t cut = 0; cut < 9; cut += 4) {
			char answer[256], got[16] = "";
			size_t len = 0;
			int fd;

			snprintf(answer, sizeof(answer), "%sthe stream", heads[i]);
			start(answer, strlen(answer), cut, false);
			fd = ask(-1, NULL);
			assert_true(fd >= 0);
			assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
			for (ssize_t n = 1; n > 0; len += (size_t)n)
				n = read(fd, got + len, sizeof(got) - 1 - len);
			assert_string_equal(got, "the stream");
			close(fd);
			stop();
			assert_non_null(strstr(server.asked, "POST /v1.41/exec/x/start HTTP/1.1"));
			assert_non_null(strstr(server.asked, "\r\nUpgrade: tcp\r\n"));
		}
}

static void test_refusals(void **state)
{
	static const struct {
		const char *answer;
		enum error_kind kind;
		const char *words;
	} cases[] = {
	    {"HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nContent-Length: 35\r\n\r\n"
	     "{\"message\":\"container is not runn\"}",
		ERROR_CONFLICT, "container is not runn"},
	    {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", ERROR_NOT_FOUND, ""},
	    {"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbad\r\n0\r\n\r\n",
		ERROR_FAILED, "bad"},
	    {"HTTP/1.1 500 Oh\r\nConnection: close\r\n\r\nuntil its end", ERROR_FAILED,
		"until its end"},
	    {"", ERROR_UNREACHABLE, "no answer"},
	    {"HTTP/1.1 101 UPGR", ERROR_UNREACHABLE, "no answer"},
	    {"SSH-2.0-OpenSSH_9.2\r\n\r\n", ERROR_PROTOCOL, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_ERROR struct error err = {0};

		start(cases[i].answer, strlen(cases[i].answer), 0, false);
		assert_int_equal(ask(-1, &err), -1);
		stop();
		assert_int_equal(err.kind, cases[i].kind);
		assert_non_null(strstr(error_text(&err), cases[i].words));
	}
}

static void test_head_without_end(void **state)
{
	enum { MUCH = 80 * 1024 };
	char *answer = malloc(MUCH);
	CLEANUP_ERROR struct error err = {0};

	(void)state;
	assert_non_null(answer);
	memset(answer, 'x', MUCH);
	start(answer, MUCH, 0, true);
	assert_int_equal(ask(-1, &err), -1);
	shutdown(server.connection, SHUT_RDWR);
	stop();
	free(answer);
	assert_non_null(strstr(error_text(&err), "head"));
}

static void test_cancelled(void **state)
{
	struct cancel cancel = CANCEL_INIT;
	CLEANUP_ERROR struct error err = {0};

	(void)state;
	assert_int_equal(cancel_init(&cancel, NULL), 0);
	start("HTTP/1.1 101", 12, 0, true);
	cancel_fire(&cancel);
	assert_int_equal(ask(cancel.fd, &err), -1);
	assert_int_equal(err.kind, ERROR_CANCELLED);
	stop();
	cancel_release(&cancel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stream),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_head_without_end),
	    cmocka_unit_test(test_cancelled),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
