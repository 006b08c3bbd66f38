#include "deploy/survey.h"

#include <stdlib.h>

#include "base/clock.h"
#include "deploy/hosts.h"

struct survey_run {
	const struct survey_options *options;
	struct survey *survey;
	struct visit visit;
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

static void look_at(void *context, size_t number)
{
	struct survey_run *run = context;
	struct survey_host *at = &run->survey->hosts[number];
	const struct survey_options *options = run->options;
	struct event_source source = {.events = options->visit.events, .host = at->host->name};
	int64_t start_ms = clock_now_ms();
	struct host_link link = {0};

	at->step = STEP_CONNECT;
	emit_step(&source, STEP_CONNECT, STATE_START, -1, NULL);
	if (visit_open(&run->visit, number, at->host, &link, &at->error) < 0) {
		emit_failed(&source, STEP_CONNECT, clock_now_ms() - start_ms, &at->error);
		return;
	}
	at->connect_ms = clock_now_ms() - start_ms;
	at->transport = session_transport_name(link.session);
	at->step = STEP_FACTS;
	if (facts_gather(link.engine, link.keeper, run->visit.prefix,
		options->probe ? FACTS_MACHINE : FACTS_SERVICES | FACTS_AGES, &at->facts,
		&at->error) == 0 &&
	    options->probe)
		probe(&link, at);
	host_link_close(&link);
	if (at->error.kind != ERROR_NONE)
		emit_failed(&source, STEP_FACTS, clock_now_ms() - start_ms, &at->error);
	else
		emit_step(&source, STEP_FACTS, STATE_OK, clock_now_ms() - start_ms, NULL);
}

static int make_hosts(
    const struct survey_options *options, struct survey *survey, struct error *err)
{
	const struct host **hosts = NULL;
	size_t n = 0;

	if (hosts_choose(options->visit.inventory, options->visit.environment, options->limit, NULL,
		&hosts, &n, err) < 0)
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

	if (make_hosts(options, &survey, err) < 0)
		return -1;
	if (visit_begin(&options->visit, &run.visit, err) < 0) {
		survey_release(&survey);
		return -1;
	}
	visit_each(survey.n, options->parallel, look_at, &run);
	visit_end(&run.visit);
	*ret = survey;
	return 0;
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
