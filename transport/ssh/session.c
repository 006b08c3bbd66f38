#include "transport/ssh/session.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc.h"
#include "transport/ssh/internal.h"
#include "transport/ssh/socket.h"

enum { BACKLOG = 128, NAMES_TRIED = 1000, PATH_MAX_BYTES = 100, RESOLVE_MS = 10000 };

static int init_sync(struct session *session, struct error *err)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&session->lock, NULL);
	pthread_condattr_init(&attr);
#ifndef __APPLE__
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
#endif
	pthread_cond_init(&session->changed, &attr);
	pthread_condattr_destroy(&attr);
	if (cancel_init(&session->lost, err) < 0)
		return -1;
	if (fd_pipe(session->wake) < 0 || fd_nonblock(session->wake[0]) < 0 ||
	    fd_nonblock(session->wake[1]) < 0)
		return error_errno(err, errno, "a pipe for the session");
	return 0;
}

static struct session *session_new(const struct session_target *target)
{
	struct session *session = calloc(1, sizeof(*session));
	struct cancel none = CANCEL_INIT;

	if (session == NULL)
		return NULL;
	session->wake[0] = session->wake[1] = -1;
	session->link.fd = -1;
	session->lost = none;
	session->requests_end = &session->requests;
	session->next_exec = 1;
	atomic_init(&session->cancel_fd, target->cancel_fd);
	session->name = strdup(target->name);
	session->run_dir = strdup(target->run_dir != NULL ? target->run_dir : "");
	session->trace = (struct trace){target->log, target->context, session->name};
	return session;
}

static void release_lists(struct session *session)
{
	while (session->remotes != NULL) {
		struct remote *remote = session->remotes;

		session->remotes = remote->next;
		remote_free(remote);
	}
	while (session->locals != NULL) {
		struct local *local = session->locals;

		session->locals = local->next;
		local_free(local);
	}
	while (session->execs != NULL) {
		struct exec_record *record = session->execs;

		session->execs = record->next;
		free(record);
	}
}

static void session_free(struct session *session)
{
	link_close(&session->link, 0);
	proxy_stop(&session->proxy);
	release_lists(session);
	for (int i = 0; i < 2; i++)
		if (session->wake[i] >= 0)
			close(session->wake[i]);
	cancel_release(&session->lost);
	pthread_cond_destroy(&session->changed);
	pthread_mutex_destroy(&session->lock);
	error_release(&session->why);
	free(session->slots);
	free(session->ports);
	free(session->name);
	free(session->user);
	free(session->describe);
	free(session->run_dir);
	free(session);
}

/* Signals are for the main thread. */
static int start_thread(struct session *session, struct error *err)
{
	sigset_t all, old;
	int rc;

	session->state = SESSION_RUNNING;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&session->thread, NULL, loop_run, session);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc != 0)
		return error_errno(err, rc, "no thread for the session");
	session->has_thread = true;
	return 0;
}

int session_open(const struct session_target *target, struct session **ret, struct error *err)
{
	CLEANUP_ERROR struct error local = {0};
	struct session *session = session_new(target);

	if (err == NULL)
		err = &local;
	if (session == NULL)
		return error_memory(err);
	if (init_sync(session, err) < 0)
		goto fail;
	if (session->name == NULL || session->run_dir == NULL) {
		error_memory(err);
		goto fail;
	}
	if (cancel_fd_fired(target->cancel_fd)) {
		error_set(err, ERROR_CANCELLED, "cancelled");
		goto fail;
	}
	if (open_link(session, target, err) < 0 || start_thread(session, err) < 0)
		goto fail;
	*ret = session;
	return 0;
fail:
	session_free(session);
	return -1;
}

void session_close(struct session *session)
{
	if (session == NULL)
		return;
	pthread_mutex_lock(&session->lock);
	session->closing = true;
	pthread_mutex_unlock(&session->lock);
	session_wake(session);
	pthread_join(session->thread, NULL);
	session_free(session);
}

void session_set_cancel(struct session *session, int cancel_fd)
{
	atomic_store(&session->cancel_fd, cancel_fd);
	session_wake(session);
}

const char *session_describe(const struct session *session)
{
	return session->describe;
}

const char *session_user(const struct session *session)
{
	return session->user;
}

int session_lost(struct session *session, struct error *err)
{
	int rc = 0;

	pthread_mutex_lock(&session->lock);
	if (session->state == SESSION_ENDED)
		rc = session_why(session, err);
	pthread_mutex_unlock(&session->lock);
	return rc;
}

int session_lost_fd(const struct session *session)
{
	return session->lost.fd;
}

/* ---- programs ---- */

static void close_pairs(int pairs[3][2])
{
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 2; j++)
			if (pairs[i][j] >= 0)
				close(pairs[i][j]);
}

static uint64_t record_exec(struct session *session)
{
	struct exec_record *record = calloc(1, sizeof(*record));

	if (record == NULL)
		return 0;
	pthread_mutex_lock(&session->lock);
	record->id = session->next_exec++;
	record->next = session->execs;
	session->execs = record;
	pthread_mutex_unlock(&session->lock);
	return record->id;
}

/* With `lock` held. */
static void forget_exec(struct session *session, uint64_t id)
{
	struct exec_record **at = &session->execs;

	while (*at != NULL && (*at)->id != id)
		at = &(*at)->next;
	if (*at != NULL) {
		struct exec_record *record = *at;

		*at = record->next;
		free(record);
	}
}

/* Socket pairs and not pipes, so that the I/O thread never meets SIGPIPE. */
int session_exec(
    struct session *session, const char *command, struct session_exec *ret, struct error *err)
{
	int pairs[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
	struct request request = {.kind = REQUEST_EXEC, .command = command};

	for (int i = 0; i < 3; i++)
		if (fd_socketpair(pairs[i]) < 0) {
			error_errno(err, errno, "descriptors for a program on the host");
			pairs[i][0] = pairs[i][1] = -1;
			close_pairs(pairs);
			return -1;
		}
	request.exec_id = record_exec(session);
	if (request.exec_id == 0) {
		close_pairs(pairs);
		return error_memory(err);
	}
	for (int i = 0; i < 3; i++)
		request.fds[i] = pairs[i][1];
	if (request_run(session, &request, err) < 0) {
		close_pairs(pairs);
		pthread_mutex_lock(&session->lock);
		forget_exec(session, request.exec_id);
		pthread_mutex_unlock(&session->lock);
		return -1;
	}
	ret->in = pairs[0][0];
	ret->out = pairs[1][0];
	ret->err = pairs[2][0];
	ret->id = request.exec_id;
	return 0;
}

int session_exec_wait(
    struct session *session, uint64_t id, int64_t deadline_ms, int *ret_status, struct error *err)
{
	int rc = -1;

	pthread_mutex_lock(&session->lock);
	for (;;) {
		const struct exec_record *record = exec_find(session, id);

		if (record == NULL) {
			error_set(err, ERROR_NOT_FOUND, "no such program in this session");
			break;
		}
		if (record->ended) {
			*ret_status = record->status;
			forget_exec(session, id);
			rc = 0;
			break;
		}
		if (session->state == SESSION_ENDED) {
			session_why(session, err);
			break;
		}
		if (!session_sleep(session, deadline_ms)) {
			error_set(err, ERROR_TIMEOUT, "the program on the host has not ended");
			break;
		}
	}
	pthread_mutex_unlock(&session->lock);
	return rc;
}

int session_exec_stop(struct session *session, uint64_t id, struct error *err)
{
	struct request request = {.kind = REQUEST_EXEC_STOP, .exec_id = id};

	return request_run(session, &request, err);
}

/* ---- forwards ---- */

static int set_address(
    struct remote *remote, const struct session *session, const char *target, struct error *err)
{
	const char *colon = strrchr(target, ':');
	CLEANUP_FREE char *host = NULL;
	struct addrinfo *found = NULL;
	bool bracket = target[0] == '[' && colon != NULL && colon[-1] == ']';
	int port = colon != NULL ? (int)strtol(colon + 1, NULL, 10) : 0;

	if (port < 1 || port > 65535)
		return error_set(err, ERROR_USAGE,
		    "a forward leads to a socket's path or to HOST:PORT, not to \"%s\"", target);
	host = strndup(target + bracket, (size_t)(colon - target) - 2 * bracket);
	if (host == NULL)
		return error_memory(err);
	if (resolve_host(host, port, AF_UNSPEC, clock_now_ms() + RESOLVE_MS,
		atomic_load(&session->cancel_fd), &found, err) < 0)
		return -1;
	memcpy(&remote->address, found->ai_addr, found->ai_addrlen);
	remote->address_len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

int session_forward_remote(
    struct session *session, const char *target, int *ret_port, struct error *err)
{
	struct request request = {.kind = REQUEST_LISTEN};
	struct remote *remote = calloc(1, sizeof(*remote));
	int rc = 0;

	if (remote == NULL)
		return error_memory(err);
	if (target[0] != '/') {
		rc = set_address(remote, session, target, err);
	} else {
		remote->path = strdup(target);
		rc = remote->path != NULL ? 0 : error_memory(err);
	}
	request.remote = remote;
	if (rc == 0)
		rc = request_run(session, &request, err);
	remote_free(request.remote); /* NULL when it was taken */
	if (rc == 0)
		*ret_port = request.port;
	return rc;
}

int session_forward_cancel(struct session *session, int port, struct error *err)
{
	struct request request = {.kind = REQUEST_CANCEL, .port = port};

	return request_run(session, &request, err);
}

void session_forward_stats(
    struct session *session, int port, uint64_t *ret_sent, uint64_t *ret_received)
{
	const struct remote *remote;

	*ret_sent = 0;
	*ret_received = 0;
	pthread_mutex_lock(&session->lock);
	for (remote = session->remotes; remote != NULL && remote->port != port;)
		remote = remote->next;
	if (remote != NULL) {
		*ret_sent = atomic_load_explicit(&remote->sent, memory_order_relaxed);
		*ret_received = atomic_load_explicit(&remote->received, memory_order_relaxed);
	}
	pthread_mutex_unlock(&session->lock);
}

/* Sessions share a folder; the number is the process's. */
static int bind_somewhere(struct local *local, const char *run_dir, struct error *err)
{
	static atomic_uint next;
	struct sockaddr_un address;

	for (int i = 0; i < NAMES_TRIED; i++) {
		free(local->path);
		local->path = string_printf("%s/f%u", run_dir, atomic_fetch_add(&next, 1));
		if (local->path == NULL)
			return error_memory(err);
		if (strlen(local->path) > PATH_MAX_BYTES ||
		    socket_unix_address(local->path, &address) < 0)
			return error_set(err, ERROR_FAILED,
			    "the path %s is too long for a Unix socket", local->path);
		if (bind(local->port.fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
			return 0;
		if (errno != EADDRINUSE)
			break;
	}
	error_errno(err, errno, "cannot make the socket %s", local->path);
	free(steal_ptr(local->path));
	return -1;
}

/* On Linux the file that bind makes takes the socket's mode, so it never is open to others. */
static int listen_locally(struct local *local, const char *run_dir, struct error *err)
{
	local->port.fd = socket_open(AF_UNIX, 0);
	if (local->port.fd < 0)
		return error_errno(err, errno, "a socket for a forward");
	fchmod(local->port.fd, 0600);
	if (bind_somewhere(local, run_dir, err) < 0)
		return -1;
	if (chmod(local->path, 0600) < 0 || listen(local->port.fd, BACKLOG) < 0)
		return error_errno(err, errno, "cannot listen on %s", local->path);
	return 0;
}

static struct local *local_new(
    const struct session *session, const char *to, bool is_command, struct error *err)
{
	struct local *local = calloc(1, sizeof(*local));

	if (local == NULL) {
		error_memory(err);
		return NULL;
	}
	local->port.fd = -1;
	local->is_command = is_command;
	local->to = strdup(to);
	if (local->to == NULL)
		error_memory(err);
	else if (listen_locally(local, session->run_dir, err) == 0)
		return local;
	local_free(local);
	return NULL;
}

int session_forward_local(
    struct session *session, const char *to, bool is_command, char **ret_path, struct error *err)
{
	struct request request = {.kind = REQUEST_CONNECT};
	char *path;
	int rc;

	request.local = local_new(session, to, is_command, err);
	if (request.local == NULL)
		return -1;
	path = strdup(request.local->path);
	rc = path != NULL ? request_run(session, &request, err) : error_memory(err);
	local_free(request.local);
	if (rc == 0)
		*ret_path = steal_ptr(path);
	free(path);
	return rc;
}

int session_forward_error(struct session *session, const char *path, struct error *err)
{
	int rc = 0;

	pthread_mutex_lock(&session->lock);
	for (struct local *local = session->locals; local != NULL; local = local->next)
		if (strcmp(local->path, path) == 0 && local->refused.kind != ERROR_NONE) {
			rc = error_set(err, local->refused.kind, "%s", error_text(&local->refused));
			if (local->refused.hint != NULL)
				error_hint(err, "%s", local->refused.hint);
		}
	pthread_mutex_unlock(&session->lock);
	return rc;
}
