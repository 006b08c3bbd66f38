/* shipit start, stop, restart, down and prune. */
#include <string.h>

#include "base/buf.h"
#include "cmd/confirm.h"
#include "cmd/perform.h"

static int choose(struct cli *cli, enum rollout_kind kind, struct strv *services,
    struct rollout_options *ret, struct error *err)
{
	*services = (struct strv){.v = cli->arguments.v + 1, .n = cli->arguments.n - 1};
	*ret = (struct rollout_options){
	    .services = services, .kind = kind, .dry_run = cli->settings.dry_run};
	return cli_environment(cli, cli->arguments.v[0], &ret->environment, err);
}

static int act(struct cli *cli, enum rollout_kind kind, struct error *err)
{
	struct rollout_options options;
	struct strv services;

	return choose(cli, kind, &services, &options, err) < 0 ? -1 : perform(cli, &options, err);
}

int start_run(struct cli *cli, struct error *err)
{
	return act(cli, ROLLOUT_START, err);
}

int stop_run(struct cli *cli, struct error *err)
{
	return act(cli, ROLLOUT_STOP, err);
}

int restart_run(struct cli *cli, struct error *err)
{
	return act(cli, ROLLOUT_RESTART, err);
}

int down_run(struct cli *cli, struct error *err)
{
	struct rollout_options options;
	struct strv services;

	if (choose(cli, ROLLOUT_DOWN, &services, &options, err) < 0)
		return -1;
	CLEANUP_FREE char *prefix = inventory_prefix(cli->inventory, options.environment);
	CLEANUP_FREE char *question = string_printf(
	    "Remove all of %s from its hosts (volumes stay)?", prefix != NULL ? prefix : "it");
	if (prefix == NULL || question == NULL)
		return error_memory(err);
	if (!options.dry_run && confirm(cli, question, err) < 0)
		return -1;
	return perform(cli, &options, err);
}

int prune_run(struct cli *cli, struct error *err)
{
	struct rollout_options options;
	struct strv services;

	if (choose(cli, ROLLOUT_PRUNE, &services, &options, err) < 0)
		return -1;
	options.prune_services = options.dry_run;
	if (!options.dry_run &&
	    confirm_left(cli, options.environment, &options.prune_services, err) < 0)
		return -1;
	return perform(cli, &options, err);
}
