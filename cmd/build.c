/* shipit build [SERVICE...] */
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "cmd/ui/words.h"
#include "cmd/work.h"
#include "deploy/build.h"

struct job {
	const struct inventory *inventory;
	const struct service **services;
	size_t n;
	struct build_options options;
	struct build_counts counts;
	struct events *events;
	struct error *err;
	int rc;
};

static void job_run(void *context)
{
	struct job *job = context;

	job->rc = deploy_build(job->inventory, job->services, job->n, &job->options, job->events,
	    &job->counts, job->err);
}

static int unknown_service(const struct inventory *inv, const char *name, struct error *err)
{
	CLEANUP_STRV struct strv names = {0};
	const char *near;

	for (size_t i = 0; i < inv->n_services; i++)
		if (strv_add(&names, inv->services[i].name) < 0)
			return error_memory(err);
	near = text_nearest(name, (const char *const *)names.v, names.n);
	error_set(err, ERROR_USAGE, "there is no service \"%s\"", name);
	return near != NULL ? error_hint(err, "did you mean \"%s\"?", near) : -1;
}

static int choose_named(const struct cli *cli, struct job *job, struct error *err)
{
	for (size_t i = 0; i < cli->arguments.n; i++) {
		const char *name = cli->arguments.v[i];
		const struct service *service = inventory_service(cli->inventory, name);

		if (service == NULL)
			return unknown_service(cli->inventory, name, err);
		if (!service->build.set)
			return error_set(err, ERROR_USAGE,
			    "%s has no `build:`: it takes the image %s as it is", name,
			    service->image);
		job->services[job->n++] = service;
	}
	return 0;
}

static int choose(const struct cli *cli, struct job *job, struct error *err)
{
	const struct inventory *inv = cli->inventory;

	job->services = calloc(inv->n_services + cli->arguments.n + 1, sizeof(*job->services));
	if (job->services == NULL)
		return error_memory(err);
	if (cli->arguments.n > 0)
		return choose_named(cli, job, err);
	for (size_t i = 0; i < inv->n_services; i++)
		if (inv->services[i].build.set)
			job->services[job->n++] = &inv->services[i];
	return 0;
}

static int build_shown(struct cli *cli, struct job *job, struct ui *ui, struct error *err)
{
	const struct ui_start start = {
	    .command = cli->command->name,
	    .project = cli->inventory->project,
	    .now_ms = clock_now_ms(),
	};
	struct work work = {.run = job_run, .context = job, .events = job->events};
	char took[WORDS_SIZE];

	if (ui_begin(ui, &start, err) < 0 || work_run(cli, ui, &work, err) < 0)
		return -1;
	ui_close(ui, clock_now_ms());
	words_duration(clock_now_ms() - start.now_ms, took);
	if (job->rc == 0 && !cli->settings.json)
		fprintf(cli->out, "build: %zu image%s in %s; steps: %zu run, %zu unchanged\n",
		    job->n, job->n == 1 ? "" : "s", took, job->counts.run, job->counts.unchanged);
	return job->rc;
}

int build_run(struct cli *cli, struct error *err)
{
	struct job job = {
	    .options = {.pull = cli->settings.pull,
		.no_cache = cli->settings.no_cache,
		.cancel_fd = cli->cancel.fd},
	    .err = err,
	};
	struct ui *ui = NULL;
	int rc = -1;

	if (cli_load(cli, NULL, err) < 0)
		return -1;
	job.inventory = cli->inventory;
	if (choose(cli, &job, err) < 0) {
		free(job.services);
		return -1;
	}
	if (job.n == 0 && !cli->settings.json)
		fprintf(cli->out, "nothing to build: no service has a `build:`\n");
	if (job.n == 0) {
		free(job.services);
		return EXIT_OK;
	}
	if (work_ui(cli, false, &ui, err) == 0 && events_new(1024, &job.events, err) == 0)
		rc = build_shown(cli, &job, ui, err);
	events_free(job.events);
	ui_free(ui);
	free(job.services);
	return rc;
}
