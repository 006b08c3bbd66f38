#include "deploy/tail.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"

void tail_line(void *context, const char *line)
{
	struct tail *tail = context;
	size_t slot = tail->n++ % TAIL_LINES;

	free(tail->lines[slot]);
	tail->lines[slot] = strdup(line);
	emit_log(&tail->source, 0, line);
}

void last_words(struct error *err, char *const *lines, size_t n)
{
	CLEANUP_BUF struct buf text = BUF_INIT(2 * 1024 * 1024);
	enum error_kind kind = err->kind;

	if (n == 0)
		return;
	buf_addf(&text, "%s\n  its last words:", error_text(err));
	for (size_t i = n > TAIL_LINES ? n - TAIL_LINES : 0; i < n; i++)
		buf_addf(&text, "\n    %s", lines[i] != NULL ? lines[i] : "");
	error_set(err, kind, "%s", text.data);
}

void tail_explain(const struct tail *tail, struct error *err)
{
	char *ordered[TAIL_LINES];
	size_t n = tail->n < TAIL_LINES ? tail->n : TAIL_LINES;

	for (size_t i = 0; i < n; i++)
		ordered[i] = tail->lines[(tail->n - n + i) % TAIL_LINES];
	last_words(err, ordered, n);
}

void tail_release(struct tail *tail)
{
	for (size_t i = 0; i < TAIL_LINES; i++)
		free(tail->lines[i]);
}

int tail_program(struct tail *tail, const char *what, const struct proc_options *program,
    int64_t deadline_ms, int cancel_fd, struct error *err)
{
	int status;

	if (proc_run_lines(program, deadline_ms, cancel_fd, tail_line, tail, &status, err) < 0)
		return error_wrap(err, "%s", what);
	if (status == 0)
		return 0;
	error_set(err, ERROR_FAILED, "%s failed (%s exited %d)", what, program->argv[0], status);
	tail_explain(tail, err);
	return -1;
}

int tail_run(const struct event_source *source, enum step step, const char *what,
    const struct proc_options *program, int64_t deadline_ms, int cancel_fd, struct error *err)
{
	struct tail tail = {.source = *source};
	int64_t start_ms = clock_now_ms();
	int rc;

	emit_step(source, step, STATE_START, -1, NULL);
	rc = tail_program(&tail, what, program, deadline_ms, cancel_fd, err);
	if (rc < 0)
		emit_failed(source, step, clock_now_ms() - start_ms, err);
	else
		emit_step(source, step, STATE_OK, clock_now_ms() - start_ms, NULL);
	tail_release(&tail);
	return rc;
}
