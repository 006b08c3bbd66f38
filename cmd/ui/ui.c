#include "cmd/ui/ui.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd/ui/color.h"

void *ui_alloc(size_t size, const struct ui_ops *ops, const struct ui_options *options)
{
	struct ui *ui = calloc(1, size);

	if (ui == NULL)
		return NULL;
	ui->ops = ops;
	ui->options = *options;
	pthread_mutex_init(&ui->lock, NULL);
	pthread_mutex_init(&ui->prompt_lock, NULL);
	return ui;
}

void ui_add(struct ui *ui, struct ui *also)
{
	while (ui->also != NULL)
		ui = ui->also;
	ui->also = also;
}

void ui_free(struct ui *ui)
{
	if (ui == NULL)
		return;
	ui_free(ui->also);
	if (ui->ops->free != NULL)
		ui->ops->free(ui);
	fleet_release(&ui->fleet);
	free(ui->title);
	pthread_mutex_destroy(&ui->lock);
	pthread_mutex_destroy(&ui->prompt_lock);
	free(ui);
}

int ui_begin(struct ui *ui, const struct ui_start *start, struct error *err)
{
	ui->start = *start;
	if (fleet_init(&ui->fleet, start->hosts, start->n_hosts, start->last_step, err) < 0)
		return -1;
	ui->begun = true;
	pthread_mutex_lock(&ui->lock);
	if (ui->ops->begin != NULL)
		ui->ops->begin(ui);
	pthread_mutex_unlock(&ui->lock);
	return ui->also != NULL ? ui_begin(ui->also, start, err) : 0;
}

void ui_event(struct ui *ui, const struct event *event)
{
	pthread_mutex_lock(&ui->lock);
	if (event->kind == EVENT_ROLLOUT) {
		free(ui->title);
		ui->title = text_cleaned(event->text);
	}
	fleet_event(&ui->fleet, event);
	ui->ops->event(ui, event);
	pthread_mutex_unlock(&ui->lock);
	if (ui->also != NULL)
		ui_event(ui->also, event);
}

void ui_tick(struct ui *ui, int64_t now_ms)
{
	pthread_mutex_lock(&ui->lock);
	if (ui->ops->tick != NULL)
		ui->ops->tick(ui, now_ms);
	pthread_mutex_unlock(&ui->lock);
	if (ui->also != NULL)
		ui_tick(ui->also, now_ms);
}

void ui_say(struct ui *ui, const char *text, int64_t now_ms)
{
	char *copy = strdup(text);
	struct event event = {.kind = EVENT_NOTE, .at_ms = now_ms, .ms = -1, .text = copy};

	if (copy != NULL)
		ui_event(ui, &event);
	free(copy);
}

void ui_close(struct ui *ui, int64_t now_ms)
{
	pthread_mutex_lock(&ui->lock);
	if (ui->ops->close != NULL)
		ui->ops->close(ui, now_ms);
	pthread_mutex_unlock(&ui->lock);
}

void ui_end(struct ui *ui, const struct ui_end *end)
{
	ui_close(ui, end->now_ms);
	pthread_mutex_lock(&ui->lock);
	ui->ops->end(ui, end);
	pthread_mutex_unlock(&ui->lock);
	if (ui->also != NULL)
		ui_end(ui->also, end);
}

void ui_time_iso(const struct ui *ui, int64_t at_ms, char out[UI_TIME_SIZE])
{
	int64_t wall = at_ms + ui->options.wall_offset_ms;
	time_t seconds = (time_t)(wall / 1000);
	char day[24];
	struct tm tm = {0};

	gmtime_r(&seconds, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, UI_TIME_SIZE, "%s.%03dZ", day, (int)(wall % 1000));
}

void ui_time_short(const struct ui *ui, int64_t at_ms, char out[UI_TIME_SIZE])
{
	time_t seconds = (time_t)((at_ms + ui->options.wall_offset_ms) / 1000);
	struct tm tm = {0};

	localtime_r(&seconds, &tm);
	strftime(out, UI_TIME_SIZE, "%H:%M:%S", &tm);
}
