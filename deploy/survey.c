#include "deploy/survey.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "deploy/hosts.h"
#include "deploy/host_link.h"
#include "deploy/run_dir.h"

struct survey_run {
	const struct survey_options *options;
	struct survey *survey;
	char *prefix;
	struct run_dir run_dir;
	struct heart *heart;
	pthread_mutex_t lock;
	size_t next; /* host to be looked at */
};

/* Where the registry would be does not matter: whether the server lets us listen does. */
static void probe(struct host_link *link, struct survey_host *at)
{
	int port;

	at->forwarding =
	    session_forward_remote(link->session, "127.0.0.1:1", &port, &at->forwarding_error) == 0;
	if (at->forwarding)
		session_forward_cancel(link->session, port, NULL);
}

static void look_at(struct survey_run *run, size_t i)
{
	struct survey_host *at = &run->survey->hosts[i];
	const struct survey_options *options = run->options;
	CLEANUP_FREE char *run_dir = string_printf("%s/%zu", run->run_dir.path, i);
	const struct host_link_options link_options = {
	    .inventory = options->inventory,
	    .host = at->host,
	    .run_dir = run_dir,
	    .heart = run->heart,
	    .stop_fd = options->cancel_fd,
	    .kill_fd = options->cancel_fd,
	    .prompt = options->prompt,
	    .prompt_context = options->prompt_context,
	    .events = options->events,
	};
	struct event_source source = {.events = options->events, .host = at->host->name};
	int64_t start_ms = clock_now_ms();
	struct host_link link = {0};

	if (run_dir == NULL) {
		error_memory(&at->error);
		return;
	}
	at->step = STEP_CONNECT;
	emit_step(&source, STEP_CONNECT, STATE_START, -1, NULL);
	if (host_link_open(&link_options, &link, &at->error) < 0) {
		emit_failed(&source, STEP_CONNECT, clock_now_ms() - start_ms, &at->error);
		return;
	}
	at->connect_ms = clock_now_ms() - start_ms;
	at->transport = session_transport_name(link.session);
	at->step = STEP_FACTS;
	if (facts_gather(link.engine, link.keeper, run->prefix, &at->facts, &at->error) == 0 &&
	    options->probe)
		probe(&link, at);
	host_link_close(&link);
	if (at->error.kind != ERROR_NONE)
		emit_failed(&source, STEP_FACTS, clock_now_ms() - start_ms, &at->error);
	else
		emit_step(&source, STEP_FACTS, STATE_OK, clock_now_ms() - start_ms, NULL);
}

static void *worker(void *context)
{
	struct survey_run *run = context;

	for (;;) {
		size_t i;

		pthread_mutex_lock(&run->lock);
		i = run->next++;
		pthread_mutex_unlock(&run->lock);
		if (i >= run->survey->n)
			return NULL;
		look_at(run, i);
	}
}

static void work(struct survey_run *run)
{
	enum { MOST = 256 };
	size_t wanted = run->options->parallel > 0 ? (size_t)run->options->parallel : 16;
	pthread_t threads[MOST];
	size_t n = 0;

	if (wanted > run->survey->n)
		wanted = run->survey->n;
	while (n < wanted && n < MOST && pthread_create(&threads[n], NULL, worker, run) == 0)
		n++;
	if (n == 0)
		worker(run);
	for (size_t i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

static int make_hosts(
    const struct survey_options *options, struct survey *survey, struct error *err)
{
	const struct host **hosts = NULL;
	size_t n = 0;

	if (hosts_choose(options->inventory, options->environment, options->limit, NULL, &hosts, &n,
		err) < 0)
		return -1;
	survey->hosts = calloc(n, sizeof(*survey->hosts));
	for (size_t i = 0; i < n && survey->hosts != NULL; i++)
		survey->hosts[i].host = hosts[i];
	free(hosts);
	if (survey->hosts == NULL)
		return error_memory(err);
	survey->n = n;
	return 0;
}

int survey_run(const struct survey_options *options, struct survey *ret, struct error *err)
{
	struct survey survey = {0};
	struct survey_run run = {.options = options, .survey = &survey};
	int rc = -1;

	if (make_hosts(options, &survey, err) < 0)
		return -1;
	run.prefix = inventory_prefix(options->inventory, options->environment);
	if (run.prefix == NULL)
		error_memory(err);
	else if (run_dir_make(&run.run_dir, err) == 0 && heart_start(&run.heart, err) == 0) {
		pthread_mutex_init(&run.lock, NULL);
		work(&run);
		pthread_mutex_destroy(&run.lock);
		*ret = survey;
		survey = (struct survey){0};
		rc = 0;
	}
	heart_stop(run.heart);
	run_dir_remove(&run.run_dir);
	free(run.prefix);
	survey_release(&survey);
	return rc;
}

void survey_release(struct survey *survey)
{
	for (size_t i = 0; i < survey->n; i++) {
		error_release(&survey->hosts[i].error);
		error_release(&survey->hosts[i].forwarding_error);
		facts_release(&survey->hosts[i].facts);
	}
	free(survey->hosts);
	*survey = (struct survey){0};
}
