/* Plain lines with a time, for a pipe, a file, a CI log or a terminal that can do no more. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/ui/line.h"
#include "cmd/ui/result.h"
#include "cmd/ui/words.h"

enum { PROGRESS_MS = 30 * 1000 };

struct plain {
	struct ui ui;
	int64_t told_ms; /* when the last line was written */
	FILE *file;	 /* of a log: to be closed */
};

static void print_line(struct plain *plain, int64_t at_ms, enum hue hue, const char *text)
{
	const struct ui_options *o = &plain->ui.options;
	char time[UI_TIME_SIZE];

	ui_time_short(&plain->ui, at_ms, time);
	fprintf(o->out, "%s %s%s%s\n", time, hue_on(o->color_out, hue), text,
	    hue_off(o->color_out, hue));
	fflush(o->out);
	plain->told_ms = at_ms;
}

static void plain_begin(struct ui *ui)
{
	((struct plain *)ui)->told_ms = ui->start.now_ms;
}

static void plain_event(struct ui *ui, const struct event *event)
{
	CLEANUP_FREE char *line = NULL;
	enum hue hue;

	if (ui->options.quiet)
		return;
	line = line_of_event(ui, event, true, &hue);
	if (line != NULL)
		print_line((struct plain *)ui, event->at_ms, hue, line);
}

/* A CI system ends what is silent for long: now and then say what is still going on. */
static void plain_tick(struct ui *ui, int64_t now_ms)
{
	struct plain *plain = (struct plain *)ui;
	const struct row *longest = NULL;
	size_t running = 0;
	char bytes[2 * WORDS_SIZE], clock[WORDS_SIZE];

	if (ui->options.quiet || now_ms - plain->told_ms < PROGRESS_MS)
		return;
	for (size_t i = 0; i < ui->fleet.n; i++) {
		const struct row *row = &ui->fleet.rows[i];

		if (row->state != ROW_RUNNING)
			continue;
		running++;
		if (longest == NULL || row->since_ms < longest->since_ms)
			longest = row;
	}
	if (longest == NULL)
		return;
	words_bytes(longest->bytes, longest->total, longest->rate, bytes);
	words_duration(now_ms - longest->since_ms, clock);
	CLEANUP_FREE char *line = string_printf("%zu at work; longest: %s: %s for %s%s%s", running,
	    words_host(longest->host), step_name(longest->step), clock,
	    bytes[0] != '\0' ? ", " : "", bytes);
	if (line != NULL)
		print_line(plain, now_ms, HUE_PLAIN, line);
}

static void plain_end(struct ui *ui, const struct ui_end *end)
{
	result_print(ui, end);
}

static void plain_free(struct ui *ui)
{
	struct plain *plain = (struct plain *)ui;

	if (plain->file != NULL)
		fclose(plain->file);
}

static const struct ui_ops plain_ops = {
    .begin = plain_begin,
    .event = plain_event,
    .tick = plain_tick,
    .end = plain_end,
    .free = plain_free,
};

int ui_new_plain(const struct ui_options *options, struct ui **ret, struct error *err)
{
	*ret = ui_alloc(sizeof(struct plain), &plain_ops, options);
	return *ret != NULL ? 0 : error_memory(err);
}

/* --- a log file */

/* Added, not written over: one file for a project's rollouts is what people keep. */
static FILE *open_log(const char *path, struct error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	FILE *file = fd >= 0 ? fdopen(fd, "a") : NULL;

	if (file == NULL) {
		error_errno(err, errno, "cannot write the log %s", path);
		if (err != NULL && err->kind != ERROR_MEMORY)
			err->kind = ERROR_USAGE;
		if (fd >= 0)
			close(fd);
	}
	return file;
}

int ui_new_log(
    const struct ui_options *options, const char *path, struct ui **ret, struct error *err)
{
	struct ui_options plain = *options;
	FILE *file = open_log(path, err);
	char now[CLOCK_UTC_SIZE];

	if (file == NULL)
		return -1;
	clock_format_utc(time(NULL), now);
	fprintf(file, "== %s\n", now);
	plain.out = plain.err = file;
	plain.color_out = plain.color_err = plain.quiet = false;
	if (plain.verbose == 0)
		plain.verbose = 1;
	*ret = NULL;
	if (ui_new_plain(&plain, ret, err) < 0 || *ret == NULL) {
		fclose(file);
		return -1;
	}
	((struct plain *)*ret)->file = file;
	return 0;
}
