#include "cmd/confirm.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cmd/work.h"
#include "deploy/act.h"

/* 1: yes, 0: no, -1: there is nobody to be asked. */
static int ask(struct cli *cli, const char *question, struct error *err)
{
	CLEANUP_FREE char *text = string_printf("%s [y/N]", question);
	CLEANUP_FREE char *answer = NULL;
	struct ui *ui = NULL;

	if (text == NULL)
		return error_memory(err);
	if (work_ui(cli, true, &ui, err) < 0)
		return -1;
	answer = ui_prompt(ui, NULL, text, true);
	ui_free(ui);
	if (answer != NULL)
		return answer[0] == 'y' || answer[0] == 'Y';
	error_set(err, ERROR_USAGE, "this asks before it begins, and there is no terminal");
	return error_hint(err, "say --yes");
}

int confirm(struct cli *cli, const char *question, struct error *err)
{
	int answer = cli->settings.yes ? 1 : ask(cli, question, err);

	if (answer == 0)
		return error_set(err, ERROR_USAGE, "not confirmed; nothing was changed");
	return answer < 0 ? -1 : 0;
}

/* "HOST: SERVICE, SERVICE" for each host that has any. */
static int list_left(
    struct cli *cli, const struct environment *env, struct buf *out, struct error *err)
{
	CLEANUP_FREE char *prefix = inventory_prefix(cli->inventory, env);
	struct survey survey = {0};
	int rc = 0;

	if (prefix == NULL)
		return error_memory(err);
	if (cli_survey(cli, env, false, &survey, err) < 0)
		return -1;
	for (size_t i = 0; i < survey.n && rc == 0; i++) {
		const struct plan_input input = {.inventory = cli->inventory,
		    .environment = env,
		    .host = survey.hosts[i].host,
		    .prefix = prefix,
		    .facts = &survey.hosts[i].facts};
		CLEANUP_STRV struct strv left = {0};

		rc = act_left_services(&input, &left, err);
		for (size_t k = 0; k < left.n && rc == 0; k++)
			if (buf_addf(out, "%s%s%s", k == 0 && out->len > 0 ? "; " : "",
				k == 0 ? input.host->name : "", k == 0 ? ": " : ", ") < 0 ||
			    buf_adds(out, left.v[k]) < 0)
				rc = buf_error(out, err, "the list of services");
	}
	survey_release(&survey);
	return rc;
}

int confirm_left(struct cli *cli, const struct environment *env, bool *ret, struct error *err)
{
	CLEANUP_BUF struct buf left = BUF_INIT((size_t)1024 * 1024);
	CLEANUP_ERROR struct error nobody = {0};
	CLEANUP_FREE char *question = NULL;
	int answer;

	*ret = cli->settings.yes;
	if (cli->settings.yes)
		return 0;
	if (list_left(cli, env, &left, err) < 0)
		return -1;
	if (left.len == 0)
		return 0;
	question = string_printf("No longer in the inventory: %s. Remove them?", left.data);
	if (question == NULL)
		return error_memory(err);
	answer = ask(cli, question, &nobody);
	*ret = answer == 1;
	if (answer < 0)
		fprintf(cli->err,
		    "shipit: no longer in the inventory, and left alone without --yes: %s\n",
		    left.data);
	return 0;
}
