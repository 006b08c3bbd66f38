#include "deploy/exec.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "deploy/exec_pump.h"
#include "deploy/hosts.h"
#include "deploy/names.h"

struct exec_run {
	const struct exec_options *options;
	struct exec *exec;
	struct visit visit;
	char *container;
};

/* What the engine says of a container that is not there names neither the service nor a way out. */
static int explain(const struct exec_run *run, const struct exec_host *at, struct error *err)
{
	const struct exec_options *options = run->options;

	if (err->kind == ERROR_NOT_FOUND) {
		error_set(err, ERROR_NOT_FOUND, "there is no container of %s (%s)",
		    options->service->name, run->container);
		error_hint(err, "`shipit deploy %s --limit %s` makes one",
		    options->visit.environment->name, at->host->name);
	} else if (err->kind == ERROR_CONFLICT) {
		error_hint(err, "`shipit start %s %s --limit %s` starts it",
		    options->visit.environment->name, options->service->name, at->host->name);
	}
	return -1;
}

static int run_program(
    struct exec_run *run, struct exec_host *at, struct host_link *link, struct error *err)
{
	const struct exec_options *options = run->options;
	const struct exec_stdio *stdio = options->stdio;
	const struct event_source source = {.events = options->visit.events,
	    .host = at->host->name,
	    .service = options->service->name};
	bool terminal = stdio != NULL && stdio->terminal;
	const struct engine_exec program = {
	    .argv = options->argv,
	    .input = stdio != NULL,
	    .terminal = terminal,
	    .term = terminal ? stdio->term : NULL,
	};
	CLEANUP_FREE char *id = NULL;
	CLEANUP_CLOSE int fd = -1;
	int rc;

	if (engine_exec_open(link->engine, run->container, &program, &id, &fd, err) < 0)
		return explain(run, at, err);
	if (stdio != NULL)
		rc = exec_pump(fd, stdio, link->engine, id, options->visit.cancel_fd, err);
	else
		rc = exec_tell(fd, &source, options->visit.cancel_fd, err);
	if (rc == 0)
		rc = engine_exec_wait(link->engine, id, -1, &at->status, err);
	if (rc < 0 && err->kind == ERROR_UNREACHABLE)
		session_lost(link->session, err);
	return rc;
}

static void visit_host(void *context, size_t number)
{
	struct exec_run *run = context;
	struct exec_host *at = &run->exec->hosts[number];
	struct host_link link = {0};

	at->status = -1;
	if (visit_open(&run->visit, number, at->host, &link, &at->error) < 0)
		return;
	run_program(run, at, &link, &at->error);
	host_link_close(&link);
}

int exec_hosts(
    const struct exec_options *options, const struct host ***ret, size_t *ret_n, struct error *err)
{
	const struct visit_options *visit = &options->visit;
	const struct host **hosts = NULL;
	size_t n = 0, kept = 0;

	if (hosts_choose(
		visit->inventory, visit->environment, options->limit, NULL, &hosts, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (inventory_runs_on(
			visit->inventory, visit->environment, options->service, hosts[i]))
			hosts[kept++] = hosts[i];
	if (kept == 0) {
		free(hosts);
		return error_set(err, ERROR_USAGE, "%s is on none of these hosts of %s",
		    options->service->name, visit->environment->name);
	}
	*ret = hosts;
	*ret_n = kept;
	return 0;
}

static int make_hosts(const struct exec_options *options, struct exec *exec, struct error *err)
{
	CLEANUP_FREE const struct host **hosts = NULL;

	if (exec_hosts(options, &hosts, &exec->n, err) < 0)
		return -1;
	exec->hosts = calloc(exec->n + 1, sizeof(*exec->hosts));
	for (size_t i = 0; i < exec->n && exec->hosts != NULL; i++)
		exec->hosts[i].host = hosts[i];
	return exec->hosts != NULL ? 0 : error_memory(err);
}

int exec_run(const struct exec_options *options, struct exec *ret, struct error *err)
{
	struct exec exec = {0};
	struct exec_run run = {.options = options, .exec = &exec};
	int rc = -1;

	if (make_hosts(options, &exec, err) < 0)
		return -1;
	if (visit_begin(&options->visit, &run.visit, err) == 0) {
		run.container = name_container(run.visit.prefix, options->service->name);
		rc = run.container != NULL ? 0 : error_memory(err);
		if (rc == 0)
			visit_each(exec.n, options->parallel, visit_host, &run);
		free(run.container);
		visit_end(&run.visit);
	}
	if (rc < 0) {
		exec_release(&exec);
		return -1;
	}
	*ret = exec;
	return 0;
}

void exec_release(struct exec *exec)
{
	for (size_t i = 0; exec->hosts != NULL && i < exec->n; i++)
		error_release(&exec->hosts[i].error);
	free(exec->hosts);
	*exec = (struct exec){0};
}
