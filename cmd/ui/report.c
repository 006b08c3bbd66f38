/* --report: one page about a rollout. A timeline of every host and step, what moved, and what went
 * wrong with its logs; no script, and nothing from elsewhere. All text in it is escaped: some of it
 * is what a container chose to say. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd/complain.h"
#include "cmd/ui/color.h"
#include "cmd/ui/ui.h"
#include "cmd/ui/words.h"
#include "report_css.h"

enum { SPANS_MAX = 100000, NOTES_MAX = 500, TEXT_MAX = 256 * 1024, TICKS = 4 };

/* One step of one host. */
struct span {
	size_t row; /* of the fleet */
	enum step step;
	const char *service; /* borrowed; NULL: all of the host */
	int64_t begin_ms, end_ms;
	bool open;
	enum state state;
	uint64_t bytes;
	char *text; /* what was said at its end; NULL: nothing */
};

struct note {
	const char *host; /* borrowed; NULL: this machine */
	int64_t at_ms;
	char *text;
};

struct report {
	struct ui ui;
	char *path, *part; /* where it goes, and where it is written */
	int fd;
	struct span *spans;
	size_t n_spans;
	struct note *notes;
	size_t n_notes, notes_left_out;
};

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
	else if (event->kind == EVENT_NOTE)
		note_text(report, event);
}

/* --- the page */

static void put(FILE *out, const char *text)
{
	CLEANUP_BUF struct buf clean = BUF_INIT(TEXT_MAX);
	size_t len = text != NULL ? strlen(text) : 0;

	/* What is longer is cut: an error's end says more than its beginning. */
	if (len > TEXT_MAX / 8)
		text += len - TEXT_MAX / 8;
	if (text == NULL || text_clean(&clean, text, strlen(text), false) < 0)
		return;
	for (const char *at = clean.data; *at != '\0'; at++)
		switch (*at) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\'':
			fputs("&#39;", out);
			break;
		default:
			fputc(*at, out);
		}
}

static void put_duration(FILE *out, int64_t ms)
{
	char words[WORDS_SIZE];

	words_duration(ms, words);
	put(out, words);
}

static const char *class_of_step(enum step step)
{
	static const char *const classes[N_STEPS] = {[STEP_HOOK] = "here",
	    [STEP_SECRETS] = "here",
	    [STEP_BUILD] = "here",
	    [STEP_IMPORT] = "here",
	    [STEP_PUSH] = "here",
	    [STEP_CONNECT] = "look",
	    [STEP_LOCK] = "look",
	    [STEP_FACTS] = "look",
	    [STEP_DELIVER] = "deliver",
	    [STEP_CREATE] = "create",
	    [STEP_BEFORE] = "create",
	    [STEP_SWAP] = "swap",
	    [STEP_READY] = "ready",
	    [STEP_COMMIT] = "commit",
	    [STEP_STOP] = "act",
	    [STEP_START] = "act",
	    [STEP_PRUNE] = "prune"};

	return step < N_STEPS && classes[step] != NULL ? classes[step] : "look";
}

static const char *class_of_state(enum state state)
{
	if (state == STATE_FAILED || state == STATE_UNKNOWN)
		return " failed";
	return state == STATE_REVERTED ? " reverted" : "";
}

static const char *class_of_outcome(enum host_outcome outcome)
{
	if (outcome == HOST_DONE || outcome == HOST_UNCHANGED)
		return "good";
	return outcome == HOST_REVERTED || outcome == HOST_UNTOUCHED ? "warn" : "bad";
}

static void put_counts(FILE *out, const struct rollout_result *result)
{
	const char *between = "";

	for (int k = HOST_UNTOUCHED; k <= HOST_UNKNOWN; k++) {
		enum host_outcome outcome = (enum host_outcome)k;
		size_t n = rollout_count(result, outcome);

		if (n > 0)
			fprintf(out, "%s%zu %s", between, n, host_outcome_name(outcome));
		between = n > 0 ? ", " : between;
	}
	if (result->n_hosts == 0)
		fputs("no host was touched", out);
	if (result->interrupted)
		fputs(", interrupted", out);
}

static void put_head(const struct report *report, const struct ui_end *end, FILE *out)
{
	fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	      "style-src 'unsafe-inline'\">\n<title>",
	    out);
	put(out, report->ui.start.command);
	fputc(' ', out);
	put(out, report->ui.start.project);
	fputc(' ', out);
	put(out, report->ui.start.environment);
	fputs(": ", out);
	put_counts(out, end->result);
	fputs("</title>\n<style>\n", out);
	fwrite(report_css, 1, sizeof(report_css), out);
	fputs("</style></head>\n<body>\n", out);
}

static void put_fact(FILE *out, const char *name, const char *value)
{
	if (value == NULL || *value == '\0')
		return;
	fprintf(out, "<dt>%s</dt><dd>", name);
	put(out, value);
	fputs("</dd>\n", out);
}

static void put_command(FILE *out, const char *name, const char *command)
{
	if (command == NULL)
		return;
	fprintf(out, "<dt>%s</dt><dd><code>", name);
	put(out, command);
	fputs("</code></dd>\n", out);
}

static void put_header(const struct report *report, const struct ui_end *end, FILE *out)
{
	const struct ui_start *start = &report->ui.start;
	const struct rollout_result *result = end->result;
	char began[UI_TIME_SIZE], took[WORDS_SIZE], bytes[TEXT_BYTES_SIZE];
	uint64_t moved = 0;

	for (size_t i = 0; i < result->n_hosts; i++)
		moved += result->hosts[i].bytes;
	ui_time_iso(&report->ui, start->now_ms, began);
	words_duration(end->now_ms - start->now_ms, took);
	text_bytes(moved, bytes);
	fputs("<header><h1>", out);
	put(out, start->command);
	fputc(' ', out);
	put(out, start->project);
	fputs(" to ", out);
	put(out, start->environment);
	fprintf(out, "</h1>\n<p class=\"verdict %s\">", end->exit_code == 0 ? "good" : "bad");
	put_counts(out, result);
	fputs("</p>\n<dl>\n", out);
	put_fact(out, "rollout", result->rollout);
	put_fact(out, "what", report->ui.title);
	put_fact(out, "began", began);
	put_fact(out, "took", took);
	put_fact(out, "moved", moved > 0 ? bytes : NULL);
	fprintf(out, "<dt>exit code</dt><dd>%d</dd>\n", end->exit_code);
	put_command(out, "the rest", end->rest);
	put_command(out, "undo", end->undo);
	fputs("</dl></header>\n", out);
}

static const struct host_result *result_of(const struct rollout_result *result, const char *host)
{
	for (size_t i = 0; host != NULL && i < result->n_hosts; i++)
		if (strcmp(result->hosts[i].host, host) == 0)
			return &result->hosts[i];
	return NULL;
}

/* --- what went wrong */

static void put_error(FILE *out, const char *where, const struct error *error)
{
	if (error->kind == ERROR_NONE)
		return;
	fputs("<article><h3>", out);
	put(out, where);
	fputs("</h3><pre>", out);
	put(out, error_text(error));
	fputs("</pre>", out);
	if (error->hint != NULL) {
		fputs("<p>", out);
		put(out, error->hint);
		fputs("</p>", out);
	}
	fputs("</article>\n", out);
}

static void put_errors(const struct report *report, const struct rollout_result *result, FILE *out)
{
	bool any = result->error.kind != ERROR_NONE;

	for (size_t i = 0; i < result->n_hosts; i++)
		any = any || result->hosts[i].error.kind != ERROR_NONE;
	if (!any)
		return;
	fputs("<section id=\"errors\"><h2>What went wrong</h2>\n", out);
	put_error(out, "the rollout", &result->error);
	for (size_t i = 0; i < result->n_hosts; i++) {
		const struct host_result *host = &result->hosts[i];
		const struct row *row = fleet_row(&report->ui.fleet, host->host);
		CLEANUP_FREE char *where = string_printf("%s%s%s", host->host,
		    row != NULL ? ": " : "", row != NULL ? step_name(row->step) : "");

		put_error(out, where, &host->error);
	}
	fputs("</section>\n", out);
}

/* --- the timeline */

static void put_track(const struct report *report, size_t row, int64_t end_ms, FILE *out)
{
	int64_t begin = report->ui.start.now_ms;
	double all = end_ms > begin ? (double)(end_ms - begin) : 1;

	fputs("<span class=\"track\">", out);
	for (size_t i = 0; i < report->n_spans; i++) {
		const struct span *span = &report->spans[i];
		int64_t until = span->open ? end_ms : span->end_ms;

		if (span->row != row)
			continue;
		fprintf(out, "<i class=\"%s%s\" style=\"left:%.2f%%;width:%.2f%%\" title=\"",
		    class_of_step(span->step), class_of_state(span->state),
		    100 * (double)(span->begin_ms - begin) / all,
		    100 * (double)(until - span->begin_ms) / all);
		put(out, step_name(span->step));
		fputs(span->service != NULL ? " " : "", out);
		put(out, span->service);
		fputs(": ", out);
		put_duration(out, until - span->begin_ms);
		fputs("\"></i>", out);
	}
	fputs("</span>", out);
}

static void put_steps(const struct report *report, size_t row, int64_t end_ms, FILE *out)
{
	fputs("<div class=\"scroll\"><table><thead><tr><th>step</th><th>service</th><th>state</th>"
	      "<th>after</th><th>took</th><th>moved</th><th class=\"hide\"></th></tr></thead>\n"
	      "<tbody>\n",
	    out);
	for (size_t i = 0; i < report->n_spans; i++) {
		const struct span *span = &report->spans[i];
		char bytes[TEXT_BYTES_SIZE] = "";

		if (span->row != row)
			continue;
		if (span->bytes > 0)
			text_bytes(span->bytes, bytes);
		fprintf(out, "<tr><td>%s</td><td>", step_name(span->step));
		put(out, span->service);
		fprintf(out, "</td><td>%s</td><td class=\"n\">",
		    span->open ? "not finished" : state_name(span->state));
		put_duration(out, span->begin_ms - report->ui.start.now_ms);
		fputs("</td><td class=\"n\">", out);
		put_duration(out, (span->open ? end_ms : span->end_ms) - span->begin_ms);
		fprintf(out, "</td><td class=\"n\">%s</td><td class=\"hide\">", bytes);
		put(out, span->text);
		fputs("</td></tr>\n", out);
	}
	fputs("</tbody></table></div>\n", out);
}

static void put_row(const struct report *report, size_t row, const struct ui_end *end, FILE *out)
{
	const char *host = report->ui.fleet.rows[row].host;
	const struct host_result *result = result_of(end->result, host);

	fputs("<li><details><summary><span class=\"name\">", out);
	put(out, host != NULL ? host : "this machine");
	fprintf(out, "</span><span class=\"outcome %s\">%s</span>",
	    result != NULL ? class_of_outcome(result->outcome) : "",
	    result != NULL ? host_outcome_name(result->outcome) : "");
	put_track(report, row, end->now_ms, out);
	fputs("</summary>", out);
	put_steps(report, row, end->now_ms, out);
	fputs("</details></li>\n", out);
}

static bool has_spans(const struct report *report, size_t row)
{
	for (size_t i = 0; i < report->n_spans; i++)
		if (report->spans[i].row == row)
			return true;
	return false;
}

static void put_legend(FILE *out)
{
	static const char *const legend[][2] = {{"here", "on this machine"},
	    {"look", "connect, lock, facts"}, {"deliver", "deliver"}, {"create", "create"},
	    {"swap", "swap"}, {"ready", "ready"}, {"commit", "commit"}, {"act", "stop, start"},
	    {"prune", "prune"}, {"failed", "failed"}, {"reverted", "taken back"}};

	fputs("<ul class=\"legend\">", out);
	for (size_t i = 0; i < ARRAY_SIZE(legend); i++)
		fprintf(out, "<li><i class=\"%s\"></i>%s</li>", legend[i][0], legend[i][1]);
	fputs("</ul>\n", out);
}

static void put_timeline(const struct report *report, const struct ui_end *end, FILE *out)
{
	int64_t took = end->now_ms - report->ui.start.now_ms;

	fputs("<section id=\"timeline\"><h2>Timeline</h2>\n", out);
	put_legend(out);
	fputs("<ol class=\"hosts\">\n", out);
	for (size_t row = 0; row < report->ui.fleet.n; row++)
		if (row > 0 || has_spans(report, row))
			put_row(report, row, end, out);
	fputs("</ol>\n<div class=\"axis\"><div>", out);
	for (int i = 0; i <= TICKS; i++) {
		fputs("<span>", out);
		put_duration(out, took * i / TICKS);
		fputs("</span>", out);
	}
	fputs("</div></div></section>\n", out);
}

static void put_notes(const struct report *report, FILE *out)
{
	if (report->n_notes == 0)
		return;
	fputs("<section id=\"notes\"><h2>What was said</h2><ul class=\"notes\">\n", out);
	for (size_t i = 0; i < report->n_notes; i++) {
		const struct note *note = &report->notes[i];

		fputs("<li><time>", out);
		put_duration(out, note->at_ms - report->ui.start.now_ms);
		fputs("</time> ", out);
		put(out, words_host(note->host));
		fputs(": ", out);
		put(out, note->text);
		fputs("</li>\n", out);
	}
	if (report->notes_left_out > 0)
		fprintf(out, "<li>and %zu more</li>\n", report->notes_left_out);
	fputs("</ul></section>\n", out);
}

static int write_page(struct report *report, const struct ui_end *end, FILE *out)
{
	put_head(report, end, out);
	put_header(report, end, out);
	put_errors(report, end->result, out);
	put_timeline(report, end, out);
	put_notes(report, out);
	fputs("<footer>made by shipit</footer>\n</body></html>\n", out);
	return fflush(out) == 0 && !ferror(out) ? 0 : -1;
}

/* Whole, or not at all: a page that was there before stays until the new one is. */
static void report_end(struct ui *ui, const struct ui_end *end)
{
	struct report *report = (struct report *)ui;
	CLEANUP_ERROR struct error err = {0};
	FILE *out = fdopen(report->fd, "w");
	int rc = -1;

	if (out != NULL) {
		report->fd = -1;
		rc = write_page(report, end, out);
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
