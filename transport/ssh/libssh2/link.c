#include "transport/ssh/libssh2/link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "transport/ssh/libssh2/algorithms.h"

enum {
	FREE_ROUNDS = 10000,
	PACE_MS = 250,
	BATCH = 128 * 1024,
	BUSY_MIN = 64 * 1024,
	BUSY_MAX = 512 * 1024,
};

static int init_rc;

static void init_once(void)
{
	init_rc = libssh2_init(0);
}

void link_kill(struct link *link, int errnum)
{
	if (link->dead)
		return;
	link->dead = true;
	link->dead_errno = errnum;
	sendqueue_clear(&link->queue);
}

static ssize_t socket_write(void *context, const void *data, size_t len)
{
	struct link *link = context;
	ssize_t n = send(link->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n > 0)
		link->sent += (uint64_t)n;
	else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		link->writable = false;
	return n;
}

void link_flush(struct link *link)
{
	if (!link->dead && link->writable && sendqueue_flush(&link->queue, socket_write, link) < 0)
		link_kill(link, errno);
}

bool link_busy(const struct link *link)
{
	return sendqueue_pending(&link->queue) >= link->busy;
}

void link_ready(struct link *link, short revents)
{
	if (revents & ~POLLOUT)
		link->readable = true;
	if (revents & ~POLLIN)
		link->writable = true;
}

static void set_busy(struct link *link, size_t busy)
{
	link->busy = busy;
#ifdef TCP_NOTSENT_LOWAT
	/* Of no effect on the socket of a proxy. */
	int value = (int)busy;

	setsockopt(link->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &value, sizeof(value));
#endif
}

void link_pace(struct link *link)
{
	int64_t now = clock_now_ms();
	uint64_t left = link->sent - link->pace_sent;
	size_t busy = link->busy * 2;

	if (now - link->pace_ms < PACE_MS)
		return;
	if (sendqueue_pending(&link->queue) > 0)
		busy = (size_t)(left * PACE_MS / (uint64_t)(now - link->pace_ms));
	link->pace_sent = link->sent;
	link->pace_ms = now;
	if (busy < BUSY_MIN)
		busy = BUSY_MIN;
	if (busy > BUSY_MAX)
		busy = BUSY_MAX;
	if (busy != link->busy)
		set_busy(link, busy);
}

/* Several packets leave in one system call: at the latest when a pass ends or link_wait sleeps. */
static ssize_t on_send(
    libssh2_socket_t fd UNUSED, const void *data, size_t len, int flags UNUSED, void **abstract)
{
	struct link *link = *abstract;

	if (link->dead)
		return (ssize_t)len;
	if (sendqueue_add(&link->queue, data, len) < 0)
		link_kill(link, errno);
	else if (sendqueue_pending(&link->queue) >= BATCH)
		link_flush(link);
	return (ssize_t)len;
}

static ssize_t on_receive(
    libssh2_socket_t fd, void *data, size_t len, int flags UNUSED, void **abstract)
{
	struct link *link = *abstract;
	ssize_t n;

	if (link->dead)
		return -ECONNRESET;
	if (!link->readable)
		return -EAGAIN;
	n = recv(fd, data, len, MSG_DONTWAIT);
	if (n > 0) {
		link->received += (uint64_t)n;
		link->heard_ms = clock_now_ms();
		return n;
	}
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
		link->readable = errno == EINTR;
		return -EAGAIN;
	}
	link_kill(link, n < 0 ? errno : 0);
	return -ECONNRESET;
}

/* libssh2 takes callbacks as void *, which ISO C has no conversion to. */
static void set_callback(LIBSSH2_SESSION *ssh, int which, void (*callback)(void))
{
	void *pointer;

	memcpy(&pointer, &callback, sizeof(pointer));
	libssh2_session_callback_set(ssh, which, pointer);
}

int link_init(struct link *link, int fd, struct error *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct link fresh = {
	    .fd = fd, .cancel_fd = -1, .deadline_ms = -1, .readable = true, .writable = true};

	*link = fresh;
	sendqueue_init(&link->queue, LINK_QUEUE_MAX);
	link->heard_ms = clock_now_ms();
	link->pace_ms = link->heard_ms;
	set_busy(link, BUSY_MIN * 2);
	pthread_once(&once, init_once);
	if (init_rc == 0)
		link->ssh = libssh2_session_init_ex(NULL, NULL, NULL, link);
	if (link->ssh == NULL) {
		close(fd);
		link->fd = -1;
		return error_memory(err);
	}
	libssh2_session_set_blocking(link->ssh, 0);
	set_callback(link->ssh, LIBSSH2_CALLBACK_SEND, (void (*)(void))on_send);
	set_callback(link->ssh, LIBSSH2_CALLBACK_RECV, (void (*)(void))on_receive);
	return 0;
}

const char *link_death(const struct link *link)
{
	if (link->dead_errno == 0)
		return "closed by the host";
	if (link->dead_errno == ETIMEDOUT)
		return "the host has stopped answering";
	if (link->dead_errno == ENOBUFS)
		return "the host has stopped reading";
	return strerror(link->dead_errno);
}

const char *link_last_error(const struct link *link)
{
	char *text = NULL;

	libssh2_session_last_error(link->ssh, &text, NULL, 0);
	return text != NULL ? text : "";
}

bool link_fatal(struct link *link, int rc)
{
	switch (rc) {
	case LIBSSH2_ERROR_SOCKET_NONE:
	case LIBSSH2_ERROR_SOCKET_SEND:
	case LIBSSH2_ERROR_SOCKET_RECV:
	case LIBSSH2_ERROR_SOCKET_DISCONNECT:
	case LIBSSH2_ERROR_BAD_SOCKET:
		link_kill(link, 0);
		return true;
	case LIBSSH2_ERROR_DECRYPT:
	case LIBSSH2_ERROR_INVALID_MAC:
	case LIBSSH2_ERROR_OUT_OF_BOUNDARY:
	case LIBSSH2_ERROR_KEX_FAILURE:
	case LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE:
	case LIBSSH2_ERROR_PROTO:
		link_kill(link, EPROTO);
		return true;
	default:
		return link->dead;
	}
}

int link_wait(struct link *link, struct error *err)
{
	struct pollfd slots[2] = {
	    {.fd = link->fd, .events = POLLIN},
	    {.fd = link->cancel_fd, .events = POLLIN},
	};
	int n;

	link_flush(link);
	if (link->dead)
		return error_set(err, ERROR_UNREACHABLE, "%s: %s", link->phase, link_death(link));
	if (sendqueue_pending(&link->queue) > 0)
		slots[0].events |= POLLOUT;
	n = poll(slots, 2, clock_left_ms(link->deadline_ms));
	if (n < 0 && errno != EINTR)
		return error_errno(err, errno, "%s: poll", link->phase);
	if (n > 0 && slots[1].revents != 0)
		return error_set(err, ERROR_CANCELLED, "cancelled");
	if (n == 0)
		return error_set(
		    err, ERROR_TIMEOUT, "%s: the host did not answer in time", link->phase);
	link_ready(link, slots[0].revents);
	return 0;
}

static int explain_handshake(struct link *link, int rc, struct error *err)
{
	if (rc == LIBSSH2_ERROR_KEX_FAILURE || rc == LIBSSH2_ERROR_METHOD_NONE) {
		link->beyond = "libssh2 has no algorithm in common with the host";
		error_set(err, ERROR_UNREACHABLE,
		    "key exchange: no algorithm in common with the host (libssh2 %s has no "
		    "RSA-SHA2 host keys, AES-GCM or chacha20)",
		    libssh2_version(0));
		return error_hint(err,
		    "`ssh -vv %s` shows what the host offers; it needs an "
		    "ed25519 or ecdsa host key, an aes-ctr cipher and an "
		    "hmac-sha2 MAC, or the openssh transport",
		    link->trace.host);
	}
	if (link->dead || link_fatal(link, rc))
		return error_set(err, ERROR_UNREACHABLE, "%s: %s", link->phase, link_death(link));
	return error_set(err, ERROR_UNREACHABLE, "%s: %s", link->phase, link_last_error(link));
}

static int offer(struct link *link, const struct ssh_config *config, const char *host_key_types,
    struct error *err)
{
	if (algorithms_set(link->ssh, config) < 0) {
		link->beyond = "libssh2 has none of the configured algorithms";
		error_set(err, ERROR_UNREACHABLE,
		    "ssh's configuration (Ciphers, MACs, KexAlgorithms) allows nothing that this "
		    "libssh2 (%s) has",
		    libssh2_version(0));
		return error_hint(err, "the openssh transport has them");
	}
	if (algorithms_set_host_keys(link->ssh, config, host_key_types) == 0)
		return 0;
	link->beyond = "libssh2 can check none of the host's known keys";
	return error_set(err, ERROR_HOST_KEY,
	    "this libssh2 (%s) can check none of the host key types %s", libssh2_version(0),
	    host_key_types);
}

int link_handshake(struct link *link, const struct ssh_config *config, const char *host_key_types,
    bool *ret_throttled, struct error *err)
{
	int rc;

	*ret_throttled = false;
	link->phase = "banner";
	if (offer(link, config, host_key_types, err) < 0)
		return -1;
	for (;;) {
		rc = libssh2_session_handshake(link->ssh, link->fd);
		if (libssh2_session_banner_get(link->ssh) != NULL)
			link->phase = "key exchange";
		if (rc != LIBSSH2_ERROR_EAGAIN)
			break;
		if (link_wait(link, err) < 0)
			return -1;
	}
	if (rc == 0)
		return 0;
	*ret_throttled = libssh2_session_banner_get(link->ssh) == NULL;
	return explain_handshake(link, rc, err);
}

static void say_goodbye(struct link *link, int linger_ms)
{
	int64_t limit = clock_now_ms() + linger_ms;

	link->readable = false;
	if (link->dead || linger_ms <= 0)
		return;
	libssh2_session_disconnect(link->ssh, "bye");
	link_flush(link);
	while (!link->dead && sendqueue_pending(&link->queue) > 0) {
		struct pollfd slot = {.fd = link->fd, .events = POLLOUT};

		if (poll(&slot, 1, clock_left_ms(limit)) <= 0)
			break;
		link_ready(link, slot.revents);
		link_flush(link);
	}
}

/* While it sends something again, TCP sends nothing new: what a host whose answers are lost is told
 * last would stay here. A reset goes out at once, and ends the SSH server's process there. */
static void reset_if_stuck(int fd)
{
#ifdef TCP_INFO
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && info.tcpi_retransmits > 0)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
#else
	(void)fd;
#endif
}

void link_close(struct link *link, int linger_ms)
{
	if (link->ssh != NULL) {
		say_goodbye(link, linger_ms);
		/* Told that the socket is dead, libssh2 waits for nobody any more. */
		link_kill(link, ECONNABORTED);
		for (int i = 0; i < FREE_ROUNDS; i++)
			if (libssh2_session_free(link->ssh) != LIBSSH2_ERROR_EAGAIN)
				break;
	}
	if (link->fd >= 0) {
		reset_if_stuck(link->fd);
		close(link->fd);
	}
	sendqueue_release(&link->queue);
	link->ssh = NULL;
	link->fd = -1;
}
