/* Forwards, as other threads ask for them. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "transport/ssh/internal.h"
#include "transport/ssh/socket.h"

enum { BACKLOG = 128, NAMES_TRIED = 1000, PATH_MAX_BYTES = 100, RESOLVE_MS = 10000 };

static int set_addresses(
    struct remote *remote, const struct session *session, const char *target, struct error *err)
{
	const char *colon = strrchr(target, ':');
	CLEANUP_FREE char *host = NULL;
	bool bracket = target[0] == '[' && colon != NULL && colon[-1] == ']';
	int port = colon != NULL ? (int)strtol(colon + 1, NULL, 10) : 0;

	if (port < 1 || port > 65535)
		return error_set(err, ERROR_USAGE,
		    "a forward leads to a socket's path or to HOST:PORT, not to \"%s\"", target);
	host = strndup(target + bracket, (size_t)(colon - target) - 2 * bracket);
	if (host == NULL)
		return error_memory(err);
	return resolve_host(host, port, AF_UNSPEC, clock_now_ms() + RESOLVE_MS,
	    atomic_load(&session->cancel_fd), &remote->addresses, err);
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
		rc = set_addresses(remote, session, target, err);
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

static int bind_path(int fd, const char *path)
{
	struct sockaddr_un address;

	if (strlen(path) > PATH_MAX_BYTES) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (socket_unix_address(path, &address) < 0)
		return -1;
	return bind(fd, (const struct sockaddr *)&address, sizeof(address));
}

/* Sessions share a folder; the number is the process's. */
static int bind_somewhere(struct local *local, const char *run_dir, struct error *err)
{
	static atomic_uint next;

	for (int i = 0; i < NAMES_TRIED; i++) {
		CLEANUP_FREE char *path =
		    string_printf("%s/f%u", run_dir, atomic_fetch_add(&next, 1));

		if (path == NULL) {
			error_memory(err);
			return -1;
		}
		if (bind_path(local->port.fd, path) == 0) {
			local->path = steal_ptr(path);
			return 0;
		}
		if (errno != EADDRINUSE || i + 1 == NAMES_TRIED) {
			error_errno(err, errno, "cannot make the socket %s", path);
			break;
		}
	}
	return -1;
}

/* On Linux the file that bind makes takes the socket's mode, so it never is open to others. */
static int listen_locally(struct local *local, const char *run_dir, struct error *err)
{
	local->port.fd = socket_open(AF_UNIX, 0);
	if (local->port.fd < 0) {
		error_errno(err, errno, "a socket for a forward");
		return -1;
	}
	fchmod(local->port.fd, 0600);
	if (bind_somewhere(local, run_dir, err) < 0)
		return -1;
	if (chmod(local->path, 0600) == 0 && listen(local->port.fd, BACKLOG) == 0)
		return 0;
	error_errno(err, errno, "cannot listen on %s", local->path);
	return -1;
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
