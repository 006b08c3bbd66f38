/* shipit deploy ENV [SERVICE...] */
#include <stdio.h>
#include <string.h>

#include "cmd/confirm.h"
#include "cmd/perform.h"
#include "deploy/state.h"

static int choose_batch(
    const struct settings *settings, struct rollout_options *options, struct error *err)
{
	if (settings->batch == NULL || share_parse(settings->batch, 1, &options->batch))
		return 0;
	return error_set(err, ERROR_USAGE,
	    "--batch takes a number of hosts, or a part of them such as 25%%, not %s",
	    settings->batch);
}

/* 0: they are in `ret`; 1: there are none, which is said. */
static int choose_missing(const struct cli *cli, const struct environment *environment,
    struct missing *ret, struct error *err)
{
	if (state_read_missing(cli->inventory->path, environment->name, ret, err) < 0) {
		if (err->kind != ERROR_NOT_FOUND)
			return -1;
		error_release(err);
		error_set(err, ERROR_USAGE,
		    "no deploy to %s from this inventory is remembered here", environment->name);
		return error_hint(err, "leave --retry out: what is up to date is left alone");
	}
	if (ret->hosts.n > 0)
		return 0;
	fprintf(cli->err, "shipit: the last deploy to %s came through on all its hosts\n",
	    environment->name);
	return 1;
}

static int deploy(struct cli *cli, struct rollout_options *options, struct error *err)
{
	const struct settings *s = &cli->settings;
	struct missing missing = {0};
	int rc = 0;

	if (s->retry)
		rc = choose_missing(cli, options->environment, &missing, err);
	if (s->retry && rc == 0) {
		options->only = &missing.hosts;
		if (options->services->n == 0)
			options->services = &missing.services;
		options->continues = missing.rollout;
	}
	if (rc == 0 && s->prune_services && !s->dry_run)
		rc = confirm_left(cli, options->environment, &options->prune_services, err);
	if (rc == 0)
		rc = perform(cli, options, err);
	else if (rc > 0)
		rc = 0;
	missing_release(&missing);
	return rc;
}

int deploy_run(struct cli *cli, struct error *err)
{
	const struct settings *s = &cli->settings;
	struct strv services = {.v = cli->arguments.v + 1, .n = cli->arguments.n - 1};
	struct rollout_options options = {
	    .services = &services,
	    .kind = ROLLOUT_DEPLOY,
	    .force = s->force,
	    .adopt = s->adopt,
	    .prune_first = s->prune_first,
	    .prune_services = s->prune_services,
	    .no_build = s->no_build,
	    .dry_run = s->dry_run,
	    .max_rate = s->max_rate,
	    .canary = s->canary,
	    .fail_unreachable = s->unreachable != NULL && strcmp(s->unreachable, "fail") == 0,
	};

	if (choose_batch(s, &options, err) < 0 ||
	    cli_environment(cli, cli->arguments.v[0], &options.environment, err) < 0 ||
	    perform_check_confirm(cli, options.environment, err) < 0)
		return -1;
	return deploy(cli, &options, err);
}
