/* The HTTP wrapper against a server that misbehaves in every way there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "tests/unit/engine_fake.h"
#include "transport/http.h"

#define OK_JSON FAKE_JSON("200 OK", 2, "{}")

/* 1 ms or so, but machines that test are busy. */
enum { PROMPT_MS = 20000 };

/* One call to a server with this one reply. */
struct outcome {
	struct http_response response;
	struct error err;
	int rc;
	int64_t ms;
};

static void call(const struct fake_reply *reply, struct http_request *request, int cancel_fd,
    struct outcome *ret)
{
	struct fake fake;
	struct http *http;
	int64_t start = clock_now_ms();

	*ret = (struct outcome){.rc = -1};
	request->target = "/x";
	if (request->method == NULL)
		request->method = "GET";
	fake_start(&fake, reply, 1, 0);
	assert_int_equal(http_open(fake.address, cancel_fd, &http, &ret->err), 0);
	ret->rc = http_perform(http, request, &ret->response, &ret->err);
	ret->ms = clock_now_ms() - start;
	http_close(http);
	fake_stop(&fake);
	fake_release(&fake);
}

static void forget(struct outcome *outcome)
{
	http_response_release(&outcome->response);
	error_release(&outcome->err);
}

static void assert_fails(const char *reply, int manner, enum error_kind kind, const char *words)
{
	struct outcome got;
	struct http_request request = {.max_body = 1000};

	call(&(struct fake_reply){reply, manner}, &request, -1, &got);
	assert_int_equal(got.rc, -1);
	assert_int_equal(got.err.kind, kind);
	if (strstr(error_text(&got.err), words) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", words, error_text(&got.err));
	forget(&got);
}

static void an_answer_is_taken_however_it_is_cut(void **state UNUSED)
{
	static const char *const replies[] = {
	    FAKE_JSON("200 OK", 11, "{\"a\":\"b c\"}"),
	    "HTTP/1.1 200 OK\r\ncontent-TYPE:  Application/JSON; charset=utf-8\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n6\r\n{\"a\":\"\r\n5\r\nb c\"}\r\n0\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
	    "{\"a\":\"b c\"}",
	};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(replies); i++) {
		const struct fake_reply reply = {
		    replies[i / 2], (i % 2 ? FAKE_DRIP : 0) | (i / 2 == 2 ? FAKE_CLOSE : 0)};
		struct http_request request = {0};
		struct outcome got;

		call(&reply, &request, -1, &got);
		assert_string_equal(error_text(&got.err), "no error");
		assert_int_equal(got.response.status, 200);
		assert_string_equal(got.response.content_type, "application/json");
		assert_string_equal(got.response.body.data, "{\"a\":\"b c\"}");
		forget(&got);
	}
}

static void broken_answers_are_told_apart(void **state UNUSED)
{
	assert_fails("", FAKE_CLOSE, ERROR_UNREACHABLE, "the connection broke");
	assert_fails("HTTP/1.1 200 OK\r\nContent-Le", FAKE_CLOSE, ERROR_UNREACHABLE, "broke");
	assert_fails("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", FAKE_CLOSE,
	    ERROR_UNREACHABLE, "broke");
	assert_fails("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", FAKE_CLOSE,
	    ERROR_UNREACHABLE, "broke");
	assert_fails("SSH-2.0-OpenSSH_9.2\r\n", FAKE_CLOSE, ERROR_PROTOCOL, "no valid HTTP");
	assert_fails("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", FAKE_CLOSE,
	    ERROR_UNREACHABLE, "broke");
}

static void a_body_has_a_limit(void **state UNUSED)
{
	assert_fails("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n0123456789", FAKE_AGAIN,
	    ERROR_PROTOCOL, "longer than 1000 bytes");
}

static void words_of(const char *reply, enum error_kind kind, int code, const char *words)
{
	struct http_request request = {0};
	struct outcome got;

	call(&(struct fake_reply){reply, FAKE_KEEP}, &request, -1, &got);
	assert_int_equal(got.rc, 0);
	assert_int_equal(http_status_error(&got.response, &got.err), -1);
	assert_int_equal(got.err.kind, kind);
	assert_int_equal(got.err.code, code);
	assert_string_equal(error_text(&got.err), words);
	assert_int_equal(http_status_error(&got.response, NULL), -1);
	forget(&got);
}

static void the_servers_words_are_passed_on(void **state UNUSED)
{
	words_of(FAKE_JSON("404 Not Found", 23, "{\"message\":\"no such 1\"}"), ERROR_NOT_FOUND,
	    404, "no such 1");
	words_of(FAKE_JSON("409 Conflict", 18, "{\"message\":\"taken\"}"), ERROR_CONFLICT, 409,
	    "answered 409: {\"message\":\"taken\"");
	words_of(FAKE_JSON("404 Not Found", 51,
		     "{\"errors\":[{\"code\":\"X\",\"message\":\"manifest unknown\"}]}"),
	    ERROR_NOT_FOUND, 404,
	    "answered 404: {\"errors\":[{\"code\":\"X\",\"message\":\"manifest unknown\"");
	words_of(FAKE_JSON("500 Oops", 55,
		     "{\"errors\":[{\"code\":\"X\",\"message\":\"manifest unknown\"}]} "),
	    ERROR_FAILED, 500, "manifest unknown");
	words_of(FAKE_JSON("502 Bad Gateway", 10, "<p>no</p>\n"), ERROR_FAILED, 502,
	    "answered 502: <p>no</p>");
	words_of(FAKE_JSON("503 Busy", 0, ""), ERROR_FAILED, 503, "answered 503 without a word");
	words_of(FAKE_JSON("500 Oops", 14, "{\"message\":\"\"}"), ERROR_FAILED, 500,
	    "answered 500: {\"message\":\"\"}");
}

static void a_long_error_is_cut(void **state UNUSED)
{
	const size_t len = 200 * 1000;
	char *reply = malloc(len + 200);
	int head = sprintf(reply, "HTTP/1.1 500 Oops\r\nContent-Length: %zu\r\n\r\n", len);
	struct http_request request = {0};
	struct outcome got;

	memset(reply + head, 'e', len);
	reply[(size_t)head + len] = '\0';
	call(&(struct fake_reply){reply, FAKE_KEEP}, &request, -1, &got);
	assert_int_equal(got.rc, 0);
	assert_int_equal(got.response.body.len, 64 * 1024);
	http_status_error(&got.response, &got.err);
	assert_int_equal(strlen(error_text(&got.err)), 4096 + strlen("answered 500: "));
	forget(&got);
	free(reply);
}

static void one_connection_is_kept(void **state UNUSED)
{
	static const struct fake_reply replies[] = {{OK_JSON, 0}, {OK_JSON, 0}, {OK_JSON, 0}};
	const struct http_request request = {.method = "POST", .target = "/a?b=c"};
	struct fake fake;
	struct http *http;

	fake_start(&fake, replies, 3, 0);
	assert_int_equal(http_open(fake.address, -1, &http, NULL), 0);
	for (int i = 0; i < 3; i++) {
		struct http_response response;

		assert_int_equal(http_perform(http, &request, &response, NULL), 0);
		http_response_release(&response);
	}
	http_close(http);
	fake_stop(&fake);
	assert_int_equal(fake.connections, 1);
	assert_non_null(strstr(fake.seen.data, "POST /a?b=c HTTP/1.1\r\n"));
	assert_null(strstr(fake.seen.data, "Expect"));
	fake_release(&fake);
}

static void a_connection_that_died_is_made_again(void **state UNUSED)
{
	static const struct fake_reply replies[] = {{OK_JSON, FAKE_CLOSE}, {OK_JSON, 0}};
	const struct http_request request = {
	    .method = "PUT", .target = "/", .body = "x", .body_len = 1};
	struct fake fake;
	struct http *http;

	fake_start(&fake, replies, 2, 0);
	assert_int_equal(http_open(fake.address, -1, &http, NULL), 0);
	for (int i = 0; i < 2; i++) {
		struct http_response response;

		assert_int_equal(http_perform(http, &request, &response, NULL), 0);
		http_response_release(&response);
	}
	http_close(http);
	fake_stop(&fake);
	assert_int_equal(fake.connections, 2);
	fake_release(&fake);
}

static void proxies_of_the_environment_are_not_used(void **state UNUSED)
{
	static const struct fake_reply replies[] = {{OK_JSON, 0}};
	const struct http_request request = {.method = "GET", .target = "/"};
	struct http_response response;
	struct fake fake;
	struct http *http;

	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	fake_start(&fake, replies, 1, 1);
	assert_int_equal(http_open(fake.address, -1, &http, NULL), 0);
	assert_int_equal(http_perform(http, &request, &response, NULL), 0);
	http_response_release(&response);
	http_close(http);
	fake_stop(&fake);
	fake_release(&fake);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
}

static void nobody_there_is_unreachable(void **state UNUSED)
{
	static const char *const nowhere[] = {"/nowhere/at/all.sock", "http://127.0.0.1:1"};
	const struct http_request request = {.method = "GET", .target = "/"};

	for (size_t i = 0; i < ARRAY_SIZE(nowhere); i++) {
		struct http_response response;
		struct error err = {0};
		struct http *http;

		assert_int_equal(http_open(nowhere[i], -1, &http, NULL), 0);
		assert_int_equal(http_perform(http, &request, &response, &err), -1);
		assert_int_equal(err.kind, ERROR_UNREACHABLE);
		assert_int_equal(err.code, i == 0 ? ENOENT : ECONNREFUSED);
		assert_non_null(strstr(error_text(&err), nowhere[i]));
		http_response_release(&response);
		http_close(http);
		error_release(&err);
	}
}

static void odd_addresses_are_refused(void **state UNUSED)
{
	static const char *const odd[] = {"", "http://", "https://x", "x:1", "file:///etc/passwd"};

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		struct http *http = NULL;

		assert_int_equal(http_open(odd[i], -1, &http, NULL), -1);
		assert_null(http);
	}
}

static void a_deadline_ends_it(void **state UNUSED)
{
	struct http_request request = {.deadline_ms = clock_now_ms() + 150};
	struct outcome got;

	call(&(struct fake_reply){"HTTP/1.1 200 OK\r\n", FAKE_HANG}, &request, -1, &got);
	assert_int_equal(got.err.kind, ERROR_TIMEOUT);
	assert_in_range(got.ms, 149, 30000);
	forget(&got);
}

static void a_stall_ends_it(void **state UNUSED)
{
	struct http_request request = {.deadline_ms = -1, .stall_ms = 150};
	struct outcome got;

	call(&(struct fake_reply){"HTTP/1.1 200 OK\r\n\r\nab", FAKE_HANG}, &request, -1, &got);
	assert_int_equal(got.err.kind, ERROR_TIMEOUT);
	assert_string_equal(error_text(&got.err), "nothing has moved for 0 s");
	assert_in_range(got.ms, 149, 30000);
	forget(&got);
}

struct tap {
	struct buf text;
	enum http_sink answer;
	int calls;
	const struct cancel *fire;
};

static enum http_sink tap(void *context, const char *data, size_t len, struct error *err)
{
	struct tap *into = context;

	into->calls++;
	buf_add(&into->text, data, len);
	if (into->answer == HTTP_FAILED)
		error_set(err, ERROR_CONFLICT, "not this");
	if (into->fire != NULL)
		cancel_fire(into->fire);
	return into->answer;
}

static void idle_bytes_do_not_hold_off_a_stall(void **state UNUSED)
{
	struct tap into = {.text = BUF_INIT(1 << 20), .answer = HTTP_IDLE};
	struct http_request request = {
	    .deadline_ms = -1, .stall_ms = 150, .sink = tap, .context = &into};
	struct outcome got;

	call(&(struct fake_reply){"HTTP/1.1 200 OK\r\n\r\nab", FAKE_AGAIN}, &request, -1, &got);
	assert_int_equal(got.err.kind, ERROR_TIMEOUT);
	assert_in_range(got.ms, 149, 30000);
	assert_true(into.calls > 3);
	forget(&got);
	buf_release(&into.text);
}

static void moving_bytes_do(void **state UNUSED)
{
	struct tap into = {.text = BUF_INIT(1 << 20), .answer = HTTP_MOVED};
	struct http_request request = {
	    .deadline_ms = clock_now_ms() + 3000, .stall_ms = 2000, .sink = tap, .context = &into};
	struct outcome got;

	call(&(struct fake_reply){"HTTP/1.1 200 OK\r\n\r\nab", FAKE_AGAIN}, &request, -1, &got);
	assert_int_equal(got.err.kind, ERROR_TIMEOUT);
	assert_in_range(got.ms, 2990, 30000);
	forget(&got);
	buf_release(&into.text);
}

static void a_sink_may_end_it(void **state UNUSED)
{
	static const enum http_sink answers[] = {HTTP_DONE, HTTP_FAILED};

	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct tap into = {.text = BUF_INIT(1 << 20), .answer = answers[i]};
		struct http_request request = {.sink = tap, .context = &into};
		struct outcome got;

		call(&(struct fake_reply){"HTTP/1.1 200 OK\r\n\r\nab", FAKE_AGAIN}, &request, -1,
		    &got);
		assert_int_equal(got.rc, i == 0 ? 0 : -1);
		assert_int_equal(got.err.kind, i == 0 ? ERROR_NONE : ERROR_CONFLICT);
		assert_int_equal(into.calls, 1);
		forget(&got);
		buf_release(&into.text);
	}
}

static void a_sink_sees_no_error_body(void **state UNUSED)
{
	struct tap into = {.text = BUF_INIT(1 << 20)};
	struct http_request request = {.sink = tap, .context = &into};
	struct outcome got;

	call(&(struct fake_reply){FAKE_JSON("404 No", 4, "none"), 0}, &request, -1, &got);
	assert_int_equal(got.rc, 0);
	assert_int_equal(into.calls, 0);
	assert_string_equal(got.response.body.data, "none");
	forget(&got);
}

static void cancelling_is_prompt(void **state UNUSED)
{
	struct cancel cancel = CANCEL_INIT;
	struct tap into = {.text = BUF_INIT(1 << 20), .answer = HTTP_MOVED, .fire = &cancel};
	struct http_request request = {.deadline_ms = -1, .sink = tap, .context = &into};
	struct outcome got;

	assert_int_equal(cancel_init(&cancel, NULL), 0);
	call(&(struct fake_reply){"HTTP/1.1 200 OK\r\n\r\nab", FAKE_HANG}, &request, cancel.fd,
	    &got);
	assert_int_equal(got.err.kind, ERROR_CANCELLED);
	assert_in_range(got.ms, 0, PROMPT_MS);
	forget(&got);
	call(&(struct fake_reply){OK_JSON, 0}, &request, cancel.fd, &got);
	assert_int_equal(got.err.kind, ERROR_CANCELLED);
	forget(&got);
	cancel_release(&cancel);
	buf_release(&into.text);
}

static void *fire_later(void *context)
{
	usleep(100 * 1000);
	cancel_fire(context);
	return NULL;
}

static void cancelling_from_another_thread_is_prompt(void **state UNUSED)
{
	struct cancel cancel = CANCEL_INIT;
	struct http_request request = {.deadline_ms = -1};
	struct outcome got;
	pthread_t thread;

	assert_int_equal(cancel_init(&cancel, NULL), 0);
	pthread_create(&thread, NULL, fire_later, &cancel);
	call(&(struct fake_reply){"", FAKE_HANG}, &request, cancel.fd, &got);
	pthread_join(thread, NULL);
	assert_int_equal(got.err.kind, ERROR_CANCELLED);
	assert_in_range(got.ms, 90, 100 + PROMPT_MS);
	forget(&got);
	cancel_release(&cancel);
}

enum { PIPED = 3 * 1000 * 1000 };

/* Writes a pattern into a pipe, with rests. */
static void *write_slowly(void *context)
{
	int fd = *(int *)context;
	char piece[10000];

	for (int sent = 0; sent < PIPED; sent += (int)sizeof(piece)) {
		for (size_t i = 0; i < sizeof(piece); i++)
			piece[i] = (char)('a' + ((size_t)sent + i) % 26);
		for (size_t at = 0; at < sizeof(piece);) {
			ssize_t n = write(fd, piece + at, sizeof(piece) - at);

			if (n <= 0)
				goto out;
			at += (size_t)n;
		}
		if (sent % 500000 == 0)
			usleep(20 * 1000);
	}
out:
	close(fd);
	return NULL;
}

static void count_sent(void *context, uint64_t total)
{
	*(uint64_t *)context = total;
}

/* The bodies of all chunks in `text`. */
static size_t unchunk(char *text)
{
	size_t out = 0;
	char *at = text;

	for (;;) {
		size_t len = strtoul(at, &at, 16);

		at += 2;
		if (len == 0)
			return out;
		memmove(text + out, at, len);
		out += len;
		at += len + 2;
	}
}

static void a_pipe_is_sent_as_it_comes(void **state UNUSED)
{
	static const struct fake_reply replies[] = {{OK_JSON, 0}};
	uint64_t sent = 0;
	int fds[2];
	struct http_source source = {.sent = count_sent, .context = &sent};
	const struct http_request request = {
	    .method = "POST", .target = "/load", .source = &source, .stall_ms = 5000};
	struct http_response response;
	struct fake fake;
	struct http *http;
	pthread_t thread;
	char *body;

	assert_int_equal(pipe(fds), 0);
	source.fd = fds[0];
	fake_start(&fake, replies, 1, 0);
	assert_int_equal(http_open(fake.address, -1, &http, NULL), 0);
	pthread_create(&thread, NULL, write_slowly, &fds[1]);
	assert_int_equal(http_perform(http, &request, &response, NULL), 0);
	pthread_join(thread, NULL);
	assert_int_equal(response.status, 200);
	http_response_release(&response);
	http_close(http);
	fake_stop(&fake);
	close(fds[0]);
	assert_int_equal(sent, PIPED);
	body = strstr(fake.seen.data, "\r\n\r\n") + 4;
	assert_int_equal(unchunk(body), PIPED);
	for (size_t i = 0; i < PIPED; i++)
		assert_int_equal(body[i], 'a' + (int)(i % 26));
	fake_release(&fake);
}

static void a_silent_pipe_is_a_stall_and_can_be_cancelled(void **state UNUSED)
{
	struct cancel cancel = CANCEL_INIT;
	struct http_source source = {0};
	struct http_request request = {.method = "POST", .source = &source, .deadline_ms = -1};
	struct outcome got;
	pthread_t thread;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	source.fd = fds[0];
	request.stall_ms = 150;
	call(&(struct fake_reply){OK_JSON, 0}, &request, -1, &got);
	assert_int_equal(got.err.kind, ERROR_TIMEOUT);
	forget(&got);

	assert_int_equal(cancel_init(&cancel, NULL), 0);
	pthread_create(&thread, NULL, fire_later, &cancel);
	request.stall_ms = 0;
	call(&(struct fake_reply){OK_JSON, 0}, &request, cancel.fd, &got);
	pthread_join(thread, NULL);
	assert_int_equal(got.err.kind, ERROR_CANCELLED);
	assert_in_range(got.ms, 90, 100 + PROMPT_MS);
	forget(&got);
	cancel_release(&cancel);
	close(fds[0]);
	close(fds[1]);
}

static void what_cannot_be_read_is_said(void **state UNUSED)
{
	struct http_source source = {.fd = open("/tmp", O_RDONLY | O_CLOEXEC)};
	struct http_request request = {.method = "POST", .source = &source};
	struct outcome got;

	call(&(struct fake_reply){OK_JSON, 0}, &request, -1, &got);
	assert_int_equal(got.err.kind, ERROR_SYSTEM);
	assert_int_equal(got.err.code, EISDIR);
	forget(&got);
	close(source.fd);
}

/* An engine that refuses an archive does so before it has read it. */
static void an_early_refusal_is_heard(void **state UNUSED)
{
	static const char reply[] = FAKE_JSON("400 Bad", 15, "{\"message\":\"e\"}");
	struct http_source source = {.fd = open("/dev/zero", O_RDONLY | O_CLOEXEC)};
	struct http_request request = {.method = "POST", .source = &source};
	struct outcome got;

	call(&(struct fake_reply){reply, FAKE_RUDE | FAKE_HANG}, &request, -1, &got);
	assert_int_equal(got.rc, 0);
	assert_int_equal(got.response.status, 400);
	assert_string_equal(got.response.body.data, "{\"message\":\"e\"}");
	forget(&got);
	close(source.fd);
}

static void escaping_keeps_what_it_may(void **state UNUSED)
{
	struct buf out = BUF_INIT(1000);

	assert_int_equal(http_escape(&out, "aZ0-._~ /:@?&=%+\"\n\xc3\xa4", "/:"), 0);
	assert_string_equal(out.data, "aZ0-._~%20/:%40%3F%26%3D%25%2B%22%0A%C3%A4");
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_answer_is_taken_however_it_is_cut),
	    cmocka_unit_test(broken_answers_are_told_apart),
	    cmocka_unit_test(a_body_has_a_limit),
	    cmocka_unit_test(the_servers_words_are_passed_on),
	    cmocka_unit_test(a_long_error_is_cut),
	    cmocka_unit_test(one_connection_is_kept),
	    cmocka_unit_test(a_connection_that_died_is_made_again),
	    cmocka_unit_test(proxies_of_the_environment_are_not_used),
	    cmocka_unit_test(nobody_there_is_unreachable),
	    cmocka_unit_test(odd_addresses_are_refused),
	    cmocka_unit_test(a_deadline_ends_it),
	    cmocka_unit_test(a_stall_ends_it),
	    cmocka_unit_test(idle_bytes_do_not_hold_off_a_stall),
	    cmocka_unit_test(moving_bytes_do),
	    cmocka_unit_test(a_sink_may_end_it),
	    cmocka_unit_test(a_sink_sees_no_error_body),
	    cmocka_unit_test(cancelling_is_prompt),
	    cmocka_unit_test(cancelling_from_another_thread_is_prompt),
	    cmocka_unit_test(a_pipe_is_sent_as_it_comes),
	    cmocka_unit_test(a_silent_pipe_is_a_stall_and_can_be_cancelled),
	    cmocka_unit_test(what_cannot_be_read_is_said),
	    cmocka_unit_test(an_early_refusal_is_heard),
	    cmocka_unit_test(escaping_keeps_what_it_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
