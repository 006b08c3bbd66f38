#include "cmd/ui/json.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "cmd/ui/color.h"

struct json_ui {
	struct ui ui;
	int64_t begun_ms;
};

void json_put(json_t *object, const char *key, const char *text)
{
	json_t *value;

	if (text == NULL)
		return;
	value = json_string(text);
	if (value == NULL) {
		CLEANUP_FREE char *clean = text_cleaned(text);

		value = clean != NULL ? json_string(clean) : NULL;
	}
	json_object_set_new(object, key, value);
}

void json_put_int(json_t *object, const char *key, int64_t value)
{
	json_object_set_new(object, key, json_integer(value));
}

void json_line(FILE *out, json_t *object)
{
	if (object == NULL)
		return;
	json_dumpf(object, out, JSON_COMPACT | JSON_ENSURE_ASCII);
	fputc('\n', out);
	fflush(out);
	json_decref(object);
}

const char *error_kind_name(enum error_kind kind)
{
	static const char *const names[] = {
	    [ERROR_NONE] = "none",
	    [ERROR_FAILED] = "failed",
	    [ERROR_USAGE] = "usage",
	    [ERROR_INVENTORY] = "inventory",
	    [ERROR_UNREACHABLE] = "unreachable",
	    [ERROR_HOST_KEY] = "host_key",
	    [ERROR_AUTH] = "auth",
	    [ERROR_LOCKED] = "locked",
	    [ERROR_NOT_FOUND] = "not_found",
	    [ERROR_CONFLICT] = "conflict",
	    [ERROR_PROTOCOL] = "protocol",
	    [ERROR_TIMEOUT] = "timeout",
	    [ERROR_CANCELLED] = "cancelled",
	    [ERROR_DOWN] = "down",
	    [ERROR_MEMORY] = "memory",
	    [ERROR_SYSTEM] = "system",
	};

	return (size_t)kind < ARRAY_SIZE(names) ? names[kind] : "failed";
}

static json_t *stamped(const char *time, const char *name)
{
	json_t *object = json_object();

	if (object == NULL)
		return NULL;
	json_put(object, "time", time);
	json_put(object, "event", name);
	return object;
}

json_t *json_event(const char *name)
{
	struct timespec now;
	struct ui clock = {0};
	char time[UI_TIME_SIZE];

	clock_gettime(CLOCK_REALTIME, &now);
	ui_time_iso(&clock, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, time);
	return stamped(time, name);
}

static json_t *event_at(const struct ui *ui, const char *name, int64_t at_ms)
{
	char time[UI_TIME_SIZE];

	ui_time_iso(ui, at_ms, time);
	return stamped(time, name);
}

static void add_state(json_t *object, const struct event *event)
{
	if (event->kind == EVENT_STEP) {
		json_put(object, "step", step_name(event->step));
		json_put(object, "state", state_name(event->state));
	} else if (event->kind == EVENT_HOST) {
		json_put(object, "state", state_name(event->state));
	} else if (event->kind == EVENT_LOG) {
		json_put_int(object, "level", event->level);
	}
}

static void json_ui_event(struct ui *ui, const struct event *event)
{
	json_t *object;

	if (event->kind == EVENT_LOG && event->level > ui->options.verbose)
		return;
	if (ui->options.quiet && event->kind != EVENT_HOST)
		return;
	object = event_at(ui, event_kind_name(event->kind), event->at_ms);
	if (object == NULL)
		return;
	json_put(object, "host", event->host);
	json_put(object, "service", event->service);
	add_state(object, event);
	if (event->kind == EVENT_ROLLOUT) {
		json_put(object, "command", ui->start.command);
		json_put(object, "project", ui->start.project);
		json_put(object, "environment", ui->start.environment);
		json_put(object, "rollout", event->release);
	} else {
		json_put(object, "release", event->release);
	}
	if (event->ms >= 0 && (event->kind == EVENT_STEP || event->kind == EVENT_HOST))
		json_put_int(object, "ms", event->ms);
	if (event->bytes > 0 || event->total > 0)
		json_put_int(object, "bytes", (int64_t)event->bytes);
	if (event->total > 0)
		json_put_int(object, "total", (int64_t)event->total);
	json_put(object, "text", event->text);
	json_put(object, "package", event->package);
	json_put(object, "from", event->from);
	json_put(object, "to", event->to);
	json_put(object, "error", event->error);
	json_put(object, "hint", event->hint);
	json_line(ui->options.out, object);
}

static void json_ui_begin(struct ui *ui)
{
	((struct json_ui *)ui)->begun_ms = ui->start.now_ms;
}

/* One `plan` line per host in a dry run. */
static void print_plans(const struct ui *ui, const struct ui_end *end)
{
	for (size_t i = 0; i < end->result->n_hosts; i++) {
		const struct host_result *host = &end->result->hosts[i];
		json_t *object = event_at(ui, "plan", end->now_ms), *lines = json_array();

		if (host->plan.n == 0 || object == NULL || lines == NULL) {
			json_decref(object);
			json_decref(lines);
			continue;
		}
		json_put(object, "host", host->host);
		for (size_t j = 0; j < host->plan.n; j++)
			json_array_append_new(lines, json_string(host->plan.v[j]));
		json_object_set_new(object, "lines", lines);
		json_line(ui->options.out, object);
	}
}

/* `hosts`: how many ended how; only what there is. */
static json_t *outcome_counts(const struct rollout_result *result)
{
	json_t *counts = json_object();

	for (int k = HOST_UNTOUCHED; counts != NULL && k <= HOST_UNKNOWN; k++) {
		enum host_outcome outcome = (enum host_outcome)k;
		size_t n = rollout_count(result, outcome);

		if (n > 0)
			json_put_int(counts, host_outcome_name(outcome), (int64_t)n);
	}
	return counts;
}

/* `outcomes`: each host by name. */
static json_t *outcome_names(const struct rollout_result *result)
{
	json_t *names = json_object();

	for (size_t i = 0; names != NULL && i < result->n_hosts; i++)
		json_put(names, result->hosts[i].host, host_outcome_name(result->hosts[i].outcome));
	return names;
}

static void add_error(json_t *object, const struct error *error)
{
	if (error->kind == ERROR_NONE)
		return;
	json_put(object, "kind", error_kind_name(error->kind));
	json_put(object, "error", error_text(error));
	json_put(object, "hint", error->hint);
}

static void json_ui_end(struct ui *ui, const struct ui_end *end)
{
	const struct json_ui *json = (const struct json_ui *)ui;
	json_t *object;

	if (end->dry_run)
		print_plans(ui, end);
	object = event_at(ui, "summary", end->now_ms);
	if (object == NULL)
		return;
	json_put(object, "command", ui->start.command);
	json_put(object, "environment", ui->start.environment);
	json_put_int(object, "exit", end->exit_code);
	json_put_int(object, "ms", end->now_ms - json->begun_ms);
	json_put(object, "rollout", end->result->rollout);
	json_object_set_new(object, "hosts", outcome_counts(end->result));
	json_object_set_new(object, "outcomes", outcome_names(end->result));
	json_put_int(object, "bytes", (int64_t)rollout_bytes(end->result));
	json_object_set_new(object, "interrupted", json_boolean(end->result->interrupted));
	json_put(object, "undo", end->undo);
	json_put(object, "rest", end->rest);
	add_error(object, &end->result->error);
	json_line(ui->options.out, object);
}

static const struct ui_ops json_ops = {
    .begin = json_ui_begin,
    .event = json_ui_event,
    .end = json_ui_end,
};

int ui_new_json(const struct ui_options *options, struct ui **ret, struct error *err)
{
	*ret = ui_alloc(sizeof(struct json_ui), &json_ops, options);
	return *ret != NULL ? 0 : error_memory(err);
}
