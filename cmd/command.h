/* The command line as data. One table of commands drives dispatch, help, the suggestions for a
 * mistyped word and the test that compares the manual page with it. */
#ifndef SHIPIT_CMD_COMMAND_H
#define SHIPIT_CMD_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strv.h"

struct cli;

/* An option that may be given several times. */
enum { TEXTS_MAX = 64 };
struct option_texts {
	const char *v[TEXTS_MAX];
	size_t n;
};

/* What all options together set. Texts are borrowed from argv. */
struct settings {
	struct option_texts files; /* none: SHIPIT_FILE, else ./shipit.yml */
	bool ask_anew;		   /* programs that print inventories, whatever is in the cache */
	int parallel;		   /* 0: the default */
	const char *limit;
	bool json, quiet, yes, no_color, help;
	int verbose;

	bool dry_run, no_build, force, adopt, prune_services, prune_first; /* deploy */
	bool retry;		 /* deploy: only where the last one did not come through */
	int canary;		 /* deploy: 0: not said */
	const char *batch;	 /* deploy: "3", "25%"; NULL: not said */
	const char *unreachable; /* deploy: "skip" or "fail"; NULL: not said */
	const char *log_file;	 /* deploy, rollback: NULL: none */
	const char *report;	 /* deploy, rollback: NULL: none */
	bool pull, no_cache;	 /* build */
	const char *to;		 /* rollback: a release */
	int number;		 /* history, logs: lines; 0: the default */
	bool follow;		 /* logs */
	const char *since;	 /* logs: "10m", or a time; NULL: not said */
	bool no_terminal;	 /* exec */
	bool offline;		 /* check */
	bool schema;		 /* config */
	bool origins;		 /* config */
	uint64_t max_rate;	 /* deploy: bytes per second; 0: no limit */
	uint64_t max_size;	 /* registry gc: bytes; 0: the default */
	const char *listen;	 /* registry serve: ADDRESS:PORT; NULL: the default */
	bool beyond_loopback;	 /* registry serve */
};

enum option_kind {
	OPTION_SWITCH, /* bool */
	OPTION_COUNT,  /* int, one more each time */
	OPTION_TEXT,   /* const char * */
	OPTION_TEXTS,  /* struct option_texts */
	OPTION_NUMBER, /* int, 1 or more */
	OPTION_SIZE,   /* uint64_t, bytes, 1 or more: "10G", "500MB" */
	OPTION_CHOICE, /* const char *, one of those that `argument` names: "skip|fail" */
};

struct option_spec {
	const char *name; /* without the dashes */
	char letter;	  /* 0: none */
	enum option_kind kind;
	const char *argument; /* what help calls its value; NULL: it takes none */
	size_t offset;	      /* into struct settings */
	const char *help;     /* NULL: the manual says it */
};

/* A group has no `run`: its commands have its name and a word of their own ("registry gc"). */
struct command {
	const char *name;
	const char
	    *arguments;	     /* "ENV [SERVICE...]": how many there may be follows from it; or "" */
	size_t words_from;   /* when there are so many, what follows are no options; 0: never */
	const char *summary; /* one line of `shipit -h`; NULL: another one's line speaks of it */
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

/* By its whole name; NULL: there is none. */
const struct command *command_find(const char *name);
/* Is it one that `group` is made of? NULL: one that belongs to no group. */
bool command_is_in(const struct command *command, const struct command *group);
/* "gc" of "registry gc": the word by which it is known in its group. */
const char *command_word(const struct command *command);
/* The one in `group` (NULL: in none) that is known by that word; NULL: there is none. */
const struct command *command_in(const struct command *group, const char *word);
/* The word nearest to a mistyped one there; NULL: none is near. */
const char *command_nearest(const struct command *group, const char *word);
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
int refresh_run(struct cli *cli, struct error *err);
int rollback_run(struct cli *cli, struct error *err);
int status_run(struct cli *cli, struct error *err);
int start_run(struct cli *cli, struct error *err);
int stop_run(struct cli *cli, struct error *err);
int restart_run(struct cli *cli, struct error *err);
int down_run(struct cli *cli, struct error *err);
int prune_run(struct cli *cli, struct error *err);
int history_run(struct cli *cli, struct error *err);
int logs_command_run(struct cli *cli, struct error *err);
int exec_command_run(struct cli *cli, struct error *err);
int config_run(struct cli *cli, struct error *err);
int registry_list_run(struct cli *cli, struct error *err);
int registry_gc_run(struct cli *cli, struct error *err);
int registry_verify_run(struct cli *cli, struct error *err);
int registry_serve_run(struct cli *cli, struct error *err);
int version_run(struct cli *cli, struct error *err);
int help_run(struct cli *cli, struct error *err);

#endif
