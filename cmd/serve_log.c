#include "cmd/serve_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum {
	WAITING_MAX = 1024 * 1024,
	PIECE = PIPE_BUF, /* what a pipe that can be written takes whole */
	FLUSH_MS = 1000,
};

static void release_pipe(struct serve_log *log)
{
	for (size_t i = 0; i < ARRAY_SIZE(log->wake); i++)
		if (log->wake[i] >= 0)
			close(log->wake[i]);
}

static int prepare(int fd)
{
	return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ? -1 : 0;
}

int serve_log_init(struct serve_log *log, struct error *err)
{
	*log = (struct serve_log){.waiting = BUF_INIT(WAITING_MAX), .wake = {-1, -1}};
	if (pipe(log->wake) < 0 || prepare(log->wake[0]) < 0 || prepare(log->wake[1]) < 0) {
		error_errno(err, errno, "cannot make a pipe");
		release_pipe(log);
		return -1;
	}
	pthread_mutex_init(&log->lock, NULL);
	return 0;
}

void serve_log_release(struct serve_log *log)
{
	release_pipe(log);
	pthread_mutex_destroy(&log->lock);
	buf_release(&log->waiting);
}

void serve_log_add(struct serve_log *log, const char *line, size_t len)
{
	ssize_t n;

	pthread_mutex_lock(&log->lock);
	if (buf_add(&log->waiting, line, len) < 0)
		log->lost++;
	pthread_mutex_unlock(&log->lock);
	n = write(log->wake[1], "", 1); /* one that is full wakes all the same */
	(void)n;
}

uint64_t serve_log_lost(struct serve_log *log)
{
	uint64_t lost;

	pthread_mutex_lock(&log->lock);
	lost = log->lost;
	pthread_mutex_unlock(&log->lock);
	return lost;
}

static size_t peek(struct serve_log *log, char piece[PIECE])
{
	size_t len;

	pthread_mutex_lock(&log->lock);
	len = log->waiting.len < PIECE ? log->waiting.len : PIECE;
	memcpy(piece, log->waiting.data, len);
	pthread_mutex_unlock(&log->lock);
	return len;
}

/* To `fd`, which can be written. -1: nobody reads it. */
static int write_piece(struct serve_log *log, int fd)
{
	char piece[PIECE];
	size_t len = peek(log, piece);
	ssize_t n = len > 0 ? write(fd, piece, len) : 0;

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -1;
	pthread_mutex_lock(&log->lock);
	buf_drop(&log->waiting, (size_t)n);
	pthread_mutex_unlock(&log->lock);
	return 0;
}

static bool is_waiting(struct serve_log *log)
{
	char piece[PIECE];

	return peek(log, piece) > 0;
}

static void forget_wakes(const struct serve_log *log)
{
	char bytes[256];

	while (read(log->wake[0], bytes, sizeof(bytes)) > 0)
		;
}

int serve_log_run(struct serve_log *log, int fd, int cancel_fd, struct error *err)
{
	enum { CANCEL, WAKE, OUT, N };

	for (;;) {
		struct pollfd fds[N] = {[CANCEL] = {.fd = cancel_fd, .events = POLLIN},
		    [WAKE] = {.fd = log->wake[0], .events = POLLIN},
		    [OUT] = {.fd = fd, .events = is_waiting(log) ? POLLOUT : 0}};

		if (poll(fds, N, -1) < 0 && errno != EINTR)
			return error_errno(err, errno, "cannot wait for requests");
		if (fds[CANCEL].revents != 0 || (fds[OUT].revents & (POLLERR | POLLNVAL)) != 0)
			return 0;
		if (fds[WAKE].revents != 0)
			forget_wakes(log);
		if ((fds[OUT].revents & POLLOUT) != 0 && write_piece(log, fd) < 0)
			return 0;
	}
}

void serve_log_flush(struct serve_log *log, int fd)
{
	struct pollfd out = {.fd = fd, .events = POLLOUT};

	while (fd >= 0 && is_waiting(log))
		if (poll(&out, 1, FLUSH_MS) <= 0 || write_piece(log, fd) < 0)
			return;
}
