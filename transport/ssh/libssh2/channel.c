#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "transport/ssh/libssh2/internal.h"
#include "transport/ssh/wire.h"

enum { MESSAGE_MAX = 4096, STATUS_STOPPED = 128 + SIGHUP, STARVED_MS = 50 };

static const char *const state_names[] = {
    "connecting", "queued", "opening", "starting", "open", "closing", "gone"};
static const char *const kind_names[] = {
    "exec", "remote forward", "local forward", "connection", "ping"};

void channel_set_state(struct channel *channel, enum channel_state state)
{
	if (channel->state == state)
		return;
	trace_line(&channel->session->trace, TRACE_LONG, "channel %u (%s): %s -> %s",
	    channel->number, kind_names[channel->kind], state_names[channel->state],
	    state_names[state]);
	channel->state = state;
}

struct channel *channel_new(
    struct ssh2_session *session, enum channel_kind kind, enum channel_state state)
{
	struct channel *channel;

	if (session->n_channels >= CHANNELS_MAX)
		return NULL;
	channel = calloc(1, sizeof(*channel));
	if (channel == NULL)
		return NULL;
	channel->number = ++session->last_channel;
	channel->kind = kind;
	channel->state = state;
	channel->session = session;
	channel->in.fd = channel->out.fd = channel->err.fd = -1;
	channel->deadline_ms =
	    clock_now_ms() + (state == CHANNEL_CONNECTING ? LOCAL_CONNECT_MS : REQUEST_MS);
	buf_init(&channel->message, MESSAGE_MAX);
	channel->next = session->channels;
	session->channels = channel;
	session->n_channels++;
	return channel;
}

static int message_tcp(struct buf *message, const char *to, const char *colon)
{
	size_t len = (size_t)(colon - to);
	long port = strtol(colon + 1, NULL, 10);

	if (len >= 2 && to[0] == '[' && to[len - 1] == ']') {
		to++;
		len -= 2;
	}
	if (wire_add_string(message, to, len) < 0 || wire_add_u32(message, (uint32_t)port) < 0 ||
	    wire_add_string(message, "127.0.0.1", 9) < 0)
		return -1;
	return wire_add_u32(message, 0);
}

/* RFC 4254 §6.1 (session), §7.2 (direct-tcpip), OpenSSH's PROTOCOL §2.4 (streamlocal). */
int channel_open_to(struct channel *channel, const char *to, bool is_command)
{
	const char *colon = strrchr(to, ':');

	if (is_command) {
		channel->type = "session";
		channel->command = strdup(to);
		return channel->command != NULL ? 0 : -1;
	}
	if (to[0] != '/' && colon != NULL) {
		channel->type = "direct-tcpip";
		return message_tcp(&channel->message, to, colon);
	}
	channel->type = "direct-streamlocal@openssh.com";
	if (wire_add_string(&channel->message, to, strlen(to)) < 0 ||
	    wire_add_string(&channel->message, "", 0) < 0)
		return -1;
	return wire_add_u32(&channel->message, 0);
}

static struct channel *find_exec(struct ssh2_session *session, uint64_t id)
{
	for (struct channel *channel = session->channels; channel != NULL; channel = channel->next)
		if (channel->kind == CHANNEL_EXEC && channel->exec_id == id)
			return channel;
	return NULL;
}

void channel_start(struct ssh2_session *session, struct request *request)
{
	bool is_exec = request->kind == REQUEST_EXEC;
	struct channel *channel =
	    channel_new(session, is_exec ? CHANNEL_EXEC : CHANNEL_CONNECTION, CHANNEL_QUEUED);
	CLEANUP_ERROR struct error err = {0};

	if (channel == NULL) {
		if (session->n_channels >= CHANNELS_MAX)
			error_set(&err, ERROR_FAILED, "too many channels in this session (%d)",
			    CHANNELS_MAX);
		else
			error_memory(&err);
		request_answer(session, request, -1, &err);
		return;
	}
	channel->exec_id = request->exec_id;
	if (request->deadline_ms > 0 && request->deadline_ms < channel->deadline_ms)
		channel->deadline_ms = request->deadline_ms;
	if (channel_open_to(channel, request->to, is_exec) < 0) {
		error_memory(&err);
		request_answer(session, request, -1, &err);
		channel_set_state(channel, CHANNEL_GONE);
		return;
	}
	channel->request = request;
}

/* Close it whatever state it is in; in the middle of an open libssh2 must be let finish first. */
void channel_close(struct channel *channel)
{
	channel->abandoned = true;
	stream_close(channel);
	if (channel->state == CHANNEL_OPENING || channel->state >= CHANNEL_CLOSING)
		return;
	ping_forget(channel->session, channel);
	channel_set_state(channel, channel->ssh != NULL ? CHANNEL_CLOSING : CHANNEL_GONE);
}

void channel_stop_exec(struct ssh2_session *session, struct request *request)
{
	struct channel *channel = find_exec(session, request->exec_id);

	if (channel != NULL && !channel->closed_seen) {
		channel_close(channel);
		exec_ended(session, request->exec_id, STATUS_STOPPED);
	}
	request_answer(session, request, 0, NULL);
}

static void answer(struct channel *channel, int result, struct error *why)
{
	struct request *request = channel->request;

	channel->request = NULL;
	if (request != NULL)
		request_answer(channel->session, request, result, why);
	else if (result < 0 && channel->local != NULL)
		local_refused(channel->local, channel->session, why);
}

static void fail(struct channel *channel, struct error *why)
{
	trace_line(&channel->session->trace, TRACE_SHORT, "%s", error_text(why));
	answer(channel, -1, why);
	channel_close(channel);
}

static void explain_refusal(const struct channel *channel, struct error *why)
{
	const char *text = link_last_error(&channel->session->link);
	const char *to = channel->local != NULL	    ? channel->local->to
			 : channel->request != NULL ? channel->request->to
						    : "";

	if (strcmp(channel->type, "session") == 0) {
		error_set(why, ERROR_FAILED, "the host opens no session channel: %s", text);
		error_hint(why, "look at MaxSessions in the host's sshd_config");
	} else if (strcmp(channel->type, "direct-tcpip") == 0) {
		error_set(why, ERROR_FAILED, "the host does not connect to %s: %s", to, text);
		error_hint(why, "does something listen there? also look at AllowTcpForwarding, "
				"PermitOpen and DisableForwarding in the host's sshd_config, and "
				"at the options in authorized_keys");
	} else {
		error_set(why, ERROR_FAILED, "the host does not connect to %s: %s", to, text);
		error_hint(why, "is the socket there, and may this user open it? also look at "
				"AllowStreamLocalForwarding and DisableForwarding in the host's "
				"sshd_config");
	}
}

static void opened(struct channel *channel);

static bool step_opening(struct channel *channel)
{
	struct ssh2_session *session = channel->session;
	CLEANUP_ERROR struct error why = {0};

	channel->ssh = libssh2_channel_open_ex(session->link.ssh, channel->type,
	    (unsigned)strlen(channel->type), WINDOW_BYTES, PACKET_BYTES, channel->message.data,
	    (unsigned)channel->message.len);
	if (channel->ssh == NULL) {
		int rc = libssh2_session_last_errno(session->link.ssh);

		if (rc == LIBSSH2_ERROR_EAGAIN || link_fatal(&session->link, rc))
			return false;
		explain_refusal(channel, &why);
	}
	session->opening = NULL;
	channel_set_state(channel, CHANNEL_STARTING);
	if (channel->ssh == NULL)
		fail(channel, &why);
	else if (channel->abandoned)
		channel_close(channel);
	else if (channel->command == NULL)
		opened(channel);
	return true;
}

static bool step_starting(struct channel *channel)
{
	struct link *link = &channel->session->link;
	CLEANUP_ERROR struct error why = {0};
	int rc = libssh2_channel_process_startup(
	    channel->ssh, "exec", 4, channel->command, (unsigned)strlen(channel->command));

	if (rc == LIBSSH2_ERROR_EAGAIN || (rc < 0 && link_fatal(link, rc)))
		return false;
	if (rc == 0) {
		opened(channel);
		return true;
	}
	error_set(
	    &why, ERROR_FAILED, "the host refuses to run a program: %s", link_last_error(link));
	fail(channel, &why);
	return true;
}

/* An exec's descriptors change hands here and not before: until now they were the asker's. */
static void opened(struct channel *channel)
{
	const struct request *request = channel->request;

	if (request != NULL) {
		channel->in.fd = request->fds[0];
		channel->out.fd = request->fds[1];
		channel->err.fd = request->fds[2];
	}
	channel_set_state(channel, CHANNEL_OPEN);
	answer(channel, 0, NULL);
}

/* RFC 4254 §6.10; the names that both sides know. */
static int signal_number(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} signals[] = {{"ABRT", SIGABRT}, {"ALRM", SIGALRM}, {"FPE", SIGFPE}, {"HUP", SIGHUP},
	    {"ILL", SIGILL}, {"INT", SIGINT}, {"KILL", SIGKILL}, {"PIPE", SIGPIPE},
	    {"QUIT", SIGQUIT}, {"SEGV", SIGSEGV}, {"TERM", SIGTERM}, {"USR1", SIGUSR1},
	    {"USR2", SIGUSR2}, {"BUS", SIGBUS}, {"SYS", SIGSYS}, {"XCPU", SIGXCPU}};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (strcmp(signals[i].name, name) == 0)
			return signals[i].number;
	return SIGKILL;
}

static int exit_status(LIBSSH2_CHANNEL *ssh)
{
	char *name = NULL;
	size_t len = 0;
	int status = libssh2_channel_get_exit_status(ssh);

	libssh2_channel_get_exit_signal(ssh, &name, &len, NULL, NULL, NULL, NULL);
	if (name != NULL)
		status = 128 + signal_number(name);
	free(name);
	return status;
}

static bool is_over(const struct channel *channel)
{
	bool out = channel->from_host.state == PUMP_ENDED;

	if (channel->kind == CHANNEL_EXEC)
		return channel->closed_seen && out && channel->from_host_err.state == PUMP_ENDED;
	if (channel->to_host.state != PUMP_ENDED)
		return false;
	/* With nobody left here to read, close, so that the far side stops sending. */
	return out || channel->from_host.sink_gone;
}

static bool step_open(struct channel *channel)
{
	bool closed = channel->closed_seen;
	bool any = stream_step(channel);

	if (channel->kind == CHANNEL_EXEC && channel->closed_seen && !closed)
		exec_ended(channel->session, channel->exec_id, exit_status(channel->ssh));
	if (!is_over(channel))
		return any;
	channel_close(channel);
	return true;
}

static bool step_closing(struct channel *channel)
{
	if (libssh2_channel_free(channel->ssh) == LIBSSH2_ERROR_EAGAIN)
		return false;
	channel->ssh = NULL;
	channel_set_state(channel, CHANNEL_GONE);
	return true;
}

static bool step_queued(struct channel *channel)
{
	struct ssh2_session *session = channel->session;

	if (session->opening != NULL || session->ping == PING_OPEN)
		return false;
	session->opening = channel;
	channel_set_state(channel, CHANNEL_OPENING);
	return true;
}

/* The deadline is for who waits; an open that libssh2 has begun goes on without him. */
static bool expire(struct channel *channel)
{
	CLEANUP_ERROR struct error why = {0};

	if (channel->state >= CHANNEL_OPEN || channel->abandoned ||
	    clock_left_ms(channel->deadline_ms) > 0)
		return false;
	error_set(&why, ERROR_TIMEOUT, "%s: no answer in time (%s)", kind_names[channel->kind],
	    state_names[channel->state]);
	fail(channel, &why);
	return true;
}

bool channel_step(struct channel *channel)
{
	if (expire(channel))
		return true;
	switch (channel->state) {
	case CHANNEL_CONNECTING:
		return remote_connect(channel);
	case CHANNEL_QUEUED:
		return step_queued(channel);
	case CHANNEL_OPENING:
		return step_opening(channel);
	case CHANNEL_STARTING:
		return step_starting(channel);
	case CHANNEL_OPEN:
		return step_open(channel);
	case CHANNEL_CLOSING:
		return step_closing(channel);
	default:
		return false;
	}
}

int64_t channel_timer(const struct channel *channel)
{
	if (channel->to_host.starved || channel->from_host.starved ||
	    channel->from_host_err.starved)
		return clock_now_ms() + STARVED_MS;
	return channel->state < CHANNEL_OPEN && !channel->abandoned ? channel->deadline_ms : -1;
}

static void channel_free(struct channel *channel)
{
	stream_close(channel);
	buf_release(&channel->message);
	free(channel->command);
	free(channel);
}

void channel_sweep(struct ssh2_session *session)
{
	struct channel **at = &session->channels;

	while (*at != NULL) {
		struct channel *channel = *at;

		if (channel->state != CHANNEL_GONE) {
			at = &channel->next;
			continue;
		}
		*at = channel->next;
		session->n_channels--;
		channel_free(channel);
	}
}

void channel_drop_all(struct ssh2_session *session)
{
	while (session->channels != NULL) {
		struct channel *channel = session->channels;

		session->channels = channel->next;
		if (channel->request != NULL)
			request_answer(session, channel->request, -1, NULL);
		channel_free(channel);
	}
	session->n_channels = 0;
	session->opening = NULL;
}
