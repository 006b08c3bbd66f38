/* `notify:` - telling a chat, or whoever listens, of a rollout. */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "deploy/run.h"
#include "transport/webhook.h"

enum { NOTIFY_MS = 10 * 1000, TEXT_MAX = 8 * 1024 };

static const char *const occasions[] = {"start", "success", "failure"};

static bool is_wanted(const struct notify *notify, enum occasion occasion)
{
	if (notify->url == NULL)
		return false;
	switch (occasion) {
	case OCCASION_START:
		return notify->start;
	case OCCASION_SUCCESS:
		return notify->success;
	case OCCASION_FAILURE:
		break;
	}
	return notify->failure;
}

/* "; web: openssl 3.0.14 → 3.0.15, and 4 more" */
static void add_packages(const struct strv *told, struct buf *text)
{
	enum { SHOWN = 10 };
	size_t n = told != NULL ? told->n : 0, shown = n <= SHOWN + 1 ? n : SHOWN;

	for (size_t i = 0; i < shown; i++)
		buf_addf(text, "%s%s", i == 0 ? "; " : ", ", told->v[i]);
	if (shown < n)
		buf_addf(text, ", and %zu more", n - shown);
}

/* "deploy of shop to prod by ann@laptop: 3 hosts done, 1 reverted: h2: exited 1" */
static char *words(const struct rollout *rollout, enum occasion occasion)
{
	static const enum host_outcome order[] = {HOST_DONE, HOST_UNCHANGED, HOST_REVERTED,
	    HOST_UNTOUCHED, HOST_PARTIAL, HOST_UNREACHABLE, HOST_UNKNOWN, HOST_DOWN};
	const struct rollout_options *options = &rollout->options;
	const char *error = rollout_first_error(&rollout->result);
	CLEANUP_BUF struct buf text = BUF_INIT(TEXT_MAX);
	size_t listed = 0;

	buf_addf(&text, "%s of %s to %s by %s", rollout_name(options), options->inventory->project,
	    options->environment->name, options->by != NULL ? options->by : "?");
	if (occasion == OCCASION_START) {
		buf_addf(&text, " begins on %zu host%s", rollout->n_runs,
		    rollout->n_runs == 1 ? "" : "s");
		return buf_steal(&text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		size_t n = rollout_count(&rollout->result, order[i]);

		if (n > 0)
			buf_addf(&text, "%s%zu %s", listed++ == 0 ? ": " : ", ", n,
			    host_outcome_name(order[i]));
	}
	if (*error != '\0')
		buf_addf(&text, "; %.*s", (int)strcspn(error, "\n"), error);
	add_packages(refresh_told(rollout), &text);
	return buf_steal(&text);
}

/* Chats take `text` or `content`; the rest is for programs. */
static char *message(const struct rollout *rollout, enum occasion occasion)
{
	const struct rollout_options *options = &rollout->options;
	CLEANUP_FREE char *text = words(rollout, occasion);
	CLEANUP_BUF struct buf clean = BUF_INIT(4 * TEXT_MAX), by = BUF_INIT(4 * TEXT_MAX);
	CLEANUP_JSON json_t *json = NULL;

	if (text == NULL || text_clean(&clean, text, strlen(text), false) < 0 ||
	    buf_adds(&by, "") < 0 ||
	    (options->by != NULL && text_clean(&by, options->by, strlen(options->by), true) < 0))
		return NULL;
	json = json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:s, s:s, s:s}}", "text", clean.data,
	    "content", clean.data, "shipit", "event", occasions[occasion], "command",
	    rollout_name(options), "project", options->inventory->project, "environment",
	    options->environment->name, "rollout", rollout->id, "by", by.data);
	if (json != NULL && occasion != OCCASION_START)
		json_object_set_new(json_object_get(json, "shipit"), "exit",
		    json_integer(rollout_exit_code(&rollout->result)));
	return json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
}

void rollout_notify(struct rollout *rollout, enum occasion occasion)
{
	const struct event_source source = {.events = rollout->options.events};
	const struct notify *notify = &rollout->options.inventory->notify;
	CLEANUP_ERROR struct error err = {0};
	CLEANUP_FREE char *json = NULL;

	if (rollout->options.dry_run || rollout->options.kind >= ROLLOUT_START ||
	    !is_wanted(notify, occasion))
		return;
	json = message(rollout, occasion);
	if (json == NULL)
		error_memory(&err);
	else if (webhook_post(
		     notify->url, json, clock_now_ms() + NOTIFY_MS, rollout->kill.fd, &err) == 0)
		return;
	emit_note(&source, "nobody was told of the %s: %s", occasions[occasion], error_text(&err));
}
