/* One host's way through a rollout. */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/proc.h"
#include "deploy/run.h"

/* --- steps and their events */

struct event_source host_source(const struct host_run *run, const char *service)
{
	struct event_source source = run->source;

	source.service = service;
	return source;
}

struct identity host_identity(const struct host_run *run, const struct planned *planned)
{
	const struct rollout *rollout = run->rollout;

	return (struct identity){
	    .project = rollout->options.inventory->project,
	    .environment = rollout->options.environment->name,
	    .prefix = rollout->prefix,
	    .service = planned->service->name,
	    .release = planned->release,
	    .rollout = rollout->id,
	    .image = planned->image,
	    .config = planned->config,
	    .by = rollout->options.by,
	    .at = rollout->at,
	    .fixed_policy = run->facts.fixed_policies,
	    .source = planned->from != NULL ? planned->from->source : NULL,
	};
}

void step_begin(struct host_run *run, enum step step, const char *service)
{
	struct event_source source = host_source(run, service);

	run->step_start_ms = clock_now_ms();
	emit_step(&source, step, STATE_START, -1, NULL);
}

void host_explain(const struct host_run *run, struct error *err)
{
	CLEANUP_ERROR struct error lost = {0};

	if (err->kind == ERROR_UNREACHABLE && run->link.session != NULL &&
	    session_lost(run->link.session, &lost) < 0)
		error_move(err, &lost);
}

int step_end(struct host_run *run, enum step step, const char *service, int rc, struct error *why)
{
	struct event_source source = host_source(run, service);
	int64_t ms = clock_now_ms() - run->step_start_ms;
	int64_t *sum = &run->result->step_ms[step];

	*sum = (*sum < 0 ? 0 : *sum) + ms;
	if (rc < 0) {
		host_explain(run, why);
		emit_failed(&source, step, ms, why);
	} else {
		emit_step(&source, step, STATE_OK, ms, NULL);
	}
	return rc;
}

/* --- being one of at most `parallel` at work; waiting at a gate is no work */

void host_work(struct host_run *run)
{
	struct rollout *rollout = run->rollout;
	int most = rollout->options.parallel > 0 ? rollout->options.parallel : 16;

	if (run->working)
		return;
	pthread_mutex_lock(&rollout->work_lock);
	while (rollout->at_work[run->lane] >= most)
		pthread_cond_wait(&rollout->work_free, &rollout->work_lock);
	rollout->at_work[run->lane]++;
	run->working = true;
	pthread_mutex_unlock(&rollout->work_lock);
}

void host_rest(struct host_run *run)
{
	struct rollout *rollout = run->rollout;

	if (!run->working)
		return;
	pthread_mutex_lock(&rollout->work_lock);
	rollout->at_work[run->lane]--;
	run->working = false;
	pthread_cond_broadcast(&rollout->work_free);
	pthread_mutex_unlock(&rollout->work_lock);
}

/* Vote yes and wait for the others, without counting as at work. */
static bool pass_gate(struct host_run *run, struct gates *gates, size_t gate, size_t *voted)
{
	bool go;

	host_rest(run);
	*voted = gate + 1;
	go = gates_pass(gates, gate);
	if (go)
		host_work(run);
	return go;
}

static bool pass(struct host_run *run, size_t gate)
{
	return pass_gate(run, run->rollout->gates, gate, &run->voted);
}

/* --- the way */

enum way { WAY_ON, WAY_REFUSED, WAY_FAILED };

typedef int phase_fn(struct host_run *run, struct error *err);

static enum way phase(struct host_run *run, enum step step, phase_fn *work, size_t gate)
{
	struct error *err = &run->result->error;

	step_begin(run, step, NULL);
	if (step_end(run, step, NULL, work(run, err), err) < 0)
		return WAY_FAILED;
	return pass(run, gate) ? WAY_ON : WAY_REFUSED;
}

/* The leader first: of two rollouts that start at once on the same hosts, exactly one goes on. */
static enum way lock_in_turn(struct host_run *run)
{
	const struct rollout *rollout = run->rollout;
	bool leads = run == &rollout->runs[rollout->leader];
	struct error *err = &run->result->error;

	if (rollout->options.dry_run)
		return pass(run, GATE_LEADER) && pass(run, GATE_LOCKED) ? WAY_ON : WAY_REFUSED;
	if (leads) {
		step_begin(run, STEP_LOCK, NULL);
		if (step_end(run, STEP_LOCK, NULL, host_lock(run, err), err) < 0)
			return WAY_FAILED;
	}
	if (!pass(run, GATE_LEADER))
		return WAY_REFUSED;
	if (leads)
		return pass(run, GATE_LOCKED) ? WAY_ON : WAY_REFUSED;
	return phase(run, STEP_LOCK, host_lock, GATE_LOCKED);
}

static int read_facts(struct host_run *run, struct error *err)
{
	if (host_facts(run, err) < 0 || host_adopt(run, err) < 0)
		return -1;
	return run->rollout->options.dry_run ? 0 : host_repair(run, run->link.engine, err);
}

static enum way prepare(struct host_run *run)
{
	enum way way;

	step_begin(run, STEP_CONNECT, NULL);
	run->connected = host_connect(run, &run->result->error) == 0;
	if (step_end(run, STEP_CONNECT, NULL, run->connected ? 0 : -1, &run->result->error) < 0)
		return WAY_FAILED;
	if (!pass(run, GATE_CONNECTED))
		return WAY_REFUSED;
	way = lock_in_turn(run);
	if (way == WAY_ON)
		way = phase(run, STEP_FACTS, read_facts, GATE_FACTS);
	if (way != WAY_ON || run->rollout->options.kind >= ROLLOUT_START)
		return way;
	if (host_plan(run, &run->result->error) < 0) {
		emit_failed(&run->source, STEP_FACTS, -1, &run->result->error);
		return WAY_FAILED;
	}
	run->planned = true;
	return pass(run, GATE_PLANNED) ? WAY_ON : WAY_REFUSED;
}

static enum way create(struct host_run *run)
{
	struct error *err = &run->result->error;

	if (!batch_wait(run, TURN_DELIVER))
		return WAY_REFUSED;
	if (host_deliver(run, err) < 0)
		return WAY_FAILED;
	step_begin(run, STEP_CREATE, NULL);
	if (step_end(run, STEP_CREATE, NULL, host_create(run, err), err) < 0)
		return WAY_FAILED;
	run->created = true;
	return batch_wait(run, TURN_SWAP) ? WAY_ON : WAY_REFUSED;
}

/* What has something to change, in its batch. */
static enum way change(struct host_run *run)
{
	struct error *err = &run->result->error;
	enum way way = create(run);

	for (size_t i = 0; i < run->plan.n && way == WAY_ON; i++)
		if (host_before(run, i, err) < 0)
			way = WAY_FAILED;
		else if (!pass_gate(run, run->batch->gates, i, &run->voted_batch))
			way = WAY_REFUSED;
	if (way == WAY_ON && host_swap_all(run, err) < 0)
		way = err->kind != ERROR_NONE ? WAY_FAILED : WAY_REFUSED;
	return way;
}

/* When all are through: does what was done stay? */
static enum way end(struct host_run *run)
{
	pass(run, GATE_END);
	host_work(run);
	if (!rollout_goes_back(run->rollout))
		return WAY_ON;
	host_undo(run);
	return WAY_REFUSED;
}

/* What moved to another host runs nowhere else where that was not reached, or it failed there. */
static bool may_prune_services(const struct host_run *run)
{
	const struct rollout *rollout = run->rollout;

	if (!rollout_is_whole(run->rollout)) {
		emit_note(
		    &run->source, "services that left the inventory stay: not all hosts are done");
		return false;
	}
	for (size_t i = 0; i < rollout->n_runs; i++)
		if (!rollout->runs[i].connected) {
			emit_note(&run->source,
			    "services that left the inventory stay: %s was not reached",
			    rollout->runs[i].host->name);
			return false;
		}
	return true;
}

static void finish(struct host_run *run)
{
	CLEANUP_ERROR struct error err = {0};
	bool done = run->result->outcome == HOST_DONE;
	int rc;

	refresh_mark(run);
	if (done)
		step_begin(run, STEP_PRUNE, NULL);
	rc = host_prune(run, &err);
	if (done)
		step_end(run, STEP_PRUNE, NULL, rc, &err);
	if (rc == 0 && run->rollout->options.prune_services && may_prune_services(run))
		rc = host_act(run, ROLLOUT_PRUNE, &err);
	/* What serves, serves: left-over releases are worth a word, not a failure. */
	host_explain(run, &err);
	if (rc < 0)
		emit_note(
		    &run->source, "old releases could not all be removed: %s", error_text(&err));
}

/* Was anything swapped and committed, or put back? Called when the way is at its end. */
static enum host_outcome outcome_of(const struct host_run *run)
{
	size_t done = 0, reverted = 0, lost = 0, down = 0;

	for (size_t i = 0; i < run->plan.n && run->works != NULL; i++) {
		const struct work *work = &run->works[i];

		if (!work->swapped)
			continue;
		done += work->end == SWAP_COMMITTED;
		reverted += work->end == SWAP_REVERTED;
		lost += work->end == SWAP_LOST;
		down += work->end == SWAP_DOWN;
	}
	if (down > 0 || run->down)
		return HOST_DOWN;
	if (lost > 0)
		return HOST_UNKNOWN;
	if (done > 0 && reverted > 0)
		return HOST_PARTIAL;
	if (done > 0)
		return HOST_DONE;
	if (reverted > 0)
		return HOST_REVERTED;
	return run->acted > 0 && run->rollout->options.kind >= ROLLOUT_START ? HOST_DONE
									     : HOST_UNTOUCHED;
}

static void say_outcome(const struct host_run *run)
{
	static const enum state states[] = {STATE_SKIPPED, STATE_OK, STATE_OK, STATE_REVERTED,
	    STATE_FAILED, STATE_FAILED, STATE_FAILED, STATE_UNKNOWN};
	const struct host_result *result = run->result;
	struct event event = {.kind = EVENT_HOST, .host = run->host->name, .ms = -1};

	event.state = states[result->outcome];
	event.bytes = result->bytes;
	if (result->error.kind != ERROR_NONE) {
		event.error = strdup(error_text(&result->error));
		event.hint = result->error.hint != NULL ? strdup(result->error.hint) : NULL;
	}
	events_emit(run->source.events, &event);
}

/* What others do does not matter here: each host is done as far as it can be. */
static enum way act(struct host_run *run)
{
	const struct rollout_options *options = &run->rollout->options;
	struct error *err = &run->result->error;
	int rc = 0;

	if (options->kind == ROLLOUT_PRUNE && !options->dry_run) {
		step_begin(run, STEP_PRUNE, NULL);
		rc = step_end(run, STEP_PRUNE, NULL, host_prune_retained(run, err), err);
	}
	if (rc == 0 && (options->kind != ROLLOUT_PRUNE || options->prune_services))
		rc = host_act(run, options->kind, err);
	return rc < 0 ? WAY_FAILED : WAY_ON;
}

static enum way go(struct host_run *run)
{
	enum rollout_kind kind = run->rollout->options.kind;
	enum way way = prepare(run);

	if (way == WAY_ON && kind >= ROLLOUT_START)
		return act(run);
	if (way == WAY_ON && run->rollout->options.dry_run &&
	    run->rollout->options.prune_services &&
	    host_act(run, ROLLOUT_PRUNE, &run->result->error) < 0)
		return WAY_FAILED;
	if (way != WAY_ON || run->rollout->options.dry_run)
		return way;
	if (run->batch != NULL)
		way = change(run);
	/* Its delivery was of no use any more. */
	if (way == WAY_FAILED && run->result->error.kind == ERROR_CANCELLED && !run->failed &&
	    atomic_load(&run->rollout->interrupts) == 0) {
		error_release(&run->result->error);
		way = WAY_REFUSED;
	}
	if (way == WAY_FAILED)
		rollout_fail(run, false);
	batch_leave(run);
	return way == WAY_ON ? end(run) : way;
}

/* What ends the rollout on all hosts, whatever may fail on some: while nothing was changed. */
static bool is_final(const struct host_run *run)
{
	const struct error *err = &run->result->error;

	if (run->batch != NULL)
		return false;
	return run->result->outcome == HOST_UNREACHABLE || err->kind == ERROR_LOCKED ||
	       err->kind == ERROR_USAGE || err->kind == ERROR_INVENTORY;
}

void *host_thread(void *context)
{
	struct host_run *run = context;
	struct host_result *result = run->result;
	enum way way;
	bool failed;

	host_work(run);
	way = go(run);
	host_explain(run, &result->error);
	rollout_mask(run->rollout, &result->error);
	if (!run->connected) {
		result->outcome =
		    host_link_is_unreachable(&result->error) ? HOST_UNREACHABLE : HOST_UNTOUCHED;
		failed =
		    result->outcome != HOST_UNREACHABLE || run->rollout->options.fail_unreachable;
	} else {
		result->outcome = outcome_of(run);
		failed = way == WAY_FAILED;
		if (way == WAY_ON && result->outcome == HOST_UNTOUCHED)
			result->outcome = HOST_UNCHANGED;
		/* A service was committed, a later one not tried, and the first not taken back. */
		if (way != WAY_ON && result->outcome == HOST_DONE)
			result->outcome = HOST_PARTIAL;
		if (!run->rollout->options.dry_run)
			host_discard(run);
	}
	if (failed)
		rollout_fail(run, is_final(run));
	gates_leave(run->rollout->gates, run->voted);
	if (run->rollout->options.kind < ROLLOUT_START &&
	    (result->outcome == HOST_DONE ||
		(result->outcome == HOST_UNCHANGED && !run->rollout->options.dry_run)))
		finish(run);
	host_link_close(&run->link);
	host_rest(run);
	say_outcome(run);
	return NULL;
}
