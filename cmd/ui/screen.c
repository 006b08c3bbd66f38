/* The live table on a terminal. It lives in the last lines above the cursor; what is said once
 * scrolls by above it. One write for each change, of the lines that differ; at most ten a second.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd/signals.h"
#include "cmd/ui/line.h"
#include "cmd/ui/result.h"
#include "cmd/ui/table.h"

enum {
	PAINT_MS = 100,
	HELD_MAX = 1024 * 1024, /* of lines that wait for their turn */
	FRAME_MAX = 8 * 1024 * 1024,
};

struct screen {
	struct ui ui;
	struct strv drawn;  /* what stands there now */
	struct buf above;   /* lines to be put above it, each with its newline */
	int64_t painted_ms; /* 0: never */
	bool paused;
};

/* The terminal's size now: asked each time, so that nothing needs to be told of a change. */
static void size_of(const struct ui_options *o, size_t *ret_columns, size_t *ret_rows)
{
	struct winsize size;

	*ret_columns = o->columns > 0 ? (size_t)o->columns : 80;
	*ret_rows = o->rows > 0 ? (size_t)o->rows : 24;
	if (o->columns > 0 || ioctl(fileno(o->out), TIOCGWINSZ, &size) < 0)
		return;
	if (size.ws_col > 0)
		*ret_columns = size.ws_col;
	if (size.ws_row > 0)
		*ret_rows = size.ws_row;
}

/* In the background the terminal is somebody else's. */
static bool may_draw(const struct ui_options *o)
{
	int fd = fileno(o->out);
	pid_t group = fd >= 0 && isatty(fd) ? tcgetpgrp(fd) : -1;

	return group < 0 || group == getpgrp();
}

/* Width on the screen of a line that we composed: its colours take no room. */
static size_t drawn_width(const char *line)
{
	CLEANUP_BUF struct buf bare = BUF_INIT((size_t)64 * 1024);

	while (*line != '\0') {
		if (*line == '\033')
			line += strcspn(line, "m") + 1;
		else
			buf_addc(&bare, *line++);
	}
	return text_width(bare.data);
}

/* Lines that the terminal made of ours: after it got narrower, more than we wrote. */
static size_t drawn_height(const struct screen *screen, size_t columns)
{
	size_t height = 0;

	for (size_t i = 0; i < screen->drawn.n; i++) {
		size_t width = drawn_width(screen->drawn.v[i]);

		height += width > columns ? (width + columns - 1) / columns : 1;
	}
	return height;
}

static int go_up(struct buf *frame, size_t lines)
{
	if (buf_addc(frame, '\r') < 0)
		return -1;
	return lines > 0 ? buf_addf(frame, "\033[%zuA", lines) : 0;
}

static bool same_line(const struct strv *a, const struct strv *b, size_t i)
{
	return i < a->n && i < b->n && strcmp(a->v[i], b->v[i]) == 0;
}

/* What turns the old lines into the new ones. With `all`, every line is written: something else
 * came above, or the terminal has another size. Nothing is added when nothing differs. */
static int add_changes(
    struct buf *frame, const struct strv *old, const struct strv *new, size_t height, bool all)
{
	bool differs = all || old->n != new->n;

	for (size_t i = 0; i < new->n && !differs; i++)
		differs = !same_line(old, new, i);
	if (!differs)
		return 0;
	if (!all && go_up(frame, height) < 0)
		return -1;
	for (size_t i = 0; i < new->n; i++) {
		int rc = !all && same_line(old, new, i)
			     ? buf_addc(frame, '\n')
			     : buf_addf(frame, "\r%s\033[K\n", new->v[i]);

		if (rc < 0)
			return -1;
	}
	return buf_adds(frame, "\r\033[J");
}

static void write_out(const struct screen *screen, const struct buf *frame)
{
	if (frame->len == 0)
		return;
	fwrite(frame->data, 1, frame->len, screen->ui.options.out);
	fflush(screen->ui.options.out);
}

static int add_above(struct screen *screen, struct buf *frame)
{
	const char *at = screen->above.data;

	while (*at != '\0') {
		size_t len = strcspn(at, "\n");

		if (buf_add(frame, at, len) < 0 || buf_adds(frame, "\033[K\n") < 0)
			return -1;
		at += len;
		at += *at == '\n';
	}
	buf_clear(&screen->above);
	return 0;
}

static void paint(struct screen *screen, int64_t now_ms)
{
	CLEANUP_BUF struct buf frame = BUF_INIT(FRAME_MAX);
	CLEANUP_STRV struct strv lines = {0};
	size_t columns, rows, height;
	bool all = screen->above.len > 0;

	size_of(&screen->ui.options, &columns, &rows);
	height = drawn_height(screen, columns);
	if (table_compose(&screen->ui, now_ms, columns, rows, &lines) < 0)
		return;
	if (height != screen->drawn.n)
		all = true;
	if (all && (go_up(&frame, height) < 0 || add_above(screen, &frame) < 0))
		return;
	if (add_changes(&frame, &screen->drawn, &lines, height, all) < 0)
		return;
	write_out(screen, &frame);
	strv_release(&screen->drawn);
	screen->drawn = lines;
	lines = (struct strv){0};
	screen->painted_ms = now_ms;
}

/* Take the table away; what waits to be said is said. */
static void erase(struct screen *screen)
{
	CLEANUP_BUF struct buf frame = BUF_INIT(FRAME_MAX);
	size_t columns, rows;

	size_of(&screen->ui.options, &columns, &rows);
	if (screen->drawn.n == 0 && screen->above.len == 0)
		return;
	if (go_up(&frame, drawn_height(screen, columns)) < 0 || add_above(screen, &frame) < 0 ||
	    buf_adds(&frame, "\033[J") < 0)
		return;
	write_out(screen, &frame);
	strv_release(&screen->drawn);
}

static void screen_event(struct ui *ui, const struct event *event)
{
	struct screen *screen = (struct screen *)ui;
	bool color = ui->options.color_out;
	CLEANUP_FREE char *line = NULL;
	enum hue hue;

	if (event->kind == EVENT_ROLLOUT)
		return; /* it is the title */
	line = line_of_event(ui, event, false, &hue);
	if (line != NULL)
		buf_addf(&screen->above, "%s%s%s\n", hue_on(color, hue), line, hue_off(color, hue));
}

static void screen_tick(struct ui *ui, int64_t now_ms)
{
	struct screen *screen = (struct screen *)ui;

	if (screen->paused)
		return;
	if (signals_continued()) /* the shell has written below it: it is history now */
		strv_release(&screen->drawn);
	if (screen->painted_ms != 0 && now_ms - screen->painted_ms < PAINT_MS)
		return;
	if (may_draw(&ui->options))
		paint(screen, now_ms);
}

static void screen_pause(struct ui *ui, bool on)
{
	struct screen *screen = (struct screen *)ui;

	if (on)
		erase(screen);
	screen->paused = on;
	screen->painted_ms = 0;
}

static void screen_close(struct ui *ui, int64_t UNUSED now_ms)
{
	erase((struct screen *)ui);
}

static void screen_end(struct ui *ui, const struct ui_end *end)
{
	result_print(ui, end);
}

static void screen_free(struct ui *ui)
{
	struct screen *screen = (struct screen *)ui;

	strv_release(&screen->drawn);
	buf_release(&screen->above);
}

static const struct ui_ops screen_ops = {
    .event = screen_event,
    .tick = screen_tick,
    .end = screen_end,
    .close = screen_close,
    .pause = screen_pause,
    .free = screen_free,
};

int ui_new_screen(const struct ui_options *options, struct ui **ret, struct error *err)
{
	struct screen *screen = ui_alloc(sizeof(*screen), &screen_ops, options);

	if (screen == NULL)
		return error_memory(err);
	buf_init(&screen->above, HELD_MAX);
	*ret = &screen->ui;
	return 0;
}
