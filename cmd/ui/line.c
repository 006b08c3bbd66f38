#include "cmd/ui/line.h"

#include <string.h>

#include "base/text.h"
#include "cmd/ui/words.h"

enum { LINE_MAX_BYTES = 64 * 1024 };

/* Who it is about: "web1", "web1: swap web", "here: build web". */
static int add_subject(struct buf *out, const struct event *event, bool with_step)
{
	if (buf_adds(out, words_host(event->host)) < 0)
		return -1;
	if (with_step && buf_addf(out, ": %s", step_name(event->step)) < 0)
		return -1;
	if (event->service != NULL &&
	    buf_addf(out, "%s%s", with_step ? " " : ": ", event->service) < 0)
		return -1;
	return 0;
}

/* Of several lines the first: the report at the end has the others. */
static int add_cleaned(struct buf *out, const char *between, const char *text)
{
	CLEANUP_FREE char *first = text != NULL ? strndup(text, strcspn(text, "\n")) : NULL;
	CLEANUP_FREE char *clean = text_cleaned(first);

	if (clean == NULL || *clean == '\0')
		return 0;
	return buf_addf(out, "%s%s", between, clean);
}

/* How far it got and how long it took: " 120 MB, 11.2 s". */
static int add_amounts(struct buf *out, const struct event *event)
{
	char bytes[2 * WORDS_SIZE], ms[WORDS_SIZE];

	words_bytes(event->bytes, 0, 0, bytes);
	if (bytes[0] != '\0' && buf_addf(out, ", %s", bytes) < 0)
		return -1;
	words_duration(event->ms, ms);
	if (event->ms >= 0 && buf_addf(out, ", %s", ms) < 0)
		return -1;
	return 0;
}

/* Of 100 hosts nobody wants to read nine lines each: what takes long and what decides. */
static bool worth_a_line(const struct event *event, int verbose)
{
	bool slow = event->step == STEP_BUILD || event->step == STEP_IMPORT ||
		    event->step == STEP_PUSH || event->step == STEP_DELIVER ||
		    event->step == STEP_HOOK || event->step == STEP_BEFORE;

	switch (event->state) {
	case STATE_START:
		return slow || verbose >= 2;
	case STATE_PROGRESS:
		return false;
	case STATE_OK:
		return slow || event->step == STEP_READY || verbose >= 1;
	case STATE_SKIPPED:
		return verbose >= 1;
	case STATE_FAILED:
	case STATE_REVERTED:
	case STATE_UNKNOWN:
		break;
	}
	return true;
}

static enum hue hue_of(enum state state)
{
	if (state == STATE_OK)
		return HUE_GOOD;
	if (state == STATE_FAILED || state == STATE_UNKNOWN)
		return HUE_BAD;
	return state == STATE_REVERTED ? HUE_WARN : HUE_PLAIN;
}

static int step_line(struct buf *out, const struct event *event)
{
	if (add_subject(out, event, true) < 0)
		return -1;
	if (event->state == STATE_START)
		return add_cleaned(out, ": ", event->text != NULL ? event->text : "begins");
	if (buf_addf(out, ": %s", state_name(event->state)) < 0 || add_amounts(out, event) < 0 ||
	    add_cleaned(out, "; ", event->text) < 0)
		return -1;
	return add_cleaned(out, ": ", event->error);
}

/* The error of a step was said when the step failed. */
static int host_line(struct buf *out, const struct ui *ui, const struct event *event)
{
	const struct row *row = fleet_row(&ui->fleet, event->host);
	bool told = row != NULL && row->step_failed;
	const char *state = state_name(event->state);

	if (event->state == STATE_OK)
		state = "done";
	else if (event->state == STATE_SKIPPED)
		state = "left as it was";
	if (buf_addf(out, "%s: %s", words_host(event->host), state) < 0 ||
	    add_amounts(out, event) < 0 || add_cleaned(out, "; ", event->text) < 0)
		return -1;
	return told ? 0 : add_cleaned(out, ": ", event->error);
}

static int rollout_line(struct buf *out, const struct event *event)
{
	return add_cleaned(out, "", event->text) < 0 ? -1 : add_cleaned(out, ", ", event->release);
}

static int note_line(struct buf *out, const struct event *event)
{
	if (event->host == NULL && event->service == NULL)
		return add_cleaned(out, "", event->text);
	if (add_subject(out, event, false) < 0)
		return -1;
	return add_cleaned(out, ": ", event->text);
}

static bool is_blank(const char *text)
{
	return text == NULL || text[strspn(text, " \t\r\n")] == '\0';
}

static int log_line(struct buf *out, const struct event *event)
{
	bool own_build = event->host == NULL && event->service != NULL;

	if (own_build ? buf_adds(out, event->service) < 0 : add_subject(out, event, false) < 0)
		return -1;
	return buf_adds(out, " | ") < 0 ? -1 : add_cleaned(out, "", event->text);
}

char *line_of_event(
    const struct ui *ui, const struct event *event, bool with_steps, enum hue *ret_hue)
{
	CLEANUP_BUF struct buf out = BUF_INIT(LINE_MAX_BYTES);
	int verbose = ui->options.verbose, rc = -1;

	*ret_hue = HUE_PLAIN;
	switch (event->kind) {
	case EVENT_ROLLOUT:
		rc = rollout_line(&out, event);
		break;
	case EVENT_STEP:
		*ret_hue = hue_of(event->state);
		if (with_steps && worth_a_line(event, verbose))
			rc = step_line(&out, event);
		break;
	case EVENT_NOTE:
	case EVENT_PACKAGE:
		rc = note_line(&out, event);
		break;
	case EVENT_LOG:
		*ret_hue = HUE_FAINT;
		if (event->level <= verbose && !is_blank(event->text))
			rc = log_line(&out, event);
		break;
	case EVENT_HOST:
		*ret_hue = hue_of(event->state);
		if (with_steps && !(ui->start.dry_run && event->state == STATE_OK))
			rc = host_line(&out, ui, event);
		break;
	case EVENT_SUMMARY:
		break;
	}
	return rc == 0 ? buf_steal(&out) : NULL;
}
