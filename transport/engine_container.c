#include "transport/engine.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "transport/engine_internal.h"
#include "transport/engine_logs.h"

enum {
	LOGS_MAX = 64 * 1024,
	ARCHIVE_TOTAL_MS = 10 * 60 * 1000,
	ARCHIVE_STALL_MS = 60 * 1000,
};

void engine_container_target(
    struct target *target, const struct engine *engine, const char *id, const char *rest)
{
	target_init(target, engine, "/containers/");
	/* Inspect and list show names with a slash in front. */
	target_name(target, "a container", id != NULL && id[0] == '/' ? id + 1 : id);
	target_path(target, rest);
}

int engine_container_inspect(struct engine *engine, const char *id, json_t **ret, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;

	engine_container_target(&target, engine, id, "/json");
	return engine_call(engine, "GET", &target, NULL, ret, err);
}

int engine_container_create(
    struct engine *engine, const char *name, const json_t *body, char **ret_id, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;
	CLEANUP_JSON json_t *answer = NULL;
	const char *id;

	target_init(&target, engine, "/containers/create");
	target_query(&target, "name", name);
	if (engine_call(engine, "POST", &target, body, &answer, err) < 0)
		return -1;
	id = json_str(answer, "Id", "");
	if (id[0] == '\0')
		return error_set(err, ERROR_PROTOCOL,
		    "%s: created a container without saying its id", engine->describe);
	*ret_id = strdup(id);
	return *ret_id != NULL ? 0 : error_memory(err);
}

int engine_container_start(struct engine *engine, const char *id, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;

	engine_container_target(&target, engine, id, "/start");
	return engine_call(engine, "POST", &target, NULL, NULL, err);
}

static int stop_by(
    struct engine *engine, const char *id, const char *action, int grace_s, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;
	struct http_request request = {.method = "POST"};
	struct http_response response;
	char seconds[16];
	int rc;

	if (grace_s < 0)
		grace_s = 0;
	snprintf(seconds, sizeof(seconds), "%d", grace_s);
	engine_container_target(&target, engine, id, action);
	target_query(&target, "t", seconds);
	request.deadline_ms = clock_now_ms() + (int64_t)grace_s * 1000 + HTTP_TOTAL_MS;
	rc = engine_perform(engine, &target, &request, &response, err);
	http_response_release(&response);
	return rc;
}

int engine_container_stop(struct engine *engine, const char *id, int grace_s, struct error *err)
{
	return stop_by(engine, id, "/stop", grace_s, err);
}

int engine_container_restart(struct engine *engine, const char *id, int grace_s, struct error *err)
{
	return stop_by(engine, id, "/restart", grace_s, err);
}

int engine_container_rename(
    struct engine *engine, const char *id, const char *name, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;

	engine_container_target(&target, engine, id, "/rename");
	target_query(&target, "name", name);
	return engine_call(engine, "POST", &target, NULL, NULL, err);
}

/* podman before 5.1 has no such call, or answers 200 and changes nothing: look what came of it. */
static int check_policy(struct engine *engine, const char *id, const char *name, struct error *err)
{
	CLEANUP_JSON json_t *container = NULL;
	const char *is;

	if (engine_container_inspect(engine, id, &container, err) < 0)
		return -1;
	is = json_str(container, "HostConfig.RestartPolicy.Name", "");
	is = is[0] != '\0' ? is : "no";
	if (strcmp(is, name) == 0)
		return 0;
	return error_set(err, ERROR_FAILED,
	    "%s: this podman cannot change the restart policy of a container (it stays \"%s\")",
	    engine->describe, is);
}

/* "on-failure:5" as {"Name": "on-failure", "MaximumRetryCount": 5}; NULL when it is none, or out of
 * memory. */
static json_t *read_policy(const char *policy)
{
	size_t len = strspn(policy, "abcdefghijklmnopqrstuvwxyz-");
	char *end = (char *)(uintptr_t)policy + len;
	long retries = 0;

	if (*end == ':')
		retries = strtol(end + 1, &end, 10);
	if (len == 0 || *end != '\0' || retries < 0 || retries > 1000000)
		return NULL;
	return json_pack("{ss%sI}", "Name", policy, len, "MaximumRetryCount", (json_int_t)retries);
}

int engine_container_restart_policy(
    struct engine *engine, const char *id, const char *policy, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;
	CLEANUP_JSON json_t *wanted = read_policy(policy), *body = NULL;

	if (wanted == NULL)
		return error_set(err, ERROR_FAILED, "\"%s\" is no restart policy", policy);
	body = json_pack("{sO}", "RestartPolicy", wanted);
	if (body == NULL)
		return error_memory(err);
	engine_container_target(&target, engine, id, "/update");
	if (engine_call(engine, "POST", &target, body, NULL, err) < 0 && !engine->is_podman)
		return -1;
	return engine->is_podman ? check_policy(engine, id, json_str(wanted, "Name", ""), err) : 0;
}

int engine_container_remove(struct engine *engine, const char *id, bool force, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;

	engine_container_target(&target, engine, id, "");
	target_query(&target, "force", force ? "1" : "0");
	target_query(&target, "v", force ? "1" : "0");
	return engine_call(engine, "DELETE", &target, NULL, NULL, err);
}

enum http_sink engine_take_stream(void *context, const char *data, size_t len, struct error *err)
{
	if (log_stream_feed(context, data, len) == 0)
		return HTTP_MOVED;
	error_memory(err);
	return HTTP_FAILED;
}

static int fetch_logs(
    struct engine *engine, const char *id, int tail, struct log_stream *stream, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;
	struct http_request request = {
	    .method = "GET", .sink = engine_take_stream, .context = stream};
	struct http_response response;
	char lines[16] = "all";
	int rc;

	if (tail >= 0)
		snprintf(lines, sizeof(lines), "%d", tail);
	engine_container_target(&target, engine, id, "/logs");
	target_query(&target, "stdout", "1");
	target_query(&target, "stderr", "1");
	target_query(&target, "tail", lines);
	rc = engine_perform(engine, &target, &request, &response, err);
	http_response_release(&response);
	return rc;
}

int engine_container_logs(
    struct engine *engine, const char *id, int tail, struct buf *out, struct error *err)
{
	CLEANUP_JSON json_t *container = NULL;
	CLEANUP_BUF struct buf text = BUF_INIT(2 * LOGS_MAX);
	struct log_stream stream;
	size_t room = out->max - out->len;

	/* The content type tells the two forms apart only from API 1.42 on. */
	if (engine_container_inspect(engine, id, &container, err) < 0)
		return -1;
	log_stream_init(&stream, json_flag(container, "Config.Tty", false),
	    room < LOGS_MAX ? room : LOGS_MAX, &text);
	if (fetch_logs(engine, id, tail, &stream, err) < 0)
		return -1;
	log_stream_end(&stream);
	return buf_add(out, text.data, text.len) < 0 ? buf_error(out, err, "the log") : 0;
}

static void archive_target(
    struct target *target, const struct engine *engine, const char *id, const char *path)
{
	engine_container_target(target, engine, id, "/archive");
	target_query(target, "path", path);
}

int engine_archive_get(
    struct engine *engine, const char *id, const char *path, struct buf *out, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;
	struct http_request request = {.method = "GET", .stall_ms = ARCHIVE_STALL_MS};
	struct http_response response;
	int rc;

	archive_target(&target, engine, id, path);
	request.deadline_ms = clock_now_ms() + ARCHIVE_TOTAL_MS;
	request.max_body = out->max - out->len;
	if (request.max_body == 0)
		return error_set(err, ERROR_FAILED, "no room for an archive");
	rc = engine_perform(engine, &target, &request, &response, err);
	if (rc == 0 && buf_add(out, response.body.data, response.body.len) < 0)
		rc = buf_error(out, err, "the archive");
	http_response_release(&response);
	return rc;
}

int engine_archive_put(struct engine *engine, const char *id, const char *path, const void *tar,
    size_t len, struct error *err)
{
	static const char *const tar_header[] = {"Content-Type: application/x-tar", NULL};
	CLEANUP_TARGET struct target target = TARGET_INIT;
	struct http_request request = {.method = "PUT", .headers = tar_header, .body = tar};
	struct http_response response;
	int rc;

	archive_target(&target, engine, id, path);
	target_query(&target, "noOverwriteDirNonDir", "true");
	request.body_len = len;
	request.deadline_ms = clock_now_ms() + ARCHIVE_TOTAL_MS;
	rc = engine_perform(engine, &target, &request, &response, err);
	http_response_release(&response);
	return rc;
}
