/* Is the host still there?
 *
 * TCP_USER_TIMEOUT notices a dead machine or link. It does not notice a frozen sshd, whose kernel
 * goes on acknowledging, and there is no TCP of ours at all behind a ProxyCommand. So when nothing
 * was heard for 5 s the host is asked something that it must answer, and when it stays silent for
 * 12 s after that, the link counts as lost.
 *
 * keepalive@openssh.com with a reply cannot be used: libssh2 never takes the replies off its queue,
 * and a later forward_listen would read one as its own failure. What is asked instead is an "env"
 * request on a channel that is open (refused once a program runs, RFC 4254 §6.4), or else a channel
 * of an unknown type (refused, RFC 4254 §5.1); libssh2 waits for exactly that answer. */
#include <string.h>

#include "base/clock.h"
#include "transport/ssh/libssh2/internal.h"

enum { QUIET_MS = 5000, SILENCE_MS = 12000, DRAIN_MS = 1000 };

static const char variable[] = "SHIPIT_PING";
static const char channel_type[] = "ping@shipit.dev";

static struct channel *any_open(const struct ssh2_session *session)
{
	struct channel *channel = session->channels;

	while (channel != NULL && (channel->state != CHANNEL_OPEN || channel->closed_seen))
		channel = channel->next;
	return channel;
}

/* Also when there are bytes that no channel took: waiting for an answer takes them. */
static bool is_due(const struct ssh2_session *session, int64_t now)
{
	return now - session->link.heard_ms >= QUIET_MS ||
	       (session->link.readable && now - session->ping_ms >= DRAIN_MS);
}

static void start(struct ssh2_session *session, int64_t now)
{
	session->ping_channel = any_open(session);
	if (session->ping_channel != NULL)
		session->ping = PING_CHANNEL;
	else if (session->opening == NULL)
		session->ping = PING_OPEN;
	else
		return; /* that open is a question too, but may rightly take long */
	session->ping_ms = now;
}

static bool step_channel(struct ssh2_session *session)
{
	int rc = libssh2_channel_setenv_ex(
	    session->ping_channel->ssh, variable, sizeof(variable) - 1, "", 0);

	if (rc == LIBSSH2_ERROR_EAGAIN || link_fatal(&session->link, rc))
		return false;
	session->ping = PING_IDLE;
	session->ping_channel = NULL;
	return true;
}

static bool step_open(struct ssh2_session *session)
{
	LIBSSH2_CHANNEL *ssh = libssh2_channel_open_ex(session->link.ssh, channel_type,
	    sizeof(channel_type) - 1, WINDOW_BYTES, PACKET_BYTES, NULL, 0);
	struct channel *channel;
	int rc = ssh == NULL ? libssh2_session_last_errno(session->link.ssh) : 0;

	if (ssh == NULL && (rc == LIBSSH2_ERROR_EAGAIN || link_fatal(&session->link, rc)))
		return false;
	session->ping = PING_IDLE;
	if (ssh == NULL)
		return true;
	channel = channel_new(session, CHANNEL_PING, CHANNEL_CLOSING);
	if (channel != NULL)
		channel->ssh = ssh;
	return true;
}

bool ping_step(struct ssh2_session *session)
{
	int64_t now = clock_now_ms();

	if (session->ping == PING_IDLE && is_due(session, now))
		start(session, now);
	if (session->ping == PING_CHANNEL)
		return step_channel(session);
	return session->ping == PING_OPEN && step_open(session);
}

int64_t ping_timer(const struct ssh2_session *session)
{
	int64_t heard = session->link.heard_ms;

	if (session->ping == PING_IDLE) {
		int64_t now = clock_now_ms();

		/* When no question can be asked now, look again in a while. */
		if (session->link.readable || heard + QUIET_MS <= now)
			return now + DRAIN_MS;
		return heard + QUIET_MS;
	}
	return (heard > session->ping_ms ? heard : session->ping_ms) + SILENCE_MS;
}

void ping_forget(struct ssh2_session *session, const struct channel *channel)
{
	if (session->ping_channel != channel)
		return;
	session->ping = PING_IDLE;
	session->ping_channel = NULL;
}

bool ping_lost(const struct ssh2_session *session)
{
	return session->ping != PING_IDLE && clock_now_ms() >= ping_timer(session);
}
