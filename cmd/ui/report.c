/* --report: what happens is gathered, and at the end one page is written about it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "cmd/complain.h"
#include "cmd/ui/report.h"

enum { SPANS_MAX = 100000, NOTES_MAX = 500 };

/* --- what happens */

/* The array with room for one more than `n`, doubled when it is full; NULL: no memory, or too many.
 */
static void *grown(void *array, size_t n, size_t size, size_t max)
{
	if (n >= max)
		return NULL;
	return (n & (n - 1)) == 0 ? reallocarray(array, n > 0 ? 2 * n : 1, size) : array;
}

static struct span *find_open(struct report *report, size_t row, const struct event *event)
{
	for (size_t i = report->n_spans; i-- > 0;) {
		struct span *span = &report->spans[i];

		if (span->open && span->row == row && span->step == event->step &&
		    span->service == event->service)
			return span;
	}
	return NULL;
}

static struct span *open_span(struct report *report, size_t row, const struct event *event)
{
	struct span *spans = grown(report->spans, report->n_spans, sizeof(*spans), SPANS_MAX);
	int64_t took = event->state != STATE_START && event->ms > 0 ? event->ms : 0;
	struct span *span;

	if (spans == NULL)
		return NULL;
	report->spans = spans;
	span = &spans[report->n_spans++];
	*span = (struct span){.row = row,
	    .step = event->step,
	    .service = event->service,
	    .begin_ms = event->at_ms - took,
	    .end_ms = event->at_ms,
	    .open = true,
	    .state = STATE_START};
	return span;
}

static void note_step(struct report *report, const struct event *event)
{
	const struct row *row = fleet_row(&report->ui.fleet, event->host);
	size_t index = row != NULL ? (size_t)(row - report->ui.fleet.rows) : 0;
	struct span *span = find_open(report, index, event);

	if (row == NULL || (span == NULL && event->state == STATE_SKIPPED))
		return;
	if (span == NULL)
		span = open_span(report, index, event);
	if (span == NULL)
		return;
	if (event->bytes > 0)
		span->bytes = event->bytes;
	if (event->state == STATE_START || event->state == STATE_PROGRESS)
		return;
	span->open = false;
	span->end_ms = event->at_ms;
	span->state = event->state;
	if (event->text != NULL)
		span->text = strdup(event->text);
}

static void note_text(struct report *report, const struct event *event)
{
	struct note *notes = grown(report->notes, report->n_notes, sizeof(*notes), NOTES_MAX);

	if (notes == NULL) {
		report->notes_left_out++;
		return;
	}
	report->notes = notes;
	notes[report->n_notes++] = (struct note){.host = event->host,
	    .at_ms = event->at_ms,
	    .text = strdup(event->text != NULL ? event->text : "")};
}

static void report_event(struct ui *ui, const struct event *event)
{
	struct report *report = (struct report *)ui;

	if (event->kind == EVENT_STEP)
		note_step(report, event);
	else if (event->kind == EVENT_NOTE || event->kind == EVENT_PACKAGE)
		note_text(report, event);
}

/* --- the file */

/* Whole, or not at all: a page that was there before stays until the new one is. */
static void report_end(struct ui *ui, const struct ui_end *end)
{
	struct report *report = (struct report *)ui;
	CLEANUP_ERROR struct error err = {0};
	FILE *out = fdopen(report->fd, "w");
	int rc = -1;

	if (out != NULL) {
		report->fd = -1;
		rc = report_write(report, end, out);
		if (fclose(out) != 0)
			rc = -1;
	}
	if (rc == 0)
		rc = rename(report->part, report->path);
	if (rc == 0) {
		free(steal_ptr(report->part));
		return;
	}
	error_errno(&err, errno, "cannot write the report %s", report->path);
	complain(ui->options.err, ui->options.color_err, NULL, NULL, &err);
}

static void report_free(struct ui *ui)
{
	struct report *report = (struct report *)ui;

	if (report->fd >= 0)
		close(report->fd);
	if (report->part != NULL)
		unlink(report->part);
	for (size_t i = 0; i < report->n_spans; i++)
		free(report->spans[i].text);
	for (size_t i = 0; i < report->n_notes; i++)
		free(report->notes[i].text);
	free(report->spans);
	free(report->notes);
	free(report->path);
	free(report->part);
}

static const struct ui_ops report_ops = {
    .event = report_event, .end = report_end, .free = report_free};

int ui_new_report(
    const struct ui_options *options, const char *path, struct ui **ret, struct error *err)
{
	struct report *report = ui_alloc(sizeof(*report), &report_ops, options);
	CLEANUP_FREE char *part = string_printf("%s.part", path);

	if (report == NULL)
		return error_memory(err);
	report->fd = -1;
	report->path = strdup(path);
	if (report->path == NULL || part == NULL) {
		ui_free(&report->ui);
		return error_memory(err);
	}
	report->fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (report->fd < 0) {
		error_errno(err, errno, "cannot write the report %s", part);
		if (err != NULL && err->kind != ERROR_MEMORY)
			err->kind = ERROR_USAGE;
		ui_free(&report->ui);
		return -1;
	}
	report->part = steal_ptr(part);
	*ret = &report->ui;
	return 0;
}
