/* Plain lines with a time, for a pipe, a file, a CI log or a terminal that can do no more. */
#include <stdlib.h>

#include "cmd/ui/line.h"
#include "cmd/ui/result.h"
#include "cmd/ui/words.h"

enum { PROGRESS_MS = 30 * 1000 };

struct plain {
	struct ui ui;
	int64_t told_ms; /* when the last line was written */
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

static const struct ui_ops plain_ops = {
    .begin = plain_begin,
    .event = plain_event,
    .tick = plain_tick,
    .end = plain_end,
};

int ui_new_plain(const struct ui_options *options, struct ui **ret, struct error *err)
{
	*ret = ui_alloc(sizeof(struct plain), &plain_ops, options);
	return *ret != NULL ? 0 : error_memory(err);
}
