/* A program in a container that runs. */
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "transport/engine_internal.h"
#include "transport/engine_logs.h"

enum { OUTPUT_MAX = 64 * 1024, LOOK_MS = 50 };

static int create(struct engine *engine, const char *id, const struct strv *argv, char **ret_exec,
    struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;
	CLEANUP_JSON json_t *answer = NULL;
	CLEANUP_JSON json_t *body = json_pack(
	    "{s:b, s:b, s:o}", "AttachStdout", 1, "AttachStderr", 1, "Cmd", json_words(argv));

	if (body == NULL)
		return error_memory(err);
	engine_container_target(&target, engine, id, "/exec");
	if (engine_call(engine, "POST", &target, body, &answer, err) < 0)
		return -1;
	*ret_exec = strdup(json_str(answer, "Id", ""));
	return *ret_exec != NULL ? 0 : error_memory(err);
}

static void exec_target(
    struct target *target, const struct engine *engine, const char *exec, const char *rest)
{
	target_init(target, engine, "/exec/");
	target_name(target, "a program in a container", exec);
	target_path(target, rest);
}

static int start(struct engine *engine, const char *exec, int64_t deadline_ms, struct buf *out,
    struct error *err)
{
	static const char *const json_header[] = {"Content-Type: application/json", NULL};
	static const char body[] = "{\"Detach\":false,\"Tty\":false}";
	CLEANUP_TARGET struct target target = TARGET_INIT;
	CLEANUP_BUF struct buf text = BUF_INIT(2 * OUTPUT_MAX);
	struct log_stream stream;
	struct http_request request = {.method = "POST",
	    .headers = json_header,
	    .body = body,
	    .body_len = sizeof(body) - 1,
	    .deadline_ms = deadline_ms,
	    .sink = engine_take_stream,
	    .context = &stream};
	struct http_response response;
	size_t room = out->max - out->len;
	int rc;

	log_stream_init(&stream, false, room < OUTPUT_MAX ? room : OUTPUT_MAX, &text);
	exec_target(&target, engine, exec, "/start");
	rc = engine_perform(engine, &target, &request, &response, err);
	http_response_release(&response);
	if (rc < 0)
		return -1;
	log_stream_end(&stream);
	return buf_add(out, text.data, text.len) < 0 ? buf_error(out, err, "the output") : 0;
}

/* It may have closed its output before it ends. */
static int wait_for(struct engine *engine, const char *exec, int64_t deadline_ms, int *ret_status,
    struct error *err)
{
	for (;;) {
		CLEANUP_TARGET struct target target = TARGET_INIT;
		CLEANUP_JSON json_t *answer = NULL;
		struct pollfd slot = {.fd = http_cancel_fd(engine->http), .events = POLLIN};

		exec_target(&target, engine, exec, "/json");
		if (engine_call(engine, "GET", &target, NULL, &answer, err) < 0)
			return -1;
		*ret_status = (int)json_int(answer, "ExitCode", -1);
		if (!json_flag(answer, "Running", false))
			return 0;
		if (clock_left_ms(deadline_ms) == 0)
			return error_set(err, ERROR_TIMEOUT, "it has not ended in time");
		if (poll(&slot, 1, LOOK_MS) > 0)
			return error_set(err, ERROR_CANCELLED, "cancelled");
	}
}

int engine_container_exec(struct engine *engine, const char *id, const struct strv *argv,
    int64_t deadline_ms, struct buf *out, int *ret_status, struct error *err)
{
	CLEANUP_FREE char *exec = NULL;

	if (create(engine, id, argv, &exec, err) < 0 ||
	    start(engine, exec, deadline_ms, out, err) < 0)
		return -1;
	return wait_for(engine, exec, deadline_ms, ret_status, err);
}
