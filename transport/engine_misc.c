/* Networks, volumes and events. */
#include "transport/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "transport/engine_internal.h"
#include "transport/engine_stream.h"

static int inspect(struct engine *engine, const char *path, const char *what, const char *name,
    json_t **ret, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;

	target_init(&target, engine, path);
	target_name(&target, what, name);
	return engine_call(engine, "GET", &target, NULL, ret, err);
}

/* Send a create call; that the thing is there already is what was wanted. */
static int create(struct engine *engine, const char *path, const json_t *body, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;
	struct error failure = {0};

	target_init(&target, engine, path);
	if (engine_call(engine, "POST", &target, body, NULL, &failure) == 0)
		return 0;
	if (failure.kind == ERROR_CONFLICT) {
		error_release(&failure);
		return 0;
	}
	error_move(err, &failure);
	return -1;
}

/* {"Name": name, "Labels": labels}, and `more`. */
static json_t *named(const char *name, const json_t *labels, const json_t *more)
{
	json_t *copy = labels != NULL ? json_deep_copy(labels) : json_object();
	json_t *body = json_pack("{ssso}", "Name", name, "Labels", copy);

	if (more == NULL || json_object_update(body, (json_t *)(uintptr_t)more) == 0)
		return body;
	json_decref(body);
	return NULL;
}

int engine_network_inspect(struct engine *engine, const char *name, json_t **ret, struct error *err)
{
	return inspect(engine, "/networks/", "a network", name, ret, err);
}

int engine_network_create(struct engine *engine, const char *name, const json_t *labels,
    const json_t *more, struct error *err)
{
	CLEANUP_JSON json_t *body = named(name, labels, more);

	/* Engines before API 1.44 make a second network of that name unless asked not to. */
	if (body == NULL || json_object_set_new(body, "CheckDuplicate", json_true()) < 0)
		return error_memory(err);
	return create(engine, "/networks/create", body, err);
}

int engine_network_connect(struct engine *engine, const char *network, const char *container,
    const json_t *endpoint, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;
	CLEANUP_JSON json_t *body = json_pack("{ss}", "Container", container);

	if (body == NULL)
		return error_memory(err);
	if (endpoint != NULL &&
	    json_object_set_new(body, "EndpointConfig", json_deep_copy(endpoint)) < 0)
		return error_memory(err);
	target_init(&target, engine, "/networks/");
	target_name(&target, "a network", network);
	target_path(&target, "/connect");
	return engine_call(engine, "POST", &target, body, NULL, err);
}

int engine_network_remove(struct engine *engine, const char *name, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;

	target_init(&target, engine, "/networks/");
	target_name(&target, "a network", name);
	return engine_call(engine, "DELETE", &target, NULL, NULL, err);
}

int engine_volume_inspect(struct engine *engine, const char *name, json_t **ret, struct error *err)
{
	return inspect(engine, "/volumes/", "a volume", name, ret, err);
}

int engine_volume_create(struct engine *engine, const char *name, const json_t *labels,
    const json_t *more, struct error *err)
{
	CLEANUP_JSON json_t *body = named(name, labels, more);

	if (body == NULL)
		return error_memory(err);
	return create(engine, "/volumes/create", body, err);
}

struct follower {
	struct json_stream stream;
	engine_event_fn *event;
	void *context;
	bool ended; /* the caller has seen enough */
};

static int take_event(void *context, const json_t *event, struct error *err UNUSED)
{
	struct follower *follower = context;

	if (!follower->ended)
		follower->ended = follower->event(follower->context, event) != 0;
	return 0;
}

static enum http_sink take_events(void *context, const char *data, size_t len, struct error *err)
{
	struct follower *follower = context;

	if (json_stream_feed(&follower->stream, data, len, take_event, follower, err) < 0)
		return HTTP_FAILED;
	return follower->ended ? HTTP_DONE : HTTP_MOVED;
}

/* "key=value" strings as {"key": ["value", ...]}. */
static json_t *event_filters(const struct strv *filters)
{
	json_t *all = json_object();
	int rc = all != NULL ? 0 : -1;

	for (size_t i = 0; rc == 0 && filters != NULL && i < filters->n; i++) {
		const char *text = filters->v[i];
		CLEANUP_FREE char *key = strndup(text, strcspn(text, "="));
		const char *value = text + strcspn(text, "=");

		rc = key == NULL ? -1 : 0;
		if (rc == 0 && json_object_get(all, key) == NULL)
			rc = json_object_set_new(all, key, json_array());
		if (rc == 0)
			rc = json_array_append_new(json_object_get(all, key),
			    json_string(*value == '=' ? value + 1 : value));
	}
	if (rc == 0)
		return all;
	json_decref(all);
	return NULL;
}

int engine_events(struct engine *engine, const struct strv *filters, int64_t since,
    int64_t deadline_ms, engine_event_fn *event, void *context, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;
	CLEANUP_JSON json_t *all = event_filters(filters);
	struct follower follower = {.event = event, .context = context};
	struct http_request request = {
	    .method = "GET", .sink = take_events, .context = &follower, .deadline_ms = deadline_ms};
	struct http_response response;
	char seconds[24];
	int rc;

	json_stream_init(&follower.stream);
	target_init(&target, engine, "/events");
	if (since > 0) {
		snprintf(seconds, sizeof(seconds), "%" PRId64, since);
		target_query(&target, "since", seconds);
	}
	target_query_json(&target, "filters", all);
	rc = engine_perform(engine, &target, &request, &response, err);
	if (rc == 0 && !follower.ended)
		rc = error_set(
		    err, ERROR_UNREACHABLE, "%s: ended its stream of events", engine->describe);
	http_response_release(&response);
	json_stream_release(&follower.stream);
	return rc;
}
