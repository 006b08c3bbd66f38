/* From host to host: batches are made when every host has its plan, the conductor lets one after
 * the other begin, and what fails decides about the rest. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "deploy/batches.h"
#include "deploy/run.h"

enum { NAMES_MAX = 8 };

/* --- making them */

static bool takes_part(const struct host_run *run)
{
	return run->planned && plan_changes(&run->plan);
}

static int batch_make(
    struct rollout *rollout, const size_t *hosts, size_t n, struct batch *batch, struct error *err)
{
	batch->runs = calloc(n + 1, sizeof(struct host_run *));
	if (batch->runs == NULL)
		return error_memory(err);
	for (size_t i = 0; i < n; i++) {
		batch->runs[i] = &rollout->runs[hosts[i]];
		batch->runs[i]->batch = batch;
	}
	batch->n = n;
	if (gates_new(
		n, gate_service(rollout, rollout->n_services), NULL, NULL, &batch->gates, err) == 0)
		return 0;
	free(steal_ptr(batch->runs));
	for (size_t i = 0; i < n; i++)
		rollout->runs[hosts[i]].batch = NULL;
	return -1;
}

/* `hosts`: their places among the runs. */
static int make_batches(struct rollout *rollout, const size_t *hosts, size_t n, struct error *err)
{
	CLEANUP_FREE size_t *ends = NULL;
	size_t n_batches = 0, from = 0;

	if (batches_cut(&rollout->policy, n, &ends, &n_batches, err) < 0)
		return -1;
	rollout->batches = calloc(n_batches + 1, sizeof(*rollout->batches));
	if (rollout->batches == NULL)
		return error_memory(err);
	for (size_t i = 0; i < n_batches; i++) {
		rollout->n_batches++;
		if (batch_make(rollout, hosts + from, ends[i] - from, &rollout->batches[i], err) <
		    0)
			return -1;
		from = ends[i];
	}
	return turns_new(n_batches, &rollout->turns, err);
}

bool rollout_make_batches(struct rollout *rollout)
{
	CLEANUP_FREE size_t *hosts = calloc(rollout->n_runs + 1, sizeof(*hosts));
	size_t n = 0;
	int rc;

	if (hosts == NULL)
		return error_memory(&rollout->result.error) == 0;
	for (size_t i = 0; i < rollout->n_runs; i++)
		if (takes_part(&rollout->runs[i]))
			hosts[n++] = i;
	pthread_mutex_lock(&rollout->verdict_lock);
	rc = make_batches(rollout, hosts, n, &rollout->result.error);
	if (rc == 0 && rollout->verdict != VERDICT_ON)
		turns_end(rollout->turns);
	pthread_mutex_unlock(&rollout->verdict_lock);
	return rc == 0;
}

void rollout_free_batches(struct rollout *rollout)
{
	for (size_t i = 0; i < rollout->n_batches; i++) {
		gates_free(rollout->batches[i].gates);
		free(rollout->batches[i].runs);
	}
	turns_free(rollout->turns);
	free(rollout->batches);
}

/* --- a host in its batch */

static size_t number_of(const struct host_run *run)
{
	return (size_t)(run->batch - run->rollout->batches);
}

bool batch_wait(struct host_run *run, enum turn turn)
{
	if (turn == TURN_SWAP) {
		run->turns_done = TURN_SWAP;
		turns_done(run->rollout->turns, number_of(run), TURN_DELIVER);
	}
	host_rest(run);
	/* What is delivered to the next batch must not keep this one from being changed. */
	run->lane = turn == TURN_DELIVER ? LANE_DELIVER : LANE_CHANGE;
	if (!turns_wait(run->rollout->turns, number_of(run), turn))
		return false;
	host_work(run);
	return true;
}

void batch_leave(struct host_run *run)
{
	if (run->batch == NULL)
		return;
	gates_leave(run->batch->gates, run->voted_batch);
	for (; run->turns_done < N_TURNS; run->turns_done++)
		turns_done(run->rollout->turns, number_of(run), (enum turn)run->turns_done);
}

/* --- what fails */

/* With verdict_lock held. The gates of all hosts are closed without it: whoever opens one of them
 * may be making the batches, and wants the lock. */
static void close_batches(struct rollout *rollout)
{
	for (size_t i = 0; i < rollout->n_batches; i++)
		gates_refuse(rollout->batches[i].gates);
	if (rollout->turns != NULL)
		turns_end(rollout->turns);
}

void rollout_close(struct rollout *rollout)
{
	pthread_mutex_lock(&rollout->verdict_lock);
	if (rollout->verdict == VERDICT_ON)
		rollout->verdict = VERDICT_STOP;
	close_batches(rollout);
	pthread_mutex_unlock(&rollout->verdict_lock);
	gates_refuse(rollout->gates);
}

/* A `before` that was to run on this host, and now runs nowhere. */
static bool had_before(const struct host_run *run)
{
	const struct rollout *rollout = run->rollout;

	for (size_t i = 0; i < rollout->n_services; i++)
		if (rollout->before_on[i] == run && rollout->befores[i] == NULL)
			return true;
	return false;
}

/* One canary that dies is one too many. */
static bool is_canary(const struct host_run *run)
{
	return run->batch == run->rollout->batches && run->batch != NULL &&
	       run->rollout->policy.canary > 0;
}

static enum verdict verdict_of(const struct host_run *run, bool is_final)
{
	const struct rollout *rollout = run->rollout;
	static const enum verdict verdicts[] = {
	    [ON_FAILURE_ROLLBACK] = VERDICT_BACK,
	    [ON_FAILURE_STOP] = VERDICT_STOP,
	    [ON_FAILURE_CONTINUE] = VERDICT_ON,
	};

	/* What the user interrupts is no failure: hosts that were done stay. */
	if (atomic_load(&rollout->interrupts) > 0)
		return VERDICT_STOP;
	if (is_final)
		return VERDICT_BACK;
	if (is_canary(run) && rollout->policy.on_failure == ON_FAILURE_CONTINUE)
		return VERDICT_STOP;
	return is_canary(run) || rollout->failures >
				     share_down(&rollout->policy.max_failures, rollout->n_runs)
		   ? verdicts[rollout->policy.on_failure]
		   : VERDICT_ON;
}

void rollout_fail(struct host_run *run, bool is_final)
{
	struct rollout *rollout = run->rollout;
	enum verdict verdict;
	bool closed, delivering;

	pthread_mutex_lock(&rollout->verdict_lock);
	rollout->failures += !run->failed;
	run->failed = true;
	verdict = verdict_of(run, is_final || had_before(run));
	if (verdict > rollout->verdict)
		rollout->verdict = verdict;
	/* Before any batch is made, to stop is to begin nothing. */
	closed = rollout->verdict == VERDICT_BACK ||
		 (rollout->verdict == VERDICT_STOP && rollout->turns == NULL);
	if (closed)
		close_batches(rollout);
	else if (rollout->verdict == VERDICT_STOP)
		turns_end(rollout->turns);
	delivering = rollout->turns != NULL;
	pthread_mutex_unlock(&rollout->verdict_lock);
	if (!closed)
		return;
	gates_refuse(rollout->gates);
	/* What others still deliver is of no use any more. */
	if (delivering)
		cancel_fire(&rollout->stop);
}

bool rollout_is_whole(struct rollout *rollout)
{
	bool whole;

	pthread_mutex_lock(&rollout->verdict_lock);
	whole = rollout->verdict == VERDICT_ON && rollout->failures == 0;
	pthread_mutex_unlock(&rollout->verdict_lock);
	return whole;
}

bool rollout_goes_back(struct rollout *rollout)
{
	bool back;

	pthread_mutex_lock(&rollout->verdict_lock);
	back = rollout->verdict == VERDICT_BACK;
	pthread_mutex_unlock(&rollout->verdict_lock);
	return back;
}

/* --- the conductor */

/* Each `before` runs on the first host of the first batch in which its service changes. */
static void choose_befores(struct rollout *rollout, const struct batch *batch)
{
	pthread_mutex_lock(&rollout->verdict_lock);
	for (size_t service = 0; service < rollout->n_services; service++)
		for (size_t i = 0; i < batch->n && rollout->before_on[service] == NULL; i++) {
			const struct host_run *run = batch->runs[i];

			if (has_before(rollout, service) && run->created &&
			    run->plan.services[service].action == PLAN_CREATE)
				rollout->before_on[service] = run;
		}
	pthread_mutex_unlock(&rollout->verdict_lock);
}

/* "canary: h1", "batch 2 of 5: h4, h5, h6" */
static void tell_batch(const struct rollout *rollout, size_t at)
{
	const struct batch *batch = &rollout->batches[at];
	struct event_source source = {.events = rollout->options.events};
	CLEANUP_BUF struct buf names = BUF_INIT(64 * 1024);
	size_t canaries = rollout->policy.canary > 0;
	size_t shown = batch->n <= NAMES_MAX + 1 ? batch->n : NAMES_MAX;

	if (rollout->n_batches < 2)
		return;
	for (size_t i = 0; i < shown; i++)
		buf_addf(&names, "%s%s", i > 0 ? ", " : "", batch->runs[i]->host->name);
	if (shown < batch->n)
		buf_addf(&names, " and %zu more", batch->n - shown);
	if (at < canaries)
		emit_note(&source, "canary: %s", names.data);
	else
		emit_note(&source, "batch %zu of %zu: %s", at + 1 - canaries,
		    rollout->n_batches - canaries, names.data);
}

static bool ask_on(struct rollout *rollout, size_t at)
{
	const struct rollout_options *options = &rollout->options;
	size_t n = rollout->batches[at + 1].n, failed;
	CLEANUP_FREE char *so_far = NULL;
	CLEANUP_FREE char *question = NULL;

	pthread_mutex_lock(&rollout->verdict_lock);
	failed = rollout->failures;
	pthread_mutex_unlock(&rollout->verdict_lock);
	if (failed > 0)
		so_far = string_printf("Hosts on which it failed so far: %zu.", failed);
	else
		so_far = strdup(at == 0 && rollout->policy.canary > 0 ? "The canary works."
								      : "This batch works.");
	if (options->confirm == NULL)
		return true;
	if (so_far != NULL)
		question =
		    string_printf("%s Go on with %zu more host%s?", so_far, n, n == 1 ? "" : "s");
	return question != NULL && options->confirm(options->prompt_context, question);
}

/* Between one batch and the next. False: that is the end. */
static bool pause_between(struct rollout *rollout, size_t at)
{
	struct event_source source = {.events = rollout->options.events};

	if (rollout->policy.confirm && !ask_on(rollout, at)) {
		emit_note(&source, "no further host is begun");
		pthread_mutex_lock(&rollout->verdict_lock);
		if (rollout->verdict == VERDICT_ON)
			rollout->verdict = VERDICT_STOP;
		pthread_mutex_unlock(&rollout->verdict_lock);
		return false;
	}
	return turns_pause(rollout->turns, rollout->policy.pause_ms);
}

/* The images of the next batch are on their way while this one is changed. */
static bool conduct_batch(struct rollout *rollout, size_t at)
{
	const struct batch *batch = &rollout->batches[at];

	if (at == 0)
		turns_give(rollout->turns, at, TURN_DELIVER);
	if (!turns_await(rollout->turns, at, TURN_DELIVER, batch->n))
		return false;
	choose_befores(rollout, batch);
	tell_batch(rollout, at);
	turns_give(rollout->turns, at, TURN_SWAP);
	if (at + 1 < rollout->n_batches)
		turns_give(rollout->turns, at + 1, TURN_DELIVER);
	if (!turns_await(rollout->turns, at, TURN_SWAP, batch->n))
		return false;
	return at + 1 == rollout->n_batches || pause_between(rollout, at);
}

void rollout_conduct(struct rollout *rollout)
{
	bool go = false;

	gates_wait(rollout->gates, GATE_PLANNED, -1, &go);
	for (size_t i = 0; go && i < rollout->n_batches; i++)
		go = conduct_batch(rollout, i);
	if (!go && rollout->turns != NULL)
		turns_end(rollout->turns);
}
