/* Wait until a new container is ready: the keeper watches `running` and `healthy`, the questions of
 * `ready:` are asked from here. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/json.h"
#include "deploy/probe.h"
#include "deploy/run.h"

enum { LOOK_MS = 200, WORDS_MAX = 4096 };

/* How far one question is. */
struct asked {
	int good; /* answers in a row */
	int64_t due_ms;
	struct buf words; /* the last bad answer's */
	struct probe_way way;
};

struct waiting {
	struct host_run *run;
	struct work *work;
	const struct ready *ready;
	struct asked *asked;
	int64_t deadline_ms;
};

static bool all_good(const struct waiting *waiting)
{
	for (size_t i = 0; i < waiting->ready->n_probes; i++)
		if (waiting->asked[i].good < waiting->ready->probes[i].successes)
			return false;
	return true;
}

static int64_t next_due(const struct waiting *waiting)
{
	int64_t due_ms = clock_now_ms() + LOOK_MS;

	for (size_t i = 0; i < waiting->ready->n_probes; i++)
		if (waiting->asked[i].due_ms < due_ms)
			due_ms = waiting->asked[i].due_ms;
	return due_ms;
}

/* Tell what is not well, when that changes. */
static void tell(const struct waiting *waiting, const struct probe *probe, struct asked *asked,
    struct buf *words)
{
	const char *service = waiting->work->planned->service->name;
	struct event_source source = host_source(waiting->run, service);
	CLEANUP_FREE char *text = string_printf("%s: %s", probe->text, words->data);

	if (text != NULL && (asked->words.len == 0 || strcmp(asked->words.data, words->data) != 0))
		emit_progress(&source, STEP_READY, 0, 0, text);
	buf_release(&asked->words);
	asked->words = *words;
	buf_init(words, WORDS_MAX);
}

static void ask(struct waiting *waiting, const struct probe_target *target, size_t i)
{
	const struct probe *probe = &waiting->ready->probes[i];
	struct asked *asked = &waiting->asked[i];
	CLEANUP_BUF struct buf words = BUF_INIT(WORDS_MAX);
	int64_t now_ms = clock_now_ms();
	int64_t until_ms = now_ms + probe->timeout_ms;

	if (until_ms > waiting->deadline_ms)
		until_ms = waiting->deadline_ms;
	asked->due_ms = now_ms + probe->interval_ms;
	if (probe_ask(target, probe, &asked->way, until_ms, &words)) {
		asked->good++;
		return;
	}
	asked->good = 0;
	/* That time is up says less than what was answered before. */
	if (words.len > 0 && (asked->words.len == 0 || clock_left_ms(waiting->deadline_ms) > 0))
		tell(waiting, probe, asked, &words);
}

/* The engine does not say where it can be reached. */
static void put_off(struct waiting *waiting, const struct error *err)
{
	for (size_t i = 0; i < waiting->ready->n_probes; i++) {
		struct asked *asked = &waiting->asked[i];

		asked->good = 0;
		asked->due_ms = clock_now_ms() + waiting->ready->probes[i].interval_ms;
		buf_clear(&asked->words);
		buf_adds(&asked->words, error_text(err));
	}
}

static void ask_due(struct waiting *waiting)
{
	struct host_run *run = waiting->run;
	CLEANUP_ERROR struct error err = {0};
	CLEANUP_JSON json_t *inspect = NULL;
	struct probe_target target = {
	    .session = run->link.session,
	    .engine = run->link.engine,
	    .container = waiting->work->new_id,
	    .cancel_fd = run->rollout->stop.fd,
	};

	for (size_t i = 0; i < waiting->ready->n_probes; i++) {
		if (waiting->asked[i].due_ms > clock_now_ms())
			continue;
		/* Where it can be reached changes when it is started anew. */
		if (inspect == NULL && engine_container_inspect(run->link.engine, target.container,
					   &inspect, &err) < 0) {
			put_off(waiting, &err);
			return;
		}
		target.inspect = inspect;
		ask(waiting, &target, i);
	}
}

static void explain(const struct waiting *waiting, struct error *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT(WORDS_MAX * 8);

	for (size_t i = 0; i < waiting->ready->n_probes; i++) {
		const struct probe *probe = &waiting->ready->probes[i];
		const struct asked *asked = &waiting->asked[i];

		if (asked->good >= probe->successes)
			continue;
		buf_addf(&text, "\n  %s: %s", probe->text,
		    asked->words.len > 0 ? asked->words.data : "no answer was waited for");
	}
	error_set(err, ERROR_FAILED, "not ready after %lld s%s",
	    (long long)(waiting->ready->timeout_ms / 1000), text.len > 0 ? text.data : "");
}

/* Take it back for what is in `err`, which stays. */
static enum swap_end give_up(struct host_run *run, struct error *err)
{
	CLEANUP_ERROR struct error why = {0};
	enum swap_end end;

	error_move(&why, err);
	end = keeper_revert(run->link.keeper, err);
	if (end == SWAP_REVERTED)
		error_move(err, &why);
	else if (end != SWAP_COMMITTED && why.kind != ERROR_NONE)
		error_wrap(err, "%s", error_text(&why));
	return end;
}

static enum swap_end wait_for_all(
    struct waiting *waiting, keeper_progress_fn *progress, struct error *err)
{
	struct host_run *run = waiting->run;

	for (;;) {
		int wait_ms = clock_left_ms(next_due(waiting));
		enum swap_end end = keeper_watch(run->link.keeper, wait_ms, progress, run, err);

		if (end > SWAP_READY)
			return end;
		if (cancel_fired(&run->rollout->stop))
			return give_up(run, err);
		if (end == SWAP_READY && all_good(waiting))
			return end;
		ask_due(waiting);
		if (!all_good(waiting) && clock_left_ms(waiting->deadline_ms) == 0) {
			explain(waiting, err);
			return give_up(run, err);
		}
	}
}

enum swap_end host_await_ready(
    struct host_run *run, struct work *work, keeper_progress_fn *progress, struct error *err)
{
	const struct ready *ready = &work->planned->service->ready;
	struct waiting waiting = {
	    .run = run,
	    .work = work,
	    .ready = ready,
	    .deadline_ms = clock_now_ms() + ready->timeout_ms,
	};
	enum swap_end end;

	/* A release that is returned to was found ready by the questions of its own time. */
	if (ready->n_probes == 0 || run->rollout->options.kind == ROLLOUT_ROLLBACK)
		return keeper_await_ready(run->link.keeper, progress, run, err);
	waiting.asked = calloc(ready->n_probes, sizeof(*waiting.asked));
	if (waiting.asked == NULL) {
		error_memory(err);
		return give_up(run, err);
	}
	for (size_t i = 0; i < ready->n_probes; i++)
		buf_init(&waiting.asked[i].words, WORDS_MAX);
	end = wait_for_all(&waiting, progress, err);
	for (size_t i = 0; i < ready->n_probes; i++) {
		buf_release(&waiting.asked[i].words);
		probe_way_release(&waiting.asked[i].way);
	}
	free(waiting.asked);
	return end;
}
