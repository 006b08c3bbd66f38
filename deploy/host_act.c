/* start, stop, restart, down and prune on one host, which is locked. */
#include <poll.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "deploy/act.h"
#include "deploy/run.h"
#include "deploy/tail.h"

enum { LOOK_MS = 250 };

static const struct service *service_named(const struct host_run *run, const char *name)
{
	const struct service *service =
	    name != NULL ? inventory_service(run->rollout->options.inventory, name) : NULL;

	return service != NULL ? inventory_service_in(run->rollout->options.environment, service)
			       : NULL;
}

/* --- start, until it is up */

static int ended(const json_t *inspect, struct error *err)
{
	return error_set(err, ERROR_FAILED, "it does not stay up: it exited %d",
	    (int)json_int(inspect, "State.ExitCode", 0));
}

/* Is it what `ready` wants, as far as the engine can tell? 1: yes, 0: not yet. `restarts`: how
 * often it was started again when it was looked at first; -1: this is the first time. */
static int look(struct host_run *run, const char *id, const struct ready *ready, int64_t since_ms,
    int64_t *restarts, struct error *err)
{
	CLEANUP_JSON json_t *inspect = NULL;
	const char *health;

	if (engine_container_inspect(run->link.engine, id, &inspect, err) < 0)
		return -1;
	health = json_str(inspect, "State.Health.Status", "healthy");
	if (*restarts < 0)
		*restarts = json_int(inspect, "RestartCount", 0);
	if (!json_flag(inspect, "State.Running", false) ||
	    json_flag(inspect, "State.Restarting", false) ||
	    json_int(inspect, "RestartCount", 0) > *restarts)
		return ended(inspect, err);
	if (strcmp(health, "unhealthy") == 0)
		return error_set(err, ERROR_FAILED, "it is unhealthy");
	return clock_now_ms() - since_ms >= ready->running_ms &&
	       ((ready->healthy_set && !ready->healthy) || *health == '\0' ||
		   strcmp(health, "healthy") == 0);
}

static int await_up(struct host_run *run, const struct act *act, struct error *err)
{
	static const struct ready plain = {.running_ms = 1000, .timeout_ms = 60000};
	const struct service *service = service_named(run, act->service);
	const struct ready *ready = service != NULL ? &service->ready : &plain;
	int64_t since_ms = clock_now_ms(), deadline_ms = since_ms + ready->timeout_ms;
	struct pollfd stop = {.fd = run->rollout->stop.fd, .events = POLLIN};
	int64_t restarts = -1;
	int rc;

	while ((rc = look(run, act->container->id, ready, since_ms, &restarts, err)) == 0) {
		if (clock_left_ms(deadline_ms) == 0)
			return error_set(err, ERROR_FAILED,
			    "it was started, and is not ready after %lld s",
			    (long long)(ready->timeout_ms / 1000));
		if (poll(&stop, 1, LOOK_MS) > 0)
			return error_set(err, ERROR_CANCELLED, "interrupted; it was started");
	}
	return rc < 0 ? -1 : 0;
}

static int begin(struct host_run *run, const struct act *act, struct error *err)
{
	const struct container *container = act->container;

	return act->kind == ACT_RESTART
		   ? engine_container_restart(
			 run->link.engine, container->id, container->stop_grace_s, err)
		   : engine_container_start(run->link.engine, container->id, err);
}

/* Of one that ran before and does not now it has to be said that it is down. */
static void judge(struct host_run *run, const struct act *act, struct error *err)
{
	CLEANUP_JSON json_t *inspect = NULL;

	if (act->kind != ACT_RESTART ||
	    (engine_container_inspect(run->link.care, act->container->id, &inspect, NULL) == 0 &&
		json_flag(inspect, "State.Running", false)))
		return;
	run->down = true;
	error_hint(err, "it is down, or was when it was looked at last: shipit status tells, and a "
			"deploy mends it");
}

static int start(struct host_run *run, const struct act *act, struct error *err)
{
	CLEANUP_BUF struct buf logs = BUF_INIT(64 * 1024);
	CLEANUP_STRV struct strv lines = {0};

	if (begin(run, act, err) == 0 && await_up(run, act, err) == 0)
		return 0;
	if (err->kind == ERROR_FAILED &&
	    engine_container_logs(run->link.care, act->container->id, TAIL_LINES, &logs, NULL) ==
		0 &&
	    strv_split(&lines, logs.data, "\r\n") == 0)
		last_words(err, lines.v, lines.n);
	judge(run, act, err);
	return -1;
}

/* --- what is to be gone */

static int unless_gone(int rc, struct error *err)
{
	if (rc == 0 || err->kind != ERROR_NOT_FOUND)
		return rc;
	error_release(err);
	return 0;
}

/* Somebody else may have put a container of theirs into it. */
static int remove_network(struct host_run *run, const struct act *act, struct error *err)
{
	CLEANUP_JSON json_t *network = NULL;
	const char *owner;

	if (engine_network_inspect(run->link.engine, act->name, &network, err) < 0)
		return unless_gone(-1, err);
	owner = json_string_value(
	    json_object_get(json_object_get(network, "Labels"), LABEL_PREFIX "prefix"));
	if (owner == NULL || strcmp(owner, run->rollout->prefix) != 0) {
		emit_note(&run->source, "the network %s is not shipit's, and stays", act->name);
		return 0;
	}
	if (unless_gone(engine_network_remove(run->link.engine, act->name, err), err) == 0)
		return 0;
	if (err->kind != ERROR_FAILED && err->kind != ERROR_CONFLICT)
		return -1;
	emit_note(&run->source, "the network %s stays: %s", act->name, error_text(err));
	error_release(err);
	return 0;
}

static int do_it(struct host_run *run, const struct act *act, struct error *err)
{
	struct engine *engine = run->link.engine;

	switch (act->kind) {
	case ACT_POLICY:
		if (engine_container_restart_policy(engine, act->container->id, act->value, err) ==
		    0)
			return 0;
		if (err->kind != ERROR_FAILED)
			return -1;
		emit_note(&run->source, "%s: its restart policy stays %s: %s", act->service,
		    act->container->policy, error_text(err));
		error_release(err);
		return 0;
	case ACT_START:
	case ACT_RESTART:
		return start(run, act, err);
	case ACT_STOP:
		return engine_container_stop(
		    engine, act->container->id, act->container->stop_grace_s, err);
	case ACT_REMOVE:
		return unless_gone(
		    engine_container_remove(engine, act->container->id, false, err), err);
	case ACT_UNTAG:
		return host_untag(run, act->name, err);
	case ACT_DOWN:
		return record_down(run, act->service, act->value, err);
	case ACT_NETWORK:
		return remove_network(run, act, err);
	case ACT_LEDGER:
		return unless_gone(engine_container_remove(engine, act->name, false, err), err);
	}
	return 0;
}

/* Those that take their time are steps that are shown. */
static enum step step_of(const struct act *act)
{
	if (act->kind == ACT_START || act->kind == ACT_RESTART)
		return STEP_START;
	return act->kind == ACT_STOP ? STEP_STOP : STEP_NONE;
}

static int perform(struct host_run *run, const struct act *act, struct error *err)
{
	enum step step = step_of(act);
	int rc;

	if (step != STEP_NONE)
		step_begin(run, step, act->service);
	rc = do_it(run, act, err);
	if (rc < 0)
		host_explain(run, err);
	if (rc < 0 && step == STEP_NONE) {
		CLEANUP_FREE char *words = act_words(act);

		error_wrap(err, "%s", words != NULL ? words : "");
	}
	if (step != STEP_NONE)
		step_end(run, step, act->service, rc, err);
	/* An image's name counts itself; what is only there to be looked through does not. */
	run->acted += rc == 0 && act->kind != ACT_UNTAG && act->kind != ACT_NETWORK &&
		      act->kind != ACT_LEDGER;
	return rc;
}

static int perform_all(struct host_run *run, const struct acts *acts, struct error *err)
{
	for (size_t i = 0; i < acts->n; i++) {
		if (cancel_fired(&run->rollout->stop))
			return error_set(err, ERROR_CANCELLED, "interrupted");
		if (perform(run, &acts->v[i], err) < 0)
			return -1;
	}
	return 0;
}

static int describe(struct host_run *run, const struct acts *acts, struct error *err)
{
	for (size_t i = 0; i < acts->n; i++)
		if (strv_take(&run->result->plan, act_words(&acts->v[i])) < 0)
			return error_memory(err);
	return 0;
}

int host_act(struct host_run *run, enum rollout_kind kind, struct error *err)
{
	const struct rollout_options *options = &run->rollout->options;
	const struct plan_input input = host_plan_input(run);
	const struct acts *acts = &run->acts;

	if (acts_make(kind, &input, &run->acts, err) < 0)
		return -1;
	for (size_t i = 0; i < acts->notes.n; i++)
		emit_note(&run->source, "%s", acts->notes.v[i]);
	return options->dry_run ? describe(run, acts, err) : perform_all(run, acts, err);
}
