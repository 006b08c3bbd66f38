#include "transport/http_upgrade.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/proc.h"
#include "transport/http_address.h"
#include "transport/http_answer.h"
#include "transport/http_internal.h"

enum { REQUEST_MAX = 4 * 1024 * 1024, PIECE = 4096 };

struct upgrade {
	int fd, cancel_fd;
	int64_t deadline_ms;
};

static int wait_for(const struct upgrade *upgrade, short events, struct error *err)
{
	struct pollfd slots[] = {
	    {.fd = upgrade->fd, .events = events}, {.fd = upgrade->cancel_fd, .events = POLLIN}};
	int left = clock_left_ms(upgrade->deadline_ms);

	if (left == 0)
		return error_set(err, ERROR_TIMEOUT, "no answer in time");
	if (poll(slots, 2, left) < 0 && errno != EINTR)
		return error_errno(err, errno, "waiting for an answer");
	return slots[1].revents != 0 ? error_set(err, ERROR_CANCELLED, "cancelled") : 0;
}

static int broke(int errnum, struct error *err)
{
	return error_set(err, ERROR_UNREACHABLE, "the connection broke: %s",
	    errnum != 0 ? strerror(errnum) : "no answer");
}

static int send_all(const struct upgrade *upgrade, const struct buf *text, struct error *err)
{
	size_t sent = 0;

	while (sent < text->len) {
		ssize_t n = send(upgrade->fd, text->data + sent, text->len - sent, MSG_NOSIGNAL);

		if (n >= 0)
			sent += (size_t)n;
		else if (!fd_is_for_later(errno))
			return broke(errno, err);
		else if (wait_for(upgrade, POLLOUT, err) < 0)
			return -1;
	}
	return 0;
}

/* Up to `size` bytes, at least one; 0: its end. */
static ssize_t receive(const struct upgrade *upgrade, char *data, size_t size, struct error *err)
{
	for (;;) {
		ssize_t n = recv(upgrade->fd, data, size, 0);

		if (n >= 0)
			return n;
		if (!fd_is_for_later(errno))
			return broke(errno, err);
		if (wait_for(upgrade, POLLIN, err) < 0)
			return -1;
	}
}

/* Byte by byte: what is behind it belongs to the stream. */
static int receive_head(const struct upgrade *upgrade, struct buf *head, struct error *err)
{
	static const char end[] = "\r\n\r\n";
	const size_t end_len = sizeof(end) - 1;

	while (head->len < end_len || memcmp(head->data + head->len - end_len, end, end_len) != 0) {
		char byte;
		ssize_t n = receive(upgrade, &byte, 1, err);

		if (n < 0)
			return -1;
		if (n == 0)
			return broke(0, err);
		if (buf_addc(head, byte) < 0)
			return buf_error(head, err, "the head of an answer");
	}
	return 0;
}

/* "HTTP/1.1 101 UPGRADED" */
static int status_of(const struct buf *head)
{
	if (head->len < 12 || strncmp(head->data, "HTTP/1.", 7) != 0 || head->data[8] != ' ')
		return -1;
	return (int)strtol(head->data + 9, NULL, 10);
}

/* Why not, in the server's words. */
static int refused(const struct upgrade *upgrade, const struct buf *head, struct error *err)
{
	struct http_answer answer = {0};
	struct http_response response;
	char piece[PIECE];
	ssize_t n = (ssize_t)head->len;
	int rc = 0;

	http_response_init(&response, 0);
	http_answer_start(&answer, &response);
	if (http_answer_feed(&answer, head->data, head->len, err) < 0)
		rc = -1;
	while (rc == 0 && n > 0 && !http_answer_is_whole(&answer)) {
		n = receive(upgrade, piece, sizeof(piece), err);
		if (n < 0 || (n > 0 && http_answer_feed(&answer, piece, (size_t)n, err) < 0))
			rc = -1;
	}
	if (rc == 0)
		http_status_error(&response, err);
	http_answer_release(&answer);
	http_response_release(&response);
	return -1;
}

static int ask(const struct upgrade *upgrade, const struct buf *request, struct error *err)
{
	CLEANUP_BUF struct buf head = BUF_INIT(HTTP_ANSWER_HEAD_MAX);
	int status;

	if (send_all(upgrade, request, err) < 0 || receive_head(upgrade, &head, err) < 0)
		return -1;
	status = status_of(&head);
	if (status == 101 || status == 200)
		return 0;
	return refused(upgrade, &head, err);
}

int http_upgrade(
    const char *address, const char *target, const char *body, int cancel_fd, struct error *err)
{
	struct upgrade upgrade = {.cancel_fd = cancel_fd};
	CLEANUP_BUF struct buf request = BUF_INIT(REQUEST_MAX);
	struct http_address at;
	int rc = -1;

	upgrade.deadline_ms = clock_now_ms() + HTTP_TOTAL_MS;
	if (http_address_take(&at, address, err) < 0) {
		http_address_release(&at);
		return -1;
	}
	if (buf_addf(&request,
		"POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: shipit\r\n"
		"Content-Type: application/json\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		target, http_address_host(&at), strlen(body), body) < 0)
		buf_error(&request, err, "what is asked");
	else
		rc = upgrade.fd =
		    http_address_connect(&at, clock_now_ms() + HTTP_CONNECT_MS, cancel_fd, err);
	http_address_release(&at);
	if (rc < 0)
		return -1;
	if (ask(&upgrade, &request, err) == 0)
		return upgrade.fd;
	cleanup_close(&upgrade.fd);
	return -1;
}
