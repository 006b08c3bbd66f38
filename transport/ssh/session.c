/* One interface, two transports. */
#include "transport/ssh/session.h"

#include <string.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "transport/ssh/backend.h"
#include "transport/ssh/choice.h"
#include "transport/ssh/libssh2/hostkey.h"
#include "transport/ssh/trace.h"

enum { OPEN_MS = 30000 };

int session_name(struct session *session, const struct ssh_config *config, struct error *err)
{
	session->user = strdup(config->user);
	session->describe =
	    strchr(config->host_name, ':') != NULL
		? string_printf("%s@[%s]:%d", config->user, config->host_name, config->port)
		: string_printf("%s@%s:%d", config->user, config->host_name, config->port);
	return session->user != NULL && session->describe != NULL ? 0 : error_memory(err);
}

void session_unname(struct session *session)
{
	free(session->user);
	free(session->describe);
}

int session_refused_forward(struct error *err)
{
	error_set(err, ERROR_FAILED, "the host refuses to forward a port back to here");
	return error_hint(err,
	    "look at AllowTcpForwarding, PermitListen and DisableForwarding in the host's "
	    "sshd_config, and at restrict and no-port-forwarding in authorized_keys; or "
	    "deliver without a tunnel");
}

static int64_t deadline_of(const struct session_target *target)
{
	return clock_now_ms() +
	       (target->connect_timeout_ms > 0 ? target->connect_timeout_ms : OPEN_MS);
}

static int open_openssh(
    struct opening *opening, const char *why, struct session **ret, struct error *err)
{
	const struct session_target *target = opening->target;
	const struct trace trace = {target->log, target->context, target->name};

	trace_line(&trace, TRACE_SHORT, "by the system's ssh: %s", why);
	opening->deadline_ms = deadline_of(target);
	return openssh_open(opening, ret, err);
}

/* libssh2 is the faster one to connect; what it cannot do the system's ssh does, where there is
 * one. */
static int open_either(struct opening *opening, struct session **ret, struct error *err)
{
	CLEANUP_ERROR struct error failure = {0};
	CLEANUP_FREE char *reason = NULL;
	const char *why;

	if (!opening->config->has_ssh)
		return ssh2_open(opening, ret, &why, err);
	if (choice_reason(opening->config, &reason, err) < 0)
		return -1;
	if (reason != NULL)
		return open_openssh(opening, reason, ret, err);
	if (ssh2_open(opening, ret, &why, &failure) == 0)
		return 0;
	if (why == NULL) {
		error_move(err, &failure);
		return -1;
	}
	return open_openssh(opening, why, ret, err);
}

static int open_chosen(struct opening *opening, struct session **ret, struct error *err)
{
	const char *why;

	switch (opening->target->transport) {
	case SESSION_LIBSSH2:
		return ssh2_open(opening, ret, &why, err);
	case SESSION_OPENSSH:
		if (opening->config->has_ssh)
			return open_openssh(opening, "as the inventory says", ret, err);
		error_set(err, ERROR_FAILED, "there is no `ssh` program for the openssh transport");
		return error_hint(err, "install OpenSSH's client, or use `transport: auto`");
	default:
		return open_either(opening, ret, err);
	}
}

/* The time that others take is not counted. */
static int open_in_turn(const struct session_target *target, const struct ssh_config *config,
    struct session **ret, struct error *err)
{
	struct opening opening = {.target = target, .config = config};
	int rc;

	if (admission_wait(config->first_machine, target->cancel_fd, &opening.admission, err) < 0)
		return -1;
	opening.deadline_ms = deadline_of(target);
	rc = open_chosen(&opening, ret, err);
	admission_end(opening.admission);
	return rc;
}

static int check_pin(const char *pinned, struct error *err)
{
	struct known_keys keys = {0};
	int rc = hostkey_pin(&keys, pinned, err);

	known_release(&keys);
	return rc;
}

int session_open(const struct session_target *target, struct session **ret, struct error *err)
{
	CLEANUP_ERROR struct error local = {0};
	struct ssh_config config;
	int rc;

	if (err == NULL)
		err = &local;
	if (cancel_fd_fired(target->cancel_fd))
		return error_set(err, ERROR_CANCELLED, "cancelled");
	if (target->host_key != NULL && check_pin(target->host_key, err) < 0)
		return -1;
	if (ssh_config_load(target, deadline_of(target), &config, err) < 0)
		return -1;
	rc = open_in_turn(target, &config, ret, err);
	ssh_config_release(&config);
	return rc;
}

void session_close(struct session *session)
{
	if (session != NULL)
		session->backend->close(session);
}

void session_set_cancel(struct session *session, int cancel_fd)
{
	session->backend->set_cancel(session, cancel_fd);
}

const char *session_transport_name(const struct session *session)
{
	return session->backend->name;
}

const char *session_describe(const struct session *session)
{
	return session->describe;
}

const char *session_user(const struct session *session)
{
	return session->user;
}

int session_exec(
    struct session *session, const char *command, struct session_exec *ret, struct error *err)
{
	return session->backend->exec(session, command, ret, err);
}

int session_exec_wait(
    struct session *session, uint64_t id, int64_t deadline_ms, int *ret_status, struct error *err)
{
	return session->backend->exec_wait(session, id, deadline_ms, ret_status, err);
}

int session_exec_stop(struct session *session, uint64_t id, struct error *err)
{
	return session->backend->exec_stop(session, id, err);
}

int session_forward_remote(
    struct session *session, const char *target, int *ret_port, struct error *err)
{
	return session->backend->forward_remote(session, target, ret_port, err);
}

int session_forward_cancel(struct session *session, int port, struct error *err)
{
	return session->backend->forward_cancel(session, port, err);
}

int session_forward_local(
    struct session *session, const char *to, bool is_command, char **ret_path, struct error *err)
{
	return session->backend->forward_local(session, to, is_command, ret_path, err);
}

int session_forward_error(struct session *session, const char *path, struct error *err)
{
	return session->backend->forward_error(session, path, err);
}

int session_connect(struct session *session, const char *to, int64_t deadline_ms, struct error *err)
{
	return session->backend->connect(session, to, deadline_ms, err);
}

int session_lost(struct session *session, struct error *err)
{
	return session->backend->lost(session, err);
}

int session_lost_fd(const struct session *session)
{
	return session->backend->lost_fd(session);
}
