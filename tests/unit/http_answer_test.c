/* Answers of HTTP, cut everywhere, and what is none. */
#include "tests/unit/base_check.h"
#include "transport/http_answer.h"
#include "transport/http_internal.h"

enum { MAX_BODY = 1000 };

#define HEAD	     "HTTP/1.1 200 OK\r\n"
#define CHUNKED_HEAD HEAD "Transfer-Encoding: chunked\r\n\r\n"
#define JSON(status, length, body)                                                                 \
	"HTTP/1.1 " status "\r\nContent-Type: application/json\r\nContent-Length: " #length        \
	"\r\n\r\n" body

struct parsed {
	struct http_response response;
	struct error err;
	ssize_t used; /* of the text; -1: refused */
	bool whole, closes;
};

/* In pieces of `piece` bytes after a first one of `first`; then the connection ends. */
static void parse(const char *text, size_t len, size_t first, size_t piece, struct parsed *ret)
{
	struct http_answer answer = {.response = NULL};
	size_t at = 0, n = first;

	*ret = (struct parsed){.used = 0};
	http_response_init(&ret->response, MAX_BODY);
	http_answer_start(&answer, &ret->response);
	for (; at < len && ret->used >= 0 && !http_answer_is_whole(&answer); n = piece) {
		n = n < len - at ? n : len - at;
		ret->used = http_answer_feed(&answer, text + at, n, &ret->err);
		at += ret->used > 0 ? (size_t)ret->used : 0;
	}
	if (ret->used >= 0) {
		ret->used = (ssize_t)at;
		ret->whole = http_answer_end(&answer);
	}
	ret->closes = answer.closes;
	http_answer_release(&answer);
}

static void forget(struct parsed *parsed)
{
	http_response_release(&parsed->response);
	error_release(&parsed->err);
}

static const struct taken {
	const char *text;
	int status;
	const char *body, *type;
	bool closes;
} taken[] = {
    {JSON("200 OK", 2, "{}"), 200, "{}", "application/json", false},
    {HEAD "content-LENGTH:2  \r\ncontent-TYPE:  Text/Plain; charset=x\r\nX:\r\n\r\nab", 200, "ab",
	"text/plain", false},
    {HEAD "Content-Length: 2\r\nContent-Length: 02\r\n\r\nab", 200, "ab", "", false},
    {HEAD "Content-Length: 0\r\nConnection: x , Close\r\n\r\n", 200, "", "", true},
    {CHUNKED_HEAD "3\r\nabc\r\n0000A;x=\"y\" \r\n0123456789\r\n0\r\n\r\n", 200, "abc0123456789", "",
	false},
    {CHUNKED_HEAD "1 ;\r\nx\r\n0\r\nContent-Type: a/b\r\nX-Sum: 1\r\n\r\n", 200, "x", "", false},
    {CHUNKED_HEAD "0\r\n\r\n", 200, "", "", false},
    {"HTTP/1.1 100 Continue\r\nContent-Type: a/b\r\n\r\nHTTP/1.1 103 Hints\r\n"
     "Content-Length: 7\r\n\r\n" HEAD "Content-Length: 1\r\n\r\nx",
	200, "x", "", false},
    {"HTTP/1.1 204 No Content\r\n\r\n", 204, "", "", false},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", 304, "", "", false},
    {"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", 404, "no", "", false},
    {"HTTP/1.1 500\r\nContent-Length: 2\r\n\r\nno", 500, "no", "", false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", 200, "ab", "", true},
    {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nab", 200, "ab", "",
	false},
    {HEAD "\r\n", 200, "", "", true},
    {HEAD "\r\nall of\r\n\r\nit", 200, "all of\r\n\r\nit", "", true},
};

/* The last two of them are whole only when the connection ends. */
enum { DELIMITED = ARRAY_SIZE(taken) - 2 };

static void an_answer_is_taken_however_it_is_cut(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		const struct taken *want = &taken[i];
		size_t len = strlen(want->text);

		for (size_t cut = 1; cut <= len; cut++) {
			struct parsed got;

			parse(want->text, len, cut, cut == len ? 1 : len, &got);
			assert_string_equal(error_text(&got.err), "no error");
			assert_true(got.whole);
			assert_int_equal(got.used, len);
			assert_int_equal(got.response.status, want->status);
			assert_string_equal(got.response.body.data, want->body);
			assert_string_equal(got.response.content_type, want->type);
			assert_int_equal(got.closes, want->closes);
			forget(&got);
		}
	}
}

static void what_follows_an_answer_is_left(void **state UNUSED)
{
	for (size_t i = 0; i < DELIMITED; i++) {
		CLEANUP_FREE char *two = string_printf("%s%s", taken[i].text, taken[i].text);
		struct parsed got;

		parse(two, strlen(two), strlen(two), 1, &got);
		assert_int_equal(got.used, strlen(taken[i].text));
		assert_string_equal(got.response.body.data, taken[i].body);
		forget(&got);
	}
}

static void an_answer_that_is_cut_off_is_not_whole(void **state UNUSED)
{
	for (size_t i = 0; i < DELIMITED; i++) {
		for (size_t len = 0; len < strlen(taken[i].text); len++) {
			struct parsed got;

			parse(taken[i].text, len, len, 1, &got);
			assert_string_equal(error_text(&got.err), "no error");
			assert_false(got.whole);
			forget(&got);
		}
	}
}

static void what_is_no_answer_is_refused(void **state UNUSED)
{
	static const struct {
		const char *text, *words;
	} refused[] = {
	    {"SSH-2.0", "does not begin with HTTP/1"},
	    {"HTTP/2 200\r\n", "does not begin with HTTP/1"},
	    {"\r\n" HEAD "\r\n", "does not begin with HTTP/1"},
	    {"HTTP/1.1\r\n", "odd status line"},
	    {"HTTP/1.1 2000 OK\r\n", "odd status line"},
	    {"HTTP/1.1 2x0 OK\r\n", "a status that is no number"},
	    {"HTTP/1.1 099 OK\r\n", "a status that is no number"},
	    {"HTTP/1.1 101 Switching\r\n", "a protocol that nobody asked for"},
	    {"HTTP/1.1 200 OK\n", "a line without CR"},
	    {HEAD "X: a\rb\r\n", "control characters"},
	    {HEAD "X: \x1b[2J\r\n", "control characters"},
	    {HEAD "X: a\r\n b\r\n", "a header on two lines"},
	    {HEAD "no header\r\n", "no header"},
	    {HEAD ": x\r\n", "no header"},
	    {HEAD "X : x\r\n", "no header"},
	    {HEAD "Content-Length:\r\n", "a length that is no number"},
	    {HEAD "Content-Length: -1\r\n", "a length that is no number"},
	    {HEAD "Content-Length: +1\r\n", "a length that is no number"},
	    {HEAD "Content-Length: 1, 1\r\n", "a length that is no number"},
	    {HEAD "Content-Length: 18446744073709551616\r\n", "a length beyond all bounds"},
	    {HEAD "Content-Length: 18446744073709551615\r\n\r\n", "longer than 1000 bytes"},
	    {HEAD "Content-Length: 1001\r\n\r\n", "longer than 1000 bytes"},
	    {HEAD "Content-Length: 1\r\nContent-Length: 2\r\n", "two lengths"},
	    {HEAD "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "two lengths"},
	    {HEAD "Transfer-Encoding: gzip, chunked\r\n", "other than chunked"},
	    {HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
		"other than chunked"},
	    {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n", "chunks in HTTP/1.0"},
	    {CHUNKED_HEAD "\r\n", "a chunk without a size"},
	    {CHUNKED_HEAD "zz\r\n", "a chunk without a size"},
	    {CHUNKED_HEAD "-1\r\n", "a chunk without a size"},
	    {CHUNKED_HEAD "0x1\r\n", "a chunk without a size"},
	    {CHUNKED_HEAD "00000000000000001\r\n", "a chunk beyond all bounds"},
	    {CHUNKED_HEAD "ffffffffffffffff\r\n", "longer than 1000 bytes"},
	    {CHUNKED_HEAD "3e9\r\n", "longer than 1000 bytes"},
	    {CHUNKED_HEAD "1\r\nx\r\n3e8\r\n", "longer than 1000 bytes"},
	    {CHUNKED_HEAD "1\r\nxyz", "a chunk longer than its size"},
	    {CHUNKED_HEAD "0\r\n trailer\r\n", "a header on two lines"},
	};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(refused); i++) {
		const char *text = refused[i / 2].text;
		struct parsed got;

		parse(text, strlen(text), i % 2 ? 1 : strlen(text), 1, &got);
		assert_int_equal(got.used, -1);
		assert_error(&got.err, ERROR_PROTOCOL, refused[i / 2].words);
		forget(&got);
	}
}

/* `before`, `n` bytes, `after`. */
static void parse_long(const char *before, size_t n, const char *after, struct parsed *ret)
{
	struct buf text = BUF_INIT(1 << 20);

	buf_adds(&text, before);
	while (n-- > 0)
		buf_addc(&text, 'x');
	buf_adds(&text, after);
	parse(text.data, text.len, text.len, 1, ret);
	buf_release(&text);
}

#define LEN(text) (sizeof(text) - 1)

static void all_has_limits(void **state UNUSED)
{
	static const struct {
		const char *before, *after;
		size_t fits;
		const char *words;
	} limits[] = {
	    {HEAD "X:", "\r\nContent-Length: 0\r\n\r\n",
		HTTP_ANSWER_HEAD_MAX - LEN(HEAD "X:\r\nContent-Length: 0\r\n\r\n"),
		"head is longer than 65536 bytes"},
	    {CHUNKED_HEAD "0\r\nX:", "\r\n\r\n",
		HTTP_ANSWER_HEAD_MAX - LEN(CHUNKED_HEAD "X:\r\n\r\n"),
		"head is longer than 65536 bytes"},
	    {CHUNKED_HEAD "0;", "\r\n\r\n", HTTP_ANSWER_CHUNK_LINE_MAX - LEN("0;\r\n"),
		"a chunk without a size"},
	    {HEAD "\r\n", "", MAX_BODY, "longer than 1000 bytes"},
	};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(limits); i++) {
		bool over = i % 2 == 1;
		struct parsed got;

		parse_long(
		    limits[i / 2].before, limits[i / 2].fits + over, limits[i / 2].after, &got);
		assert_int_equal(got.whole, !over);
		assert_error(&got.err, over ? ERROR_PROTOCOL : ERROR_NONE,
		    over ? limits[i / 2].words : "no error");
		forget(&got);
	}
}

static void an_errors_body_is_cut(void **state UNUSED)
{
	struct parsed got;

	parse_long("HTTP/1.1 500 Oops\r\nContent-Length: 5000\r\n\r\n", 5000, HEAD, &got);
	assert_true(got.whole);
	assert_int_equal(got.response.body.len, MAX_BODY);
	forget(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_answer_is_taken_however_it_is_cut),
	    cmocka_unit_test(what_follows_an_answer_is_left),
	    cmocka_unit_test(an_answer_that_is_cut_off_is_not_whole),
	    cmocka_unit_test(what_is_no_answer_is_refused),
	    cmocka_unit_test(all_has_limits),
	    cmocka_unit_test(an_errors_body_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
