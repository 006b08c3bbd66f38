#include "transport/http_address.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "transport/resolve.h"
#include "transport/socket.h"

enum { HTTP_PORT = 80, QUEUE_MS = 10 };

static int odd(const char *text, struct error *err)
{
	return error_set(
	    err, ERROR_FAILED, "\"%s\" is neither a socket's path nor http://HOST:PORT", text);
}

int http_address_take(struct http_address *ret, const char *text, struct error *err)
{
	bool local = text[0] == '/';

	*ret = (struct http_address){.text = NULL};
	if (!local && (strncmp(text, "http://", 7) != 0 || text[7] == '\0'))
		return odd(text, err);
	ret->text = strdup(text);
	ret->base = strdup(local ? "http://localhost" : text);
	if (local)
		ret->socket = strdup(text);
	if (ret->text == NULL || ret->base == NULL || (local && ret->socket == NULL))
		return error_memory(err);
	if (ret->base[strlen(ret->base) - 1] == '/')
		ret->base[strlen(ret->base) - 1] = '\0';
	return 0;
}

void http_address_release(struct http_address *address)
{
	free(address->text);
	free(address->socket);
	free(address->base);
	*address = (struct http_address){.text = NULL};
}

const char *http_address_host(const struct http_address *address)
{
	return address->base + strlen("http://");
}

/* After the host: nothing, or ":PORT". 0: neither. */
static int port_of(const char *rest)
{
	char *end = NULL;
	long port;

	if (rest[0] == '\0')
		return HTTP_PORT;
	if (rest[0] != ':' || rest[1] < '0' || rest[1] > '9')
		return 0;
	port = strtol(rest + 1, &end, 10);
	return *end == '\0' && port >= 1 && port <= 65535 ? (int)port : 0;
}

int http_address_split(
    const struct http_address *address, char **ret_host, int *ret_port, struct error *err)
{
	const char *host = http_address_host(address);
	bool bracket = host[0] == '[';
	size_t len = strcspn(host += bracket, bracket ? "]" : ":");
	int port;

	if (len == 0 || strcspn(host, "/?#@ \t\r\n") < strlen(host) ||
	    (bracket && host[len] != ']'))
		return odd(address->text, err);
	port = port_of(host + len + bracket);
	if (port == 0)
		return odd(address->text, err);
	*ret_host = strndup(host, len);
	*ret_port = port;
	return *ret_host != NULL ? 0 : error_memory(err);
}

static int refused(const struct http_address *address, int errnum, struct error *err)
{
	error_set(
	    err, ERROR_UNREACHABLE, "cannot connect to %s: %s", address->text, strerror(errnum));
	if (err != NULL && err->kind != ERROR_MEMORY)
		err->code = errnum;
	return -1;
}

/* Wait for `events` (`fd` -1: for the time alone). 1: they are there, 0: time is over, -1:
 * cancelled. */
static int wait_for(int fd, short events, int64_t deadline_ms, int cancel_fd, struct error *err)
{
	for (;;) {
		struct pollfd slots[2] = {
		    {.fd = fd, .events = events},
		    {.fd = cancel_fd, .events = POLLIN},
		};
		int n = poll(slots, 2, clock_left_ms(deadline_ms));

		if (n > 0 && slots[1].revents != 0)
			return error_set(err, ERROR_CANCELLED, "cancelled");
		if (n > 0)
			return 1;
		if (n == 0 || errno != EINTR)
			return 0;
	}
}

static int connect_local(
    const struct http_address *address, int64_t deadline_ms, int cancel_fd, struct error *err)
{
	int fd;

	while ((fd = socket_connect_unix(address->socket)) < 0) {
		bool full = errno == EAGAIN; /* its queue */

		if (!full && errno != EINTR)
			return refused(address, errno, err);
		if (clock_left_ms(deadline_ms) == 0)
			return refused(address, ETIMEDOUT, err);
		if (wait_for(-1, 0, clock_now_ms() + QUEUE_MS, cancel_fd, err) < 0)
			return -1;
	}
	return fd;
}

/* Returns the descriptor; -1: cancelled; -2: this address does not do, errno says why. */
static int connect_one(
    const struct addrinfo *to, int64_t deadline_ms, int cancel_fd, struct error *err)
{
	CLEANUP_CLOSE int fd = socket_open(to->ai_family, to->ai_protocol);
	int why = 0, on = 1, ready;
	socklen_t len = sizeof(why);

	if (fd < 0)
		return -2;
	if (connect(fd, to->ai_addr, to->ai_addrlen) < 0) {
		if (errno != EINPROGRESS)
			return -2;
		ready = wait_for(fd, POLLOUT, deadline_ms, cancel_fd, err);
		if (ready < 0)
			return -1;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0)
			why = errno;
		if (ready == 0)
			why = ETIMEDOUT;
	}
	errno = why;
	if (why != 0)
		return -2;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return steal_fd(&fd);
}

/* One address after the other; each has its share of the time that is left. */
static int connect_any(const struct http_address *address, const struct addrinfo *found,
    int64_t deadline_ms, int cancel_fd, struct error *err)
{
	int left = 0, fd = -2, why = 0;

	for (const struct addrinfo *to = found; to != NULL; to = to->ai_next)
		left++;
	for (; found != NULL && fd == -2; found = found->ai_next, left--) {
		int64_t share = clock_left_ms(deadline_ms) / left;

		fd = connect_one(found, clock_now_ms() + share, cancel_fd, err);
		why = errno;
	}
	return fd == -2 ? refused(address, why, err) : fd;
}

static int resolve(const struct http_address *address, int64_t deadline_ms, int cancel_fd,
    struct addrinfo **ret, struct error *err)
{
	CLEANUP_FREE char *host = NULL;
	CLEANUP_ERROR struct error why = {0};
	int port = 0;

	if (http_address_split(address, &host, &port, err) < 0)
		return -1;
	if (resolve_host(host, port, AF_UNSPEC, deadline_ms, cancel_fd, ret, &why) == 0)
		return 0;
	/* Its hint is about hosts of the inventory. */
	if (why.kind == ERROR_UNREACHABLE || why.kind == ERROR_TIMEOUT)
		return error_set(err, ERROR_UNREACHABLE, "cannot connect to %s: %s", address->text,
		    error_text(&why));
	error_move(err, &why);
	return -1;
}

int http_address_connect(
    const struct http_address *address, int64_t deadline_ms, int cancel_fd, struct error *err)
{
	struct addrinfo *found = NULL;
	int fd;

	if (address->socket != NULL)
		return connect_local(address, deadline_ms, cancel_fd, err);
	if (resolve(address, deadline_ms, cancel_fd, &found, err) < 0)
		return -1;
	fd = connect_any(address, found, deadline_ms, cancel_fd, err);
	freeaddrinfo(found);
	return fd;
}
