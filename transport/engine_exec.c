/* A program in a running container. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "transport/engine_internal.h"
#include "transport/engine_logs.h"
#include "transport/http_upgrade.h"

enum { OUTPUT_MAX = 64 * 1024, LOOK_MS = 50 };

static json_t *body_of(const struct engine_exec *exec)
{
	json_t *body =
	    json_pack("{s:b, s:b, s:b, s:b, s:o}", "AttachStdin", exec->input, "AttachStdout", 1,
		"AttachStderr", 1, "Tty", exec->terminal, "Cmd", json_words(exec->argv));
	json_t *term = NULL;

	if (body == NULL || exec->term == NULL)
		return body;
	term = json_sprintf("TERM=%s", exec->term);
	if (term == NULL || json_object_set_new(body, "Env", json_pack("[o]", term)) < 0) {
		json_decref(body);
		return NULL;
	}
	return body;
}

static int create(struct engine *engine, const char *container, const struct engine_exec *exec,
    char **ret_id, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;
	CLEANUP_JSON json_t *answer = NULL;
	CLEANUP_JSON json_t *body = body_of(exec);

	if (body == NULL)
		return error_memory(err);
	engine_container_target(&target, engine, container, "/exec");
	if (engine_call(engine, "POST", &target, body, &answer, err) < 0)
		return -1;
	*ret_id = strdup(json_str(answer, "Id", ""));
	return *ret_id != NULL ? 0 : error_memory(err);
}

static void exec_target(
    struct target *target, const struct engine *engine, const char *id, const char *rest)
{
	target_init(target, engine, "/exec/");
	target_name(target, "a program in a container", id);
	target_path(target, rest);
}

static int start(
    struct engine *engine, const char *id, int64_t deadline_ms, struct buf *out, struct error *err)
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
	exec_target(&target, engine, id, "/start");
	rc = engine_perform(engine, &target, &request, &response, err);
	http_response_release(&response);
	if (rc < 0)
		return -1;
	log_stream_end(&stream);
	return buf_add(out, text.data, text.len) < 0 ? buf_error(out, err, "the output") : 0;
}

/* It may have closed its output before it ends. */
int engine_exec_wait(
    struct engine *engine, const char *id, int64_t deadline_ms, int *ret_status, struct error *err)
{
	for (;;) {
		CLEANUP_TARGET struct target target = TARGET_INIT;
		CLEANUP_JSON json_t *answer = NULL;
		struct pollfd slot = {.fd = http_cancel_fd(engine->http), .events = POLLIN};

		exec_target(&target, engine, id, "/json");
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
	const struct engine_exec exec = {.argv = argv};
	CLEANUP_FREE char *exec_id = NULL;

	if (create(engine, id, &exec, &exec_id, err) < 0 ||
	    start(engine, exec_id, deadline_ms, out, err) < 0)
		return -1;
	return engine_exec_wait(engine, exec_id, deadline_ms, ret_status, err);
}

int engine_exec_open(struct engine *engine, const char *container, const struct engine_exec *exec,
    char **ret_id, int *ret_fd, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;
	CLEANUP_FREE char *id = NULL;
	const char *body =
	    exec->terminal ? "{\"Detach\":false,\"Tty\":true}" : "{\"Detach\":false,\"Tty\":false}";

	if (create(engine, container, exec, &id, err) < 0)
		return -1;
	exec_target(&target, engine, id, "/start");
	if (target_check(&target, err) < 0)
		return -1;
	*ret_fd = http_upgrade(
	    engine->address, target.text.data, body, http_cancel_fd(engine->http), err);
	if (*ret_fd < 0)
		return error_wrap(err, "%s", engine->describe);
	*ret_id = steal_ptr(id);
	return 0;
}

int engine_exec_resize(
    struct engine *engine, const char *id, int rows, int columns, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;
	char number[16];

	exec_target(&target, engine, id, "/resize");
	snprintf(number, sizeof(number), "%d", rows);
	target_query(&target, "h", number);
	snprintf(number, sizeof(number), "%d", columns);
	target_query(&target, "w", number);
	return engine_call(engine, "POST", &target, NULL, NULL, err);
}
