#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "transport/ssh/libssh2/internal.h"
#include "transport/socket.h"

enum {
	PAUSE_MS = 200,
	/* Connections at once. Whoever has a login on a host can connect to its loopback: he must
	 * not take all channels of the session, nor all that the registry has room for. */
	REMOTE_CHANNELS_MAX = 32,
};

static const char *const remote_names[] = {"queued", "asking", "listening", "cancelling", "gone"};

/* ---- remote: the host listens ---- */

static void set_state(struct ssh2_session *session, struct remote *remote, enum remote_state state)
{
	trace_line(&session->trace, TRACE_LONG, "remote forward %d: %s -> %s", remote->port,
	    remote_names[remote->state], remote_names[state]);
	remote->state = state;
}

void remote_start(struct ssh2_session *session, struct request *request)
{
	struct remote *remote = request->remote;

	request->remote = NULL;
	remote->request = request;
	remote->state = REMOTE_QUEUED;
	remote->deadline_ms = clock_now_ms() + REQUEST_MS;
	pthread_mutex_lock(&session->lock);
	remote->next = session->remotes;
	session->remotes = remote;
	pthread_mutex_unlock(&session->lock);
}

static void answer(
    struct ssh2_session *session, struct remote *remote, int result, struct error *why)
{
	struct request *request = remote->request;

	remote->request = NULL;
	if (request == NULL)
		return;
	request->port = remote->port;
	request_answer(session, request, result, why);
}

void remote_cancel(struct ssh2_session *session, struct request *request)
{
	CLEANUP_ERROR struct error why = {0};

	for (struct remote *remote = session->remotes; remote != NULL; remote = remote->next) {
		if (remote->port != request->port || remote->state != REMOTE_LISTENING)
			continue;
		remote->request = request;
		set_state(session, remote, REMOTE_CANCELLING);
		return;
	}
	error_set(&why, ERROR_NOT_FOUND, "no remote forward at port %d", request->port);
	request_answer(session, request, -1, &why);
}

static bool step_asking(struct ssh2_session *session, struct remote *remote)
{
	CLEANUP_ERROR struct error why = {0};
	int port = 0;

	remote->listener =
	    libssh2_channel_forward_listen_ex(session->link.ssh, "127.0.0.1", 0, &port, 0);
	if (remote->listener == NULL) {
		int rc = libssh2_session_last_errno(session->link.ssh);

		if (rc == LIBSSH2_ERROR_EAGAIN || link_fatal(&session->link, rc)) {
			if (remote->request != NULL && clock_left_ms(remote->deadline_ms) == 0) {
				error_set(&why, ERROR_TIMEOUT,
				    "the host did not answer the request for a forward");
				answer(session, remote, -1, &why);
			}
			return false;
		}
		session_refused_forward(&why); /* libssh2 reports every refusal alike */
	}
	session->asking = NULL;
	pthread_mutex_lock(&session->lock);
	remote->port = port;
	pthread_mutex_unlock(&session->lock);
	if (remote->listener == NULL)
		set_state(session, remote, REMOTE_GONE);
	else /* with nobody left who waits for it, it is of no use */
		set_state(session, remote,
		    remote->request != NULL ? REMOTE_LISTENING : REMOTE_CANCELLING);
	answer(session, remote, remote->listener != NULL ? 0 : -1, &why);
	return true;
}

/* What comes after these waits until one has ended. */
static bool has_room(const struct ssh2_session *session, const struct remote *remote)
{
	size_t n = 0;

	for (const struct channel *channel = session->channels; channel != NULL;
	     channel = channel->next)
		n += channel->remote == remote;
	return n < REMOTE_CHANNELS_MAX && session->n_channels < CHANNELS_MAX;
}

static bool step_listening(struct ssh2_session *session, struct remote *remote)
{
	LIBSSH2_CHANNEL *ssh;
	bool any = false;

	while (has_room(session, remote) &&
	       (ssh = libssh2_channel_forward_accept(remote->listener)) != NULL) {
		struct channel *channel = channel_new(session, CHANNEL_REMOTE, CHANNEL_CONNECTING);

		any = true;
		if (channel == NULL) {
			libssh2_channel_free(ssh); /* or when the session is freed */
			continue;
		}
		channel->ssh = ssh;
		channel->remote = remote;
	}
	return any;
}

static bool step_cancelling(struct ssh2_session *session, struct remote *remote)
{
	if (libssh2_channel_forward_cancel(remote->listener) == LIBSSH2_ERROR_EAGAIN)
		return false;
	remote->listener = NULL;
	set_state(session, remote, REMOTE_GONE);
	answer(session, remote, 0, NULL);
	return true;
}

bool remote_step(struct ssh2_session *session, struct remote *remote)
{
	switch (remote->state) {
	case REMOTE_QUEUED:
		if (session->asking != NULL)
			return false;
		session->asking = remote;
		set_state(session, remote, REMOTE_ASKING);
		return true;
	case REMOTE_ASKING:
		return step_asking(session, remote);
	case REMOTE_LISTENING:
		return step_listening(session, remote);
	case REMOTE_CANCELLING:
		return step_cancelling(session, remote);
	default:
		return false;
	}
}

static void connected(struct channel *channel, int fd)
{
	channel->in.fd = fd;
	channel->out.fd = fd;
	channel_set_state(channel, CHANNEL_OPEN);
}

static bool refused(struct channel *channel, int errnum)
{
	trace_line(&channel->session->trace, TRACE_SHORT,
	    "remote forward %d: its target here cannot be reached: %s", channel->remote->port,
	    strerror(errnum));
	channel_close(channel);
	return true;
}

/* A Unix socket whose queue is full says EAGAIN, and poll cannot wait for it to have room. */
static bool connect_unix(struct channel *channel)
{
	int fd = socket_connect_unix(channel->remote->path);

	if (fd >= 0)
		connected(channel, fd);
	else if (errno != EAGAIN && errno != EINTR)
		return refused(channel, errno);
	return fd >= 0;
}

/* "localhost" is ::1 as well as 127.0.0.1, and a registry may listen on one of them only: what
 * refuses is followed by the next address. */
static bool try_tcp(struct channel *channel, const struct addrinfo *address)
{
	int why = ECONNREFUSED;

	for (; address != NULL; address = address->ai_next) {
		int fd = socket_open(address->ai_family, 0);

		channel->trying = address;
		if (fd < 0) {
			why = errno;
			continue;
		}
		if (connect(fd, address->ai_addr, address->ai_addrlen) == 0) {
			connected(channel, fd);
			return true;
		}
		if (errno == EINPROGRESS) {
			channel->out.fd = fd;
			channel->out.writable = false;
			return true;
		}
		why = errno;
		close(fd);
	}
	return refused(channel, why);
}

static bool try_next(struct channel *channel, int why)
{
	close(channel->out.fd);
	channel->out.fd = -1;
	if (channel->trying->ai_next == NULL)
		return refused(channel, why);
	return try_tcp(channel, channel->trying->ai_next);
}

bool remote_connect(struct channel *channel)
{
	int why = 0;
	socklen_t len = sizeof(why);

	if (channel->remote->path != NULL)
		return connect_unix(channel);
	if (channel->out.fd < 0)
		return try_tcp(channel, channel->remote->addresses);
	if (!channel->out.writable)
		return false;
	if (getsockopt(channel->out.fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0)
		why = errno;
	if (why != 0)
		return try_next(channel, why);
	connected(channel, channel->out.fd);
	return true;
}

void remote_free(struct remote *remote)
{
	if (remote == NULL)
		return;
	if (remote->addresses != NULL)
		freeaddrinfo(remote->addresses);
	free(remote->path);
	free(remote);
}

/* ---- local: a Unix socket here ---- */

void local_start(struct ssh2_session *session, struct request *request)
{
	struct local *local = request->local;

	request->local = NULL;
	pthread_mutex_lock(&session->lock);
	local->next = session->locals;
	session->locals = local;
	pthread_mutex_unlock(&session->lock);
	request_answer(session, request, 0, NULL);
}

static bool take(struct ssh2_session *session, struct local *local, int fd)
{
	struct channel *channel = channel_new(session, CHANNEL_LOCAL, CHANNEL_QUEUED);

	if (channel == NULL) {
		close(fd);
		return false;
	}
	channel->in.fd = fd;
	channel->out.fd = fd;
	channel->local = local;
	if (channel_open_to(channel, local->to, local->is_command) < 0)
		channel_close(channel);
	return true;
}

bool local_accept(struct ssh2_session *session, struct local *local)
{
	bool any = false;

	while (local->port.readable && session->n_channels < CHANNELS_MAX) {
		int fd = socket_accept(local->port.fd);

		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0) {
			local->port.readable = false;
			if (errno != EAGAIN && errno != EWOULDBLOCK)
				local->resume_ms = clock_now_ms() + PAUSE_MS;
			break;
		}
		any |= take(session, local, fd);
	}
	return any;
}

void local_refused(struct local *local, struct ssh2_session *session, struct error *why)
{
	pthread_mutex_lock(&session->lock);
	error_move(&local->refused, why);
	pthread_mutex_unlock(&session->lock);
}

void local_free(struct local *local)
{
	if (local == NULL)
		return;
	port_close(&local->port);
	if (local->path != NULL)
		unlink(local->path);
	free(local->path);
	free(local->to);
	error_release(&local->refused);
	free(local);
}

/* What may still be looked at is freed with the session. */
void forward_drop_all(struct ssh2_session *session)
{
	for (struct remote *remote = session->remotes; remote != NULL; remote = remote->next) {
		answer(session, remote, -1, NULL);
		remote->state = REMOTE_GONE;
	}
	for (struct local *local = session->locals; local != NULL; local = local->next) {
		port_close(&local->port);
		unlink(local->path);
	}
	session->asking = NULL;
}
