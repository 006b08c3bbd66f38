/* A container from its start to its end: what it says, and how it ends. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "transport/engine_internal.h"
#include "transport/engine_logs.h"

enum { PIECE_MAX = 16 * 1024 };

struct follow {
	struct log_stream stream;
	struct buf text; /* since the last newline */
	engine_line_fn *line;
	void *context;
};

/* Hand out what is whole, or all of it. */
static void hand_out(struct follow *follow, bool all)
{
	struct buf *text = &follow->text;
	char *newline;

	while (text->len > 0 && (newline = memchr(text->data, '\n', text->len)) != NULL) {
		size_t len = (size_t)(newline - text->data);

		*newline = '\0';
		if (len > 0 && newline[-1] == '\r')
			newline[-1] = '\0';
		follow->line(follow->context, text->data);
		buf_drop(text, len + 1);
	}
	if (text->len >= PIECE_MAX || (all && text->len > 0)) {
		follow->line(follow->context, text->data);
		buf_clear(text);
	}
}

/* In pieces that the stream keeps whole. */
static enum http_sink take(void *context, const char *data, size_t len, struct error *err)
{
	struct follow *follow = context;

	while (len > 0) {
		size_t piece = len < PIECE_MAX ? len : PIECE_MAX;

		if (log_stream_feed(&follow->stream, data, piece) < 0) {
			error_memory(err);
			return HTTP_FAILED;
		}
		hand_out(follow, false);
		data += piece;
		len -= piece;
	}
	return HTTP_MOVED;
}

int engine_container_follow(struct engine *engine, const char *id, int64_t deadline_ms,
    engine_line_fn *line, void *context, struct error *err)
{
	const struct engine_log log = {.tail = -1, .follow = true, .deadline_ms = deadline_ms};

	return engine_container_log(engine, id, &log, line, context, err);
}

int engine_container_log(struct engine *engine, const char *id, const struct engine_log *log,
    engine_line_fn *line, void *context, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;
	struct follow follow = {.text = BUF_INIT(8 * PIECE_MAX), .line = line, .context = context};
	struct http_request request = {
	    .method = "GET", .deadline_ms = log->deadline_ms, .sink = take, .context = &follow};
	struct http_response response;
	char tail[16];
	int rc;

	snprintf(tail, sizeof(tail), "%d", log->tail);
	log_stream_init(&follow.stream, false, 4 * PIECE_MAX, &follow.text);
	engine_container_target(&target, engine, id, "/logs");
	target_query(&target, "stdout", "1");
	target_query(&target, "stderr", "1");
	if (log->follow)
		target_query(&target, "follow", "1");
	if (log->timestamps)
		target_query(&target, "timestamps", "1");
	if (log->tail >= 0)
		target_query(&target, "tail", tail);
	if (log->since != NULL)
		target_query(&target, "since", log->since);
	rc = engine_perform(engine, &target, &request, &response, err);
	http_response_release(&response);
	hand_out(&follow, true);
	buf_release(&follow.text);
	return rc;
}

int engine_container_wait(
    struct engine *engine, const char *id, int64_t deadline_ms, int *ret_status, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;
	CLEANUP_JSON json_t *answer = NULL;
	struct http_request request = {.method = "POST", .deadline_ms = deadline_ms};
	struct http_response response;
	int rc;

	engine_container_target(&target, engine, id, "/wait");
	rc = engine_perform(engine, &target, &request, &response, err);
	if (rc == 0)
		rc = json_parse(
		    response.body.data, response.body.len, engine->describe, &answer, err);
	http_response_release(&response);
	if (rc == 0)
		*ret_status = (int)json_int(answer, "StatusCode", -1);
	return rc;
}
