/* Looking at hosts, for the commands that change nothing. */
#include <stdlib.h>

#include "base/clock.h"
#include "cmd/cli.h"
#include "cmd/complain.h"
#include "cmd/ui/json.h"
#include "cmd/work.h"
#include "deploy/host_link.h"
#include "deploy/hosts.h"

struct look {
	struct survey_options options;
	struct survey *survey;
	struct error *err;
	int rc;
};

static void look_run(void *context)
{
	struct look *look = context;

	look->rc = survey_run(&look->options, look->survey, look->err);
}

int cli_host_names(
    const struct cli *cli, const struct environment *env, struct strv *ret, struct error *err)
{
	const struct host **hosts = NULL;
	size_t n = 0;
	int rc = 0;

	if (hosts_choose(cli->inventory, env, cli->settings.limit, NULL, &hosts, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = strv_add(ret, hosts[i]->name);
	free(hosts);
	return rc < 0 ? error_memory(err) : 0;
}

static int look_shown(struct cli *cli, const struct environment *env, struct ui *ui,
    struct look *look, struct error *err)
{
	CLEANUP_STRV struct strv names = {0};
	struct ui_start start = {
	    .command = cli->command->name,
	    .project = cli->inventory->project,
	    .environment = env->name,
	    .last_step = STEP_FACTS,
	    .now_ms = clock_now_ms(),
	};
	struct work work = {.run = look_run, .context = look, .events = look->options.visit.events};

	if (cli_host_names(cli, env, &names, err) < 0)
		return -1;
	start.hosts = (const char *const *)names.v;
	start.n_hosts = names.n;
	if (ui_begin(ui, &start, err) < 0 || work_run(cli, ui, &work, err) < 0)
		return -1;
	ui_close(ui, clock_now_ms());
	return look->rc;
}

int cli_survey(struct cli *cli, const struct environment *env, bool probe, struct survey *ret,
    struct error *err)
{
	struct look look = {
	    .options = {.visit = {.inventory = cli->inventory,
			    .environment = env,
			    .prompt = ui_prompt,
			    .cancel_fd = cli->cancel.fd},
		.limit = cli->settings.limit,
		.parallel = cli->settings.parallel,
		.probe = probe},
	    .survey = ret,
	    .err = err,
	};
	struct ui *ui = NULL;
	int rc = -1;

	if (work_ui(cli, true, &ui, err) < 0)
		return -1;
	look.options.visit.prompt_context = ui;
	if (events_new(1024, &look.options.visit.events, err) == 0)
		rc = look_shown(cli, env, ui, &look, err);
	events_free(look.options.visit.events);
	ui_free(ui);
	if (rc == 0 && cancel_fired(&cli->cancel)) {
		survey_release(ret);
		return error_set(err, ERROR_CANCELLED, "interrupted; nothing was changed");
	}
	return rc;
}

bool host_unreached(const struct survey_host *host)
{
	return host->step == STEP_CONNECT && host_link_is_unreachable(&host->error);
}

void cli_host_failed(
    const struct cli *cli, const char *host, const char *step, const struct error *error)
{
	json_t *object = json_event("host");

	if (object == NULL)
		return;
	json_put(object, "host", host);
	json_put(object, "step", step);
	json_put(object, "state", state_name(STATE_FAILED));
	json_put(object, "kind", error_kind_name(error->kind));
	json_put(object, "error", error_text(error));
	json_put(object, "hint", error->hint);
	json_line(cli->out, object);
}

void survey_complain(struct cli *cli, const struct survey *survey)
{
	CLEANUP_FREE struct host_error *errors = calloc(survey->n + 1, sizeof(*errors));

	fflush(cli->out);
	for (size_t i = 0; errors != NULL && i < survey->n; i++) {
		const struct survey_host *host = &survey->hosts[i];

		errors[i] = (struct host_error){
		    .host = host->host->name, .step = step_name(host->step), .error = &host->error};
		if (host->error.kind != ERROR_NONE && cli->settings.json)
			cli_host_failed(cli, errors[i].host, errors[i].step, &host->error);
	}
	if (errors != NULL)
		complain_hosts(cli->err, cli->color_err, errors, survey->n);
	fflush(cli->err);
}

int looked_exit_code(size_t hosts, size_t unreached, size_t failed)
{
	if (failed > 0 || (hosts > 0 && unreached == hosts))
		return EXIT_FAILED;
	return unreached > 0 ? EXIT_UNREACHABLE : EXIT_OK;
}

int survey_exit_code(const struct survey *survey)
{
	size_t unreached = 0, failed = 0;

	for (size_t i = 0; i < survey->n; i++) {
		const struct survey_host *host = &survey->hosts[i];

		unreached += host_unreached(host);
		failed += host->error.kind != ERROR_NONE && !host_unreached(host);
	}
	return looked_exit_code(survey->n, unreached, failed);
}

int worse_exit_code(int a, int b)
{
	if (a == EXIT_FAILED || b == EXIT_FAILED)
		return EXIT_FAILED;
	return a > b ? a : b;
}
