/* How what happens is shown. One of three: a live table on a terminal (screen.c), lines with a
 * time (plain.c), JSON events (json.c); beside it a log file and a page about it (report.c).
 * All calls but ui_prompt come from the main thread.
 *
 * The report at the end (result.c) is the same for screen and plain: errors go to `err`, the rest
 * to `out`. */
#ifndef SHIPIT_CMD_UI_UI_H
#define SHIPIT_CMD_UI_UI_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/cancel.h"
#include "cmd/ui/fleet.h"
#include "deploy/event.h"
#include "deploy/rollout.h"

struct ui_options {
	FILE *out, *err;
	bool color_out, color_err;
	bool quiet;
	int verbose;
	int columns, rows;	/* of the terminal; 0: ask it */
	int64_t wall_offset_ms; /* wall clock minus clock_now_ms() */
	int cancel_fd;		/* readable: questions are not asked any more */
};

/* What is about to happen. Borrowed until ui_end. */
struct ui_start {
	const char *command;		   /* "deploy" */
	const char *project, *environment; /* environment may be NULL: a build */
	const char *const *hosts;
	size_t n_hosts;
	enum step last_step; /* as in struct fleet */
	bool dry_run;	     /* nothing is done on any host */
	int64_t now_ms;
};

struct ui_end {
	const struct rollout_result *result;
	bool dry_run;
	const char *undo; /* the command that takes it back; NULL: there is nothing to take back */
	const char *rest; /* the command for the hosts that are left; NULL: there are none */
	const char *look; /* the command that shows how things are; may be NULL */
	int exit_code;
	int64_t now_ms;
};

struct ui;

struct ui_ops {
	void (*begin)(struct ui *ui);
	void (*event)(struct ui *ui, const struct event *event);
	void (*tick)(struct ui *ui, int64_t now_ms);
	void (*end)(struct ui *ui, const struct ui_end *end);
	/* Leave the terminal as if nothing had been shown; before `end`, too. */
	void (*close)(struct ui *ui, int64_t now_ms);
	/* A question is about to be asked, or was answered: keep off the terminal meanwhile. */
	void (*pause)(struct ui *ui, bool on);
	void (*free)(struct ui *ui);
};

/* The part that all of them share. */
struct ui {
	const struct ui_ops *ops;
	struct ui *also; /* is told the same, after this one; owned; NULL */
	struct ui_options options;
	struct ui_start start;
	struct fleet fleet;
	char *title; /* what EVENT_ROLLOUT said, cleaned; NULL: nothing yet */
	bool begun;
	pthread_mutex_t lock; /* over every call of ops */
	pthread_mutex_t prompt_lock;
};

int ui_new_screen(const struct ui_options *options, struct ui **ret, struct error *err);
int ui_new_plain(const struct ui_options *options, struct ui **ret, struct error *err);
int ui_new_json(const struct ui_options *options, struct ui **ret, struct error *err);
/* Lines of containers' logs (deploy/logs.h) and of programs (deploy/exec.h); those of several hosts
 * or services with their names in front, `width` columns wide (0: without). `stop` is fired when
 * nobody reads any more. */
int ui_new_tail(const struct ui_options *options, bool json, size_t width, struct cancel *stop,
    struct ui **ret, struct error *err);
/* Lines as plain's, with all steps, added to a file that is opened now. */
int ui_new_log(
    const struct ui_options *options, const char *path, struct ui **ret, struct error *err);
/* A page about a rollout, written at its end; whether that can be done is found out now. */
int ui_new_report(
    const struct ui_options *options, const char *path, struct ui **ret, struct error *err);
/* Let `also` (owned from now on) be told what `ui` is told. */
void ui_add(struct ui *ui, struct ui *also);
void ui_free(struct ui *ui);

int ui_begin(struct ui *ui, const struct ui_start *start, struct error *err);
void ui_event(struct ui *ui, const struct event *event);
/* To be called now and then, at least every 100 ms; cheap. */
void ui_tick(struct ui *ui, int64_t now_ms);
/* A sentence of our own, such as what an interrupt does. */
void ui_say(struct ui *ui, const char *text, int64_t now_ms);
/* Either the report of a rollout, or the end of what was no rollout: nothing is said. */
void ui_end(struct ui *ui, const struct ui_end *end);
void ui_close(struct ui *ui, int64_t now_ms);

/* A session_prompt_fn; its context is the ui. Asks on /dev/tty, one question at a time. */
char *ui_prompt(void *context, const char *host, const char *text, bool echo);

/* For all of them: allocate `size` bytes that begin with a struct ui. NULL: out of memory. */
void *ui_alloc(size_t size, const struct ui_ops *ops, const struct ui_options *options);

/* Wall-clock time of an event. */
enum { UI_TIME_SIZE = 32 };
void ui_time_iso(const struct ui *ui, int64_t at_ms, char out[UI_TIME_SIZE]);	/* UTC, with ms */
void ui_time_short(const struct ui *ui, int64_t at_ms, char out[UI_TIME_SIZE]); /* 17:54:32 */

#endif
