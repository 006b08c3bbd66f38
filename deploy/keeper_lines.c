#include "deploy/keeper_lines.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc.h"

static const char marker[] = "@shipit ";

int keeper_lost(struct keeper *keeper, struct error *err)
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

int keeper_write(struct keeper *keeper, const char *line, struct error *err)
{
	int rc;

	pthread_mutex_lock(&keeper->write_lock);
	rc = fd_write_all(keeper->exec.in, line, strlen(line));
	pthread_mutex_unlock(&keeper->write_lock);
	return rc < 0 ? keeper_lost(keeper, err) : 0;
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
			if (keeper_write(keeper, "revert\n", err) < 0)
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
			return keeper_lost(keeper, err);
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
int keeper_next(struct keeper *keeper, int64_t deadline_ms, struct strv *ret, struct error *err)
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

bool keeper_word_is(const struct strv *answer, size_t i, const char *word)
{
	return i < answer->n && strcmp(answer->v[i], word) == 0;
}

int keeper_unexpected(const struct strv *answer, const char *command, struct error *err)
{
	return error_set(err, ERROR_PROTOCOL, "the keeper answered \"%s\" with \"%s\"", command,
	    answer->n > 0 ? answer->v[0] : "");
}

/* "error WHAT", with its text. */
int keeper_error(struct keeper *keeper, const struct strv *answer, struct error *err)
{
	return error_set(err, ERROR_FAILED, "%s",
	    keeper->text.len > 0 ? keeper->text.data
	    : answer->n > 1	 ? answer->v[1]
				 : "the keeper reports an error");
}

/* The answer to a command that was sent; `error` answers become errors. */
int keeper_answer(struct keeper *keeper, const char *command, int64_t deadline_ms, struct strv *ret,
    struct error *err)
{
	int rc = keeper_next(keeper, deadline_ms, ret, err);

	if (rc < 0)
		return -1;
	if (rc == 0)
		return error_set(
		    err, ERROR_TIMEOUT, "no answer to \"%s\" from the keeper on the host", command);
	return keeper_word_is(ret, 0, "error") ? keeper_error(keeper, ret, err) : 0;
}

int keeper_send(struct keeper *keeper, const char *line, struct error *err)
{
	if (line == NULL)
		return error_memory(err);
	buf_clear(&keeper->text);
	return keeper_write(keeper, line, err);
}
