#include "cmd/perform.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cmd/work.h"
#include "deploy/state.h"

static void perform_run(void *context)
{
	rollout_run(context);
}

static void perform_interrupt(void *context)
{
	rollout_interrupt(context);
}

static size_t count(const struct rollout_result *result, enum host_outcome outcome)
{
	size_t n = 0;

	for (size_t i = 0; i < result->n_hosts; i++)
		n += result->hosts[i].outcome == outcome;
	return n;
}

/* Is there something on some host now that was not there before? */
static bool changed(const struct rollout_result *result)
{
	return count(result, HOST_DONE) + count(result, HOST_PARTIAL) + count(result, HOST_DOWN) >
	       0;
}

/* A comfort: that it cannot be kept is worth a note, and no more. */
static void remember(const struct cli *cli, const struct rollout_options *options,
    const struct rollout_result *result, struct ui *ui)
{
	CLEANUP_ERROR struct error err = {0};
	char at[CLOCK_UTC_SIZE];
	struct last_rollout last = {
	    .environment = options->environment->name, .rollout = result->rollout, .at = at};

	clock_format_utc(time(NULL), at);
	if (state_write(cli->inventory->path, &last, &err) == 0)
		return;
	CLEANUP_FREE char *text = string_printf(
	    "`shipit rollback` will need to be told the environment: %s", error_text(&err));
	if (text != NULL)
		ui_say(ui, text, clock_now_ms());
}

static int report(struct cli *cli, const struct rollout_options *options,
    const struct rollout_result *result, struct ui *ui)
{
	CLEANUP_FREE char *undo = cli_suggest(cli, "rollback", options->environment->name);
	CLEANUP_FREE char *look = cli_suggest(cli, "status", options->environment->name);
	bool rolled = options->kind < ROLLOUT_START;
	bool undoable = rolled && changed(result) && !options->dry_run;
	const struct ui_end end = {
	    .result = result,
	    .dry_run = options->dry_run,
	    .undo = undoable ? undo : NULL,
	    .look = look,
	    .exit_code = rollout_exit_code(result),
	    .now_ms = clock_now_ms(),
	};

	if (rolled && !options->dry_run && (undoable || count(result, HOST_UNKNOWN) > 0))
		remember(cli, options, result, ui);
	ui_end(ui, &end);
	cli->summarized = true;
	return end.exit_code;
}

static int perform_shown(struct cli *cli, const struct rollout_options *options,
    struct rollout *rollout, struct ui *ui, struct error *err)
{
	const struct rollout_result *result = rollout_result(rollout);
	struct ui_start start = {
	    .command = cli->command->name,
	    .project = cli->inventory->project,
	    .environment = options->environment->name,
	    .n_hosts = result->n_hosts,
	    .dry_run = options->dry_run,
	    .now_ms = clock_now_ms(),
	};
	struct work work = {
	    .run = perform_run,
	    .context = rollout,
	    .events = options->events,
	    .interrupt = perform_interrupt,
	    .interrupt_context = rollout,
	    .first = "interrupted: what is under way is finished or taken back; "
		     "press again to let go",
	    .second = "let go: hosts in the middle of a swap go back by themselves",
	};
	CLEANUP_FREE const char **hosts = calloc(result->n_hosts + 1, sizeof(*hosts));

	if (hosts == NULL)
		return error_memory(err);
	for (size_t i = 0; i < result->n_hosts; i++)
		hosts[i] = result->hosts[i].host;
	start.hosts = hosts;
	if (ui_begin(ui, &start, err) < 0 || work_run(cli, ui, &work, err) < 0)
		return -1;
	return report(cli, options, result, ui);
}

int perform(struct cli *cli, struct rollout_options *options, struct error *err)
{
	CLEANUP_FREE char *by = cli_user();
	struct rollout *rollout = NULL;
	struct ui *ui = NULL;
	int rc = -1;

	if (by == NULL)
		return error_memory(err);
	if (work_ui(cli, false, &ui, err) < 0)
		return -1;
	options->inventory = cli->inventory;
	options->by = by;
	options->parallel = cli->settings.parallel;
	options->limit = cli->settings.limit;
	options->prompt = ui_prompt;
	options->prompt_context = ui;
	if (events_new(1024, &options->events, err) == 0 &&
	    rollout_new(options, &rollout, err) == 0)
		rc = perform_shown(cli, options, rollout, ui, err);
	rollout_free(rollout);
	events_free(options->events);
	ui_free(ui);
	return rc;
}
