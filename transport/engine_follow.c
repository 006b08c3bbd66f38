/* A container from its start to its end: what it says, and how it ends. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/lines.h"
#include "transport/engine_frames.h"
#include "transport/engine_internal.h"

enum { PIECE_BYTES = 16 * 1024, LINE_MAX_BYTES = 128 * 1024 };

struct follow {
	struct frames frames;
	struct lines lines;
};

static enum http_sink take(void *context, const char *data, size_t len, struct error *err)
{
	struct follow *follow = context;

	while (len > 0) {
		struct frame_piece piece;
		size_t taken = frames_take(&follow->frames, data, len, &piece);

		if (lines_feed(&follow->lines, piece.data, piece.len) < 0) {
			error_memory(err);
			return HTTP_FAILED;
		}
		/* The engine keeps long lines in messages of so much, each with a time of its own.
		 */
		if (follow->frames.left == 0 && follow->lines.part.len >= PIECE_BYTES)
			lines_cut(&follow->lines);
		data += taken;
		len -= taken;
	}
	return HTTP_MOVED;
}

int engine_container_follow(struct engine *engine, const char *id, int64_t deadline_ms,
    line_fn *line, void *context, struct error *err)
{
	const struct engine_log log = {.tail = -1, .follow = true, .deadline_ms = deadline_ms};

	return engine_container_log(engine, id, &log, line, context, err);
}

int engine_container_log(struct engine *engine, const char *id, const struct engine_log *log,
    line_fn *line, void *context, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;
	struct follow follow = {0};
	struct http_request request = {
	    .method = "GET", .deadline_ms = log->deadline_ms, .sink = take, .context = &follow};
	struct http_response response;
	char tail[16];
	int rc;

	snprintf(tail, sizeof(tail), "%d", log->tail);
	lines_init(&follow.lines, LINE_MAX_BYTES, line, context);
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
	lines_end(&follow.lines);
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
