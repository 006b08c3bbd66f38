#include "deploy/rollout.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/proc.h"
#include "deploy/hosts.h"
#include "deploy/run.h"
#include "deploy/services.h"
#include "deploy/undo.h"

/* --- making one */

static int choose_services(struct rollout *rollout, struct error *err)
{
	const struct rollout_options *options = &rollout->options;

	if (services_choose(options->inventory, options->environment, options->services,
		&rollout->services, &rollout->n_services, err) < 0)
		return -1;
	rollout->befores = calloc(rollout->n_services, sizeof(*rollout->befores));
	rollout->before_on = calloc(rollout->n_services, sizeof(*rollout->before_on));
	return rollout->befores != NULL && rollout->before_on != NULL ? 0 : error_memory(err);
}

static int make_runs(struct rollout *rollout, struct error *err)
{
	const struct host **hosts = NULL;
	bool whole = false;
	size_t n = 0;

	if (hosts_choose(rollout->options.inventory, rollout->options.environment,
		rollout->options.limit, rollout->options.only, &hosts, &n, err) < 0)
		return -1;
	rollout->runs = calloc(n, sizeof(*rollout->runs));
	rollout->result.hosts = calloc(n, sizeof(*rollout->result.hosts));
	for (size_t i = 0; i < n && rollout->runs != NULL && rollout->result.hosts != NULL; i++) {
		struct host_run *run = &rollout->runs[i];

		run->rollout = rollout;
		run->host = hosts[i];
		run->result = &rollout->result.hosts[i];
		run->result->host = hosts[i]->name;
		for (size_t step = 0; step < N_STEPS; step++)
			run->result->step_ms[step] = -1;
		run->source.events = rollout->options.events;
		run->source.host = hosts[i]->name;
		run->found = calloc(rollout->n_services, sizeof(*run->found));
		run->works = calloc(rollout->n_services, sizeof(*run->works));
		rollout->n_runs = rollout->result.n_hosts = i + 1;
		whole = i + 1 == n && run->found != NULL && run->works != NULL;
		if (run->found == NULL || run->works == NULL)
			break;
	}
	free(hosts);
	return whole ? 0 : error_memory(err);
}

/* "ann@laptop" -> ann, laptop */
static int split_by(struct rollout *rollout)
{
	const char *by = rollout->options.by != NULL ? rollout->options.by : "";
	size_t len = strcspn(by, "@");

	rollout->user = strndup(by, len);
	rollout->machine = strdup(by[len] == '@' ? by + len + 1 : "");
	return rollout->user == NULL || rollout->machine == NULL ? -1 : 0;
}

/* A rollback is in a hurry: it goes to all at once. */
static void choose_policy(struct rollout *rollout)
{
	const struct rollout_options *options = &rollout->options;

	if (options->kind != ROLLOUT_DEPLOY)
		return;
	rollout->policy = options->environment->rollout;
	if (options->canary > 0)
		rollout->policy.canary = options->canary;
	if (options->batch.n > 0)
		rollout->policy.batch = options->batch;
}

static bool decide(void *context, size_t gate);

int rollout_new(const struct rollout_options *options, struct rollout **ret, struct error *err)
{
	struct rollout *rollout = calloc(1, sizeof(*rollout));

	if (rollout == NULL)
		return error_memory(err);
	rollout->options = *options;
	rollout->stop = rollout->kill = (struct cancel)CANCEL_INIT;
	choose_policy(rollout);
	pthread_mutex_init(&rollout->work_lock, NULL);
	pthread_mutex_init(&rollout->verdict_lock, NULL);
	pthread_mutex_init(&rollout->again.lock, NULL);
	pthread_cond_init(&rollout->work_free, NULL);
	rollout->when = time(NULL);
	clock_format_utc(rollout->when, rollout->at);
	rollout->prefix = inventory_prefix(options->inventory, options->environment);
	if (rollout->prefix == NULL || split_by(rollout) < 0) {
		error_memory(err);
		rollout_free(rollout);
		return -1;
	}
	if (name_rollout(rollout->when, rollout->id, err) < 0 ||
	    choose_services(rollout, err) < 0 || make_runs(rollout, err) < 0 ||
	    cancel_init(&rollout->stop, err) < 0 || cancel_init(&rollout->kill, err) < 0 ||
	    gates_new(rollout->n_runs, N_GATES, decide, rollout, &rollout->gates, err) < 0) {
		rollout_free(rollout);
		return -1;
	}
	rollout->result.rollout = strdup(rollout->id);
	if (rollout->result.rollout == NULL) {
		rollout_free(rollout);
		return error_memory(err);
	}
	*ret = rollout;
	return 0;
}

static void run_release(struct host_run *run, size_t n_services)
{
	plan_release(&run->plan);
	acts_release(&run->acts);
	for (size_t i = 0; i < n_services; i++) {
		if (run->found != NULL)
			found_release(&run->found[i]);
		if (run->works != NULL) {
			free(run->works[i].new_id);
			free(run->works[i].new_name);
		}
	}
	free(run->found);
	free(run->works);
	facts_release(&run->facts);
	facts_release(&run->before);
	strv_release(&run->held.references);
}

void rollout_free(struct rollout *rollout)
{
	if (rollout == NULL)
		return;
	for (size_t i = 0; i < rollout->n_runs; i++)
		run_release(&rollout->runs[i], rollout->n_services);
	for (size_t i = 0; i < rollout->result.n_hosts; i++) {
		error_release(&rollout->result.hosts[i].error);
		strv_release(&rollout->result.hosts[i].plan);
	}
	for (size_t i = 0; i < rollout->n_services && rollout->images != NULL; i++)
		image_release(&rollout->images[i]);
	for (size_t i = 0; i < rollout->again.n; i++) {
		image_release(rollout->again.images[i]);
		free(rollout->again.images[i]);
	}
	free(rollout->again.images);
	refresh_free(rollout);
	secrets_free(rollout->secrets);
	rollout_free_batches(rollout);
	gates_free(rollout->gates);
	limiter_free(rollout->limiter);
	cancel_release(&rollout->stop);
	cancel_release(&rollout->kill);
	pthread_mutex_destroy(&rollout->work_lock);
	pthread_mutex_destroy(&rollout->verdict_lock);
	pthread_mutex_destroy(&rollout->again.lock);
	pthread_cond_destroy(&rollout->work_free);
	error_release(&rollout->result.error);
	free(rollout->result.hosts);
	free(rollout->result.rollout);
	free(rollout->runs);
	free(rollout->images);
	free(rollout->releases);
	free(rollout->services);
	free(rollout->befores);
	free(rollout->before_on);
	free(rollout->prefix);
	free(rollout->user);
	free(rollout->machine);
	undo_release(&rollout->undo);
	free(rollout);
}

const struct rollout_result *rollout_result(const struct rollout *rollout)
{
	return &rollout->result;
}

/* --- what all hosts decide together */

static bool choose_leader(struct rollout *rollout)
{
	for (size_t i = 0; i < rollout->n_runs; i++)
		if (rollout->runs[i].connected) {
			rollout->leader = i;
			return true;
		}
	return false;
}

/* What a rollback takes back: the rollout made last on the hosts that could be asked. */
static bool choose_undo(struct rollout *rollout)
{
	const struct rollout_options *options = &rollout->options;
	const struct ledger **ledgers;
	const char **names;
	size_t n = 0;
	int rc = -1;

	if (options->kind != ROLLOUT_ROLLBACK || options->to != NULL)
		return true;
	ledgers = calloc(rollout->n_runs, sizeof(*ledgers));
	names = calloc(rollout->n_services, sizeof(*names));
	if (ledgers != NULL && names != NULL) {
		for (size_t i = 0; i < rollout->n_runs; i++)
			if (rollout->runs[i].connected)
				ledgers[n++] = &rollout->runs[i].facts.ledger;
		for (size_t i = 0; i < rollout->n_services; i++)
			names[i] = rollout->services[i]->name;
		rc = undo_choose(ledgers, n, names, rollout->n_services, options->undo,
		    &rollout->undo, &rollout->result.error);
	} else {
		error_memory(&rollout->result.error);
	}
	free(ledgers);
	free(names);
	return rc == 0;
}

static bool decide(void *context, size_t gate)
{
	struct rollout *rollout = context;

	if (gate == GATE_CONNECTED)
		return choose_leader(rollout);
	if (gate == GATE_FACTS)
		return choose_undo(rollout) && refresh_look(rollout);
	return gate != GATE_PLANNED || rollout->options.dry_run || rollout_make_batches(rollout);
}

const char *rollout_kind_name(enum rollout_kind kind)
{
	static const char *const names[] = {
	    "deploy", "rollback", "start", "stop", "restart", "down", "prune"};

	return names[kind];
}

const char *rollout_name(const struct rollout_options *options)
{
	return options->refresh ? "refresh" : rollout_kind_name(options->kind);
}

/* --- running it */

static void tell_begin(const struct rollout *rollout)
{
	const struct event_source source = {.events = rollout->options.events};
	struct event event = {.kind = EVENT_ROLLOUT, .ms = -1, .release = strdup(rollout->id)};

	event.text = string_printf("%s %s on %zu host%s", rollout_name(&rollout->options),
	    rollout->prefix, rollout->n_runs, rollout->n_runs == 1 ? "" : "s");
	events_emit(rollout->options.events, &event);
	for (size_t i = 0; rollout->options.notes != NULL && i < rollout->options.notes->n; i++)
		emit_note(&source, "%s", rollout->options.notes->v[i]);
}

/* Closes the gates when the user wants to stop: a signal handler cannot. */
static void *watch_stop(void *context)
{
	struct rollout *rollout = context;
	struct pollfd slots[] = {
	    {.fd = rollout->stop.fd, .events = POLLIN}, {.fd = rollout->kill.fd, .events = POLLIN}};

	while (poll(slots, 2, -1) < 0 && errno == EINTR)
		continue;
	rollout_close(rollout);
	return NULL;
}

static int start_thread(pthread_t *thread, void *(*work)(void *), void *context, struct error *err)
{
	int rc = pthread_create(thread, NULL, work, context);

	return rc == 0 ? 0 : error_errno(err, rc, "cannot start a thread");
}

static void run_hosts(struct rollout *rollout)
{
	for (size_t i = 0; i < rollout->n_runs; i++) {
		struct host_run *run = &rollout->runs[i];

		run->started =
		    start_thread(&run->thread, host_thread, run, &run->result->error) == 0;
		if (!run->started) {
			rollout_fail(run, true);
			gates_leave(rollout->gates, 0);
		}
	}
	rollout_conduct(rollout);
	for (size_t i = 0; i < rollout->n_runs; i++)
		if (rollout->runs[i].started)
			pthread_join(rollout->runs[i].thread, NULL);
}

static int run_all(struct rollout *rollout, struct error *err)
{
	pthread_t watcher;

	if (rollout_hook_before(rollout, err) < 0)
		return -1;
	if (rollout_secrets(rollout, err) < 0)
		return -1;
	rollout_notify(rollout, OCCASION_START);
	if (rollout->options.kind == ROLLOUT_DEPLOY && rollout_images(rollout, err) < 0)
		return -1;
	if (run_dir_make(&rollout->run_dir, err) < 0 || heart_start(&rollout->heart, err) < 0)
		return -1;
	if (rollout->options.max_rate > 0 &&
	    limiter_new(rollout->options.max_rate, &rollout->limiter, err) < 0)
		return -1;
	rollout->registry.limiter = rollout->limiter;
	if (rollout->options.kind == ROLLOUT_DEPLOY && rollout_serve(rollout, err) < 0)
		return -1;
	if (start_thread(&watcher, watch_stop, rollout, err) < 0)
		return -1;
	run_hosts(rollout);
	cancel_fire(&rollout->stop); /* ends the watcher; nobody else looks any more */
	pthread_join(watcher, NULL);
	return 0;
}

void rollout_run(struct rollout *rollout)
{
	tell_begin(rollout);
	if (run_all(rollout, &rollout->result.error) < 0 && atomic_load(&rollout->interrupts) > 0)
		error_set(&rollout->result.error, ERROR_CANCELLED, "interrupted");
	rollout_mask(rollout, &rollout->result.error);
	/* What is left is care of the store: Ctrl-C ends that at once, and no good rollout. */
	rollout->result.interrupted = atomic_load(&rollout->interrupts) > 0;
	atomic_store(&rollout->swapping, false); /* from now on Ctrl-C lets go at once */
	refresh_end(rollout);
	rollout_hook_after(rollout);
	heart_stop(steal_ptr(rollout->heart));
	local_registry_stop(&rollout->registry);
	local_registry_tidy(&rollout->registry, (uint64_t)STORE_LIMIT_GIB << 30, rollout->kill.fd,
	    rollout->options.events);
	local_registry_close(&rollout->registry);
	run_dir_remove(&rollout->run_dir);
	events_close(rollout->options.events);
}

void rollout_interrupt(struct rollout *rollout)
{
	bool again = atomic_fetch_add(&rollout->interrupts, 1) > 0;

	cancel_fire(&rollout->stop);
	/* Where nothing was swapped there is nothing to be taken back in order. */
	if (again || !atomic_load(&rollout->swapping))
		cancel_fire(&rollout->kill);
}
