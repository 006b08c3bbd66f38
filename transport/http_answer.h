/* The answer to one GET (RFC 9112), from bytes cut anywhere; no I/O. Its body is delimited by
 * Content-Length, chunks or the end of the connection; 1xx before it are skipped, trailers dropped.
 *
 * Strict where two readers could differ: every line ends in CR LF, lines are not folded, there is
 * one length. At most HTTP_ANSWER_HEAD_MAX bytes of head, trailers included. */
#ifndef SHIPIT_TRANSPORT_HTTP_ANSWER_H
#define SHIPIT_TRANSPORT_HTTP_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"
#include "transport/http.h"

enum { HTTP_ANSWER_HEAD_MAX = 64 * 1024, HTTP_ANSWER_CHUNK_LINE_MAX = 4096 };

enum http_answer_state {
	ANSWER_STATUS = 0,
	ANSWER_FIELDS,
	ANSWER_SIZED, /* the body, `left` bytes of it */
	ANSWER_UNTIL_CLOSE,
	ANSWER_CHUNK_SIZE,
	ANSWER_CHUNK, /* `left` bytes of it */
	ANSWER_CHUNK_END,
	ANSWER_TRAILERS,
	ANSWER_WHOLE,
};

struct http_answer {
	struct http_response *response; /* borrowed */
	enum http_answer_state state;
	struct buf line; /* the one under way */
	size_t head;	 /* bytes of head so far */
	uint64_t left;
	bool old; /* HTTP/1.0 */
	bool sized, chunked, keeps;
	bool closes; /* nothing follows it on this connection */
};

/* Begin one into `response`, which is empty (http_response_init). `answer` starts zeroed; each
 * later answer of a connection may be begun in the same one. */
void http_answer_start(struct http_answer *answer, struct http_response *response);
/* Take from `data` what belongs to this answer; the bytes taken, all unless it is whole now.
 * -1: ERROR_PROTOCOL (no HTTP, or too long) or ERROR_MEMORY. A body longer than its limit is an
 * error of a 2xx, else it is cut as http_perform does. */
ssize_t http_answer_feed(
    struct http_answer *answer, const char *data, size_t len, struct error *err);
/* The connection has ended: is the answer whole? */
bool http_answer_end(struct http_answer *answer);
bool http_answer_is_whole(const struct http_answer *answer);
/* Has any byte of it come? */
bool http_answer_has_begun(const struct http_answer *answer);
void http_answer_release(struct http_answer *answer);

#endif
