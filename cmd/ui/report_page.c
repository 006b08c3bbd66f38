/* The page of --report: a timeline of every host and step, what moved, and what went wrong with its
 * logs; no script, and nothing from elsewhere. All text in it is escaped: some of it is what a
 * container chose to say. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "cmd/ui/report.h"
#include "cmd/ui/result.h"
#include "cmd/ui/words.h"
#include "report_css.h"

enum { TEXT_MAX = 256 * 1024, TICKS = 4 };

/* --- text */

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
	enum hue hue = result_hue(outcome);

	return hue == HUE_GOOD ? "good" : hue == HUE_WARN ? "warn" : "bad";
}

static void put_counts(FILE *out, const struct rollout_result *result)
{
	result_counts(out, false, result);
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
	uint64_t moved = rollout_bytes(result);

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

int report_write(const struct report *report, const struct ui_end *end, FILE *out)
{
	put_head(report, end, out);
	put_header(report, end, out);
	put_errors(report, end->result, out);
	put_timeline(report, end, out);
	put_notes(report, out);
	fputs("<footer>made by shipit</footer>\n</body></html>\n", out);
	return fflush(out) == 0 && !ferror(out) ? 0 : -1;
}
