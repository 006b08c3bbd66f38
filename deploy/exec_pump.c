#include "deploy/exec_pump.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lines.h"
#include "base/proc.h"
#include "transport/engine_frames.h"

enum { PIECE = 16 * 1024, LINE_MAX_BYTES = 64 * 1024, SIZE_MS = 200 };

/* Bytes on their way. */
struct piece {
	char data[PIECE];
	size_t at, len;
};

struct pump {
	int fd;
	const struct exec_stdio *stdio;
	struct engine *engine;
	const char *id;
	struct frames frames;
	struct piece there, back; /* to the program, and from it */
	struct frame_piece now;	  /* of `back`: what is to be written next, and where */
	bool in_open, over;
	bool unread;	   /* nobody takes what it says */
	int rows, columns; /* as its terminal was told */
	int64_t look_ms;   /* when to look at the size again */
};

/* --- to the program */

static void end_input(struct pump *pump)
{
	pump->in_open = false;
	shutdown(pump->fd, SHUT_WR);
}

static void read_input(struct pump *pump)
{
	struct piece *there = &pump->there;
	ssize_t n = read(pump->stdio->in, there->data, sizeof(there->data));

	if (n < 0 && fd_is_for_later(errno))
		return;
	there->at = 0;
	there->len = n > 0 ? (size_t)n : 0;
	if (n <= 0)
		end_input(pump);
}

static void send_input(struct pump *pump)
{
	struct piece *there = &pump->there;
	ssize_t n = send(pump->fd, there->data + there->at, there->len - there->at, MSG_NOSIGNAL);

	if (n >= 0)
		there->at += (size_t)n;
	/* It takes no more: what it still says is to be read. */
	else if (!fd_is_for_later(errno))
		there->at = there->len = 0;
}

/* --- from the program */

static int out_fd(const struct pump *pump)
{
	return pump->now.stream == 2 ? pump->stdio->err : pump->stdio->out;
}

/* The next bytes that are no header. */
static void next_piece(struct pump *pump)
{
	struct piece *back = &pump->back;

	while (pump->now.len == 0 && back->at < back->len)
		back->at += frames_take(
		    &pump->frames, back->data + back->at, back->len - back->at, &pump->now);
}

static void read_output(struct pump *pump)
{
	struct piece *back = &pump->back;
	ssize_t n = recv(pump->fd, back->data, sizeof(back->data), 0);

	if (n < 0 && fd_is_for_later(errno))
		return;
	back->at = 0;
	back->len = n > 0 ? (size_t)n : 0;
	pump->over = n <= 0;
	next_piece(pump);
}

/* No more than what a pipe that can be written to is sure to take, else it could block. */
static void write_output(struct pump *pump)
{
	struct frame_piece *now = &pump->now;
	size_t len = now->len < PIPE_BUF ? now->len : PIPE_BUF;
	ssize_t n = write(out_fd(pump), now->data, len);

	if (n < 0 && fd_is_for_later(errno))
		return;
	if (n < 0) {
		pump->over = pump->unread = true;
		return;
	}
	now->data += n;
	now->len -= (size_t)n;
	next_piece(pump);
}

/* --- both */

/* The program may not have its terminal yet; then the next time. */
static void tell_size(struct pump *pump)
{
	const struct exec_stdio *stdio = pump->stdio;
	int rows = 0, columns = 0;

	if (!stdio->terminal || clock_now_ms() < pump->look_ms)
		return;
	pump->look_ms = clock_now_ms() + SIZE_MS;
	stdio->size(stdio->context, &rows, &columns);
	if (rows <= 0 || columns <= 0 || (rows == pump->rows && columns == pump->columns))
		return;
	if (engine_exec_resize(pump->engine, pump->id, rows, columns, NULL) == 0) {
		pump->rows = rows;
		pump->columns = columns;
	}
}

static int turn(struct pump *pump, int cancel_fd, struct error *err)
{
	bool sending = pump->there.at<pump->there.len, writing = pump->now.len> 0;
	struct pollfd slots[] = {
	    {.fd = pump->fd, .events = (short)((writing ? 0 : POLLIN) | (sending ? POLLOUT : 0))},
	    {.fd = pump->in_open && !sending ? pump->stdio->in : -1, .events = POLLIN},
	    {.fd = writing ? out_fd(pump) : -1, .events = POLLOUT},
	    {.fd = cancel_fd, .events = POLLIN},
	};

	/* A broken connection is always "ready": not while there is something to be written. */
	if (slots[0].events == 0)
		slots[0].fd = -1;
	if (poll(slots, 4, pump->stdio->terminal ? SIZE_MS : -1) < 0) {
		if (errno != EINTR)
			return error_errno(err, errno, "waiting for the program");
		return 0;
	}
	if (slots[3].revents != 0)
		return error_set(err, ERROR_CANCELLED, "cancelled");
	if (writing && slots[2].revents != 0)
		write_output(pump);
	if (!writing && (slots[0].revents & ~POLLOUT) != 0)
		read_output(pump);
	if (sending && (slots[0].revents & ~POLLIN) != 0)
		send_input(pump);
	if (slots[1].revents != 0)
		read_input(pump);
	tell_size(pump);
	return 0;
}

int exec_pump(int fd, const struct exec_stdio *stdio, struct engine *engine, const char *id,
    int cancel_fd, struct error *err)
{
	struct pump pump = {.fd = fd,
	    .stdio = stdio,
	    .engine = engine,
	    .id = id,
	    .frames = {.raw = stdio->terminal},
	    .in_open = true};
	int rc = 0;

	if (stdio->terminal)
		stdio->attached(stdio->context, true);
	tell_size(&pump);
	while (rc == 0 && !pump.over)
		rc = turn(&pump, cancel_fd, err);
	if (rc == 0 && pump.unread)
		rc = 1;
	if (stdio->terminal)
		stdio->attached(stdio->context, false);
	explicit_bzero(&pump, sizeof(pump));
	return rc;
}

/* --- line by line */

struct teller {
	const struct event_source *source;
	int stream;
	struct lines lines;
};

static void tell_line(void *context, const char *line)
{
	const struct teller *teller = context;
	struct event event = {.kind = EVENT_LOG,
	    .host = teller->source->host,
	    .service = teller->source->service,
	    .stream = teller->stream,
	    .ms = -1,
	    .text = strdup(line)};

	events_emit(teller->source->events, &event);
}

static int tell_piece(struct teller tellers[2], struct frames *frames, const char *data, size_t len)
{
	while (len > 0) {
		struct frame_piece piece;
		size_t taken = frames_take(frames, data, len, &piece);

		if (lines_feed(&tellers[piece.stream - 1].lines, piece.data, piece.len) < 0)
			return -1;
		data += taken;
		len -= taken;
	}
	return 0;
}

/* Until its end. */
static int tell_all(int fd, struct teller tellers[2], int cancel_fd, struct error *err)
{
	struct pollfd slots[] = {{.fd = fd, .events = POLLIN}, {.fd = cancel_fd, .events = POLLIN}};
	struct frames frames = {.raw = false};
	char data[PIECE];

	for (;;) {
		ssize_t n = recv(fd, data, sizeof(data), 0);

		if (n == 0 || (n < 0 && !fd_is_for_later(errno)))
			return 0;
		if (n > 0 && tell_piece(tellers, &frames, data, (size_t)n) < 0)
			return error_memory(err);
		if (n < 0 && poll(slots, 2, -1) < 0 && errno != EINTR)
			return error_errno(err, errno, "waiting for the program");
		if (slots[1].revents != 0)
			return error_set(err, ERROR_CANCELLED, "cancelled");
	}
}

int exec_tell(int fd, const struct event_source *source, int cancel_fd, struct error *err)
{
	struct teller tellers[2];
	int rc;

	for (int i = 0; i < 2; i++) {
		tellers[i] = (struct teller){.source = source, .stream = i + 1};
		lines_init(&tellers[i].lines, LINE_MAX_BYTES, tell_line, &tellers[i]);
	}
	rc = tell_all(fd, tellers, cancel_fd, err);
	for (int i = 0; i < 2; i++)
		lines_end(&tellers[i].lines);
	return rc;
}
