/* What a server says where answers are expected: any bytes, cut anywhere, must give the same as in
 * one piece. Byte 0: the limit of the bodies; byte 1: the size of the pieces; then what it says, as
 * the answers of one connection, which ends then. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "transport/http_answer.h"
#include "transport/http_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	struct http_response response;
	struct error err;
	bool failed, whole, closes;
	size_t used;
};

static void take(struct run *run, size_t max_body, const char *data, size_t len, size_t piece)
{
	struct http_answer answer = {.response = NULL};

	*run = (struct run){.used = 0};
	http_response_init(&run->response, max_body);
	http_answer_start(&answer, &run->response);
	while (run->used < len && !http_answer_is_whole(&answer)) {
		size_t left = len - run->used, n = left < piece ? left : piece;
		ssize_t used = http_answer_feed(&answer, data + run->used, n, &run->err);

		run->failed = used < 0;
		if (run->failed)
			break;
		/* Nothing is left over but behind a whole answer. */
		if ((size_t)used != n && !http_answer_is_whole(&answer))
			abort();
		run->used += (size_t)used;
	}
	run->whole = !run->failed && http_answer_end(&answer);
	run->closes = answer.closes;
	if (run->failed != (run->err.kind == ERROR_PROTOCOL) ||
	    run->response.body.len > run->response.body.max ||
	    (run->whole && (run->response.status < 200 || run->response.status > 999)))
		abort();
	http_answer_release(&answer);
}

static bool is_same(const struct run *a, const struct run *b)
{
	if (a->failed || b->failed)
		return a->failed == b->failed &&
		       strcmp(error_text(&a->err), error_text(&b->err)) == 0;
	return a->whole == b->whole && a->closes == b->closes && a->used == b->used &&
	       a->response.status == b->response.status &&
	       strcmp(a->response.content_type, b->response.content_type) == 0 &&
	       strcmp(a->response.digest, b->response.digest) == 0 &&
	       a->response.body.len == b->response.body.len &&
	       memcmp(a->response.body.data, b->response.body.data, a->response.body.len) == 0;
}

static void forget(struct run *run)
{
	http_response_release(&run->response);
	error_release(&run->err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t max_body, piece;
	bool more = true;

	if (size < 2)
		return 0;
	max_body = 1 + (size_t)data[0] * data[0];
	piece = 1 + data[1] % 64;
	for (size_t at = 2; more && at < size;) {
		struct run whole, cut;

		take(&whole, max_body, (const char *)data + at, size - at, size);
		take(&cut, max_body, (const char *)data + at, size - at, piece);
		if (!is_same(&whole, &cut))
			abort();
		more = whole.whole && !whole.closes;
		at += whole.used;
		forget(&whole);
		forget(&cut);
	}
	return 0;
}
