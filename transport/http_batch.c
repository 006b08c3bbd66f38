#include "transport/http_batch.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/proc.h"
#include "transport/http_address.h"
#include "transport/http_answer.h"
#include "transport/http_internal.h"

enum {
	PIECE = 32 * 1024,
	REQUESTS_MAX = 4 * 1024 * 1024, /* bytes of all requests */
	DEAD_MAX = 2,			/* connections in a row without an answer */
};

struct http_batch {
	struct http_address address;
	int cancel_fd;
	int fd; /* the connection; -1: none yet, or none any more */
};

/* One http_batch_get() under way. */
struct call {
	struct http_batch *batch;
	const char *const *targets;
	struct http_response *responses;
	size_t n, answered;
	size_t asked; /* as far as this connection is asked */
	size_t max_body;
	int64_t deadline_ms;
	struct http_answer answer; /* the one to `answered` */
	struct buf out;
	size_t sent;	 /* of `out` */
	bool ended;	 /* nothing more will come over this connection */
	bool one_by_one; /* a connection was lost without an answer: the server may not pipeline */
	int errnum;	 /* what ended it; 0: its end */
	char piece[PIECE]; /* may hold secrets */
};

int http_batch_open(const char *address, int cancel_fd, struct http_batch **ret, struct error *err)
{
	struct http_batch *batch = calloc(1, sizeof(*batch));
	CLEANUP_FREE char *host = NULL;
	int port;

	if (batch == NULL)
		return error_memory(err);
	batch->fd = -1;
	batch->cancel_fd = cancel_fd;
	if (http_address_take(&batch->address, address, err) < 0 ||
	    (batch->address.socket == NULL &&
		http_address_split(&batch->address, &host, &port, err) < 0)) {
		http_batch_close(batch);
		return -1;
	}
	*ret = batch;
	return 0;
}

static void hang_up(struct http_batch *batch)
{
	cleanup_close(&batch->fd);
	batch->fd = -1;
}

void http_batch_close(struct http_batch *batch)
{
	if (batch == NULL)
		return;
	hang_up(batch);
	http_address_release(&batch->address);
	free(batch);
}

void http_batch_set_cancel(struct http_batch *batch, int cancel_fd)
{
	batch->cancel_fd = cancel_fd;
}

static int compose(struct call *call, struct error *err)
{
	const char *host = http_address_host(&call->batch->address);

	buf_clear(&call->out);
	call->sent = 0;
	for (size_t i = call->answered; i < call->asked; i++)
		if (buf_addf(&call->out,
			"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: shipit\r\n\r\n",
			call->targets[i], host) < 0)
			return buf_error(&call->out, err, "what is asked");
	return 0;
}

/* Sleep until something can be read or, while there is something to send, written. */
static int wait_for_more(const struct call *call, short *ret_events, struct error *err)
{
	short sending = call->sent < call->out.len ? POLLOUT : 0;
	struct pollfd slots[2] = {
	    {.fd = call->batch->fd, .events = (short)(POLLIN | sending)},
	    {.fd = call->batch->cancel_fd, .events = POLLIN},
	};

	if (poll(slots, 2, clock_left_ms(call->deadline_ms)) < 0) {
		if (errno != EINTR)
			return error_errno(err, errno, "waiting for an answer");
		slots[0].revents = slots[1].revents = 0;
	}
	if (slots[1].revents != 0)
		return error_set(err, ERROR_CANCELLED, "cancelled");
	if (clock_left_ms(call->deadline_ms) == 0)
		return error_set(err, ERROR_TIMEOUT, "no answer in time");
	*ret_events = slots[0].revents;
	return 0;
}

static void send_more(struct call *call)
{
	ssize_t n = send(
	    call->batch->fd, call->out.data + call->sent, call->out.len - call->sent, MSG_NOSIGNAL);

	if (n >= 0) {
		call->sent += (size_t)n;
	} else if (!fd_is_for_later(errno)) {
		/* What was answered before it hung up is still to be read. */
		call->errnum = errno;
		call->sent = call->out.len;
	}
}

static void begin_answer(struct call *call)
{
	struct http_response *response = &call->responses[call->answered];

	http_response_release(response);
	http_response_init(response, call->max_body);
	http_answer_start(&call->answer, response);
}

/* Bytes that came, which may be several answers. */
static int take_answers(struct call *call, size_t len, struct error *err)
{
	size_t at = 0;

	while (at < len && !call->ended && call->answered < call->asked) {
		ssize_t n = http_answer_feed(&call->answer, call->piece + at, len - at, err);

		if (n < 0)
			return -1;
		at += (size_t)n;
		if (!http_answer_is_whole(&call->answer))
			continue;
		call->ended = call->answer.closes;
		call->deadline_ms = clock_now_ms() + HTTP_TOTAL_MS;
		if (++call->answered < call->asked && !call->ended)
			begin_answer(call);
	}
	/* More than was asked for: whatever it is, it must not be taken for the next answer. */
	if (at < len)
		call->ended = true;
	return 0;
}

static int receive_more(struct call *call, struct error *err)
{
	ssize_t n = recv(call->batch->fd, call->piece, PIECE, 0);

	if (n > 0)
		return take_answers(call, (size_t)n, err);
	if (n < 0 && fd_is_for_later(errno))
		return 0;
	call->ended = true;
	if (n < 0)
		call->errnum = errno;
	else if (http_answer_end(&call->answer))
		call->answered++;
	return 0;
}

/* Ask over the connection there is, until all is answered or it ends. */
static int exchange(struct call *call, struct error *err)
{
	short events = 0;

	call->asked = call->one_by_one ? call->answered + 1 : call->n;
	call->ended = false;
	call->errnum = 0;
	if (compose(call, err) < 0)
		return -1;
	begin_answer(call);
	while (!call->ended && call->answered < call->asked) {
		if (wait_for_more(call, &events, err) < 0)
			return -1;
		if ((events & POLLOUT) != 0)
			send_more(call);
		if ((events & ~POLLOUT) != 0 && receive_more(call, err) < 0)
			return -1;
	}
	if (call->ended)
		hang_up(call->batch);
	return 0;
}

/* A server that says something unasked has hung up, or is about to. */
static bool is_quiet(int fd)
{
	struct pollfd slot = {.fd = fd, .events = POLLIN};

	return poll(&slot, 1, 0) == 0;
}

/* The connection that was kept, if it still stands, else a new one. */
static int connect_again(struct call *call, bool *ret_kept, struct error *err)
{
	struct http_batch *batch = call->batch;
	int64_t deadline_ms = clock_now_ms() + HTTP_CONNECT_MS;

	*ret_kept = batch->fd >= 0 && is_quiet(batch->fd);
	if (*ret_kept)
		return 0;
	hang_up(batch);
	if (deadline_ms > call->deadline_ms)
		deadline_ms = call->deadline_ms;
	batch->fd = http_address_connect(&batch->address, deadline_ms, batch->cancel_fd, err);
	if (batch->fd >= 0)
		return 0;
	if (err != NULL && err->kind == ERROR_UNREACHABLE && clock_left_ms(call->deadline_ms) == 0)
		error_set(err, ERROR_TIMEOUT, "no answer in time");
	return -1;
}

static int broke(const struct call *call, struct error *err)
{
	const char *why = http_answer_has_begun(&call->answer) ? "half an answer" : "no answer";

	error_set(err, ERROR_UNREACHABLE, "the connection broke: %s (%s)",
	    call->errnum != 0 ? strerror(call->errnum) : why, call->batch->address.text);
	if (err != NULL && err->kind != ERROR_MEMORY)
		err->code = call->errnum;
	return -1;
}

static int run(struct call *call, struct error *err)
{
	int dead = 0;

	while (call->answered < call->n) {
		size_t before = call->answered;
		bool kept;

		if (connect_again(call, &kept, err) < 0 || exchange(call, err) < 0)
			return -1;
		if (call->answered > before)
			dead = 0;
		else if (!kept && ++dead == DEAD_MAX)
			return broke(call, err);
		call->one_by_one |= dead > 0;
	}
	return 0;
}

int http_batch_get(struct http_batch *batch, const char *const *targets, size_t n, size_t max_body,
    struct http_response *ret, struct error *err)
{
	struct call call = {.batch = batch,
	    .targets = targets,
	    .responses = ret,
	    .n = n,
	    .max_body = max_body,
	    .deadline_ms = clock_now_ms() + HTTP_TOTAL_MS,
	    .out = BUF_INIT(REQUESTS_MAX)};
	int rc;

	for (size_t i = 0; i < n; i++)
		http_response_init(&ret[i], max_body);
	rc = cancel_fd_fired(batch->cancel_fd) ? error_set(err, ERROR_CANCELLED, "cancelled")
					       : run(&call, err);
	if (rc < 0)
		hang_up(batch);
	http_answer_release(&call.answer);
	buf_release(&call.out);
	explicit_bzero(call.piece, sizeof(call.piece));
	return rc;
}
