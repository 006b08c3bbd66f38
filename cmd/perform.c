#include "cmd/perform.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

/* Is there something on some host now that was not there before? */
static bool changed(const struct rollout_result *result)
{
	return rollout_count(result, HOST_DONE) + rollout_count(result, HOST_PARTIAL) +
		   rollout_count(result, HOST_DOWN) >
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

/* What was refused before it began says nothing about hosts. */
static bool is_retryable(const struct rollout_options *options, int exit_code)
{
	return options->kind == ROLLOUT_DEPLOY && !options->refresh && !options->dry_run &&
	       exit_code != 2 && exit_code != 5;
}

static bool took_part(const struct rollout_result *result, const char *host)
{
	for (size_t i = 0; i < result->n_hosts; i++)
		if (strcmp(result->hosts[i].host, host) == 0)
			return true;
	return false;
}

/* Where it did not come through; of a retry with --limit also what that left out. */
static int list_missing(const struct rollout_options *options, const struct rollout_result *result,
    struct missing *missing)
{
	const struct strv *services = options->services, *only = options->only;

	for (size_t i = 0; i < result->n_hosts; i++)
		if (!host_is_done(&result->hosts[i]) &&
		    strv_add(&missing->hosts, result->hosts[i].host) < 0)
			return -1;
	for (size_t i = 0; only != NULL && i < only->n; i++)
		if (!took_part(result, only->v[i]) && strv_add(&missing->hosts, only->v[i]) < 0)
			return -1;
	for (size_t i = 0; services != NULL && i < services->n; i++)
		if (strv_add(&missing->services, services->v[i]) < 0)
			return -1;
	return 0;
}

/* A retry that is retried is the rest of the same. */
static int write_missing(const struct cli *cli, const struct rollout_options *options,
    const struct rollout_result *result, struct error *err)
{
	const char *rollout = options->continues != NULL ? options->continues : result->rollout;
	struct missing missing = {.rollout = strdup(rollout)};
	int rc = missing.rollout != NULL ? list_missing(options, result, &missing) : -1;

	rc = rc < 0 ? error_memory(err)
		    : state_write_missing(
			  cli->inventory->path, options->environment->name, &missing, err);
	missing_release(&missing);
	return rc;
}

static void remember_missing(const struct cli *cli, const struct rollout_options *options,
    const struct rollout_result *result, struct ui *ui)
{
	CLEANUP_ERROR struct error err = {0};

	if (write_missing(cli, options, result, &err) == 0)
		return;
	CLEANUP_FREE char *text =
	    string_printf("`shipit deploy --retry` will not know of this: %s", error_text(&err));
	if (text != NULL)
		ui_say(ui, text, clock_now_ms());
}

/* The command for the hosts that are left, when some are; malloc'ed. A rollback finds them itself.
 */
static char *suggest_rest(const struct cli *cli, const struct rollout_options *options,
    const struct rollout_result *result)
{
	int code = rollout_exit_code(result);
	bool rest = code == EXIT_PARTIAL || code == EXIT_UNREACHABLE ||
		    rollout_count(result, HOST_UNREACHABLE) > 0;
	CLEANUP_FREE char *again =
	    cli_suggest(cli, rollout_name(options), options->environment->name);

	if (!rest || options->dry_run || again == NULL)
		return NULL;
	if (options->refresh)
		return steal_ptr(again);
	if (options->kind == ROLLOUT_DEPLOY)
		return string_printf("%s --retry", again);
	return options->kind == ROLLOUT_ROLLBACK && options->to == NULL ? steal_ptr(again) : NULL;
}

static int report(struct cli *cli, const struct rollout_options *options,
    const struct rollout_result *result, struct ui *ui)
{
	CLEANUP_FREE char *undo = cli_suggest(cli, "rollback", options->environment->name);
	CLEANUP_FREE char *look = cli_suggest(cli, "status", options->environment->name);
	CLEANUP_FREE char *rest = suggest_rest(cli, options, result);
	bool rolled = options->kind < ROLLOUT_START;
	bool undoable = rolled && changed(result) && !options->dry_run;
	const struct ui_end end = {
	    .result = result,
	    .dry_run = options->dry_run,
	    .undo = undoable ? undo : NULL,
	    .rest = rest,
	    .look = look,
	    .exit_code = rollout_exit_code(result),
	    .now_ms = clock_now_ms(),
	};

	if (rolled && !options->dry_run && (undoable || rollout_count(result, HOST_UNKNOWN) > 0))
		remember(cli, options, result, ui);
	if (is_retryable(options, end.exit_code))
		remember_missing(cli, options, result, ui);
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

static bool ask_on(void *context, const char *question)
{
	CLEANUP_FREE char *text = string_printf("%s [y/N]", question);
	CLEANUP_FREE char *answer = text != NULL ? ui_prompt(context, NULL, text, true) : NULL;

	return answer != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

/* What is asked for beside what is shown; before anything is done, as it may not be to be had. */
static int add_records(const struct cli *cli, struct ui *ui, struct error *err)
{
	const struct ui_options options = cli_ui_options(cli);
	struct ui *record = NULL;

	if (cli->settings.log_file != NULL) {
		if (ui_new_log(&options, cli->settings.log_file, &record, err) < 0)
			return -1;
		ui_add(ui, record);
	}
	if (cli->settings.report != NULL && cli->settings.dry_run)
		return error_set(
		    err, ERROR_USAGE, "a dry run does nothing that a --report could be about");
	if (cli->settings.report != NULL) {
		if (ui_new_report(&options, cli->settings.report, &record, err) < 0)
			return -1;
		ui_add(ui, record);
	}
	return 0;
}

int perform_check_confirm(
    const struct cli *cli, const struct environment *environment, struct error *err)
{
	CLEANUP_CLOSE int terminal = -1;

	if (!environment->rollout.confirm || cli->settings.yes || cli->settings.dry_run)
		return 0;
	terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (terminal >= 0)
		return 0;
	error_set(err, ERROR_USAGE,
	    "%s has `pause: confirm`, which asks between batches, and there is no terminal",
	    environment->name);
	return error_hint(err, "say --yes");
}

int perform(struct cli *cli, struct rollout_options *options, struct error *err)
{
	CLEANUP_FREE char *by = cli_user();
	struct rollout *rollout = NULL;
	struct ui *ui = NULL;
	int rc = -1;

	options->events = NULL;
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
	options->confirm = cli->settings.yes ? NULL : ask_on;
	if (add_records(cli, ui, err) == 0 && events_new(1024, &options->events, err) == 0 &&
	    rollout_new(options, &rollout, err) == 0)
		rc = perform_shown(cli, options, rollout, ui, err);
	rollout_free(rollout);
	events_free(options->events);
	ui_free(ui);
	return rc;
}
