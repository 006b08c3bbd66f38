/* A channel's bytes: three pumps between libssh2 and our sockets. */
#include <errno.h>
#include <poll.h>

#include "transport/ssh/libssh2/internal.h"

static ssize_t socket_result(struct port *port, ssize_t n, bool *flag)
{
	if (n >= 0)
		return n;
	if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		return PUMP_GONE;
	if (errno != EINTR)
		*flag = false;
	(void)port;
	return PUMP_AGAIN;
}

static ssize_t port_read(void *source, void *data, size_t len)
{
	struct port *port = source;

	if (port->fd < 0)
		return 0;
	if (!port->readable)
		return PUMP_AGAIN;
	return socket_result(port, recv(port->fd, data, len, MSG_DONTWAIT), &port->readable);
}

static ssize_t port_write(void *sink, const void *data, size_t len)
{
	struct port *port = sink;

	if (port->fd < 0)
		return PUMP_GONE;
	if (!port->writable)
		return PUMP_AGAIN;
	return socket_result(
	    port, send(port->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL), &port->writable);
}

static int port_finish(void *sink)
{
	const struct port *port = sink;

	return port->fd < 0 || shutdown(port->fd, SHUT_WR) < 0 ? PUMP_GONE : 0;
}

static ssize_t read_stream(struct channel *channel, int stream, void *data, size_t len)
{
	ssize_t n = libssh2_channel_read_ex(channel->ssh, stream, data, len);

	if (n == 0 && stream == 0)
		channel->eof_seen = true;
	if (n >= 0)
		return n;
	/* When the link is dead the session ends, and with it this stream. */
	return n == LIBSSH2_ERROR_EAGAIN || link_fatal(&channel->session->link, (int)n) ? PUMP_AGAIN
											: PUMP_GONE;
}

static ssize_t channel_read(void *source, void *data, size_t len)
{
	return read_stream(source, 0, data, len);
}

static ssize_t channel_read_err(void *source, void *data, size_t len)
{
	return read_stream(source, SSH_EXTENDED_DATA_STDERR, data, len);
}

/* Data that waits in the send queue would only delay the heartbeats of other channels. */
static ssize_t channel_write(void *sink, const void *data, size_t len)
{
	struct channel *channel = sink;
	struct link *link = &channel->session->link;
	ssize_t n;

	if (link_busy(link) || link->dead)
		return PUMP_AGAIN;
	n = libssh2_channel_write_ex(channel->ssh, 0, data, len);
	if (n > 0)
		return n;
	return n == 0 || n == LIBSSH2_ERROR_EAGAIN || link_fatal(link, (int)n) ? PUMP_AGAIN
									       : PUMP_GONE;
}

static int channel_finish(void *sink)
{
	struct channel *channel = sink;
	int rc = libssh2_channel_send_eof(channel->ssh);

	if (rc == LIBSSH2_ERROR_EAGAIN)
		return PUMP_AGAIN;
	return rc == 0 ? 0 : PUMP_GONE;
}

/* What a local forward's program says on its error stream has no descriptor here: to the log. */
static ssize_t log_write(void *sink, const void *data, size_t len)
{
	const struct channel *channel = sink;

	trace_line(&channel->session->trace, TRACE_SHORT, "%s: %.*s",
	    channel->command != NULL ? channel->command : "?", (int)len, (const char *)data);
	return (ssize_t)len;
}

static int log_finish(void *sink UNUSED)
{
	return 0;
}

static const struct pump_ends to_host_ends = {port_read, channel_write, channel_finish};
static const struct pump_ends from_host_ends = {channel_read, port_write, port_finish};
static const struct pump_ends err_ends = {channel_read_err, port_write, port_finish};
static const struct pump_ends err_log_ends = {channel_read_err, log_write, log_finish};

/* The peer of a Unix socket that closed it, rather than only its sending half, reads no more. */
static bool hung_up(const struct port *port)
{
	struct pollfd slot = {.fd = port->fd, .events = 0};

	return port->fd >= 0 && poll(&slot, 1, 0) == 1 && (slot.revents & (POLLHUP | POLLERR)) != 0;
}

static bool step_to_host(struct channel *channel)
{
	bool flowing = channel->to_host.state == PUMP_FLOWING;
	bool any = pump_turn(&channel->to_host, &to_host_ends, &channel->in, channel, PASS_BYTES);

	if (flowing && channel->to_host.state != PUMP_FLOWING &&
	    channel->in.fd == channel->out.fd && hung_up(&channel->in))
		pump_break(&channel->from_host, true);
	return any;
}

static bool step_err(struct channel *channel)
{
	if (channel->kind == CHANNEL_EXEC)
		return pump_turn(
		    &channel->from_host_err, &err_ends, channel, &channel->err, PASS_BYTES);
	if (channel->command != NULL)
		return pump_turn(
		    &channel->from_host_err, &err_log_ends, channel, channel, PASS_BYTES);
	return false;
}

/* Also takes what has come off the socket while this channel itself wants nothing. */
static bool look_for_end(struct channel *channel)
{
	int rc;

	if (!channel->eof_seen) {
		rc = libssh2_channel_wait_eof(channel->ssh);
		if (rc < 0 && rc != LIBSSH2_ERROR_EAGAIN)
			link_fatal(&channel->session->link, rc);
		return false;
	}
	if (channel->closed_seen)
		return false;
	rc = libssh2_channel_wait_closed(channel->ssh);
	if (rc == LIBSSH2_ERROR_EAGAIN || (rc < 0 && link_fatal(&channel->session->link, rc)))
		return false;
	channel->closed_seen = true;
	/* What has not left yet nobody there will take: the window stays at 0 for ever. */
	pump_break(&channel->to_host, false);
	if (channel->kind == CHANNEL_EXEC)
		port_close(&channel->in);
	return true;
}

bool stream_step(struct channel *channel)
{
	bool any = false;

	any |= pump_turn(&channel->from_host, &from_host_ends, channel, &channel->out, PASS_BYTES);
	any |= step_err(channel);
	any |= step_to_host(channel);
	any |= look_for_end(channel);
	return any;
}

void port_close(struct port *port)
{
	if (port->fd >= 0)
		close(port->fd);
	port->fd = -1;
	port->readable = false;
	port->writable = false;
}

void stream_close(struct channel *channel)
{
	if (channel->out.fd == channel->in.fd)
		channel->out.fd = -1;
	port_close(&channel->in);
	port_close(&channel->out);
	port_close(&channel->err);
	pump_release(&channel->to_host);
	pump_release(&channel->from_host);
	pump_release(&channel->from_host_err);
}
