#include "deploy/keeper.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/strv.h"
#include "keeper_text.h"

enum {
	ANSWER_MS = 90 * 1000, /* for a plain command: an engine may be slow to answer */
	HELLO_MS = 20 * 1000,
	END_MS = 5 * 1000,
	SWAP_EXTRA_MS = 400 * 1000, /* beyond grace and timeout: what the keeper itself allows */
	UNREAD_MAX = 256 * 1024,
	TEXT_MAX = 8 * 1024,
};

static const char marker[] = "@shipit ";

struct keeper {
	struct session *session;
	struct heart *heart;
	struct session_exec exec;
	pthread_mutex_t write_lock;
	int cancel_fd;
	int stop_fd;	   /* readable: take the swap back; -1: none, or done */
	struct buf unread; /* of its stdout */
	struct buf text;   /* lines for people that belong to the next answer */
	struct buf noise;  /* what came before the hello, and stderr: to explain a failed start */
	int64_t swap_deadline_ms;
};

/* --- lines */

static int lost(struct keeper *keeper, struct error *err)
{
	if (session_lost(keeper->session, err) < 0)
		return -1;
	error_set(err, ERROR_UNREACHABLE, "the keeper on the host ended");
	if (keeper->noise.len > 0)
		error_set(
		    err, ERROR_UNREACHABLE, "the keeper on the host ended: %s", keeper->noise.data);
	return -1;
}

static void keep_noise(struct keeper *keeper, const char *data, size_t len)
{
	size_t room = keeper->noise.max - keeper->noise.len;

	if (len > room)
		buf_drop(&keeper->noise, len - room);
	if (len <= keeper->noise.max)
		buf_add(&keeper->noise, data, len);
}

static int write_line(struct keeper *keeper, const char *line, struct error *err)
{
	int rc;

	pthread_mutex_lock(&keeper->write_lock);
	rc = fd_write_all(keeper->exec.in, line, strlen(line));
	pthread_mutex_unlock(&keeper->write_lock);
	return rc < 0 ? lost(keeper, err) : 0;
}

/* Read what is there, waiting until the deadline. 1: something came; 0: nothing did; -1: the end.
 */
static int fill(struct keeper *keeper, int64_t deadline_ms, struct error *err)
{
	char chunk[4096];

	for (;;) {
		struct pollfd slots[] = {{.fd = keeper->exec.out, .events = POLLIN},
		    {.fd = keeper->exec.err, .events = POLLIN},
		    {.fd = keeper->cancel_fd, .events = POLLIN},
		    {.fd = keeper->stop_fd, .events = POLLIN}};
		int rc = poll(slots, 4, clock_left_ms(deadline_ms));
		ssize_t n;

		if (rc < 0 && errno == EINTR)
			continue;
		if (rc == 0)
			return 0;
		if (slots[2].revents != 0)
			return error_set(err, ERROR_CANCELLED, "interrupted");
		if (slots[3].revents != 0) {
			keeper->stop_fd = -1;
			if (write_line(keeper, "revert\n", err) < 0)
				return -1;
		}
		if (slots[1].revents != 0) {
			n = read(keeper->exec.err, chunk, sizeof(chunk));
			if (n > 0)
				keep_noise(keeper, chunk, (size_t)n);
			if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) {
				close(keeper->exec.err);
				keeper->exec.err = -1;
			}
		}
		if (slots[0].revents == 0)
			continue;
		n = read(keeper->exec.out, chunk, sizeof(chunk));
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return lost(keeper, err);
		if (buf_add(&keeper->unread, chunk, (size_t)n) < 0)
			return buf_error(&keeper->unread, err, "a line from the keeper");
		return 1;
	}
}

/* The next whole line, without its newline; 1 when there was one. */
static int take_line(struct keeper *keeper, char **ret)
{
	char *end = memchr(keeper->unread.data, '\n', keeper->unread.len);

	if (end == NULL)
		return 0;
	*ret = strndup(keeper->unread.data, (size_t)(end - keeper->unread.data));
	buf_drop(&keeper->unread, (size_t)(end - keeper->unread.data) + 1);
	return *ret != NULL ? 1 : -1;
}

/* The next answer: noise is skipped and text collected. 1, 0 at the deadline, -1. */
static int next_answer(
    struct keeper *keeper, int64_t deadline_ms, struct strv *ret, struct error *err)
{
	for (;;) {
		CLEANUP_FREE char *line = NULL;
		int rc = take_line(keeper, &line);

		if (rc < 0)
			return error_memory(err);
		if (rc == 0) {
			rc = fill(keeper, deadline_ms, err);
			if (rc <= 0)
				return rc;
			continue;
		}
		if (strncmp(line, marker, sizeof(marker) - 1) != 0) {
			keep_noise(keeper, line, strlen(line));
			keep_noise(keeper, "\n", 1);
			continue;
		}
		if (strncmp(line + sizeof(marker) - 1, "| ", 2) == 0) {
			const char *text = line + sizeof(marker) + 1;

			/* Too much text is cut, not refused. */
			(void)(buf_adds(&keeper->text, keeper->text.len > 0 ? "\n" : "") == 0 &&
			       buf_adds(&keeper->text, text) == 0);
			continue;
		}
		strv_release(ret);
		return strv_split(ret, line + sizeof(marker) - 1, " ") < 0 ? error_memory(err) : 1;
	}
}

static bool word_is(const struct strv *answer, size_t i, const char *word)
{
	return i < answer->n && strcmp(answer->v[i], word) == 0;
}

static int unexpected(const struct strv *answer, const char *command, struct error *err)
{
	return error_set(err, ERROR_PROTOCOL, "the keeper answered \"%s\" with \"%s\"", command,
	    answer->n > 0 ? answer->v[0] : "");
}

/* "error WHAT", with its text. */
static int keeper_error(struct keeper *keeper, const struct strv *answer, struct error *err)
{
	return error_set(err, ERROR_FAILED, "%s",
	    keeper->text.len > 0 ? keeper->text.data
	    : answer->n > 1	 ? answer->v[1]
				 : "the keeper reports an error");
}

/* The answer to a command that was sent; `error` answers become errors. */
static int answer_to(struct keeper *keeper, const char *command, int64_t deadline_ms,
    struct strv *ret, struct error *err)
{
	int rc = next_answer(keeper, deadline_ms, ret, err);

	if (rc < 0)
		return -1;
	if (rc == 0)
		return error_set(
		    err, ERROR_TIMEOUT, "no answer to \"%s\" from the keeper on the host", command);
	return word_is(ret, 0, "error") ? keeper_error(keeper, ret, err) : 0;
}

static int send_line(struct keeper *keeper, const char *line, struct error *err)
{
	if (line == NULL)
		return error_memory(err);
	buf_clear(&keeper->text);
	return write_line(keeper, line, err);
}

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
		rc = next_answer(keeper, deadline_ms, answer, err);
	while (rc > 0 && !word_is(answer, 0, "hello") && !word_is(answer, 0, "error"));
	return rc;
}

static int say_hello(struct keeper *keeper, struct error *err)
{
	CLEANUP_STRV struct strv answer = {0};
	int rc;

	if (fd_write_all(keeper->exec.in, keeper_text, sizeof(keeper_text)) < 0)
		return lost(keeper, err);
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
	if (word_is(&answer, 0, "error"))
		return keeper_error(keeper, &answer, err);
	return word_is(&answer, 1, "1") ? 0 : unexpected(&answer, "hello", err);
}

int keeper_start(struct session *session, struct heart *heart, int cancel_fd, struct keeper **ret,
    struct error *err)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));
	char command[80];

	if (keeper == NULL)
		return error_memory(err);
	keeper->session = session;
	keeper->heart = heart;
	keeper->cancel_fd = cancel_fd;
	keeper->stop_fd = -1;
	buf_init(&keeper->unread, UNREAD_MAX);
	buf_init(&keeper->text, TEXT_MAX);
	buf_init(&keeper->noise, 1024);
	pthread_mutex_init(&keeper->write_lock, NULL);
	keeper->exec = (struct session_exec){.in = -1, .out = -1, .err = -1};
	snprintf(command, sizeof(command), "sh -c 'eval \"$(dd bs=1 count=%zu 2>/dev/null)\"'",
	    sizeof(keeper_text));
	if (session_exec(session, command, &keeper->exec, err) < 0 || say_hello(keeper, err) < 0 ||
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
	if (session_lost(keeper->session, NULL) == 0 && send_line(keeper, "end\n", NULL) == 0)
		while (next_answer(keeper, deadline_ms, &answer, NULL) > 0 &&
		       !word_is(&answer, 0, "bye"))
			continue;
	keeper_free(keeper);
}

/* --- commands */

int keeper_engine(struct keeper *keeper, const char *command, bool sudo, char **ret_socket,
    char **ret_path, struct error *err)
{
	CLEANUP_FREE char *line = string_printf("engine %d %s\n", sudo, command);
	CLEANUP_STRV struct strv answer = {0};
	char *socket = NULL, *path;

	if (send_line(keeper, line, err) < 0)
		return -1;
	if (answer_to(keeper, "engine", clock_now_ms() + ANSWER_MS, &answer, err) < 0) {
		if (err->kind == ERROR_FAILED)
			error_hint(err, "set `engine: {command: PATH}` or `engine: {sudo: true}` "
					"in shipit.yml, or add the user to the group docker");
		return -1;
	}
	if (!word_is(&answer, 0, "engine") || answer.n < 3)
		return unexpected(&answer, "engine", err);
	path = strdup(answer.v[1]);
	if (strcmp(answer.v[2], "-") != 0)
		socket = strdup(answer.v[2]);
	if (path == NULL || (socket == NULL && strcmp(answer.v[2], "-") != 0)) {
		free(path);
		return error_memory(err);
	}
	*ret_path = path;
	*ret_socket = socket;
	return 0;
}

int keeper_lock(struct keeper *keeper, const char *prefix, const char *holder, const char *since,
    struct error *err)
{
	CLEANUP_FREE char *line = string_printf("lock %s %s %s\n", prefix, holder, since);
	CLEANUP_STRV struct strv answer = {0};
	bool known;

	if (send_line(keeper, line, err) < 0 ||
	    answer_to(keeper, "lock", clock_now_ms() + ANSWER_MS, &answer, err) < 0)
		return -1;
	if (word_is(&answer, 0, "locked"))
		return 0;
	if (!word_is(&answer, 0, "busy") || answer.n < 3)
		return unexpected(&answer, "lock", err);
	known = !word_is(&answer, 1, "-");
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

	if (word_is(answer, 1, "arch"))
		snprintf(facts->arch, sizeof(facts->arch), "%s", value);
	else if (word_is(answer, 1, "free"))
		facts->free_bytes = known ? (int64_t)number * 1024 : -1;
	else if (word_is(answer, 1, "clock"))
		facts->clock = known ? (int64_t)number : 0;
	else if (word_is(answer, 1, "listen") && number > 0 && number < 65536)
		facts->listens[number / 8] |= (unsigned char)(1U << (number % 8));
}

bool keeper_facts_listens(const struct keeper_facts *facts, int port)
{
	return port > 0 && port < 65536 && (facts->listens[port / 8] >> (port % 8) & 1) != 0;
}

int keeper_facts(
    struct keeper *keeper, const char *dir, struct keeper_facts *ret, struct error *err)
{
	CLEANUP_FREE char *line = string_printf("facts %s\n", dir);
	CLEANUP_STRV struct strv answer = {0};
	int64_t deadline_ms = clock_now_ms() + ANSWER_MS;

	*ret = (struct keeper_facts){.free_bytes = -1};
	if (send_line(keeper, line, err) < 0)
		return -1;
	for (;;) {
		if (answer_to(keeper, "facts", deadline_ms, &answer, err) < 0)
			return -1;
		if (word_is(&answer, 0, "facts"))
			return 0;
		if (!word_is(&answer, 0, "fact"))
			return unexpected(&answer, "facts", err);
		take_fact(&answer, ret);
	}
}

int keeper_path(struct keeper *keeper, const char *path, struct error *err)
{
	CLEANUP_FREE char *line = string_printf("path %s\n", path);
	CLEANUP_STRV struct strv answer = {0};

	if (strchr(path, '\n') != NULL)
		return error_set(err, ERROR_INVENTORY, "a path holds a newline");
	if (send_line(keeper, line, err) < 0 ||
	    answer_to(keeper, "path", clock_now_ms() + ANSWER_MS, &answer, err) < 0)
		return -1;
	if (!word_is(&answer, 0, "path"))
		return unexpected(&answer, "path", err);
	if (word_is(&answer, 1, "unknown"))
		return error_set(err, ERROR_FAILED, "whether %s exists cannot be told", path);
	return word_is(&answer, 1, "yes");
}

/* --- the swap */

/* The reason of "swap failed PHASE REASON...", with what the engine said under it. */
static void take_reason(struct keeper *keeper, const struct strv *answer, struct error *why)
{
	CLEANUP_BUF struct buf text = BUF_INIT(TEXT_MAX);

	for (size_t i = 3; i < answer->n; i++)
		buf_addf(&text, "%s%s", i > 3 ? " " : "", answer->v[i]);
	if (keeper->text.len > 0)
		buf_addf(&text, "%s%s", text.len > 0 ? ": " : "", keeper->text.data);
	error_set(why, ERROR_FAILED, "%s", text.len > 0 ? text.data : "it failed");
	buf_clear(&keeper->text);
}

static enum swap_end swap_down(struct keeper *keeper, const struct error *why, struct error *err)
{
	error_set(err, ERROR_DOWN, "%s; and the old one could not be started again%s%s",
	    why->kind != ERROR_NONE ? error_text(why) : "the swap was taken back",
	    keeper->text.len > 0 ? ": " : "", keeper->text.data);
	return SWAP_DOWN;
}

/* One answer of a swap. Returns true when it is an end. */
static bool swap_answer(struct keeper *keeper, const struct strv *answer,
    keeper_progress_fn *progress, void *context, struct error *why, enum swap_end *ret,
    struct error *err)
{
	if (word_is(answer, 1, "failed")) {
		take_reason(keeper, answer, why);
		return false;
	}
	if (word_is(answer, 1, "reverted"))
		*ret = SWAP_REVERTED;
	else if (word_is(answer, 1, "down"))
		*ret = swap_down(keeper, why, err);
	else if (word_is(answer, 1, "committed"))
		*ret = SWAP_COMMITTED;
	else if (word_is(answer, 1, "ready"))
		*ret = SWAP_READY;
	else {
		CLEANUP_FREE char *state =
		    string_printf("%s%s%s%s%s", answer->n > 1 ? answer->v[1] : "",
			answer->n > 2 ? " " : "", answer->n > 2 ? answer->v[2] : "",
			answer->n > 3 ? " " : "", answer->n > 3 ? answer->v[3] : "");

		if (progress != NULL && state != NULL)
			progress(context, state);
		return false;
	}
	if (*ret == SWAP_REVERTED && why->kind != ERROR_NONE)
		error_move(err, why);
	return true;
}

/* Answers until the swap ends in some way, or `ready` when that is waited for. */
static enum swap_end swap_wait(struct keeper *keeper, int64_t deadline_ms, bool until_ready,
    keeper_progress_fn *progress, void *context, struct error *err)
{
	CLEANUP_STRV struct strv answer = {0};
	CLEANUP_ERROR struct error why = {0};

	for (;;) {
		enum swap_end end = SWAP_LOST;
		int rc = next_answer(keeper, deadline_ms, &answer, err);

		if (rc < 0)
			return SWAP_LOST;
		if (rc == 0) {
			error_set(err, ERROR_TIMEOUT, "the keeper on the host does not answer");
			return SWAP_LOST;
		}
		if (word_is(&answer, 0, "error")) {
			/* Refused before anything was begun. */
			keeper_error(keeper, &answer, err);
			return SWAP_REVERTED;
		}
		if (word_is(&answer, 0, "swap") &&
		    swap_answer(keeper, &answer, progress, context, &why, &end, err) &&
		    (end != SWAP_READY || until_ready))
			return end;
	}
}

/* What comes before "swap begun" is an earlier swap's end, told once more. Returns 1; 0 when it was
 * refused, -1 when the session is lost. */
static int await_begun(struct keeper *keeper, int64_t deadline_ms, struct error *err)
{
	CLEANUP_STRV struct strv answer = {0};

	for (;;) {
		int rc = next_answer(keeper, deadline_ms, &answer, err);

		if (rc < 0)
			return -1;
		if (rc == 0)
			return error_set(
			    err, ERROR_TIMEOUT, "the keeper on the host does not answer");
		if (word_is(&answer, 0, "swap") && word_is(&answer, 1, "begun"))
			return 1;
		if (word_is(&answer, 0, "error") &&
		    (word_is(&answer, 1, "swap") || word_is(&answer, 1, "command"))) {
			keeper_error(keeper, &answer, err);
			return 0;
		}
		buf_clear(&keeper->text);
	}
}

enum swap_end keeper_swap(struct keeper *keeper, const struct keeper_swap *swap,
    keeper_progress_fn *progress, void *context, struct error *err)
{
	CLEANUP_FREE char *line = string_printf("swap %s %s %s %s %d %s %s %s %d %d %d %d\n",
	    swap->name, swap->old_id != NULL ? swap->old_id : "-",
	    swap->old_id != NULL ? swap->old_name : "-",
	    swap->old_id != NULL ? swap->old_policy : "-", swap->old_runs ? 1 : 0, swap->new_id,
	    swap->new_name, swap->policy, swap->grace_s, swap->running_s, swap->healthy ? 1 : 0,
	    swap->timeout_s);
	enum swap_end end;
	int rc;

	keeper->swap_deadline_ms =
	    clock_now_ms() + ((int64_t)swap->grace_s + swap->timeout_s) * 1000 + SWAP_EXTRA_MS;
	if (send_line(keeper, line, err) < 0)
		return SWAP_LOST;
	rc = await_begun(keeper, clock_now_ms() + ANSWER_MS, err);
	if (rc <= 0)
		return rc < 0 ? SWAP_LOST : SWAP_REVERTED;
	keeper->stop_fd = swap->stop_fd;
	end = swap_wait(keeper, keeper->swap_deadline_ms, true, progress, context, err);
	keeper->stop_fd = -1;
	return end;
}

enum swap_end keeper_commit(struct keeper *keeper, struct error *err)
{
	if (send_line(keeper, "commit\n", err) < 0)
		return SWAP_LOST;
	return swap_wait(keeper, clock_now_ms() + SWAP_EXTRA_MS, false, NULL, NULL, err);
}

enum swap_end keeper_revert(struct keeper *keeper, struct error *err)
{
	if (send_line(keeper, "revert\n", err) < 0)
		return SWAP_LOST;
	return swap_wait(keeper, keeper->swap_deadline_ms + SWAP_EXTRA_MS, false, NULL, NULL, err);
}

enum swap_end keeper_watch(struct keeper *keeper, int wait_ms, struct error *err)
{
	CLEANUP_STRV struct strv answer = {0};
	CLEANUP_ERROR struct error why = {0};
	int64_t deadline_ms = clock_now_ms() + wait_ms;
	enum swap_end end = SWAP_READY;
	int rc = next_answer(keeper, deadline_ms, &answer, err);

	if (rc < 0)
		return SWAP_LOST;
	if (rc == 0 || !word_is(&answer, 0, "swap"))
		return SWAP_READY;
	if (swap_answer(keeper, &answer, NULL, NULL, &why, &end, err))
		return end;
	if (why.kind == ERROR_NONE)
		return SWAP_READY;
	/* It failed while it waited: the revert is on its way. */
	end = swap_wait(keeper, clock_now_ms() + SWAP_EXTRA_MS, false, NULL, NULL, err);
	if (end == SWAP_REVERTED)
		error_move(err, &why);
	else if (end != SWAP_COMMITTED)
		error_wrap(err, "%s", error_text(&why));
	return end;
}
