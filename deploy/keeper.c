#include "deploy/keeper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc.h"
#include "deploy/keeper_lines.h"
#include "keeper_text.h"

enum {
	ANSWER_MS = 90 * 1000, /* for a plain command: an engine may be slow to answer */
	HELLO_MS = 20 * 1000,
	END_MS = 5 * 1000,
	UNREAD_MAX = 256 * 1024,
};

/* --- start and end */

static void keeper_free(struct keeper *keeper)
{
	int *const fds[] = {&keeper->exec.in, &keeper->exec.out, &keeper->exec.err};

	heart_remove(keeper->heart, keeper->exec.in);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (*fds[i] >= 0)
			close(*fds[i]);
	pthread_mutex_destroy(&keeper->write_lock);
	buf_release(&keeper->unread);
	buf_release(&keeper->text);
	buf_release(&keeper->noise);
	free(keeper);
}

/* A login may print whatever it likes before the keeper does: also lines that look like its own. */
static int wait_hello(struct keeper *keeper, struct strv *answer, struct error *err)
{
	int64_t deadline_ms = clock_now_ms() + HELLO_MS;
	int rc;

	do
		rc = keeper_next(keeper, deadline_ms, answer, err);
	while (
	    rc > 0 && !keeper_word_is(answer, 0, "hello") && !keeper_word_is(answer, 0, "error"));
	return rc;
}

static int say_hello(struct keeper *keeper, const char *ahead, struct error *err)
{
	CLEANUP_STRV struct strv answer = {0};
	int rc;

	if (fd_write_all(keeper->exec.in, keeper_text, sizeof(keeper_text)) < 0 ||
	    (ahead != NULL && fd_write_all(keeper->exec.in, ahead, strlen(ahead)) < 0))
		return keeper_lost(keeper, err);
	keeper->ahead = ahead != NULL;
	rc = wait_hello(keeper, &answer, err);
	if (rc < 0)
		return -1;
	if (rc == 0) {
		error_set(err, ERROR_TIMEOUT,
		    "the host's shell did not answer within %d s after the login%s%s",
		    HELLO_MS / 1000, keeper->noise.len > 0 ? "; it said: " : "",
		    keeper->noise.data);
		return error_hint(err,
		    "try: ssh HOST sh -c true. Its login shell must run commands, "
		    "and `sh` and `dd` must be in its PATH");
	}
	if (keeper_word_is(&answer, 0, "error"))
		return keeper_error(keeper, &answer, err);
	return keeper_word_is(&answer, 1, "1") ? 0 : keeper_unexpected(&answer, "hello", err);
}

int keeper_start(struct session *session, struct heart *heart, int cancel_fd, const char *ahead,
    struct keeper **ret, struct error *err)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));
	char command[160];

	if (keeper == NULL)
		return error_memory(err);
	keeper->session = session;
	keeper->heart = heart;
	keeper->cancel_fd = cancel_fd;
	keeper->stop_fd = -1;
	buf_init(&keeper->unread, UNREAD_MAX);
	buf_init(&keeper->text, KEEPER_TEXT_MAX);
	buf_init(&keeper->noise, 1024);
	pthread_mutex_init(&keeper->write_lock, NULL);
	keeper->exec = (struct session_exec){.in = -1, .out = -1, .err = -1};
	/* Not a byte more than the program; a dd that does not know fullblock says so unread. */
	snprintf(command, sizeof(command),
	    "sh -c 'eval \"$(dd bs=%zu count=1 iflag=fullblock 2>/dev/null || "
	    "dd bs=1 count=%zu 2>/dev/null)\"'",
	    sizeof(keeper_text), sizeof(keeper_text));
	if (session_exec(session, command, &keeper->exec, err) < 0 ||
	    say_hello(keeper, ahead, err) < 0 ||
	    heart_add(heart, keeper->exec.in, &keeper->write_lock, err) < 0) {
		error_wrap(err, "starting the keeper");
		keeper_free(keeper);
		return -1;
	}
	fd_nonblock(keeper->exec.in);
	*ret = keeper;
	return 0;
}

void keeper_end(struct keeper *keeper)
{
	CLEANUP_STRV struct strv answer = {0};
	int64_t deadline_ms = clock_now_ms() + END_MS;

	if (keeper == NULL)
		return;
	keeper->cancel_fd = keeper->stop_fd = -1;
	if (session_lost(keeper->session, NULL) == 0 && keeper_send(keeper, "end\n", NULL) == 0)
		while (keeper_next(keeper, deadline_ms, &answer, NULL) > 0 &&
		       !keeper_word_is(&answer, 0, "bye"))
			continue;
	keeper_free(keeper);
}

/* --- commands */

/* Unless it was sent ahead. */
static int ask(struct keeper *keeper, const char *line, struct error *err)
{
	bool ahead = keeper->ahead;

	keeper->ahead = false;
	return ahead ? 0 : keeper_send(keeper, line, err);
}

char *keeper_engine_question(const char *command, bool sudo)
{
	return string_printf("engine %d %s\n", sudo, command);
}

/* An answer, or what the engine's command says instead and what may be done about it. */
static int engine_answer(
    struct keeper *keeper, const char *command, struct strv *answer, struct error *err)
{
	if (keeper_answer(keeper, command, clock_now_ms() + ANSWER_MS, answer, err) == 0)
		return 0;
	if (err->kind != ERROR_FAILED || !keeper_word_is(answer, 1, "engine"))
		return -1;
	if (strstr(error_text(err), "daemon running") != NULL)
		error_hint(err, "start it there: systemctl start docker");
	else if (keeper->sudo)
		error_hint(err, "`engine: {sudo: true}` needs sudo there, without a password for "
				"this user (NOPASSWD in sudoers)");
	else
		error_hint(err, "set `engine: {command: PATH}` or `engine: {sudo: true}` "
				"in shipit.yml, or add the user to the group docker");
	return -1;
}

int keeper_engine(struct keeper *keeper, const char *command, bool sudo, char **ret_socket,
    char **ret_path, struct error *err)
{
	CLEANUP_FREE char *line = keeper_engine_question(command, sudo);
	CLEANUP_STRV struct strv answer = {0};
	char *socket = NULL, *path;

	keeper->sudo = sudo;
	if (ask(keeper, line, err) < 0)
		return -1;
	if (engine_answer(keeper, "engine", &answer, err) < 0)
		return -1;
	if (!keeper_word_is(&answer, 0, "engine") || answer.n < 3)
		return keeper_unexpected(&answer, "engine", err);
	path = strdup(answer.v[1]);
	if (strcmp(answer.v[2], "-") != 0)
		socket = strdup(answer.v[2]);
	if (path == NULL || (socket == NULL && strcmp(answer.v[2], "-") != 0)) {
		free(path);
		free(socket);
		return error_memory(err);
	}
	*ret_path = path;
	*ret_socket = socket;
	return 0;
}

int keeper_try_engine(struct keeper *keeper, struct error *err)
{
	CLEANUP_STRV struct strv answer = {0};

	if (keeper_send(keeper, "try\n", err) < 0 || engine_answer(keeper, "try", &answer, err) < 0)
		return -1;
	return keeper_word_is(&answer, 0, "tried") ? 0 : keeper_unexpected(&answer, "try", err);
}

int keeper_lock(struct keeper *keeper, const char *prefix, const char *holder, const char *since,
    struct error *err)
{
	CLEANUP_FREE char *line = string_printf("lock %s %s %s\n", prefix, holder, since);
	CLEANUP_STRV struct strv answer = {0};
	bool known;

	if (keeper_send(keeper, line, err) < 0 || engine_answer(keeper, "lock", &answer, err) < 0)
		return -1;
	if (keeper_word_is(&answer, 0, "locked"))
		return 0;
	if (!keeper_word_is(&answer, 0, "busy") || answer.n < 3)
		return keeper_unexpected(&answer, "lock", err);
	known = !keeper_word_is(&answer, 1, "-");
	error_set(err, ERROR_LOCKED, "%s is being rolled out by %s%s%s", prefix,
	    known ? answer.v[1] : "somebody", known ? " since " : "", known ? answer.v[2] : "");
	return error_hint(err,
	    "wait until it is finished; if that laptop is gone, the lock frees itself in 30 s");
}

static void take_fact(const struct strv *answer, struct keeper_facts *facts)
{
	const char *value = answer->n > 2 ? answer->v[2] : "";
	long long number = strtoll(value, NULL, 10);
	bool known = *value >= '0' && *value <= '9' && number < INT64_MAX / 1024;

	if (keeper_word_is(answer, 1, "free"))
		facts->free_bytes = known ? (int64_t)number * 1024 : -1;
	else if (keeper_word_is(answer, 1, "clock"))
		facts->clock = known ? (int64_t)number : 0;
	else if (keeper_word_is(answer, 1, "listen") && number > 0 && number < 65536)
		facts->listens[number / 8] |= (unsigned char)(1U << (number % 8));
}

bool keeper_facts_listens(const struct keeper_facts *facts, int port)
{
	return port > 0 && port < 65536 && (facts->listens[port / 8] >> (port % 8) & 1) != 0;
}

int keeper_facts_ask(struct keeper *keeper, const char *dir, struct error *err)
{
	CLEANUP_FREE char *line = string_printf("facts %s\n", dir);

	return keeper_send(keeper, line, err);
}

int keeper_facts(struct keeper *keeper, struct keeper_facts *ret, struct error *err)
{
	CLEANUP_STRV struct strv answer = {0};
	int64_t deadline_ms = clock_now_ms() + ANSWER_MS;

	*ret = (struct keeper_facts){.free_bytes = -1};
	for (;;) {
		if (keeper_answer(keeper, "facts", deadline_ms, &answer, err) < 0)
			return -1;
		if (keeper_word_is(&answer, 0, "facts"))
			return 0;
		if (!keeper_word_is(&answer, 0, "fact"))
			return keeper_unexpected(&answer, "facts", err);
		take_fact(&answer, ret);
	}
}

int keeper_path(struct keeper *keeper, const char *path, struct error *err)
{
	CLEANUP_FREE char *line = string_printf("path %s\n", path);
	CLEANUP_STRV struct strv answer = {0};

	if (strchr(path, '\n') != NULL)
		return error_set(err, ERROR_INVENTORY, "a path holds a newline");
	if (keeper_send(keeper, line, err) < 0 ||
	    keeper_answer(keeper, "path", clock_now_ms() + ANSWER_MS, &answer, err) < 0)
		return -1;
	if (!keeper_word_is(&answer, 0, "path"))
		return keeper_unexpected(&answer, "path", err);
	if (keeper_word_is(&answer, 1, "unknown"))
		return error_set(err, ERROR_FAILED, "whether %s exists cannot be told", path);
	return keeper_word_is(&answer, 1, "yes");
}
