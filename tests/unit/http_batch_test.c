/* Pipelined GETs against servers that hang up everywhere. */
#include "tests/unit/base_check.h"

#include <errno.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "tests/unit/engine_fake.h"
#include "transport/http_batch.h"

enum { PROMPT_MS = 20000, MAX_BODY = 1000 };

#define HEAD	     "HTTP/1.1 200 OK\r\n"
#define CHUNKED_HEAD HEAD "Transfer-Encoding: chunked\r\n\r\n"

#define ONE   FAKE_JSON("200 OK", 3, "\"1\"")
#define TWO   "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"
#define THREE CHUNKED_HEAD "3\r\n\"3\"\r\n0\r\nX-Sum: 1\r\n\r\n"

static const char *const targets[] = {"/1", "/2?a=b", "/3"};
static const char *const answers[] = {ONE, TWO, THREE};

#define ASKED(host, target)                                                                        \
	"GET " target " HTTP/1.1\r\nHost: " host "\r\nUser-Agent: shipit\r\n\r\n"

/* Three requests to a scripted server. */
struct talk {
	struct fake fake;
	struct http_response responses[3];
	struct error err;
	int rc;
	int64_t ms;
};

static void ask(struct http_batch *batch, struct talk *talk)
{
	int64_t start = clock_now_ms();

	talk->rc = http_batch_get(batch, targets, 3, MAX_BODY, talk->responses, &talk->err);
	talk->ms = clock_now_ms() - start;
}

static void forget_talk(struct talk *talk)
{
	for (size_t i = 0; i < 3; i++)
		http_response_release(&talk->responses[i]);
	error_release(&talk->err);
}

static void assert_answered(const struct talk *talk)
{
	static const char *const bodies[] = {"\"1\"", "gone", "\"3\""};

	assert_string_equal(error_text(&talk->err), "no error");
	assert_int_equal(talk->rc, 0);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(talk->responses[i].status, i == 1 ? 404 : 200);
		assert_string_equal(talk->responses[i].body.data, bodies[i]);
	}
	assert_string_equal(talk->responses[0].content_type, "application/json");
}

/* `times` over; all of the script must be used up, over so many connections. */
static void assert_talk(const struct fake_reply *replies, size_t n, int times, int connections)
{
	struct talk talk = {.rc = 0};
	struct http_batch *batch;

	fake_start(&talk.fake, replies, n, 0);
	assert_int_equal(http_batch_open(talk.fake.address, -1, &batch, NULL), 0);
	for (int i = 0; i < times; i++) {
		ask(batch, &talk);
		assert_answered(&talk);
		forget_talk(&talk);
	}
	http_batch_close(batch);
	fake_stop(&talk.fake);
	assert_int_equal(talk.fake.connections, connections);
	assert_int_equal(talk.fake.answered, n);
	fake_release(&talk.fake);
}

static void assert_fails(const struct fake_reply *replies, size_t n, int cancel_fd,
    enum error_kind kind, const char *words, struct talk *talk)
{
	struct http_batch *batch;

	*talk = (struct talk){.rc = 0};
	fake_start(&talk->fake, replies, n, 0);
	assert_int_equal(http_batch_open(talk->fake.address, cancel_fd, &batch, NULL), 0);
	ask(batch, talk);
	assert_int_equal(talk->rc, -1);
	assert_error(&talk->err, kind, words);
	forget_talk(talk);
	http_batch_close(batch);
	fake_stop(&talk->fake);
	fake_release(&talk->fake);
}

static void all_is_asked_at_once(void **state UNUSED)
{
	for (int tcp = 0; tcp < 2; tcp++) {
		static const struct fake_reply replies[] = {{ONE TWO THREE, 0}};
		struct talk talk = {.rc = 0};
		struct http_batch *batch;
		CLEANUP_FREE char *want = NULL;
		const char *host;

		fake_start(&talk.fake, replies, 1, tcp);
		host = tcp ? talk.fake.address + strlen("http://") : "localhost";
		want = string_printf(
		    ASKED("%s", "/1") ASKED("%s", "/2?a=b") ASKED("%s", "/3"), host, host, host);
		assert_int_equal(http_batch_open(talk.fake.address, -1, &batch, NULL), 0);
		ask(batch, &talk);
		assert_answered(&talk);
		forget_talk(&talk);
		http_batch_close(batch);
		fake_stop(&talk.fake);
		assert_string_equal(talk.fake.seen.data, want);
		fake_release(&talk.fake);
	}
}

static void a_connection_is_kept(void **state UNUSED)
{
	static const struct fake_reply replies[] = {
	    {ONE TWO THREE, FAKE_DRIP}, {ONE TWO THREE, 0}, {ONE TWO THREE, 0}};

	assert_talk(replies, 3, 3, 1);
}

static void a_kept_connection_that_died_is_made_again(void **state UNUSED)
{
	static const struct fake_reply replies[] = {
	    {ONE TWO THREE, FAKE_CLOSE}, {ONE TWO THREE, 0}};
	/* The second one dies unseen: when it has been asked. */
	static const struct fake_reply late[] = {
	    {ONE TWO THREE, 0}, {"", FAKE_CLOSE}, {ONE TWO THREE, 0}};

	assert_talk(replies, 2, 2, 2);
	assert_talk(late, 3, 2, 2);
}

static void words_that_nobody_asked_for_are_not_the_next_answer(void **state UNUSED)
{
	static const struct fake_reply replies[] = {
	    {ONE TWO THREE ONE, FAKE_HANG}, {ONE TWO THREE, 0}};

	assert_talk(replies, 2, 2, 2);
}

static void a_server_may_close_after_each(void **state UNUSED)
{
	static const struct fake_reply replies[] = {
	    {HEAD "Connection: close\r\nContent-Length: 3\r\nContent-Type: application/json\r\n"
		  "\r\n\"1\"ignored",
		FAKE_HANG},
	    {TWO, FAKE_CLOSE},
	    {"HTTP/1.0 200 OK\r\n\r\n\"3\"", FAKE_CLOSE},
	};

	assert_talk(replies, 3, 1, 3);
}

/* However much of the answers came before it hung up, the rest is asked again. */
static void a_server_may_close_anywhere(void **state UNUSED)
{
	const char *all = ONE TWO THREE;

	for (size_t cut = 0; cut <= strlen(all); cut++) {
		CLEANUP_FREE char *first = string_printf("%.*s", (int)cut, all);
		struct fake_reply replies[4] = {{first, FAKE_CLOSE}};
		size_t whole = 0, n = 1;

		for (size_t at = 0; whole < 3 && at + strlen(answers[whole]) <= cut; whole++)
			at += strlen(answers[whole]);
		if (whole > 0 && whole < 3)
			replies[n++].text = whole == 1 ? TWO THREE : THREE;
		for (size_t i = 0; whole == 0 && i < 3; i++)
			replies[n++].text = answers[i];
		assert_talk(replies, n, 1, whole == 3 ? 1 : 2);
	}
}

static void a_server_without_answers_is_unreachable(void **state UNUSED)
{
	static const struct fake_reply silent[] = {
	    {"", FAKE_CLOSE}, {"", FAKE_CLOSE}, {ONE TWO THREE, 0}};
	static const struct fake_reply half[] = {
	    {ONE, FAKE_CLOSE}, {"HTTP/1.1 200", FAKE_CLOSE}, {"HTTP/1.1", FAKE_CLOSE}};
	struct talk talk;

	assert_fails(
	    silent, 3, -1, ERROR_UNREACHABLE, "the connection broke: no answer (/tmp/", &talk);
	assert_int_equal(talk.fake.connections, 2);
	assert_fails(half, 3, -1, ERROR_UNREACHABLE, "the connection broke: half an answer", &talk);
	assert_int_equal(talk.fake.connections, 3);
}

static void nonsense_is_an_error(void **state UNUSED)
{
	static const struct fake_reply garbage[] = {{ONE "Welcome!", FAKE_HANG}};
	static const struct fake_reply folded[] = {{ONE HEAD "A: b\r\n c\r\n\r\n", FAKE_HANG}};
	static const struct fake_reply endless[] = {{HEAD "\r\n0123456789", FAKE_AGAIN}};
	struct talk talk;

	assert_fails(garbage, 1, -1, ERROR_PROTOCOL, "no valid HTTP answer", &talk);
	assert_fails(folded, 1, -1, ERROR_PROTOCOL, "a header on two lines", &talk);
	assert_fails(endless, 1, -1, ERROR_PROTOCOL, "longer than 1000 bytes", &talk);
}

static void nobody_there_is_unreachable(void **state UNUSED)
{
	static const char *const nowhere[] = {
	    "/nowhere/at/all.sock", "http://127.0.0.1:1", "http://[::1]:1/", "http://localhost:1"};

	for (size_t i = 0; i < ARRAY_SIZE(nowhere); i++) {
		struct talk talk = {.rc = 0};
		struct http_batch *batch;

		assert_int_equal(http_batch_open(nowhere[i], -1, &batch, NULL), 0);
		ask(batch, &talk);
		assert_int_equal(talk.rc, -1);
		assert_int_not_equal(talk.err.code, 0);
		assert_contains(error_text(&talk.err), nowhere[i]);
		assert_error(&talk.err, ERROR_UNREACHABLE, "cannot connect to ");
		forget_talk(&talk);
		http_batch_close(batch);
	}
}

static void odd_addresses_are_refused(void **state UNUSED)
{
	static const char *const odd[] = {"", "http://", "https://x", "x:1",
	    "http://x:", "http://x:0", "http://x:65536", "http://x:1a", "http://x:-1", "http://:1",
	    "http://x/y", "http://u@x", "http://[::1", "http://[]:1", "http://::1",
	    "http://x\r\nA: b"};

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		struct http_batch *batch = NULL;
		struct error err = {0};

		assert_int_equal(http_batch_open(odd[i], -1, &batch, &err), -1);
		assert_null(batch);
		assert_error(&err, ERROR_FAILED, "neither a socket's path nor http://HOST:PORT");
	}
}

static void *fire_later(void *context)
{
	usleep(100 * 1000);
	cancel_fire(context);
	return NULL;
}

static void cancelling_is_prompt(void **state UNUSED)
{
	static const struct fake_reply hangs[] = {{ONE "HTTP/1.1 200", FAKE_HANG}};
	struct cancel cancel = CANCEL_INIT;
	pthread_t thread;
	struct talk talk;

	assert_int_equal(cancel_init(&cancel, NULL), 0);
	pthread_create(&thread, NULL, fire_later, &cancel);
	assert_fails(hangs, 1, cancel.fd, ERROR_CANCELLED, "cancelled", &talk);
	pthread_join(thread, NULL);
	assert_in_range(talk.ms, 0, 100 + PROMPT_MS);
	/* It stays so. */
	assert_fails(hangs, 1, cancel.fd, ERROR_CANCELLED, "cancelled", &talk);
	assert_int_equal(talk.fake.connections, 0);
	cancel_release(&cancel);
}

enum { MANY = 50, LONG_TARGET = 20 * 1000, LONG_BODY = 200 * 1000 };

/* Answers each request as it has read it, and reads no more meanwhile. */
static void *answer_each(void *context)
{
	struct fake *fake = context;
	int fd = accept(fake->listener, NULL, NULL);
	struct buf text = BUF_INIT(1 << 20);
	CLEANUP_FREE char *body = malloc(LONG_BODY);
	char piece[4096];
	ssize_t n;

	for (int i = 0; i < MANY; i++) {
		const char *end;
		int len;

		while ((end = strstr(text.data, "\r\n\r\n")) == NULL &&
		       (n = read(fd, piece, sizeof(piece))) > 0)
			buf_add(&text, piece, (size_t)n);
		if (end == NULL)
			break;
		buf_drop(&text, (size_t)(end + 4 - text.data));
		len = snprintf(piece, sizeof(piece), HEAD "Content-Length: %d\r\n\r\n", LONG_BODY);
		memset(body, 'A' + i, LONG_BODY);
		if (fake_send(fd, piece, (size_t)len, 4096) < 0 ||
		    fake_send(fd, body, LONG_BODY, LONG_BODY) < 0)
			break;
	}
	buf_release(&text);
	close(fd);
	return NULL;
}

static void much_of_both_does_not_lock_up(void **state UNUSED)
{
	static char target[LONG_TARGET + 1] = "/";
	static struct http_response responses[MANY];
	const char *asked[MANY];
	struct fake fake = {.n = 0};
	struct http_batch *batch;
	pthread_t thread;

	memset(target + 1, 'x', LONG_TARGET - 1);
	for (size_t i = 0; i < MANY; i++)
		asked[i] = target;
	assert_int_equal(fake_listen_unix(&fake), 0);
	assert_int_equal(listen(fake.listener, 1), 0);
	pthread_create(&thread, NULL, answer_each, &fake);
	assert_int_equal(http_batch_open(fake.address, -1, &batch, NULL), 0);
	assert_int_equal(http_batch_get(batch, asked, MANY, 0, responses, NULL), 0);
	for (size_t i = 0; i < MANY; i++) {
		const struct buf *body = &responses[i].body;

		assert_int_equal(body->len, LONG_BODY);
		assert_int_equal(body->data[0], 'A' + (int)i);
		assert_memory_equal(body->data, body->data + 1, LONG_BODY - 1);
		http_response_release(&responses[i]);
	}
	http_batch_close(batch);
	pthread_join(thread, NULL);
	close(fake.listener);
	unlink(fake.address);
	rmdir(fake.dir);
}

static void nothing_asked_is_nothing_done(void **state UNUSED)
{
	struct http_batch *batch;

	assert_int_equal(http_batch_open("/nowhere/at/all.sock", -1, &batch, NULL), 0);
	assert_int_equal(http_batch_get(batch, NULL, 0, 0, NULL, NULL), 0);
	http_batch_close(batch);
	http_batch_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_is_asked_at_once),
	    cmocka_unit_test(a_connection_is_kept),
	    cmocka_unit_test(a_kept_connection_that_died_is_made_again),
	    cmocka_unit_test(words_that_nobody_asked_for_are_not_the_next_answer),
	    cmocka_unit_test(a_server_may_close_after_each),
	    cmocka_unit_test(a_server_may_close_anywhere),
	    cmocka_unit_test(a_server_without_answers_is_unreachable),
	    cmocka_unit_test(nonsense_is_an_error),
	    cmocka_unit_test(nobody_there_is_unreachable),
	    cmocka_unit_test(odd_addresses_are_refused),
	    cmocka_unit_test(cancelling_is_prompt),
	    cmocka_unit_test(much_of_both_does_not_lock_up),
	    cmocka_unit_test(nothing_asked_is_nothing_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
