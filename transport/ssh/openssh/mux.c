#include "transport/ssh/openssh/mux.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/proc.h"
#include "transport/socket.h"
#include "transport/ssh/wire.h"

enum { VERSION = 4, PACKET_MAX = 256 * 1024, REQUEST = 1, GONE = 0 };

/* PROTOCOL.mux; too large for an enum */
#define HELLO		    0x00000001U
#define C_NEW_SESSION	    0x10000002U
#define C_TERMINATE	    0x10000005U
#define C_OPEN_FWD	    0x10000006U
#define C_CLOSE_FWD	    0x10000007U
#define C_NEW_STDIO_FWD	    0x10000008U
#define S_OK		    0x80000001U
#define S_PERMISSION_DENIED 0x80000002U
#define S_FAILURE	    0x80000003U
#define S_EXIT_MESSAGE	    0x80000004U
#define S_SESSION_OPENED    0x80000006U
#define S_REMOTE_PORT	    0x80000007U
#define NO_ESCAPE	    0xffffffffU

/* --- bytes */

static int wait_for(int mux, short events, const struct mux_wait *wait, struct error *err)
{
	struct pollfd slots[2] = {
	    {.fd = mux, .events = events}, {.fd = wait->cancel_fd, .events = POLLIN}};
	int n;

	do
		n = poll(slots, 2, clock_left_ms(wait->deadline_ms));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_errno(err, errno, "poll");
	if (slots[1].revents != 0)
		return error_set(err, ERROR_CANCELLED, "cancelled");
	if (n == 0)
		return error_set(err, ERROR_TIMEOUT, "the system's ssh did not answer in time");
	return 0;
}

static int gone(struct error *err)
{
	return error_set(err, ERROR_UNREACHABLE, "the system's ssh has ended the connection");
}

static int send_all(
    int mux, const char *data, size_t len, const struct mux_wait *wait, struct error *err)
{
	while (len > 0) {
		ssize_t n = send(mux, data, len, MSG_NOSIGNAL);

		if (n < 0 && !fd_is_for_later(errno))
			return gone(err);
		if (n < 0 && wait_for(mux, POLLOUT, wait, err) < 0)
			return -1;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* 1: all is there; GONE: the other side has closed. */
static int receive_all(
    int mux, unsigned char *data, size_t len, const struct mux_wait *wait, struct error *err)
{
	while (len > 0) {
		ssize_t n = recv(mux, data, len, 0);

		if (n == 0 || (n < 0 && !fd_is_for_later(errno)))
			return GONE;
		if (n < 0 && wait_for(mux, POLLIN, wait, err) < 0)
			return -1;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 1;
}

/* One descriptor goes with one byte (OpenSSH's monitor_fdpass.c). */
static int send_fd(int mux, int fd, const struct mux_wait *wait, struct error *err)
{
	char byte = 0;
	struct iovec data = {&byte, 1};
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_iov = &data,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	head->cmsg_len = CMSG_LEN(sizeof(int));
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	while (sendmsg(mux, &message, MSG_NOSIGNAL) < 0) {
		if (!fd_is_for_later(errno))
			return gone(err);
		if (wait_for(mux, POLLOUT, wait, err) < 0)
			return -1;
	}
	return 0;
}

/* --- packets: a length, then the type and what it needs */

static int send_packet(
    int mux, struct buf *body, int rc, const struct mux_wait *wait, struct error *err)
{
	CLEANUP_BUF struct buf packet = BUF_INIT(PACKET_MAX);

	if (rc < 0 || wire_add_string(&packet, body->data, body->len) < 0)
		return buf_error(rc < 0 ? body : &packet, err, "a request to ssh");
	return send_all(mux, packet.data, packet.len, wait, err);
}

struct answer {
	unsigned char *data;
	uint32_t type;
	struct wire rest;
};

static void answer_release(struct answer *answer)
{
	free(answer->data);
}
#define CLEANUP_ANSWER __attribute__((cleanup(answer_release)))

static int receive_packet(
    int mux, struct answer *ret, const struct mux_wait *wait, struct error *err)
{
	unsigned char head[4];
	struct wire wire = {.data = head, .len = sizeof(head)};
	int rc = receive_all(mux, head, sizeof(head), wait, err);
	size_t len;

	if (rc <= 0)
		return rc;
	len = wire_u32(&wire);
	if (len < sizeof(uint32_t) || len > PACKET_MAX)
		return error_set(err, ERROR_PROTOCOL, "the system's ssh sent nonsense");
	free(ret->data);
	ret->data = malloc(len);
	if (ret->data == NULL)
		return error_memory(err);
	rc = receive_all(mux, ret->data, len, wait, err);
	ret->rest = (struct wire){.data = ret->data, .len = len};
	ret->type = wire_u32(&ret->rest);
	return rc;
}

/* The answer to our request; only one is under way on a connection. */
static int receive_answer(
    int mux, struct answer *ret, const struct mux_wait *wait, struct error *err)
{
	const unsigned char *words;
	size_t len = 0;
	int rc = receive_packet(mux, ret, wait, err);

	if (rc <= 0)
		return rc < 0 ? -1 : gone(err);
	if (wire_u32(&ret->rest) != REQUEST || ret->rest.failed)
		return error_set(err, ERROR_PROTOCOL, "the system's ssh sent nonsense");
	if (ret->type != S_PERMISSION_DENIED && ret->type != S_FAILURE)
		return 0;
	words = wire_string(&ret->rest, &len);
	if (words == NULL)
		return error_set(err, ERROR_FAILED, "the system's ssh refuses");
	return error_set(err, ERROR_FAILED, "%.*s", (int)len, (const char *)words);
}

static int unexpected(const struct answer *answer, struct error *err)
{
	return error_set(
	    err, ERROR_PROTOCOL, "the system's ssh gave an unknown answer (%x)", answer->type);
}

/* --- what can be asked */

static int greet(int mux, const struct mux_wait *wait, struct error *err)
{
	CLEANUP_ANSWER struct answer answer = {0};
	CLEANUP_BUF struct buf body = BUF_INIT(PACKET_MAX);
	int rc = wire_add_u32(&body, HELLO) < 0 || wire_add_u32(&body, VERSION) < 0 ? -1 : 0;

	if (send_packet(mux, &body, rc, wait, err) < 0)
		return -1;
	rc = receive_packet(mux, &answer, wait, err);
	if (rc <= 0)
		return rc < 0 ? -1 : gone(err);
	if (answer.type != HELLO || wire_u32(&answer.rest) != VERSION)
		return error_set(err, ERROR_PROTOCOL,
		    "the system's ssh speaks another version of its control protocol");
	return 0;
}

int mux_connect(const char *path, const struct mux_wait *wait, struct error *err)
{
	CLEANUP_CLOSE int mux = -1;

	while ((mux = socket_connect_unix(path)) < 0) {
		struct mux_wait pause = {
		    .deadline_ms = clock_now_ms() + 10, .cancel_fd = wait->cancel_fd};

		if (errno == ENOENT || errno == ECONNREFUSED)
			return error_set(err, ERROR_NOT_FOUND, "%s: %s", path, strerror(errno));
		if (errno != EAGAIN && errno != EINTR) /* its queue is full */
			return error_errno(err, errno, "%s", path);
		if (clock_left_ms(wait->deadline_ms) == 0)
			return error_set(
			    err, ERROR_TIMEOUT, "the system's ssh did not answer in time");
		if (wait_for(-1, 0, &pause, err) < 0 && err->kind != ERROR_TIMEOUT)
			return -1;
	}
	if (greet(mux, wait, err) < 0)
		return -1;
	return steal_fd(&mux);
}

int mux_session(int mux, const char *command, const int fds[3], uint32_t *ret_session,
    const struct mux_wait *wait, struct error *err)
{
	CLEANUP_ANSWER struct answer answer = {0};
	CLEANUP_BUF struct buf body = BUF_INIT(PACKET_MAX - 16);
	static const char none[] = "";
	int rc = 0;

	/* reserved; terminal, X11, agent, subsystem: no */
	if (wire_add_u32(&body, C_NEW_SESSION) < 0 || wire_add_u32(&body, REQUEST) < 0 ||
	    wire_add_string(&body, none, 0) < 0 || wire_add_u32(&body, 0) < 0 ||
	    wire_add_u32(&body, 0) < 0 || wire_add_u32(&body, 0) < 0 ||
	    wire_add_u32(&body, 0) < 0 || wire_add_u32(&body, NO_ESCAPE) < 0 ||
	    wire_add_string(&body, none, 0) < 0 ||
	    wire_add_string(&body, command, strlen(command)) < 0)
		rc = -1;
	if (send_packet(mux, &body, rc, wait, err) < 0)
		return -1;
	for (int i = 0; i < 3; i++)
		if (send_fd(mux, fds[i], wait, err) < 0)
			return -1;
	if (receive_answer(mux, &answer, wait, err) < 0)
		return -1;
	if (answer.type != S_SESSION_OPENED)
		return unexpected(&answer, err);
	*ret_session = wire_u32(&answer.rest);
	return 0;
}

int mux_session_end(
    int mux, uint32_t session, int *ret_status, const struct mux_wait *wait, struct error *err)
{
	CLEANUP_ANSWER struct answer answer = {0};
	int rc;

	while ((rc = receive_packet(mux, &answer, wait, err)) > 0) {
		if (answer.type != S_EXIT_MESSAGE || wire_u32(&answer.rest) != session)
			continue;
		*ret_status = (int)wire_u32(&answer.rest);
		return answer.rest.failed ? unexpected(&answer, err) : 1;
	}
	return rc;
}

static int ask_forward(int mux, uint32_t type, const struct mux_forward *forward,
    struct answer *answer, const struct mux_wait *wait, struct error *err)
{
	CLEANUP_BUF struct buf body = BUF_INIT(PACKET_MAX - 16);
	int rc = 0;

	if (wire_add_u32(&body, type) < 0 || wire_add_u32(&body, REQUEST) < 0 ||
	    wire_add_u32(&body, (uint32_t)forward->direction) < 0 ||
	    wire_add_string(&body, forward->listen, strlen(forward->listen)) < 0 ||
	    wire_add_u32(&body, (uint32_t)forward->listen_port) < 0 ||
	    wire_add_string(&body, forward->connect, strlen(forward->connect)) < 0 ||
	    wire_add_u32(&body, (uint32_t)forward->connect_port) < 0)
		rc = -1;
	if (send_packet(mux, &body, rc, wait, err) < 0)
		return -1;
	return receive_answer(mux, answer, wait, err);
}

int mux_forward(int mux, const struct mux_forward *forward, int *ret_port,
    const struct mux_wait *wait, struct error *err)
{
	CLEANUP_ANSWER struct answer answer = {0};
	uint32_t port;

	if (ask_forward(mux, C_OPEN_FWD, forward, &answer, wait, err) < 0)
		return -1;
	if (answer.type == S_OK && ret_port == NULL)
		return 0;
	if (answer.type != S_REMOTE_PORT || ret_port == NULL)
		return unexpected(&answer, err);
	port = wire_u32(&answer.rest);
	if (port < 1 || port > 65535)
		return unexpected(&answer, err);
	*ret_port = (int)port;
	return 0;
}

int mux_forward_cancel(
    int mux, const struct mux_forward *forward, const struct mux_wait *wait, struct error *err)
{
	CLEANUP_ANSWER struct answer answer = {0};

	if (ask_forward(mux, C_CLOSE_FWD, forward, &answer, wait, err) < 0)
		return -1;
	return answer.type == S_OK ? 0 : unexpected(&answer, err);
}

int mux_stream(
    int mux, const char *host, int port, int fd, const struct mux_wait *wait, struct error *err)
{
	CLEANUP_ANSWER struct answer answer = {0};
	CLEANUP_BUF struct buf body = BUF_INIT(PACKET_MAX - 16);
	int rc = 0;

	if (wire_add_u32(&body, C_NEW_STDIO_FWD) < 0 || wire_add_u32(&body, REQUEST) < 0 ||
	    wire_add_string(&body, "", 0) < 0 || wire_add_string(&body, host, strlen(host)) < 0 ||
	    wire_add_u32(&body, (uint32_t)port) < 0)
		rc = -1;
	if (send_packet(mux, &body, rc, wait, err) < 0 || send_fd(mux, fd, wait, err) < 0 ||
	    send_fd(mux, fd, wait, err) < 0 || receive_answer(mux, &answer, wait, err) < 0)
		return -1;
	return answer.type == S_SESSION_OPENED ? 0 : unexpected(&answer, err);
}

int mux_terminate(int mux, const struct mux_wait *wait, struct error *err)
{
	CLEANUP_ANSWER struct answer answer = {0};
	CLEANUP_BUF struct buf body = BUF_INIT(PACKET_MAX);
	int rc = wire_add_u32(&body, C_TERMINATE) < 0 || wire_add_u32(&body, REQUEST) < 0 ? -1 : 0;

	if (send_packet(mux, &body, rc, wait, err) < 0)
		return -1;
	return receive_answer(mux, &answer, wait, err);
}
