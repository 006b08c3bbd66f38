#include "cmd/work.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { TICK_MS = 100 };

int work_ui(const struct cli *cli, bool only_looks, struct ui **ret, struct error *err)
{
	struct ui_options options = cli_ui_options(cli);
	const char *term = getenv("TERM");
	bool capable =
	    isatty(fileno(cli->out)) && term != NULL && *term != '\0' && strcmp(term, "dumb") != 0;

	if (capable && !options.quiet && !cli->settings.json)
		return ui_new_screen(&options, ret, err);
	options.quiet = options.quiet || (only_looks && options.verbose == 0);
	if (cli->settings.json)
		return ui_new_json(&options, ret, err);
	return ui_new_plain(&options, ret, err);
}

static void *thread_main(void *context)
{
	struct work *work = context;

	work->run(work->context);
	events_close(work->events);
	return NULL;
}

static void tell_interrupts(struct ui *ui, const struct work *work, int *told)
{
	int count = signals_count();

	if (*told < 1 && count >= 1 && work->first != NULL)
		ui_say(ui, work->first, clock_now_ms());
	if (*told < 2 && count >= 2 && work->second != NULL)
		ui_say(ui, work->second, clock_now_ms());
	*told = count;
}

static void show_events(struct ui *ui, struct work *work)
{
	int told = 0;

	while (!events_done(work->events)) {
		struct event event = {0};

		if (events_take(work->events, clock_now_ms() + TICK_MS, &event)) {
			ui_event(ui, &event);
			event_release(&event);
		}
		tell_interrupts(ui, work, &told);
		ui_tick(ui, clock_now_ms());
	}
}

int work_run(struct cli *cli, struct ui *ui, struct work *work, struct error *err)
{
	pthread_t thread;
	int rc;

	/* Signals are the main thread's: all threads made from here on inherit the mask. */
	signals_block();
	rc = pthread_create(&thread, NULL, thread_main, work);
	if (rc == 0)
		signals_tell(work->interrupt, work->interrupt_context);
	signals_unblock();
	if (rc != 0)
		return error_errno(err, rc, "cannot start a thread");
	/* A signal that came before there was somebody to tell. */
	if (cancel_fired(&cli->cancel) && work->interrupt != NULL)
		work->interrupt(work->interrupt_context);
	show_events(ui, work);
	signals_tell(NULL, NULL);
	pthread_join(thread, NULL);
	return 0;
}

int work_tail(struct cli *cli, struct visit_options *visit, const char *const *hosts, size_t n,
    size_t width, work_fn *run, void *context, struct error *err)
{
	const struct ui_options options = cli_ui_options(cli);
	const struct ui_start start = {
	    .command = cli->command->name,
	    .project = cli->inventory->project,
	    .environment = visit->environment->name,
	    .hosts = hosts,
	    .n_hosts = n,
	    .now_ms = clock_now_ms(),
	};
	struct work work = {.run = run, .context = context};
	struct ui *ui = NULL;
	int rc = -1;

	if (ui_new_tail(&options, cli->settings.json, width, &cli->cancel, &ui, err) < 0)
		return -1;
	visit->prompt = ui_prompt;
	visit->prompt_context = ui;
	if (events_new(1024, &visit->events, err) == 0 && ui_begin(ui, &start, err) == 0) {
		work.events = visit->events;
		rc = work_run(cli, ui, &work, err);
	}
	fflush(cli->out);
	events_free(visit->events);
	ui_free(ui);
	return rc;
}
