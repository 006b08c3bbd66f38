/* Forwards: the master listens and connects, except for those to a program's stdio. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/proc.h"
#include "transport/ssh/openssh/internal.h"
#include "transport/socket.h"

enum { BRIDGE_MS = 10000 };

static const char loopback[] = "127.0.0.1";

/* A path, or HOST:PORT, in the master's terms. */
static int set_connect(const char *target, char **ret_connect, int *ret_port, struct error *err)
{
	if (target[0] != '/')
		return socket_split(target, ret_connect, ret_port, err);
	*ret_port = MUX_PATH;
	*ret_connect = strdup(target);
	return *ret_connect != NULL ? 0 : error_memory(err);
}

static int ask(struct openssh_session *session, const struct mux_forward *forward, int *ret_port,
    struct error *err)
{
	const struct mux_wait wait = openssh_patience(session);
	CLEANUP_CLOSE int mux = openssh_connect(session, &wait, err);

	if (mux < 0)
		return -1;
	return mux_forward(mux, forward, ret_port, &wait, err) < 0 ? openssh_failed(session, err)
								   : 0;
}

/* --- remote */

static struct mux_forward forward_of(const struct remote *remote)
{
	return (struct mux_forward){.direction = MUX_REMOTE,
	    .listen = loopback,
	    .connect = remote->connect,
	    .connect_port = remote->connect_port};
}

static void remote_free(struct remote *remote)
{
	if (remote != NULL)
		free(remote->connect);
	free(remote);
}

static void keep_remote(struct openssh_session *session, struct remote *remote)
{
	struct remote *same;

	pthread_mutex_lock(&session->lock);
	same = session->remotes;
	while (same != NULL && same->port != remote->port)
		same = same->next;
	if (same != NULL) {
		same->users++;
	} else {
		remote->users = 1;
		remote->next = session->remotes;
		session->remotes = remote;
	}
	pthread_mutex_unlock(&session->lock);
	if (same != NULL)
		remote_free(remote);
}

/* The one that nobody uses any more; NULL: there is none, or `ret_others`: somebody does. */
static struct remote *drop_remote(struct openssh_session *session, int port, bool *ret_others)
{
	struct remote **at, *remote;

	pthread_mutex_lock(&session->lock);
	at = &session->remotes;
	while (*at != NULL && (*at)->port != port)
		at = &(*at)->next;
	remote = *at;
	*ret_others = remote != NULL && --remote->users > 0;
	if (*ret_others)
		remote = NULL;
	else if (remote != NULL)
		*at = remote->next;
	pthread_mutex_unlock(&session->lock);
	return remote;
}

int openssh_forward_remote(
    struct session *base, const char *target, int *ret_port, struct error *err)
{
	struct openssh_session *session = openssh_of(base);
	struct remote *remote = calloc(1, sizeof(*remote));
	struct mux_forward forward;
	int rc;

	if (remote == NULL)
		return error_memory(err);
	rc = set_connect(target, &remote->connect, &remote->connect_port, err);
	if (rc < 0) {
		remote_free(remote);
		return -1;
	}
	forward = forward_of(remote);
	pthread_mutex_lock(&session->forwarding);
	rc = ask(session, &forward, &remote->port, err);
	if (rc == 0) {
		*ret_port = remote->port;
		keep_remote(session, remote);
	}
	pthread_mutex_unlock(&session->forwarding);
	if (rc == 0)
		return 0;
	remote_free(remote);
	return err != NULL && err->kind == ERROR_FAILED ? session_refused_forward(err) : -1;
}

int openssh_forward_cancel(struct session *base, int port, struct error *err)
{
	struct openssh_session *session = openssh_of(base);
	const struct mux_wait wait = openssh_patience(session);
	struct mux_forward forward;
	struct remote *remote;
	bool others;
	int mux = -1, rc = 0;

	pthread_mutex_lock(&session->forwarding);
	remote = drop_remote(session, port, &others);
	if (remote != NULL) {
		forward = forward_of(remote);
		mux = openssh_connect(session, &wait, err);
		rc = mux < 0 ? -1 : mux_forward_cancel(mux, &forward, &wait, err);
	} else if (!others) {
		rc = error_set(err, ERROR_NOT_FOUND, "no remote forward at port %d", port);
	}
	pthread_mutex_unlock(&session->forwarding);
	if (mux >= 0)
		close(mux);
	if (remote != NULL && rc < 0)
		openssh_failed(session, err);
	remote_free(remote);
	return rc;
}

/* --- local */

static void local_free(struct local *local)
{
	if (local == NULL)
		return;
	if (local->fd >= 0)
		close(local->fd);
	if (local->path != NULL)
		unlink(local->path);
	free(local->path);
	free(local->to);
	error_release(&local->refused);
	free(local);
}

static int listen_here(struct openssh_session *session, struct local *local, struct error *err)
{
	local->fd = socket_listen(session->run_dir, &local->path, err);
	return local->fd < 0 ? -1 : 0;
}

static int listen_there(struct openssh_session *session, struct local *local, struct error *err)
{
	CLEANUP_FREE char *connect = NULL;
	struct mux_forward forward = {.direction = MUX_LOCAL, .listen_port = MUX_PATH};

	local->path = socket_name(session->run_dir, err);
	if (local->path == NULL || set_connect(local->to, &connect, &forward.connect_port, err) < 0)
		return -1;
	forward.listen = local->path;
	forward.connect = connect;
	return ask(session, &forward, NULL, err);
}

int openssh_forward_local(
    struct session *base, const char *to, bool is_command, char **ret_path, struct error *err)
{
	struct openssh_session *session = openssh_of(base);
	CLEANUP_FREE char *path = NULL;
	struct local *local = calloc(1, sizeof(*local));
	int rc;

	if (local == NULL)
		return error_memory(err);
	local->fd = -1;
	local->to = strdup(to);
	if (local->to == NULL)
		rc = error_memory(err);
	else
		rc = is_command ? listen_here(session, local, err)
				: listen_there(session, local, err);
	if (rc == 0 && (local->path == NULL || (path = strdup(local->path)) == NULL))
		rc = error_memory(err);
	if (rc < 0) {
		local_free(local);
		return -1;
	}
	pthread_mutex_lock(&session->lock);
	local->next = session->locals;
	session->locals = local;
	pthread_mutex_unlock(&session->lock);
	openssh_wake(session);
	*ret_path = steal_ptr(path);
	return 0;
}

int openssh_forward_error(struct session *base, const char *path, struct error *err)
{
	struct openssh_session *session = openssh_of(base);
	const struct said *said = &session->master.said;
	int rc = 0;

	pthread_mutex_lock(&session->lock);
	openssh_listen(session);
	for (struct local *local = session->locals; local != NULL; local = local->next) {
		if (strcmp(local->path, path) != 0)
			continue;
		if (local->refused.kind != ERROR_NONE)
			rc = error_set(err, local->refused.kind, "%s", error_text(&local->refused));
		else if (local->fd < 0 && said->refused != NULL &&
			 strcmp(said->refused_to, local->to) == 0)
			rc = error_set(err, ERROR_FAILED,
			    "the host refuses the connection to %s: %s", local->to, said->refused);
	}
	pthread_mutex_unlock(&session->lock);
	return rc;
}

/* --- connections whose ends the master has */

static int keep_bridge(struct openssh_session *session, int *mux, struct error *err)
{
	struct bridge *bridge = calloc(1, sizeof(*bridge));

	if (bridge == NULL)
		return error_memory(err);
	bridge->mux = steal_fd(mux);
	pthread_mutex_lock(&session->lock);
	bridge->next = session->bridges;
	session->bridges = bridge;
	session->n_bridges++;
	pthread_mutex_unlock(&session->lock);
	return 0;
}

/* ssh says in the answer only that it was refused, and why in its log. */
static int explain_refused(struct openssh_session *session, const char *to, struct error *err)
{
	const struct said *said = &session->master.said;

	pthread_mutex_lock(&session->lock);
	openssh_listen(session);
	error_set(err, ERROR_FAILED, "the host does not connect to %s: %s", to,
	    said->refused != NULL && strcmp(said->refused_to, to) == 0 ? said->refused : "refused");
	pthread_mutex_unlock(&session->lock);
	return -1;
}

static bool has_room(struct openssh_session *session)
{
	bool room;

	pthread_mutex_lock(&session->lock);
	room = session->n_bridges < BRIDGES_MAX;
	pthread_mutex_unlock(&session->lock);
	return room;
}

int openssh_stream(struct session *base, const char *to, int64_t deadline_ms, struct error *err)
{
	struct openssh_session *session = openssh_of(base);
	struct mux_wait wait = openssh_patience(session);
	CLEANUP_ERROR struct error why = {0};
	CLEANUP_FREE char *host = NULL;
	CLEANUP_CLOSE int near = -1, far = -1, mux = -1;
	int port, pair[2];

	if (!has_room(session))
		return error_set(err, ERROR_FAILED, "too many connections in this session");
	if (socket_split(to, &host, &port, err) < 0)
		return -1;
	if (fd_socketpair(pair) < 0)
		return error_errno(err, errno, "descriptors for a connection");
	near = pair[0];
	far = pair[1];
	if (deadline_ms > 0 && deadline_ms < wait.deadline_ms)
		wait.deadline_ms = deadline_ms;
	mux = openssh_connect(session, &wait, err);
	if (mux < 0)
		return -1;
	if (mux_stream(mux, host, port, far, &wait, &why) < 0) {
		if (why.kind == ERROR_FAILED)
			return explain_refused(session, to, err);
		openssh_failed(session, &why);
		if (err != NULL)
			error_move(err, &why);
		return -1;
	}
	if (keep_bridge(session, &mux, err) < 0)
		return -1;
	openssh_wake(session);
	return steal_fd(&near);
}

/* --- to a program; in the thread that watches the master, so not for long */

static int bridge_start(
    struct openssh_session *session, const char *command, int fd, struct error *err)
{
	const struct mux_wait wait = {
	    .deadline_ms = clock_now_ms() + BRIDGE_MS, .cancel_fd = session->stop.fd};
	CLEANUP_CLOSE int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
	CLEANUP_CLOSE int mux = mux_connect(session->master.control, &wait, err);
	const int fds[3] = {fd, fd, nothing};
	uint32_t number;

	if (mux < 0 || nothing < 0)
		return mux < 0 ? -1 : error_errno(err, errno, "/dev/null");
	if (mux_session(mux, command, fds, &number, &wait, err) < 0)
		return error_wrap(err, "the host refuses to run a program");
	return keep_bridge(session, &mux, err);
}

void openssh_accept(struct openssh_session *session, struct local *local)
{
	CLEANUP_ERROR struct error why = {0};
	CLEANUP_CLOSE int fd = socket_accept(local->fd);

	if (fd < 0 || bridge_start(session, local->to, fd, &why) == 0)
		return;
	pthread_mutex_lock(&session->lock);
	error_move(&local->refused, &why);
	pthread_mutex_unlock(&session->lock);
}

void openssh_drop_forwards(struct openssh_session *session)
{
	while (session->bridges != NULL) {
		struct bridge *bridge = session->bridges;

		session->bridges = bridge->next;
		close(bridge->mux);
		free(bridge);
	}
	while (session->locals != NULL) {
		struct local *local = session->locals;

		session->locals = local->next;
		local_free(local);
	}
	while (session->remotes != NULL) {
		struct remote *remote = session->remotes;

		session->remotes = remote->next;
		remote_free(remote);
	}
}
