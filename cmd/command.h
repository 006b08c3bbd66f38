/* The command line as data. One table of commands drives dispatch, help, the suggestions for a
 * mistyped word and the test that compares the manual page with it. */
#ifndef SHIPIT_CMD_COMMAND_H
#define SHIPIT_CMD_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strv.h"

struct cli;

/* What all options together set. Texts are borrowed from argv. */
struct settings {
	const char *file; /* NULL: SHIPIT_FILE, else ./shipit.yml */
	int parallel;	  /* 0: the default */
	const char *limit;
	bool json, quiet, yes, no_color, help;
	int verbose;

	bool dry_run, no_build, force; /* deploy */
	const char *unreachable;       /* deploy: "skip" or "fail"; NULL: not said */
	bool pull, no_cache;	       /* build */
	const char *to;		       /* rollback: a release */
	int number;		       /* history: lines; 0: the default */
	bool offline;		       /* check */
};

enum option_kind {
	OPTION_SWITCH, /* bool */
	OPTION_COUNT,  /* int, one more each time */
	OPTION_TEXT,   /* const char * */
	OPTION_NUMBER, /* int, 1 or more */
	OPTION_CHOICE, /* const char *, one of those that `argument` names: "skip|fail" */
};

struct option_spec {
	const char *name; /* without the dashes */
	char letter;	  /* 0: none */
	enum option_kind kind;
	const char *argument; /* what help calls its value; NULL: it takes none */
	size_t offset;	      /* into struct settings */
	const char *help;
};

struct command {
	const char *name;
	const char
	    *arguments;	     /* "ENV [SERVICE...]": how many there may be follows from it; or "" */
	const char *summary; /* one line of `shipit -h` */
	const char *details; /* a paragraph of `shipit COMMAND -h`, lines of at most 80 columns */
	const struct option_spec *options;
	size_t n_options;
	/* Returns the exit code, or -1 with `err`. */
	int (*run)(struct cli *cli, struct error *err);
};

extern const struct command commands[];
extern const size_t n_commands;
extern const struct option_spec global_options[];
extern const size_t n_global_options;

/* NULL: there is none of that name. */
const struct command *command_find(const char *name);
/* How many arguments it takes; *ret_max -1: any number. */
void command_arity(const struct command *command, int *ret_min, int *ret_max);

/* What argv says. `command` is NULL when it names none. Errors are ERROR_USAGE, with the nearest
 * known word where there is one; `ret` is to be released in any case. */
struct parsed {
	const struct command *command;
	struct settings settings;
	struct strv arguments;
};
int command_parse(int argc, char *const argv[], struct parsed *ret, struct error *err);
void parsed_release(struct parsed *parsed);

/* One function for each file of that name. */
int init_run(struct cli *cli, struct error *err);
int check_run(struct cli *cli, struct error *err);
int build_run(struct cli *cli, struct error *err);
int deploy_run(struct cli *cli, struct error *err);
int rollback_run(struct cli *cli, struct error *err);
int status_run(struct cli *cli, struct error *err);
int history_run(struct cli *cli, struct error *err);
int config_run(struct cli *cli, struct error *err);
int version_run(struct cli *cli, struct error *err);
int help_run(struct cli *cli, struct error *err);

#endif
