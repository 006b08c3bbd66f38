/* shipit logs ENV [SERVICE...] */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "cmd/cli.h"
#include "cmd/complain.h"
#include "cmd/work.h"
#include "deploy/host_link.h"
#include "deploy/logs.h"
#include "deploy/services.h"
#include "inventory/values.h"

struct reading {
	struct logs_options options;
	struct logs *logs;
	struct error *err;
	int rc;
};

static void reading_run(void *context)
{
	struct reading *reading = context;

	reading->rc = logs_run(&reading->options, reading->logs, reading->err);
}

/* "10m" or a time, as the engine wants it; malloc'ed. */
static char *parse_since(const char *text, struct error *err)
{
	char *since = logs_since(text);
	int64_t ms;

	if (since == NULL && parse_duration(text, &ms) == 0)
		since = string_printf("%lld", (long long)(time(NULL) - (time_t)(ms / 1000)));
	if (since == NULL)
		error_set(err, ERROR_USAGE,
		    "--since takes a time such as 10m, or 2026-11-22T17:54:32Z, not %s", text);
	return since;
}

/* How wide the names in front of a line are; 0: there is one container, and none is needed. */
static int names_width(const struct cli *cli, const struct logs_options *options,
    const struct strv *hosts, size_t *ret, struct error *err)
{
	CLEANUP_FREE const struct service **services = NULL;
	size_t n = 0, widest_host = 0, widest_service = 0;

	if (services_choose(cli->inventory, options->visit.environment, options->services,
		&services, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < hosts->n; i++)
		if (strlen(hosts->v[i]) > widest_host)
			widest_host = strlen(hosts->v[i]);
	for (size_t i = 0; i < n; i++)
		if (strlen(services[i]->name) > widest_service)
			widest_service = strlen(services[i]->name);
	*ret = hosts->n * n > 1 ? widest_host + 1 + widest_service : 0;
	return 0;
}

static int exit_code(const struct logs *logs)
{
	size_t unreached = 0, failed = 0;

	for (size_t i = 0; i < logs->n; i++) {
		const struct error *error = &logs->hosts[i].error;

		unreached += host_link_is_unreachable(error);
		failed += error->kind != ERROR_NONE && !host_link_is_unreachable(error);
	}
	return looked_exit_code(logs->n, unreached, failed);
}

static void complain_of(const struct cli *cli, const struct logs *logs)
{
	CLEANUP_FREE struct host_error *errors = calloc(logs->n + 1, sizeof(*errors));

	for (size_t i = 0; errors != NULL && i < logs->n; i++) {
		errors[i] = (struct host_error){
		    .host = logs->hosts[i].host->name, .error = &logs->hosts[i].error};
		if (cli->settings.json && logs->hosts[i].error.kind != ERROR_NONE)
			cli_host_failed(cli, errors[i].host, NULL, errors[i].error);
		if (logs->hosts[i].containers == 0 && logs->hosts[i].error.kind == ERROR_NONE)
			complain_text(cli->err, cli->color_err, logs->hosts[i].host->name, NULL,
			    "there is no container", NULL);
	}
	if (errors != NULL)
		complain_hosts(cli->err, cli->color_err, errors, logs->n);
}

static int read_shown(struct cli *cli, struct reading *reading, const struct strv *hosts,
    size_t width, struct error *err)
{
	if (work_tail(cli, &reading->options.visit, (const char *const *)hosts->v, hosts->n, width,
		reading_run, reading, err) < 0 ||
	    reading->rc < 0)
		return -1;
	if (signals_count() > 0)
		return EXIT_INTERRUPTED;
	complain_of(cli, reading->logs);
	return exit_code(reading->logs);
}

static int read_logs(struct cli *cli, const struct logs_options *options, struct error *err)
{
	CLEANUP_STRV struct strv hosts = {0};
	struct logs logs = {0};
	struct reading reading = {.options = *options, .logs = &logs, .err = err};
	size_t width = 0;
	int rc = -1;

	if (cli_host_names(cli, options->visit.environment, &hosts, err) == 0 &&
	    names_width(cli, options, &hosts, &width, err) == 0)
		rc = read_shown(cli, &reading, &hosts, width, err);
	logs_release(&logs);
	return rc;
}

int logs_command_run(struct cli *cli, struct error *err)
{
	const struct settings *s = &cli->settings;
	struct strv services = {.v = cli->arguments.v + 1, .n = cli->arguments.n - 1};
	CLEANUP_FREE char *since = NULL;
	struct logs_options options = {
	    .services = &services,
	    .limit = s->limit,
	    .tail = s->number > 0      ? s->number
		    : s->since != NULL ? -1
				       : 100,
	    .follow = s->follow,
	    .visit.cancel_fd = cli->cancel.fd,
	};

	if (s->since != NULL && (since = parse_since(s->since, err)) == NULL)
		return -1;
	options.since = since;
	if (cli_environment(cli, cli->arguments.v[0], &options.visit.environment, err) < 0)
		return -1;
	options.visit.inventory = cli->inventory;
	return read_logs(cli, &options, err);
}
