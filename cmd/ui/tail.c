/* What containers and programs in them say, as it comes: "web1 web | TEXT", or JSON. */
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "cmd/ui/color.h"
#include "cmd/ui/json.h"
#include "cmd/ui/line.h"

enum { LINE_MAX_BYTES = 512 * 1024 };

struct tail {
	struct ui ui;
	bool json;
	size_t width;
	struct cancel *stop;
};

/* The same host has the same colour, also in the next run. */
static const char *color_of(const char *host)
{
	static const char *const colors[] = {"\033[36m", "\033[35m", "\033[32m", "\033[33m",
	    "\033[1;36m", "\033[1;35m", "\033[1;32m", "\033[1;33m"};
	unsigned int sum = 0;

	for (const char *at = host; *at != '\0'; at++)
		sum = sum * 31 + (unsigned char)*at;
	return colors[sum % ARRAY_SIZE(colors)];
}

static void print_text(const struct tail *tail, const struct event *event)
{
	const struct ui_options *o = &tail->ui.options;
	FILE *out = event->stream == 2 ? o->err : o->out;
	bool color = event->stream == 2 ? o->color_err : o->color_out;
	CLEANUP_BUF struct buf text = BUF_INIT(LINE_MAX_BYTES);
	CLEANUP_FREE char *names = event->stream != 0
				       ? strdup(event->host)
				       : string_printf("%s %s", event->host, event->service);
	CLEANUP_FREE char *clean = text_cleaned(names);

	if (clean == NULL || text_clean(&text, event->text, strlen(event->text), true) < 0)
		return;
	if (tail->width > 0)
		fprintf(out, "%s%-*s |%s ", color ? color_of(event->host) : "", (int)tail->width,
		    clean, color ? "\033[0m" : "");
	fprintf(out, "%s\n", text.len > 0 ? text.data : "");
}

static void print_json(const struct tail *tail, const struct event *event)
{
	static const char *const streams[] = {NULL, "stdout", "stderr"};
	json_t *object = json_event("line");

	if (object == NULL)
		return;
	json_put(object, "host", event->host);
	json_put(object, "service", event->service);
	json_put(object, "stream", streams[event->stream]);
	json_put(object, "at", event->said_at);
	json_put(object, "text", event->text);
	json_line(tail->ui.options.out, object);
}

/* What is no line goes where it does not mix with them. */
static void print_note(const struct tail *tail, const struct event *event)
{
	const struct ui_options *o = &tail->ui.options;
	CLEANUP_FREE char *line = NULL;
	enum hue hue;

	if (o->quiet || (event->kind != EVENT_NOTE && event->kind != EVENT_LOG))
		return;
	line = line_of_event(&tail->ui, event, true, &hue);
	if (line != NULL)
		fprintf(o->err, "shipit: %s\n", line);
}

static void tail_event(struct ui *ui, const struct event *event)
{
	const struct tail *tail = (const struct tail *)ui;
	FILE *out = ui->options.out;

	if (event->kind != EVENT_LOG || event->service == NULL || event->level != 0 ||
	    event->text == NULL)
		print_note(tail, event);
	else if (tail->json)
		print_json(tail, event);
	else
		print_text(tail, event);
	if (ferror(out))
		cancel_fire(tail->stop);
}

/* Whoever reads along sees what has come; what comes fast goes in larger pieces. */
static void tail_tick(struct ui *ui, int64_t now_ms UNUSED)
{
	if (fflush(ui->options.out) != 0)
		cancel_fire(((const struct tail *)ui)->stop);
}

static void tail_end(struct ui *ui UNUSED, const struct ui_end *end UNUSED)
{
}

static const struct ui_ops tail_ops = {.event = tail_event, .tick = tail_tick, .end = tail_end};

int ui_new_tail(const struct ui_options *options, bool json, size_t width, struct cancel *stop,
    struct ui **ret, struct error *err)
{
	struct tail *tail = ui_alloc(sizeof(*tail), &tail_ops, options);

	if (tail == NULL)
		return error_memory(err);
	tail->json = json;
	tail->width = width;
	tail->stop = stop;
	*ret = &tail->ui;
	return 0;
}
