#include "cmd/each.h"

#include "cmd/ui/color.h"

static void heading(const struct cli *cli, const struct environment *env, bool first)
{
	if (cli->settings.json)
		return;
	fprintf(cli->out, "%s%s%s%s\n", first ? "" : "\n", hue_on(cli->color_out, HUE_STRONG),
	    env->name, hue_off(cli->color_out, HUE_STRONG));
}

static int one(struct cli *cli, const char *name, bool probe, each_fn *show, bool with_heading,
    bool first, struct error *err)
{
	const struct environment *env;
	struct survey survey = {0};
	int rc;

	if (cli_environment(cli, name, &env, err) < 0 ||
	    cli_survey(cli, env, probe, &survey, err) < 0)
		return -1;
	if (with_heading)
		heading(cli, env, first);
	rc = show(cli, env, &survey, err);
	survey_release(&survey);
	return rc;
}

int each_environment(struct cli *cli, bool probe, each_fn *show, struct error *err)
{
	const char *name = cli->arguments.n > 0 ? cli->arguments.v[0] : NULL;
	CLEANUP_STRV struct strv names = {0};
	int code = EXIT_OK;
	size_t shown = 0;

	if (cli_environments(cli, name, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		int rc = one(cli, names.v[i], probe, show, names.n > 1, shown == 0, err);

		/* --limit may leave nothing of one environment and something of another. */
		if (rc < 0 && err->kind == ERROR_USAGE && cli->settings.limit != NULL &&
		    (shown > 0 || i + 1 < names.n)) {
			error_release(err);
			continue;
		}
		if (rc < 0)
			return -1;
		shown++;
		code = worse_exit_code(code, rc);
	}
	return code;
}
