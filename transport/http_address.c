#include "transport/http_address.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "transport/dial.h"
#include "transport/resolve.h"
#include "transport/socket.h"

#define HTTP_PORT ":80"

enum { QUEUE_MS = 10 };

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

int http_address_split(
    const struct http_address *address, char **ret_host, int *ret_port, struct error *err)
{
	const char *host = http_address_host(address);
	const char *colon = strrchr(host, ':'), *bracket = strrchr(host, ']');
	bool has_port = colon != NULL && (bracket == NULL || colon > bracket);
	CLEANUP_FREE char *whole = string_printf("%s%s", host, has_port ? "" : HTTP_PORT);
	CLEANUP_ERROR struct error why = {0};

	if (whole == NULL)
		return error_memory(err);
	if (strcspn(host, "/?#@ \t\r\n") < strlen(host))
		return odd(address->text, err);
	if (socket_split(whole, ret_host, ret_port, &why) == 0)
		return 0;
	return why.kind == ERROR_MEMORY ? error_memory(err) : odd(address->text, err);
}

static int refused(const struct http_address *address, int errnum, struct error *err)
{
	error_set(
	    err, ERROR_UNREACHABLE, "cannot connect to %s: %s", address->text, strerror(errnum));
	if (err != NULL && err->kind != ERROR_MEMORY)
		err->code = errnum;
	return -1;
}

/* A Unix socket whose queue is full says EAGAIN, and poll cannot wait for it to have room. */
static int connect_local(
    const struct http_address *address, int64_t deadline_ms, int cancel_fd, struct error *err)
{
	struct pollfd slot = {.fd = cancel_fd, .events = POLLIN};
	int fd;

	while ((fd = socket_connect_unix(address->socket)) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return refused(address, errno, err);
		if (clock_left_ms(deadline_ms) == 0)
			return refused(address, ETIMEDOUT, err);
		if (poll(&slot, 1, QUEUE_MS) > 0)
			return error_set(err, ERROR_CANCELLED, "cancelled");
	}
	return fd;
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

static int connect_far(
    const struct http_address *address, int64_t deadline_ms, int cancel_fd, struct error *err)
{
	CLEANUP_ERROR struct error why = {0};
	struct addrinfo *found = NULL;
	int fd, on = 1;

	if (resolve(address, deadline_ms, cancel_fd, &found, err) < 0)
		return -1;
	fd = dial(found, NULL, deadline_ms, cancel_fd, &why);
	freeaddrinfo(found);
	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	else if (why.kind == ERROR_UNREACHABLE || why.kind == ERROR_TIMEOUT)
		refused(address, why.kind == ERROR_TIMEOUT ? ETIMEDOUT : why.code, err);
	else
		error_move(err, &why);
	return fd;
}

int http_address_connect(
    const struct http_address *address, int64_t deadline_ms, int cancel_fd, struct error *err)
{
	return address->socket != NULL ? connect_local(address, deadline_ms, cancel_fd, err)
				       : connect_far(address, deadline_ms, cancel_fd, err);
}
