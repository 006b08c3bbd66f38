#include "deploy/event.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/cond.h"

struct events {
	pthread_mutex_t lock;
	pthread_cond_t not_empty, not_full;
	struct event *ring;
	size_t capacity, first, n;
	bool closed;
	events_mask_fn *mask;
	void *mask_context;
};

void event_release(struct event *event)
{
	free(event->release);
	free(event->said_at);
	free(event->text);
	free(event->error);
	free(event->hint);
	free(event->package);
	free(event->from);
	free(event->to);
	*event = (struct event){0};
}

const char *step_name(enum step step)
{
	static const char *const names[N_STEPS] = {"-", "hook", "secrets", "build", "import",
	    "push", "connect", "lock", "facts", "deliver", "create", "before", "swap", "ready",
	    "commit", "stop", "start", "prune"};

	return step < N_STEPS ? names[step] : "-";
}

const char *state_name(enum state state)
{
	static const char *const names[] = {
	    "start", "progress", "ok", "failed", "reverted", "skipped", "unknown"};

	return state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

const char *event_kind_name(enum event_kind kind)
{
	static const char *const names[] = {
	    "rollout", "step", "note", "log", "host", "package", "summary"};

	return kind < ARRAY_SIZE(names) ? names[kind] : "note";
}

int events_new(size_t capacity, struct events **ret, struct error *err)
{
	struct events *events = calloc(1, sizeof(*events));

	if (events != NULL)
		events->ring = calloc(capacity, sizeof(*events->ring));
	if (events == NULL || events->ring == NULL) {
		free(events);
		return error_memory(err);
	}
	events->capacity = capacity;
	pthread_mutex_init(&events->lock, NULL);
	cond_init(&events->not_empty);
	cond_init(&events->not_full);
	*ret = events;
	return 0;
}

void events_free(struct events *events)
{
	if (events == NULL)
		return;
	while (events->n > 0) {
		event_release(&events->ring[events->first]);
		events->first = (events->first + 1) % events->capacity;
		events->n--;
	}
	free(events->ring);
	pthread_mutex_destroy(&events->lock);
	pthread_cond_destroy(&events->not_empty);
	pthread_cond_destroy(&events->not_full);
	free(events);
}

/* For the tests of faults: SHIPIT_STOP_AT=deliver:progress stops the whole program (as SIGSTOP
 * does) at that event of a host, so that a test can cut, kill or switch off exactly there. */
static void stop_for_test(const struct event *event)
{
	const char *at = getenv("SHIPIT_STOP_AT");
	size_t len = at != NULL ? strcspn(at, ":") : 0;

	if (at == NULL || at[len] != ':' || event->kind != EVENT_STEP || event->host == NULL)
		return;
	if (strlen(step_name(event->step)) == len &&
	    strncmp(at, step_name(event->step), len) == 0 &&
	    strcmp(at + len + 1, state_name(event->state)) == 0)
		raise(SIGSTOP);
}

void events_set_mask(struct events *events, events_mask_fn *mask, void *context)
{
	if (events == NULL)
		return;
	events->mask = mask;
	events->mask_context = context;
}

static void mask_texts(const struct events *events, struct event *event)
{
	char *const texts[] = {event->text, event->error, event->hint};

	for (size_t i = 0; i < ARRAY_SIZE(texts) && events->mask != NULL; i++)
		if (texts[i] != NULL)
			events->mask(events->mask_context, texts[i]);
}

void events_emit(struct events *events, struct event *event)
{
	stop_for_test(event);
	if (events == NULL) {
		event_release(event);
		return;
	}
	mask_texts(events, event);
	event->at_ms = clock_now_ms();
	pthread_mutex_lock(&events->lock);
	while (events->n == events->capacity && !events->closed && event->state != STATE_PROGRESS)
		pthread_cond_wait(&events->not_full, &events->lock);
	if (events->n == events->capacity || events->closed) {
		pthread_mutex_unlock(&events->lock);
		event_release(event);
		return;
	}
	events->ring[(events->first + events->n) % events->capacity] = *event;
	events->n++;
	pthread_cond_signal(&events->not_empty);
	pthread_mutex_unlock(&events->lock);
	*event = (struct event){0};
}

bool events_take(struct events *events, int64_t deadline_ms, struct event *ret)
{
	bool taken;

	pthread_mutex_lock(&events->lock);
	while (events->n == 0 && !events->closed &&
	       cond_wait_until(&events->not_empty, &events->lock, deadline_ms))
		continue;
	taken = events->n > 0;
	if (taken) {
		*ret = events->ring[events->first];
		events->first = (events->first + 1) % events->capacity;
		events->n--;
		pthread_cond_signal(&events->not_full);
	}
	pthread_mutex_unlock(&events->lock);
	return taken;
}

void events_close(struct events *events)
{
	if (events == NULL)
		return;
	pthread_mutex_lock(&events->lock);
	events->closed = true;
	pthread_cond_broadcast(&events->not_empty);
	pthread_cond_broadcast(&events->not_full);
	pthread_mutex_unlock(&events->lock);
}

bool events_done(struct events *events)
{
	bool done;

	pthread_mutex_lock(&events->lock);
	done = events->closed && events->n == 0;
	pthread_mutex_unlock(&events->lock);
	return done;
}

static struct event event_of(const struct event_source *source, enum event_kind kind)
{
	return (struct event){
	    .kind = kind, .host = source->host, .service = source->service, .ms = -1};
}

static char *format_text(const char *fmt, va_list args) __attribute__((__format__(printf, 1, 0)));

static char *format_text(const char *fmt, va_list args)
{
	char *text = NULL;

	return fmt == NULL || vasprintf(&text, fmt, args) < 0 ? NULL : text;
}

void emit_step(const struct event_source *source, enum step step, enum state state, int64_t ms,
    const char *fmt, ...)
{
	struct event event = event_of(source, EVENT_STEP);
	va_list args;

	event.step = step;
	event.state = state;
	event.ms = ms;
	va_start(args, fmt);
	event.text = format_text(fmt, args);
	va_end(args);
	events_emit(source->events, &event);
}

void emit_progress(const struct event_source *source, enum step step, uint64_t bytes,
    uint64_t total, const char *text)
{
	struct event event = event_of(source, EVENT_STEP);

	event.step = step;
	event.state = STATE_PROGRESS;
	event.bytes = bytes;
	event.total = total;
	event.text = text != NULL ? strdup(text) : NULL;
	events_emit(source->events, &event);
}

void emit_failed(
    const struct event_source *source, enum step step, int64_t ms, const struct error *why)
{
	struct event event = event_of(source, EVENT_STEP);

	event.step = step;
	event.state = STATE_FAILED;
	event.ms = ms;
	event.error = strdup(error_text(why));
	event.hint = why->hint != NULL ? strdup(why->hint) : NULL;
	events_emit(source->events, &event);
}

void emit_note(const struct event_source *source, const char *fmt, ...)
{
	struct event event = event_of(source, EVENT_NOTE);
	va_list args;

	va_start(args, fmt);
	event.text = format_text(fmt, args);
	va_end(args);
	events_emit(source->events, &event);
}

void emit_log(const struct event_source *source, int level, const char *text)
{
	struct event event = event_of(source, EVENT_LOG);

	event.level = level;
	event.text = strdup(text);
	events_emit(source->events, &event);
}
