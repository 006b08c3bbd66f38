/* shipit refresh ENV [SERVICE...] */
#include <stdio.h>

#include "cmd/perform.h"
#include "cmd/ui/json.h"
#include "deploy/refresh.h"

/* There is nothing that could be made anew. For --json the notes are said here, as no rollout does.
 */
static int say_nothing(
    struct cli *cli, const char *environment, const struct strv *left, struct error *err)
{
	if (cli->arguments.n > 1)
		return error_set(err, ERROR_USAGE, "%s", left->v[0]);
	for (size_t i = 0; i < left->n; i++) {
		json_t *object = cli->settings.json ? json_event("note") : NULL;

		if (!cli->settings.json)
			fprintf(cli->out, "%s\n", left->v[i]);
		if (object == NULL)
			continue;
		json_put(object, "text", left->v[i]);
		json_line(cli->out, object);
	}
	if (!cli->settings.json)
		fprintf(cli->out, "nothing of %s can be refreshed\n", environment);
	return EXIT_OK;
}

int refresh_run(struct cli *cli, struct error *err)
{
	const struct strv named = {.v = cli->arguments.v + 1, .n = cli->arguments.n - 1};
	CLEANUP_STRV struct strv services = {0}, left = {0};
	struct rollout_options options = {
	    .services = &services,
	    .kind = ROLLOUT_DEPLOY,
	    .refresh = true,
	    .notes = &left,
	    .max_rate = cli->settings.max_rate,
	};

	if (cli_environment(cli, cli->arguments.v[0], &options.environment, err) < 0 ||
	    perform_check_confirm(cli, options.environment, err) < 0 ||
	    refresh_choose(cli->inventory, options.environment, &named, cli->cancel.fd, &services,
		&left, err) < 0)
		return -1;
	if (services.n == 0)
		return say_nothing(cli, options.environment->name, &left, err);
	return perform(cli, &options, err);
}
