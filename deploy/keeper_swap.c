/* A swap, from its beginning to its end: keeper_swap, _commit, _revert, _watch. */
#include <string.h>

#include "base/clock.h"
#include "deploy/keeper_lines.h"

enum {
	BEGUN_MS = 90 * 1000,
	SWAP_EXTRA_MS = 700 * 1000, /* beyond grace and timeout: what the keeper itself allows */
};

/* The reason of "swap failed PHASE REASON...", with what the engine said under it. */
static void take_reason(struct keeper *keeper, const struct strv *answer, struct error *why)
{
	CLEANUP_BUF struct buf text = BUF_INIT(KEEPER_TEXT_MAX);

	for (size_t i = 3; i < answer->n; i++)
		buf_addf(&text, "%s%s", i > 3 ? " " : "", answer->v[i]);
	if (keeper->text.len > 0)
		buf_addf(&text, "%s%s", text.len > 0 ? ": " : "", keeper->text.data);
	error_set(why, ERROR_FAILED, "%s", text.len > 0 ? text.data : "it failed");
	buf_clear(&keeper->text);
}

static enum swap_end swap_down(struct keeper *keeper, const struct error *why, struct error *err)
{
	error_set(err, ERROR_DOWN, "%s; and the old one could not be started again%s%s",
	    why->kind != ERROR_NONE ? error_text(why) : "the swap was taken back",
	    keeper->text.len > 0 ? ": " : "", keeper->text.data);
	return SWAP_DOWN;
}

/* One answer of a swap. Returns true when it is an end. */
static bool swap_answer(struct keeper *keeper, const struct strv *answer,
    keeper_progress_fn *progress, void *context, struct error *why, enum swap_end *ret,
    struct error *err)
{
	if (keeper_word_is(answer, 1, "failed")) {
		take_reason(keeper, answer, why);
		return false;
	}
	if (keeper_word_is(answer, 1, "reverted"))
		*ret = SWAP_REVERTED;
	else if (keeper_word_is(answer, 1, "down"))
		*ret = swap_down(keeper, why, err);
	else if (keeper_word_is(answer, 1, "committed"))
		*ret = SWAP_COMMITTED;
	else if (keeper_word_is(answer, 1, "ready"))
		*ret = SWAP_READY;
	else if (keeper_word_is(answer, 1, "started")) {
		*ret = SWAP_STARTED;
		if (progress != NULL)
			progress(context, "started");
	} else {
		CLEANUP_FREE char *state =
		    string_printf("%s%s%s%s%s", answer->n > 1 ? answer->v[1] : "",
			answer->n > 2 ? " " : "", answer->n > 2 ? answer->v[2] : "",
			answer->n > 3 ? " " : "", answer->n > 3 ? answer->v[3] : "");

		if (progress != NULL && state != NULL)
			progress(context, state);
		return false;
	}
	if (*ret == SWAP_REVERTED && why->kind != ERROR_NONE)
		error_move(err, why);
	return true;
}

/* Of what comes until `deadline_ms`: the swap's end, or that it stands at `until` or beyond. Not
 * `patient`: as it stands after the first news, or without any. */
static enum swap_end swap_wait(struct keeper *keeper, int64_t deadline_ms, enum swap_end until,
    bool patient, keeper_progress_fn *progress, void *context, struct error *err)
{
	CLEANUP_STRV struct strv answer = {0};
	CLEANUP_ERROR struct error why = {0};

	for (;;) {
		enum swap_end end = SWAP_LOST;
		/* A failure that was told is followed by what became of it. */
		bool failing = why.kind != ERROR_NONE;
		int rc = keeper_next(keeper,
		    failing && !patient ? clock_now_ms() + SWAP_EXTRA_MS : deadline_ms, &answer,
		    err);

		if (rc == 0 && !patient && !failing)
			return keeper->swap_at;
		if (rc == 0)
			error_set(err, ERROR_TIMEOUT, "the keeper on the host does not answer");
		if (rc <= 0 && failing)
			error_wrap(err, "%s", error_text(&why));
		if (rc <= 0)
			return SWAP_LOST;
		if (keeper_word_is(&answer, 0, "error")) {
			/* Refused before anything was begun. */
			keeper_error(keeper, &answer, err);
			return SWAP_REVERTED;
		}
		if (!keeper_word_is(&answer, 0, "swap") ||
		    !swap_answer(keeper, &answer, progress, context, &why, &end, err)) {
			if (!patient && why.kind == ERROR_NONE)
				return keeper->swap_at;
			continue;
		}
		if (end > SWAP_READY)
			return end;
		keeper->swap_at = end;
		if (end >= until)
			return end;
	}
}

/* What comes before "swap begun" is an earlier swap's end, told once more. Returns 1; 0 when it was
 * refused, -1 when the session is lost. */
static int await_begun(struct keeper *keeper, int64_t deadline_ms, struct error *err)
{
	CLEANUP_STRV struct strv answer = {0};

	for (;;) {
		int rc = keeper_next(keeper, deadline_ms, &answer, err);

		if (rc < 0)
			return -1;
		if (rc == 0)
			return error_set(
			    err, ERROR_TIMEOUT, "the keeper on the host does not answer");
		if (keeper_word_is(&answer, 0, "swap") && keeper_word_is(&answer, 1, "begun"))
			return 1;
		if (keeper_word_is(&answer, 0, "error") &&
		    (keeper_word_is(&answer, 1, "swap") || keeper_word_is(&answer, 1, "command"))) {
			keeper_error(keeper, &answer, err);
			return 0;
		}
		buf_clear(&keeper->text);
	}
}

enum swap_end keeper_swap(struct keeper *keeper, const struct keeper_swap *swap,
    keeper_progress_fn *progress, void *context, struct error *err)
{
	CLEANUP_FREE char *line = string_printf("swap %s %s %s %s %d %s %s %s %d %d %d %d %d\n",
	    swap->name, swap->old_id != NULL ? swap->old_id : "-",
	    swap->old_id != NULL ? swap->old_name : "-",
	    swap->old_id != NULL ? swap->old_policy : "-", swap->old_runs ? 1 : 0, swap->new_id,
	    swap->new_name, swap->policy, swap->grace_s, swap->running_s, swap->healthy ? 1 : 0,
	    swap->timeout_s, swap->overlap ? 1 : 0);
	enum swap_end end;
	int rc;

	keeper->swap_deadline_ms =
	    clock_now_ms() + ((int64_t)swap->grace_s + swap->timeout_s) * 1000 + SWAP_EXTRA_MS;
	keeper->grace_s = swap->grace_s;
	if (keeper_send(keeper, line, err) < 0)
		return SWAP_LOST;
	rc = await_begun(keeper, clock_now_ms() + BEGUN_MS, err);
	if (rc <= 0)
		return rc < 0 ? SWAP_LOST : SWAP_REVERTED;
	keeper->stop_fd = swap->stop_fd;
	end =
	    swap_wait(keeper, keeper->swap_deadline_ms, SWAP_STARTED, true, progress, context, err);
	if (end != SWAP_STARTED)
		keeper->stop_fd = -1;
	return end;
}

enum swap_end keeper_await_ready(
    struct keeper *keeper, keeper_progress_fn *progress, void *context, struct error *err)
{
	enum swap_end end =
	    swap_wait(keeper, keeper->swap_deadline_ms, SWAP_READY, true, progress, context, err);

	keeper->stop_fd = -1;
	return end;
}

static enum swap_end until_end(struct keeper *keeper, int64_t deadline_ms, struct error *err)
{
	keeper->stop_fd = -1;
	return swap_wait(keeper, deadline_ms, SWAP_COMMITTED, true, NULL, NULL, err);
}

enum swap_end keeper_commit(struct keeper *keeper, struct error *err)
{
	if (keeper_send(keeper, "commit\n", err) < 0)
		return SWAP_LOST;
	return until_end(
	    keeper, clock_now_ms() + (int64_t)keeper->grace_s * 1000 + SWAP_EXTRA_MS, err);
}

enum swap_end keeper_revert(struct keeper *keeper, struct error *err)
{
	if (keeper_send(keeper, "revert\n", err) < 0)
		return SWAP_LOST;
	return until_end(keeper, keeper->swap_deadline_ms + SWAP_EXTRA_MS, err);
}

enum swap_end keeper_watch(struct keeper *keeper, int wait_ms, keeper_progress_fn *progress,
    void *context, struct error *err)
{
	enum swap_end end =
	    swap_wait(keeper, clock_now_ms() + wait_ms, SWAP_READY, false, progress, context, err);

	if (end != SWAP_STARTED)
		keeper->stop_fd = -1;
	return end;
}
