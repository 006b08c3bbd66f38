/* What happens, told as it happens: the one way from the rooms below to the screen, the log and
 * --json. Host threads emit, main takes. The queue is bounded: when it is full, progress events are
 * dropped and all others wait for room, so nothing that matters is lost and memory stays small. */
#ifndef SHIPIT_DEPLOY_EVENT_H
#define SHIPIT_DEPLOY_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* The steps of DESIGN's "one host", in their order; those before STEP_CONNECT happen on the laptop.
 */
enum step {
	STEP_NONE = 0,
	STEP_HOOK, /* of the user's, on the laptop */
	STEP_SECRETS,
	STEP_BUILD,
	STEP_IMPORT, /* into the embedded registry; */
	STEP_PUSH,   /* into an external one */
	STEP_CONNECT,
	STEP_LOCK,
	STEP_FACTS,
	STEP_DELIVER,
	STEP_CREATE,
	STEP_BEFORE, /* a one-off container of the new image, on one host */
	STEP_SWAP,
	STEP_READY,
	STEP_COMMIT,
	STEP_STOP,
	STEP_START,
	STEP_PRUNE,
	N_STEPS,
};

enum state {
	STATE_START,
	STATE_PROGRESS,
	STATE_OK,
	STATE_FAILED,
	STATE_REVERTED,
	STATE_SKIPPED,
	STATE_UNKNOWN,
};

enum event_kind {
	EVENT_ROLLOUT, /* begins: `rollout`, `release` of each service in `text` */
	EVENT_STEP,    /* a step of a host or of the laptop changes state */
	EVENT_NOTE,    /* something worth knowing, found or done: `text` */
	EVENT_LOG, /* a line of a build, a container, a remote call (level 1: -v, 2: -vv): `text` */
	EVENT_HOST,    /* a host is finished: its `state`, and `error` */
	EVENT_PACKAGE, /* a refresh found another version of a package in an image: `package`,
			  `text` */
	EVENT_SUMMARY, /* the end; made by cmd/ */
};

struct event {
	enum event_kind kind;
	int64_t at_ms;	  /* clock_now_ms() when it was made */
	const char *host; /* the inventory's name; NULL: the laptop. Borrowed from the inventory */
	const char *service; /* borrowed; NULL: all of the host */
	enum step step;
	enum state state;
	int level;	       /* EVENT_LOG */
	int stream;	       /* EVENT_LOG of a program: 1 or 2, stdout or stderr; else 0 */
	int64_t ms;	       /* how long the step took; -1 unknown */
	uint64_t bytes, total; /* of the step; total 0: not known */
	char *release;	       /* owned; may be NULL */
	char *said_at; /* owned; EVENT_LOG of a container: the engine's time of the line; may be
			  NULL */
	char *text;    /* owned; may be NULL; as it came, not cleaned of control characters */
	char *error;   /* owned; may be NULL */
	char *hint;    /* owned; may be NULL */
	char *package, *from, *to; /* owned; EVENT_PACKAGE; `from` or `to` may be NULL */
};

void event_release(struct event *event);
/* "deliver", "failed", ... as --json writes them; NULL-safe for STEP_NONE ("-"). */
const char *step_name(enum step step);
const char *state_name(enum state state);
const char *event_kind_name(enum event_kind kind);

struct events;

int events_new(size_t capacity, struct events **ret, struct error *err);
void events_free(struct events *events);
/* From now on each text of an event goes through `mask` first, which may only make it shorter. To
 * be set before the first thread emits. */
typedef void events_mask_fn(void *context, char *text);
void events_set_mask(struct events *events, events_mask_fn *mask, void *context);

/* Hand an event over; takes what it owns. Blocks while the queue is full, unless it is progress.
 * `events` may be NULL: nobody listens. */
void events_emit(struct events *events, struct event *event);
/* The next one; false when none came until `deadline_ms` or the queue was closed and is empty. */
bool events_take(struct events *events, int64_t deadline_ms, struct event *ret);
/* No more will come; wakes the taker. */
void events_close(struct events *events);
/* True once closed and empty. */
bool events_done(struct events *events);

/* Shorthands for the common kinds. `fmt` may be NULL. */
struct event_source {
	struct events *events;
	const char *host;
	const char *service;
};
void emit_step(const struct event_source *source, enum step step, enum state state, int64_t ms,
    const char *fmt, ...) __attribute__((__format__(printf, 5, 6)));
void emit_progress(const struct event_source *source, enum step step, uint64_t bytes,
    uint64_t total, const char *text);
void emit_failed(
    const struct event_source *source, enum step step, int64_t ms, const struct error *why);
void emit_note(const struct event_source *source, const char *fmt, ...)
    __attribute__((__format__(printf, 2, 3)));
void emit_log(const struct event_source *source, int level, const char *text);

#endif
