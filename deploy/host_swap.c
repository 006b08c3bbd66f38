/* Swap, wait until all hosts are ready, commit; or take back. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/strv.h"
#include "deploy/host_learn.h"
#include "deploy/run.h"
#include "deploy/tail.h"

enum { WATCH_MS = 200 };

/* --- the swap itself */

static void on_swap(void *context, const char *state)
{
	struct host_run *run = context;
	const char *service = run->swapping_service;
	struct event_source source = host_source(run, service);

	if (strcmp(state, "started") == 0) {
		step_end(run, STEP_SWAP, service, 0, NULL);
		step_begin(run, STEP_READY, service);
		run->swapping_step = STEP_READY;
	} else {
		emit_progress(&source, run->swapping_step, 0, 0, state);
	}
}

static int seconds(int64_t ms)
{
	return (int)((ms + 999) / 1000);
}

/* `-` leaves it as it is. */
static const char *policy_of(const struct host_run *run, const char *policy)
{
	return run->facts.fixed_policies ? "-" : policy;
}

static enum swap_end run_swap(struct host_run *run, struct work *work, struct error *err)
{
	const struct planned *planned = work->planned;
	const struct container *old = planned->old;
	const struct ready *ready = &planned->service->ready;
	const char *prefix = run->rollout->prefix, *service = planned->service->name;
	CLEANUP_FREE char *name = name_container(prefix, service);
	CLEANUP_FREE char *old_name =
	    old != NULL ? name_retained(prefix, service, old->release) : NULL;
	int grace_s = seconds(options_stop_grace_ms(planned->options));
	enum swap_end end;
	struct keeper_swap swap = {
	    .name = name,
	    .new_id = work->new_id,
	    .new_name = work->new_name,
	    .policy = policy_of(run, options_restart(planned->options)),
	    .running_s = seconds(ready->running_ms),
	    .timeout_s = seconds(ready->timeout_ms),
	    .healthy = work->healthy,
	    .overlap = planned->overlap,
	    .stop_fd = run->rollout->stop.fd,
	};

	if (name == NULL || (old != NULL && old_name == NULL)) {
		error_memory(err);
		return SWAP_REVERTED;
	}
	if (old != NULL) {
		swap.old_id = old->id;
		swap.old_name = old_name;
		swap.old_policy = policy_of(run, old->policy);
		swap.old_runs = old->running;
	}
	swap.grace_s = old != NULL && old->stop_grace_s > grace_s ? old->stop_grace_s : grace_s;
	end = keeper_swap(run->link.keeper, &swap, on_swap, run, err);
	return end == SWAP_STARTED ? host_await_ready(run, work, on_swap, err) : end;
}

/* The last lines of a container that did not make it, for the error. */
static void add_logs(struct host_run *run, const struct work *work, struct error *err)
{
	CLEANUP_BUF struct buf logs = BUF_INIT(64 * 1024);
	CLEANUP_STRV struct strv lines = {0};

	if (engine_container_logs(run->link.care, work->new_id, TAIL_LINES, &logs, NULL) == 0 &&
	    strv_split(&lines, logs.data, "\r\n") == 0)
		last_words(err, lines.v, lines.n);
}

static const char *refusal(const struct host_run *run)
{
	return atomic_load(&run->rollout->interrupts) > 0 ? "interrupted" : "another host failed";
}

/* Swap and wait until it is ready. Returns 0 when it is. */
static int swap_one(struct host_run *run, struct work *work, struct error *err)
{
	const char *service = work->planned->service->name;

	if (record_pending(run, work, err) < 0)
		return -1;
	run->swapping_service = service;
	run->swapping_step = STEP_SWAP;
	atomic_store(&run->rollout->swapping, true);
	work->swapped = true;
	step_begin(run, STEP_SWAP, service);
	work->end = run_swap(run, work, err);
	if (work->end == SWAP_LOST)
		work->end = host_learn(run, work, err);
	if (work->end == SWAP_REVERTED && err->kind == ERROR_NONE) {
		const struct event_source source = host_source(run, service);

		emit_step(&source, run->swapping_step, STATE_REVERTED,
		    clock_now_ms() - run->step_start_ms, "%s", refusal(run));
		return error_set(err, ERROR_CANCELLED, "%s", refusal(run));
	}
	if (work->end == SWAP_READY)
		return step_end(run, run->swapping_step, service, 0, NULL);
	if (work->end != SWAP_LOST && err->kind == ERROR_FAILED)
		add_logs(run, work, err);
	return step_end(run, run->swapping_step, service, -1, err);
}

/* --- the verdict */

/* Wait for the others while the keeper waits; a container that ends meanwhile refuses all. */
static bool wait_for_others(struct host_run *run, struct work *work, size_t gate, struct error *err)
{
	struct gates *gates = run->batch->gates;
	bool go = false;

	gates_vote(gates, gate);
	while (!gates_wait(gates, gate, WATCH_MS, &go)) {
		work->end = keeper_watch(run->link.keeper, 0, NULL, NULL, err);
		if (work->end != SWAP_READY) {
			rollout_fail(run, false);
			return false;
		}
	}
	return go;
}

static int commit(struct host_run *run, struct work *work, struct error *err)
{
	const char *service = work->planned->service->name;
	CLEANUP_ERROR struct error ledger_error = {0};

	step_begin(run, STEP_COMMIT, service);
	work->end = keeper_commit(run->link.keeper, err);
	if (work->end == SWAP_LOST)
		work->end = host_learn(run, work, err);
	if (work->end != SWAP_COMMITTED) {
		if (err->kind == ERROR_NONE)
			error_set(err, ERROR_FAILED, "the host took the swap back");
		return step_end(run, STEP_COMMIT, service, -1, err);
	}
	error_release(err);
	/* The engine has it; a line that cannot be written is written by the next command. */
	if (work->seq != 0 &&
	    record_outcome(run, work, LEDGER_COMMITTED, NULL, &ledger_error) < 0) {
		host_explain(run, &ledger_error);
		emit_note(&run->source,
		    "%s: the ledger could not be written, the next command will do it: %s", service,
		    error_text(&ledger_error));
	}
	return step_end(run, STEP_COMMIT, service, 0, NULL);
}

static void revert(struct host_run *run, struct work *work, const char *why, struct error *err)
{
	struct event_source source = host_source(run, work->planned->service->name);
	int64_t start_ms = clock_now_ms();

	work->end = keeper_revert(run->link.keeper, err);
	if (work->end == SWAP_LOST)
		work->end = host_learn(run, work, err);
	emit_step(&source, STEP_READY, work->end == SWAP_REVERTED ? STATE_REVERTED : STATE_FAILED,
	    clock_now_ms() - start_ms, "%s", why);
}

static void record_end(struct host_run *run, const struct work *work, const char *why)
{
	CLEANUP_FREE char *line = strndup(why, strcspn(why, "\n"));

	if (work->seq == 0 || work->end == SWAP_COMMITTED || work->end == SWAP_LOST)
		return;
	record_outcome(
	    run, work, work->end == SWAP_DOWN ? LEDGER_FAILED : LEDGER_REVERTED, line, NULL);
}

/* --- several services on one host: what was committed before a later one failed goes back */

static enum swap_end undo_swap(struct host_run *run, struct work *work, struct error *err)
{
	const struct planned *planned = work->planned;
	const struct container *old = planned->old;
	const char *prefix = run->rollout->prefix, *service = planned->service->name;
	CLEANUP_FREE char *name = name_container(prefix, service);
	CLEANUP_FREE char *retained = name_retained(prefix, service, planned->release);
	CLEANUP_FREE char *back = name_retained(prefix, service, old->release);
	const struct keeper_swap swap = {
	    .name = name,
	    .old_id = work->new_id,
	    .old_name = retained,
	    .old_policy = policy_of(run, options_restart(planned->options)),
	    .old_runs = true,
	    .new_id = old->id,
	    .new_name = back,
	    .policy = policy_of(run, old->restart),
	    .grace_s = seconds(options_stop_grace_ms(planned->options)),
	    .running_s = 1,
	    .overlap = planned->overlap,
	    .timeout_s = seconds(planned->service->ready.timeout_ms),
	    .stop_fd = -1,
	};
	enum swap_end end;

	if (name == NULL || retained == NULL || back == NULL) {
		error_memory(err);
		return SWAP_LOST;
	}
	end = keeper_swap(run->link.keeper, &swap, NULL, NULL, err);
	if (end == SWAP_STARTED)
		end = keeper_await_ready(run->link.keeper, NULL, NULL, err);
	return end == SWAP_READY ? keeper_commit(run->link.keeper, err) : end;
}

static void undo_one(struct host_run *run, struct work *work, const char *why)
{
	const struct planned *planned = work->planned;
	struct event_source source = host_source(run, planned->service->name);
	CLEANUP_ERROR struct error err = {0};
	enum swap_end end = SWAP_LOST;

	if (run->link.keeper == NULL || run->link.care == NULL)
		error_set(&err, ERROR_UNREACHABLE, "the host cannot be reached any more");
	else if (planned->old != NULL)
		end = undo_swap(run, work, &err);
	else if (engine_container_stop(run->link.care, work->new_id,
		     seconds(options_stop_grace_ms(planned->options)), &err) == 0)
		end = SWAP_COMMITTED;
	if (end != SWAP_COMMITTED) {
		emit_note(
		    &source, "%s could not be taken back: %s", planned->release, error_text(&err));
		run->down = run->down || end == SWAP_DOWN;
		if (run->result->error.kind == ERROR_NONE)
			error_move(&run->result->error, &err);
		return;
	}
	work->end = SWAP_REVERTED;
	record_undone(run, work, NULL);
	emit_step(&source, STEP_COMMIT, STATE_REVERTED, -1, "%s", why);
}

static void undo_earlier(struct host_run *run, size_t before, const char *why)
{
	for (size_t i = before; i > 0; i--)
		if (run->works[i - 1].swapped && run->works[i - 1].end == SWAP_COMMITTED)
			undo_one(run, &run->works[i - 1], why);
}

void host_undo(struct host_run *run)
{
	undo_earlier(run, run->plan.n, "another host failed");
}

/* --- all of it */

/* One service that changes on this host. Returns 0, or -1 when the host must not go on; with
 * nothing in `err` when the others are the reason. */
static int service_step(struct host_run *run, struct work *work, size_t gate, struct error *err)
{
	host_work(run);
	if (cancel_fired(&run->rollout->stop))
		return -1;
	if (swap_one(run, work, err) < 0) {
		record_end(run, work, error_text(err));
		return -1;
	}
	host_rest(run);
	run->voted_batch = gate + 1;
	if (wait_for_others(run, work, gate, err)) {
		if (commit(run, work, err) == 0)
			return 0;
		record_end(run, work, error_text(err));
		return -1;
	}
	if (work->end == SWAP_READY)
		revert(run, work, refusal(run), err);
	else if (err->kind != ERROR_NONE)
		emit_failed(&run->source, STEP_READY, -1, err);
	record_end(run, work, err->kind != ERROR_NONE ? error_text(err) : refusal(run));
	return -1;
}

int host_swap_all(struct host_run *run, struct error *err)
{
	for (size_t i = 0; i < run->plan.n; i++) {
		size_t gate = gate_service(run->rollout, i);
		int rc = 0;

		if (run->plan.services[i].action >= PLAN_CREATE) {
			rc = service_step(run, &run->works[i], gate, err);
		} else {
			host_rest(run);
			run->voted_batch = gate + 1;
			rc = gates_pass(run->batch->gates, gate) ? 0 : -1;
		}
		if (rc < 0) {
			/* Others that wait for this one are to know at once. */
			if (err->kind != ERROR_NONE && err->kind != ERROR_CANCELLED)
				rollout_fail(run, false);
			undo_earlier(run, i, "a later service failed");
			return -1;
		}
	}
	return 0;
}
