/* A scripted HTTP server in a thread, for tests of what talks to engines and registries: each
 * request gets the next reply, byte for byte, however odd. */
#ifndef SHIPIT_TESTS_UNIT_ENGINE_FAKE_H
#define SHIPIT_TESTS_UNIT_ENGINE_FAKE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"

enum fake_manner {
	FAKE_KEEP = 0,	 /* and wait for the next request on this connection */
	FAKE_CLOSE = 1,	 /* hang up after the reply */
	FAKE_HANG = 2,	 /* say no more until the client hangs up */
	FAKE_DRIP = 4,	 /* byte by byte */
	FAKE_RUDE = 8,	 /* reply without reading the request's body, and hang up */
	FAKE_AGAIN = 16, /* the reply's body every 10 ms, until the client hangs up */
	FAKE_SIZED = 32	 /* the body is as long as its Content-Length says, and may hold NULs */
};

struct fake_reply {
	const char *text;
	int manner;
};

struct fake {
	const struct fake_reply *replies;
	size_t n;
	char dir[32], address[64]; /* of http_open()'s form */
	int listener, stop[2];
	pthread_t thread;
	/* after fake_stop() */
	struct buf seen; /* what was asked, heads and bodies, as it came */
	int connections;
	size_t answered;
};

#define FAKE_JSON(status, length, body)                                                            \
	"HTTP/1.1 " status "\r\nContent-Type: application/json\r\nContent-Length: " #length        \
	"\r\n\r\n" body

static inline int fake_wait(const struct fake *fake, int fd)
{
	struct pollfd slots[2] = {{fd, POLLIN, 0}, {fake->stop[0], POLLIN, 0}};

	poll(slots, 2, 10000);
	return slots[0].revents != 0 ? 0 : -1;
}

static inline int fake_send(int fd, const char *text, size_t len, size_t piece)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len < piece ? len : piece, MSG_NOSIGNAL);

		if (n <= 0)
			return -1;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Is all of a request in `text`? */
static inline int fake_complete(const char *text, size_t len, int rude)
{
	const char *head = memmem(text, len, "\r\n\r\n", 4);
	const char *length;
	size_t body;

	if (head == NULL)
		return 0;
	head += 4;
	body = len - (size_t)(head - text);
	length = strstr(text, "Content-Length: ");
	if (rude)
		return 1;
	if (length != NULL && length < head)
		return body >= strtoul(length + 16, NULL, 10);
	if (strstr(text, "Transfer-Encoding: chunked") != NULL)
		return body >= 5 && memcmp(text + len - 5, "0\r\n\r\n", 5) == 0;
	return 1;
}

static inline int fake_read(struct fake *fake, int fd, int rude)
{
	size_t from = fake->seen.len;
	char piece[65536];
	ssize_t n;

	do {
		if (fake_wait(fake, fd) < 0)
			return -1;
		n = read(fd, piece, sizeof(piece));
		if (n <= 0 || buf_add(&fake->seen, piece, (size_t)n) < 0)
			return -1;
	} while (!fake_complete(fake->seen.data + from, fake->seen.len - from, rude));
	return 0;
}

static inline size_t fake_len(const struct fake_reply *reply)
{
	const char *size = strstr(reply->text, "Content-Length: ");

	if (!(reply->manner & FAKE_SIZED))
		return strlen(reply->text);
	return (size_t)(strstr(reply->text, "\r\n\r\n") + 4 - reply->text) +
	       strtoul(size + 16, NULL, 10);
}

static inline void fake_repeat(const struct fake *fake, int fd, const char *body)
{
	struct pollfd slots[2] = {{fd, POLLIN, 0}, {fake->stop[0], POLLIN, 0}};

	while (poll(slots, 2, 10) == 0 && fake_send(fd, body, strlen(body), 4096) == 0)
		;
}

/* Serve one connection; non-zero when it is to be closed. */
static inline void fake_serve(struct fake *fake, int fd)
{
	char rest[256];

	while (fake->answered < fake->n) {
		const struct fake_reply *reply = &fake->replies[fake->answered];

		if (fake_read(fake, fd, reply->manner & FAKE_RUDE) < 0)
			return;
		fake->answered++;
		if (fake_send(fd, reply->text, fake_len(reply),
			reply->manner & FAKE_DRIP ? 1 : 1 << 20) < 0)
			return;
		if (reply->manner & FAKE_AGAIN)
			fake_repeat(fake, fd, strstr(reply->text, "\r\n\r\n") + 4);
		while (reply->manner & FAKE_HANG && fake_wait(fake, fd) == 0 &&
		       read(fd, rest, sizeof(rest)) > 0)
			;
		if (reply->manner & (FAKE_CLOSE | FAKE_HANG | FAKE_RUDE | FAKE_AGAIN))
			return;
	}
	/* The script is over, the client may not be. */
	while (fake_wait(fake, fd) == 0 && read(fd, rest, sizeof(rest)) > 0)
		;
}

static inline void *fake_run(void *context)
{
	struct fake *fake = context;

	while (fake_wait(fake, fake->listener) == 0) {
		int fd = accept(fake->listener, NULL, NULL);

		if (fd < 0)
			break;
		fake->connections++;
		fake_serve(fake, fd);
		close(fd);
	}
	return NULL;
}

static inline int fake_listen_unix(struct fake *fake)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strcpy(fake->dir, "/tmp/engine-fake-XXXXXX");
	if (mkdtemp(fake->dir) == NULL)
		abort();
	snprintf(fake->address, sizeof(fake->address), "%s/sock", fake->dir);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", fake->address);
	fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return bind(fake->listener, (struct sockaddr *)&address, sizeof(address));
}

static inline int fake_listen_tcp(struct fake *fake)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fake->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fake->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    getsockname(fake->listener, (struct sockaddr *)&address, &len) < 0)
		return -1;
	snprintf(
	    fake->address, sizeof(fake->address), "http://127.0.0.1:%d", ntohs(address.sin_port));
	return 0;
}

static inline void fake_start(
    struct fake *fake, const struct fake_reply *replies, size_t n, int tcp)
{
	*fake = (struct fake){.replies = replies, .n = n, .seen = BUF_INIT(64 << 20)};
	if ((tcp ? fake_listen_tcp(fake) : fake_listen_unix(fake)) < 0 ||
	    listen(fake->listener, 16) < 0 || pipe(fake->stop) < 0 ||
	    pthread_create(&fake->thread, NULL, fake_run, fake) != 0)
		abort();
}

static inline void fake_stop(struct fake *fake)
{
	close(fake->stop[1]);
	pthread_join(fake->thread, NULL);
	close(fake->stop[0]);
	close(fake->listener);
	if (fake->dir[0] != '\0') {
		unlink(fake->address);
		rmdir(fake->dir);
	}
}

static inline void fake_release(struct fake *fake)
{
	buf_release(&fake->seen);
}

#endif
