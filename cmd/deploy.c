/* shipit deploy ENV [SERVICE...] */
#include <string.h>

#include "cmd/confirm.h"
#include "cmd/perform.h"

int deploy_run(struct cli *cli, struct error *err)
{
	const struct settings *s = &cli->settings;
	struct strv services = {.v = cli->arguments.v + 1, .n = cli->arguments.n - 1};
	struct rollout_options options = {
	    .services = &services,
	    .kind = ROLLOUT_DEPLOY,
	    .force = s->force,
	    .adopt = s->adopt,
	    .prune_services = s->prune_services,
	    .no_build = s->no_build,
	    .dry_run = s->dry_run,
	    .max_rate = s->max_rate,
	    .fail_unreachable = s->unreachable != NULL && strcmp(s->unreachable, "fail") == 0,
	};

	if (cli_environment(cli, cli->arguments.v[0], &options.environment, err) < 0)
		return -1;
	if (s->prune_services && !s->dry_run &&
	    confirm_left(cli, options.environment, &options.prune_services, err) < 0)
		return -1;
	return perform(cli, &options, err);
}
