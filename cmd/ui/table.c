#include "cmd/ui/table.h"

#include <stdlib.h>
#include <string.h>

#include "cmd/ui/color.h"
#include "cmd/ui/words.h"

enum {
	LINE_BYTES = 4096,
	NARROW = 60,	/* below this many columns, services are not named */
	STEP_ONLY = 8,	/* width of the column of steps: "deliver" */
	STEP_WIDE = 18, /* with the service: "deliver web" */
	CLOCK_WIDTH = 7,
	OTHER_LINES = 2, /* the first and the last */
	LEAST_COLUMNS = 32,
};

struct layout {
	size_t columns, host, step, detail;
	bool color;
};

static struct layout layout_of(const struct ui *ui, size_t columns)
{
	struct layout l = {.columns = columns - 1, .color = ui->options.color_out};
	size_t widest = 4;

	for (size_t i = 1; i < ui->fleet.n; i++) {
		size_t width = text_width(ui->fleet.rows[i].host);

		if (width > widest)
			widest = width;
	}
	l.host = widest < columns / 3 ? widest : columns / 3;
	l.step = columns < NARROW ? STEP_ONLY : STEP_WIDE;
	size_t used = 2 + l.host + 2 + l.step + 2 + 1 + CLOCK_WIDTH;
	l.detail = used < l.columns ? l.columns - used : 0;
	return l;
}

static bool in_trouble(const struct row *row)
{
	return row->state == ROW_FAILED || row->state == ROW_REVERTED || row->state == ROW_UNKNOWN;
}

static enum hue hue_of(const struct row *row)
{
	if (row->state == ROW_OK)
		return HUE_GOOD;
	if (row->state == ROW_FAILED || row->state == ROW_UNKNOWN)
		return HUE_BAD;
	return row->state == ROW_REVERTED ? HUE_WARN : HUE_PLAIN;
}

/* What stands where the step stands: the step itself only while it is under way. */
static int add_step(struct buf *line, const struct layout *l, const struct row *row)
{
	CLEANUP_BUF struct buf words = BUF_INIT(LINE_BYTES);
	enum hue hue = hue_of(row);
	int rc;

	if (row->state != ROW_RUNNING)
		rc = buf_adds(&words, words_row_state(row->state));
	else if (row->service != NULL && l->step > STEP_ONLY)
		rc = buf_addf(&words, "%s %s", step_name(row->step), row->service);
	else
		rc = buf_adds(&words, step_name(row->step));
	if (rc < 0 || buf_adds(line, hue_on(l->color, hue)) < 0 ||
	    text_fit(line, words.data, l->step, true) < 0)
		return -1;
	return buf_adds(line, hue_off(l->color, hue));
}

static int add_detail(struct buf *line, const struct layout *l, const struct row *row)
{
	CLEANUP_BUF struct buf words = BUF_INIT((size_t)64 * 1024);
	char bytes[2 * WORDS_SIZE];
	int rc = 0;

	words_bytes(row->bytes, row->total, row->rate, bytes);
	if (row->state == ROW_RUNNING && bytes[0] != '\0')
		rc = buf_adds(&words, bytes);
	else if (row->state == ROW_RUNNING)
		rc = buf_adds(&words, row->text != NULL ? row->text : "");
	else if (row->state == ROW_WAITING && row->step != STEP_NONE)
		rc = buf_addf(&words, "%s done", step_name(row->step));
	else if (in_trouble(row) && row->step != STEP_NONE)
		rc = buf_addf(
		    &words, "%s: %s", step_name(row->step), row->text != NULL ? row->text : "");
	if (rc < 0)
		return -1;
	if (row->state == ROW_RUNNING)
		return text_fit(line, words.data, l->detail, true);
	return text_fit(line, words.data, l->detail + 1 + CLOCK_WIDTH, false); /* no clock behind */
}

static int add_row(
    struct strv *lines, const struct layout *l, const struct row *row, int64_t now_ms)
{
	CLEANUP_BUF struct buf line = BUF_INIT(LINE_BYTES);
	char clock[WORDS_SIZE];

	if (buf_adds(&line, "  ") < 0 ||
	    text_fit(&line, words_host(row->host), l->host, true) < 0 ||
	    buf_adds(&line, "  ") < 0 || add_step(&line, l, row) < 0)
		return -1;
	if (l->detail > 0 && (buf_adds(&line, "  ") < 0 || add_detail(&line, l, row) < 0))
		return -1;
	words_clock(now_ms - row->since_ms, clock);
	if (row->state == ROW_RUNNING && l->detail > 0 &&
	    buf_addf(&line, " %*s", CLOCK_WIDTH, clock) < 0)
		return -1;
	while (line.len > 0 && line.data[line.len - 1] == ' ')
		line.data[--line.len] = '\0';
	return strv_take(lines, buf_steal(&line));
}

/* "deploy shop.prod on 12 hosts          0:42" */
static int add_title(
    struct strv *lines, const struct ui *ui, const struct layout *l, int64_t now_ms)
{
	CLEANUP_BUF struct buf line = BUF_INIT(LINE_BYTES);
	CLEANUP_FREE char *own = NULL;
	char clock[WORDS_SIZE], hosts[WORDS_SIZE];
	const char *title = ui->title;
	size_t width = l->columns > CLOCK_WIDTH ? l->columns - CLOCK_WIDTH : 0;

	if (title == NULL) {
		const char *env = ui->start.environment;

		words_hosts(ui->start.n_hosts, hosts);
		own = string_printf("%s %s%s%s%s%s", ui->start.command, ui->start.project,
		    env != NULL ? "." : "", env != NULL ? env : "",
		    ui->start.n_hosts > 0 ? " on " : "", ui->start.n_hosts > 0 ? hosts : "");
		title = own;
	}
	if (title == NULL)
		return -1;
	words_clock(now_ms - ui->start.now_ms, clock);
	if (buf_adds(&line, hue_on(l->color, HUE_STRONG)) < 0 ||
	    text_fit(&line, title, width, true) < 0 ||
	    buf_adds(&line, hue_off(l->color, HUE_STRONG)) < 0 ||
	    buf_addf(&line, "%*s", CLOCK_WIDTH, clock) < 0)
		return -1;
	return strv_take(lines, buf_steal(&line));
}

/* "  9 done, 1 failed, 2 running, 3 waiting" */
static int add_counts(struct strv *lines, const struct ui *ui, const struct layout *l)
{
	static const enum row_state order[] = {
	    ROW_OK, ROW_SKIPPED, ROW_FAILED, ROW_REVERTED, ROW_UNKNOWN, ROW_RUNNING, ROW_WAITING};
	CLEANUP_BUF struct buf words = BUF_INIT(LINE_BYTES), line = BUF_INIT(LINE_BYTES);

	for (size_t k = 0; k < ARRAY_SIZE(order); k++) {
		size_t n = fleet_count(&ui->fleet, order[k]);

		if (n > 0 && buf_addf(&words, "%s%zu %s", words.len > 0 ? ", " : "  ", n,
				 words_row_state(order[k])) < 0)
			return -1;
	}
	if (text_fit(&line, words.data, l->columns, false) < 0)
		return -1;
	return strv_take(lines, buf_steal(&line));
}

/* Mark up to `room` rows that `wanted` likes and that are not marked; returns what room is left. */
static size_t mark(
    const struct fleet *fleet, bool *shown, size_t room, bool (*wanted)(const struct row *row))
{
	for (size_t i = 1; i < fleet->n && room > 0; i++)
		if (!shown[i] && wanted(&fleet->rows[i])) {
			shown[i] = true;
			room--;
		}
	return room;
}

static bool is_running(const struct row *row)
{
	return row->state == ROW_RUNNING;
}

static bool is_any(const struct row UNUSED *row)
{
	return true;
}

/* All hosts where they fit; else trouble in at most half of the room, then those at work, then the
 * rest of the trouble. The order is always the inventory's, so that rows do not jump. */
static void choose_rows(const struct fleet *fleet, size_t room, bool *shown)
{
	size_t half;

	if (fleet->n - 1 <= room) {
		mark(fleet, shown, room, is_any);
		return;
	}
	half = room / 2;
	room -= half - mark(fleet, shown, half, in_trouble);
	room = mark(fleet, shown, room, is_running);
	mark(fleet, shown, room, in_trouble);
}

static int add_rows(
    struct strv *lines, const struct ui *ui, const struct layout *l, size_t room, int64_t now_ms)
{
	const struct fleet *fleet = &ui->fleet;
	CLEANUP_FREE bool *shown = calloc(fleet->n, sizeof(*shown));

	if (shown == NULL)
		return -1;
	shown[0] = room > 0 && (fleet->rows[0].state == ROW_RUNNING || in_trouble(&fleet->rows[0]));
	choose_rows(fleet, room - shown[0], shown);
	for (size_t i = 0; i < fleet->n; i++)
		if (shown[i] && add_row(lines, l, &fleet->rows[i], now_ms) < 0)
			return -1;
	return 0;
}

int table_compose(
    const struct ui *ui, int64_t now_ms, size_t columns, size_t rows, struct strv *ret)
{
	if (columns < LEAST_COLUMNS || rows < OTHER_LINES + 2 || ui->fleet.n == 0)
		return 0; /* no room for anything that could be read */
	const struct layout l = layout_of(ui, columns);

	if (add_title(ret, ui, &l, now_ms) < 0 ||
	    add_rows(ret, ui, &l, rows - 1 - OTHER_LINES, now_ms) < 0)
		return -1;
	return ui->fleet.n > 2 ? add_counts(ret, ui, &l) : 0;
}
