/* shipit rollback [ENV] [SERVICE...] */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cmd/perform.h"
#include "deploy/state.h"

/* The newest committed entry of a survey, by what the entries say about their time: for people, not
 * for deciding anything. */
static const struct ledger_entry *newest(const struct survey *survey)
{
	const struct ledger_entry *best = NULL;

	for (size_t i = 0; i < survey->n; i++) {
		const struct ledger *ledger = &survey->hosts[i].facts.ledger;

		for (size_t k = 0; k < ledger->n; k++) {
			const struct ledger_entry *entry = &ledger->v[k];

			if (entry->result == LEDGER_COMMITTED && entry->at != NULL &&
			    (best == NULL || strcmp(entry->at, best->at) > 0))
				best = entry;
		}
	}
	return best;
}

static size_t not_asked(const struct survey *survey)
{
	size_t n = 0;

	for (size_t i = 0; i < survey->n; i++)
		n += survey->hosts[i].error.kind != ERROR_NONE;
	return n;
}

static int add_last(struct cli *cli, const char *name, struct buf *out, struct error *err)
{
	const struct environment *env;
	const struct ledger_entry *last;
	struct survey survey = {0};
	int rc;

	if (cli_environment(cli, name, &env, err) < 0 ||
	    cli_survey(cli, env, false, &survey, err) < 0)
		return -1;
	last = newest(&survey);
	if (last != NULL)
		rc = buf_addf(out, "\n%s: %s of %s, rollout %s, at %s by %s", name,
		    ledger_entry_word(last), last->service, last->rollout, last->at, last->by);
	else
		rc = buf_addf(out, "\n%s: no rollout found", name);
	if (rc == 0 && not_asked(&survey) > 0)
		rc = buf_addf(out, " (hosts that could not be asked: %zu)", not_asked(&survey));
	survey_release(&survey);
	return rc < 0 ? error_memory(err) : 0;
}

/* Which one is meant cannot be known: say what there would be to take back. */
static int which_environment(struct cli *cli, const struct strv *names, struct error *err)
{
	CLEANUP_BUF struct buf lines = BUF_INIT((size_t)256 * 1024);

	for (size_t i = 0; i < names->n; i++)
		if (add_last(cli, names->v[i], &lines, err) < 0)
			return -1;
	error_set(err, ERROR_USAGE,
	    "which environment? No rollout from this inventory is remembered on this machine%s",
	    lines.data);
	return error_hint(err, "shipit rollback ENV");
}

/* Without ENV: what was rolled out last from here. */
static int choose(struct cli *cli, struct last_rollout *last, struct error *err)
{
	CLEANUP_STRV struct strv names = {0};
	CLEANUP_ERROR struct error nothing = {0};

	if (cli_environments(cli, NULL, &names, err) < 0)
		return -1;
	if (state_read(cli->inventory->path, last, &nothing) == 0 &&
	    inventory_environment(cli->inventory, last->environment) != NULL)
		return 0;
	last_rollout_release(last);
	*last = (struct last_rollout){0};
	if (names.n != 1)
		return which_environment(cli, &names, err);
	last->environment = strdup(names.v[0]);
	return last->environment != NULL ? 0 : error_memory(err);
}

static int roll_back(struct cli *cli, const char *environment, const char *undo,
    const struct strv *services, struct error *err)
{
	struct rollout_options options = {
	    .services = services,
	    .kind = ROLLOUT_ROLLBACK,
	    .to = cli->settings.to,
	    .undo = cli->settings.to == NULL ? undo : NULL,
	    .dry_run = cli->settings.dry_run,
	};

	if (cli_environment(cli, environment, &options.environment, err) < 0)
		return -1;
	return perform(cli, &options, err);
}

int rollback_run(struct cli *cli, struct error *err)
{
	const struct strv *arguments = &cli->arguments;
	struct strv services = {0};
	struct last_rollout last = {0};
	int rc;

	if (arguments->n > 0) {
		services.v = arguments->v + 1;
		services.n = arguments->n - 1;
		return roll_back(cli, arguments->v[0], NULL, &services, err);
	}
	if (choose(cli, &last, err) < 0)
		return -1;
	rc = roll_back(cli, last.environment, last.rollout, &services, err);
	last_rollout_release(&last);
	return rc;
}
