/* What a subcommand works with: the parsed command line, where its words go, the inventory once it
 * is loaded, and what wakes it when the user wants to stop. */
#ifndef SHIPIT_CMD_CLI_H
#define SHIPIT_CMD_CLI_H

#include <stdio.h>

#include "base/cancel.h"
#include "cmd/command.h"
#include "cmd/ui/ui.h"
#include "deploy/survey.h"
#include "inventory/inventory.h"

/* DESIGN's exit codes, where cmd/ decides them itself. */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_PARTIAL = 3,
	EXIT_UNREACHABLE = 4,
	EXIT_LOCKED = 5,
	EXIT_DOWN = 6,
	EXIT_INTERRUPTED = 130,
};

struct cli {
	const struct command *command;
	struct settings settings;
	struct strv arguments;
	FILE *out, *err;
	bool color_out, color_err;
	struct strv files;	     /* the inventory's paths as the user wrote them */
	char *file;		     /* what they are called in messages: "shipit.yml + hosts.py" */
	struct pairs said;	     /* what programs that print inventories did print */
	struct inventory *inventory; /* NULL until cli_load */
	struct cancel cancel;	     /* fired by the first interrupt */
	bool warned;		     /* what is odd in the inventory was said already */
	bool summarized;	     /* --json: the last line was written already */
};

/* All of shipit but main(): returns the exit code. */
int cli_main(int argc, char *argv[]);

/* The exit code for an error that ended a command before any host was changed. */
int exit_code_of(enum error_kind kind);

/* Fill in the inventory's paths: those of -f, else of SHIPIT_FILE, else shipit.yml here. */
int cli_files(struct cli *cli, struct error *err);
/* Read and validate the inventory, with SHIPIT_ENV set to `environment` (NULL: left as it is). All
 * mistakes are printed, once; the error says how many there are. Loading again frees the first. */
int cli_load(struct cli *cli, const char *environment, struct error *err);
/* The same, and the environment of that name; ERROR_USAGE when there is none. Borrowed. */
int cli_environment(
    struct cli *cli, const char *name, const struct environment **ret, struct error *err);
/* The names of the environments that a command is about: the one named, or all. */
int cli_environments(struct cli *cli, const char *name, struct strv *ret, struct error *err);

/* "ann@laptop": who does this. malloc'ed; NULL when out of memory. */
char *cli_user(void);
/* "shipit [-f FILE]... COMMAND ENV": a command line to show; malloc'ed, NULL when out of memory. */
char *cli_suggest(const struct cli *cli, const char *command, const char *environment);

/* Options of the user interface for this command line. */
struct ui_options cli_ui_options(const struct cli *cli);

/* The names of its hosts that --limit leaves. */
int cli_host_names(
    const struct cli *cli, const struct environment *env, struct strv *ret, struct error *err);
/* Look at the hosts of an environment, telling so on a terminal. */
int cli_survey(struct cli *cli, const struct environment *env, bool probe, struct survey *ret,
    struct error *err);
/* --json: what kept a host from what was asked of it, as an event. `step` may be NULL. */
void cli_host_failed(
    const struct cli *cli, const char *host, const char *step, const struct error *error);
/* Was the way to the host the trouble, and not what is on it? */
bool host_unreached(const struct survey_host *host);
/* Say for each host that could not be looked at why not. */
void survey_complain(struct cli *cli, const struct survey *survey);
/* The exit code of a command that only looked at so many hosts: 0, 4 when some could not be
 * reached, 1 when none could or something else failed. */
int looked_exit_code(size_t hosts, size_t unreached, size_t failed);
int survey_exit_code(const struct survey *survey);
/* The worse of two of those, when there are several environments. */
int worse_exit_code(int a, int b);

#endif
