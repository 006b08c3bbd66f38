/* The I/O thread of a session. It sleeps in one poll(2), then makes one pass over everything. Only
 * a pass that moved nothing and took no bytes off the socket may be followed by sleep: such bytes
 * are inside libssh2 then, where poll does not see them. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "transport/ssh/libssh2/internal.h"

enum { SLOT_LINK, SLOT_WAKE, SLOT_CANCEL, SLOTS_FIXED, SLOTS_STEP = 64 };
enum { RETRY_MS = 10, GOODBYE_MS = 500 };

static int64_t earlier(int64_t a, int64_t b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

static bool grow(struct ssh2_session *session)
{
	size_t max = session->max_slots + SLOTS_STEP;
	struct pollfd *slots = realloc(session->slots, max * sizeof(*slots));
	struct port **ports;

	if (slots == NULL)
		return false;
	session->slots = slots;
	ports = realloc(session->ports, max * sizeof(*ports));
	if (ports == NULL)
		return false;
	session->ports = ports;
	session->max_slots = max;
	return true;
}

/* Without memory for a slot that descriptor waits until something else happens. */
static void add_slot(struct ssh2_session *session, int fd, short events, struct port *port)
{
	if (session->n_slots == session->max_slots && !grow(session))
		return;
	session->slots[session->n_slots] = (struct pollfd){.fd = fd, .events = events};
	session->ports[session->n_slots++] = port;
}

/* Only what is wanted and not known to be ready: a descriptor that hung up and that nobody wants
 * would wake us for ever. */
static void watch_channel(struct ssh2_session *session, struct channel *channel)
{
	if (channel->state == CHANNEL_CONNECTING && channel->out.fd >= 0)
		add_slot(session, channel->out.fd, POLLOUT, &channel->out);
	if (channel->state != CHANNEL_OPEN)
		return;
	if (channel->in.fd >= 0 && !channel->in.readable && pump_wants_read(&channel->to_host))
		add_slot(session, channel->in.fd, POLLIN, &channel->in);
	if (channel->out.fd >= 0 && !channel->out.writable && pump_wants_write(&channel->from_host))
		add_slot(session, channel->out.fd, POLLOUT, &channel->out);
	if (channel->err.fd >= 0 && !channel->err.writable &&
	    pump_wants_write(&channel->from_host_err))
		add_slot(session, channel->err.fd, POLLOUT, &channel->err);
}

static void watch(struct ssh2_session *session)
{
	struct link *link = &session->link;
	short events = link->readable ? 0 : POLLIN;
	int64_t now = clock_now_ms();

	if (sendqueue_pending(&link->queue) > 0)
		events |= POLLOUT;
	session->n_slots = 0;
	add_slot(session, events != 0 ? link->fd : -1, events, NULL);
	add_slot(session, session->wake[0], POLLIN, NULL);
	add_slot(session, atomic_load(&session->cancel_fd), POLLIN, NULL);
	for (struct local *local = session->locals; local != NULL; local = local->next)
		if (!local->port.readable && local->resume_ms <= now &&
		    session->n_channels < CHANNELS_MAX)
			add_slot(session, local->port.fd, POLLIN, &local->port);
	for (struct channel *channel = session->channels; channel != NULL; channel = channel->next)
		watch_channel(session, channel);
}

static int64_t next_timer(const struct ssh2_session *session)
{
	int64_t timer = ping_timer(session), now = clock_now_ms();

	for (const struct channel *channel = session->channels; channel != NULL;
	     channel = channel->next) {
		timer = earlier(timer, channel_timer(channel));
		if (channel->state == CHANNEL_CONNECTING && channel->remote->path != NULL)
			timer = earlier(timer, now + RETRY_MS);
	}
	if (session->asking != NULL && session->asking->request != NULL)
		timer = earlier(timer, session->asking->deadline_ms);
	for (const struct local *local = session->locals; local != NULL; local = local->next)
		if (local->resume_ms > now)
			timer = earlier(timer, local->resume_ms);
	return timer;
}

static void swallow_wakes(const struct ssh2_session *session)
{
	char bytes[64];

	while (read(session->wake[0], bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes))
		;
}

/* Sleep until something is ready, and note what. False: cancelled. */
static bool wait_ready(struct ssh2_session *session, bool sleep)
{
	int n;

	watch(session);
	n = poll(session->slots, session->n_slots, sleep ? clock_left_ms(next_timer(session)) : 0);
	if (n <= 0)
		return true;
	/* Another descriptor may have been set while this one was being waited for. */
	if (session->slots[SLOT_CANCEL].revents != 0 &&
	    session->slots[SLOT_CANCEL].fd == atomic_load(&session->cancel_fd))
		return false;
	if (session->slots[SLOT_WAKE].revents != 0)
		swallow_wakes(session);
	link_ready(&session->link, session->slots[SLOT_LINK].revents);
	for (size_t i = SLOTS_FIXED; i < session->n_slots; i++) {
		short revents = session->slots[i].revents;

		if (revents != 0 && session->slots[i].events & POLLIN)
			session->ports[i]->readable = true;
		if (revents != 0 && session->slots[i].events & POLLOUT)
			session->ports[i]->writable = true;
	}
	return true;
}

static bool take_requests(struct ssh2_session *session)
{
	struct request *request;
	bool any = false;

	while ((request = request_take(session)) != NULL) {
		any = true;
		switch (request->kind) {
		case REQUEST_EXEC:
		case REQUEST_CONNECT:
			channel_start(session, request);
			break;
		case REQUEST_EXEC_STOP:
			channel_stop_exec(session, request);
			break;
		case REQUEST_LISTEN:
			remote_start(session, request);
			break;
		case REQUEST_CANCEL:
			remote_cancel(session, request);
			break;
		case REQUEST_FORWARD:
			local_start(session, request);
			break;
		}
	}
	return any;
}

/* The first in the list goes to its end, so that each is the first to find room in the send queue.
 */
static void rotate(struct ssh2_session *session)
{
	struct channel *first = session->channels, **end = &session->channels;

	if (first == NULL || first->next == NULL)
		return;
	session->channels = first->next;
	first->next = NULL;
	while (*end != NULL)
		end = &(*end)->next;
	*end = first;
}

/* Programs before forwards: what goes to them is little, and heartbeats are among it. */
static bool step_channels(struct ssh2_session *session)
{
	bool any = false;

	for (int execs = 1; execs >= 0; execs--)
		for (struct channel *channel = session->channels; channel != NULL;
		     channel = channel->next)
			if ((channel->kind == CHANNEL_EXEC) == (execs == 1))
				any |= channel_step(channel);
	channel_sweep(session);
	rotate(session);
	return any;
}

static bool pass(struct ssh2_session *session)
{
	uint64_t received = session->link.received;
	bool any = take_requests(session);

	for (struct remote *remote = session->remotes; remote != NULL; remote = remote->next)
		any |= remote_step(session, remote);
	for (struct local *local = session->locals; local != NULL; local = local->next)
		any |= local_accept(session, local);
	any |= step_channels(session);
	any |= ping_step(session);
	link_flush(&session->link);
	link_pace(&session->link);
	return any || session->link.received != received;
}

static bool is_closing(struct ssh2_session *session)
{
	bool closing;

	pthread_mutex_lock(&session->lock);
	closing = session->closing;
	pthread_mutex_unlock(&session->lock);
	return closing;
}

static void explain_loss(struct ssh2_session *session, struct error *why)
{
	char when[CLOCK_UTC_SIZE];

	clock_format_utc(time(NULL), when);
	error_set(why, ERROR_UNREACHABLE, "the connection to %s was lost at %s: %s",
	    session->base.describe, when, link_death(&session->link));
	proxy_blame(&session->proxy, why);
}

/* Until the link is dead, somebody cancels, or session_close. */
static void serve(struct ssh2_session *session, struct error *why)
{
	bool busy = true;

	for (;;) {
		if (!wait_ready(session, !busy)) {
			error_set(why, ERROR_CANCELLED, "cancelled");
			return;
		}
		busy = pass(session);
		if (ping_lost(session))
			link_kill(&session->link, ETIMEDOUT);
		if (session->link.dead) {
			explain_loss(session, why);
			return;
		}
		if (is_closing(session))
			return;
	}
}

static void end(struct ssh2_session *session, struct error *why)
{
	struct request *request;

	trace_line(&session->trace, TRACE_LONG, "session ends: %s",
	    why->kind != ERROR_NONE ? error_text(why) : "closed");
	pthread_mutex_lock(&session->lock);
	session->state = SESSION_ENDED;
	error_move(&session->why, why);
	pthread_cond_broadcast(&session->changed);
	pthread_mutex_unlock(&session->lock);
	while ((request = request_take(session)) != NULL)
		request_answer(session, request, -1, NULL);
	channel_drop_all(session);
	forward_drop_all(session);
	cancel_fire(&session->lost);
}

void *loop_run(void *argument)
{
	struct ssh2_session *session = argument;
	CLEANUP_ERROR struct error why = {0};
	bool orderly;

	if (grow(session))
		serve(session, &why);
	else
		error_memory(&why);
	orderly = !session->link.dead;
	end(session, &why);
	link_close(&session->link, orderly ? GOODBYE_MS : 0);
	return NULL;
}
