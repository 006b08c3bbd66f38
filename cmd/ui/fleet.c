#include "cmd/ui/fleet.h"

#include <stdlib.h>
#include <string.h>

#include "cmd/ui/color.h"

enum { SAMPLE_MS = 500 };

int fleet_init(
    struct fleet *fleet, const char *const *hosts, size_t n, enum step last_step, struct error *err)
{
	memset(fleet, 0, sizeof(*fleet));
	fleet->rows = calloc(n + 1, sizeof(*fleet->rows));
	if (fleet->rows == NULL)
		return error_memory(err);
	for (size_t i = 0; i < n; i++)
		fleet->rows[i + 1].host = hosts[i];
	fleet->n = n + 1;
	fleet->last_step = last_step;
	return 0;
}

struct row *fleet_row(const struct fleet *fleet, const char *host)
{
	if (fleet->n == 0)
		return NULL;
	if (host == NULL)
		return &fleet->rows[0];
	for (size_t i = 1; i < fleet->n; i++)
		if (fleet->rows[i].host == host || strcmp(fleet->rows[i].host, host) == 0)
			return &fleet->rows[i];
	return NULL;
}

/* The first line says what it is about. */
static void set_text(struct row *row, const char *text)
{
	CLEANUP_FREE char *first = text != NULL ? strndup(text, strcspn(text, "\n")) : NULL;

	free(row->text);
	row->text = text_cleaned(first);
}

static void begin_step(struct row *row, const struct event *event)
{
	row->state = ROW_RUNNING;
	row->step = event->step;
	row->service = event->service;
	row->since_ms = event->at_ms;
	row->bytes = row->total = 0;
	row->rate = 0;
	row->sample_ms = 0;
	set_text(row, event->text);
}

/* Half of the old rate and half of the new: quick enough to follow, slow enough to read. */
static void progress(struct row *row, const struct event *event)
{
	int64_t passed = event->at_ms - row->sample_ms;

	if (row->state != ROW_RUNNING || row->step != event->step)
		begin_step(row, event);
	else if (event->text != NULL)
		set_text(row, event->text);
	if (row->sample_ms == 0 || event->bytes < row->bytes) {
		row->sample_ms = event->at_ms;
		row->bytes = event->bytes;
	} else if (passed >= SAMPLE_MS) {
		double now = (double)(event->bytes - row->bytes) * 1000 / (double)passed;

		row->rate = row->rate > 0 ? (row->rate + now) / 2 : now;
		row->sample_ms = event->at_ms;
		row->bytes = event->bytes;
	}
	row->total = event->total;
}

static void end_step(struct row *row, const struct event *event, enum row_state state)
{
	row->step = event->step;
	row->service = event->service;
	row->state = state;
	set_text(row, event->error != NULL ? event->error : event->text);
}

static void step_event(const struct fleet *fleet, struct row *row, const struct event *event)
{
	bool last = event->step == fleet->last_step && event->step != STEP_NONE;

	switch (event->state) {
	case STATE_START:
		begin_step(row, event);
		break;
	case STATE_PROGRESS:
		progress(row, event);
		break;
	case STATE_OK:
	case STATE_SKIPPED:
		if (last || event->state == STATE_OK)
			end_step(row, event, last ? ROW_OK : ROW_WAITING);
		break;
	case STATE_FAILED:
		row->step_failed = true;
		end_step(row, event, ROW_FAILED);
		break;
	case STATE_REVERTED:
		end_step(row, event, ROW_REVERTED);
		break;
	case STATE_UNKNOWN:
		end_step(row, event, ROW_UNKNOWN);
		break;
	}
}

static void host_event(struct row *row, const struct event *event)
{
	static const enum row_state states[] = {
	    [STATE_START] = ROW_RUNNING,
	    [STATE_PROGRESS] = ROW_RUNNING,
	    [STATE_OK] = ROW_OK,
	    [STATE_FAILED] = ROW_FAILED,
	    [STATE_REVERTED] = ROW_REVERTED,
	    [STATE_SKIPPED] = ROW_SKIPPED,
	    [STATE_UNKNOWN] = ROW_UNKNOWN,
	};

	row->state = states[event->state];
	if (event->state == STATE_SKIPPED && event->error != NULL)
		row->state = ROW_FAILED; /* untouched, because something is wrong with it */
	if (event->error != NULL)
		set_text(row, event->error);
}

void fleet_event(struct fleet *fleet, const struct event *event)
{
	struct row *row = fleet_row(fleet, event->host);

	if (row == NULL)
		return;
	if (event->kind == EVENT_STEP)
		step_event(fleet, row, event);
	else if (event->kind == EVENT_HOST)
		host_event(row, event);
}

size_t fleet_count(const struct fleet *fleet, enum row_state state)
{
	size_t n = 0;

	for (size_t i = 1; i < fleet->n; i++)
		n += fleet->rows[i].state == state;
	return n;
}

void fleet_release(struct fleet *fleet)
{
	for (size_t i = 0; i < fleet->n; i++)
		free(fleet->rows[i].text);
	free(fleet->rows);
	memset(fleet, 0, sizeof(*fleet));
}
