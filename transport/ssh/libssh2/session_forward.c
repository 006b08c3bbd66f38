/* Forwards, as other threads ask for them. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc.h"
#include "transport/resolve.h"
#include "transport/ssh/libssh2/internal.h"
#include "transport/socket.h"

enum { RESOLVE_MS = 10000 };

static int set_addresses(struct remote *remote, const struct ssh2_session *session,
    const char *target, struct error *err)
{
	CLEANUP_FREE char *host = NULL;
	int port;

	if (socket_split(target, &host, &port, err) < 0)
		return -1;
	return resolve_host(host, port, AF_UNSPEC, clock_now_ms() + RESOLVE_MS,
	    atomic_load(&session->cancel_fd), &remote->addresses, err);
}

int ssh2_forward_remote(struct session *base, const char *target, int *ret_port, struct error *err)
{
	struct ssh2_session *session = ssh2_of(base);
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

int ssh2_forward_cancel(struct session *base, int port, struct error *err)
{
	struct ssh2_session *session = ssh2_of(base);
	struct request request = {.kind = REQUEST_CANCEL, .port = port};

	return request_run(session, &request, err);
}

static struct local *local_new(
    const struct ssh2_session *session, const char *to, bool is_command, struct error *err)
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
	else if ((local->port.fd = socket_listen(session->run_dir, &local->path, err)) >= 0)
		return local;
	local_free(local);
	return NULL;
}

int ssh2_forward_local(
    struct session *base, const char *to, bool is_command, char **ret_path, struct error *err)
{
	struct ssh2_session *session = ssh2_of(base);
	struct request request = {.kind = REQUEST_FORWARD};
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

int ssh2_connect(struct session *base, const char *to, int64_t deadline_ms, struct error *err)
{
	struct request request = {.kind = REQUEST_CONNECT, .to = to, .deadline_ms = deadline_ms};
	int pair[2];

	if (fd_socketpair(pair) < 0)
		return error_errno(err, errno, "descriptors for a connection");
	request.fds[0] = request.fds[1] = pair[1];
	request.fds[2] = -1;
	if (request_run(ssh2_of(base), &request, err) == 0)
		return pair[0];
	close(pair[0]);
	close(pair[1]);
	return -1;
}

int ssh2_forward_error(struct session *base, const char *path, struct error *err)
{
	struct ssh2_session *session = ssh2_of(base);
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
