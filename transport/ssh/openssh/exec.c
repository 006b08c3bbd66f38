/* Programs on the host: the master gets our ends of three socket pairs, and says how they end. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc.h"
#include "transport/ssh/openssh/internal.h"

enum { STOPPED = 129, NO_STATUS = 255, LOOK_MS = 2000 };

static void close_pairs(int pairs[3][2])
{
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 2; j++)
			if (pairs[i][j] >= 0)
				close(pairs[i][j]);
}

static int start(struct openssh_session *session, const char *command, const int fds[3],
    struct exec *exec, struct error *err)
{
	const struct mux_wait wait = openssh_patience(session);

	exec->mux = openssh_connect(session, &wait, err);
	if (exec->mux < 0)
		return -1;
	if (mux_session(exec->mux, command, fds, &exec->session, &wait, err) == 0)
		return 0;
	close(exec->mux);
	if (err != NULL && err->kind != ERROR_FAILED)
		return openssh_failed(session, err);
	error_wrap(err, "the host refuses to run a program");
	return error_hint(err, "too many at once in one session (MaxSessions in the host's "
			       "sshd_config), or a forced command that allows none");
}

static void keep(struct openssh_session *session, struct exec *exec)
{
	pthread_mutex_lock(&session->lock);
	exec->id = ++session->next_exec;
	exec->next = session->execs;
	session->execs = exec;
	pthread_mutex_unlock(&session->lock);
}

int openssh_exec(
    struct session *base, const char *command, struct session_exec *ret, struct error *err)
{
	struct openssh_session *session = openssh_of(base);
	int pairs[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
	struct exec *exec = calloc(1, sizeof(*exec));
	int far_ends[3];

	if (exec == NULL)
		return error_memory(err);
	for (int i = 0; i < 3; i++) {
		if (fd_socketpair(pairs[i]) < 0) {
			error_errno(err, errno, "descriptors for a program on the host");
			pairs[i][0] = pairs[i][1] = -1;
			goto fail;
		}
		far_ends[i] = pairs[i][1];
	}
	if (start(session, command, far_ends, exec, err) < 0)
		goto fail;
	keep(session, exec);
	for (int i = 0; i < 3; i++)
		close(pairs[i][1]);
	*ret = (struct session_exec){
	    .in = pairs[0][0], .out = pairs[1][0], .err = pairs[2][0], .id = exec->id};
	return 0;
fail:
	close_pairs(pairs);
	free(exec);
	return -1;
}

/* With `lock` held. */
static struct exec **find(struct openssh_session *session, uint64_t id)
{
	struct exec **at = &session->execs;

	while (*at != NULL && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

static void forget(struct openssh_session *session, uint64_t id)
{
	struct exec **at, *exec;

	pthread_mutex_lock(&session->lock);
	at = find(session, id);
	exec = *at;
	if (exec != NULL)
		*at = exec->next;
	pthread_mutex_unlock(&session->lock);
	if (exec != NULL)
		close(exec->mux);
	free(exec);
}

/* The channel went without a status. Is it the program's end, ours, or the session's? */
static int explain_gone(
    struct openssh_session *session, const struct exec *exec, int *ret_status, struct error *err)
{
	CLEANUP_ERROR struct error why = {0};
	const struct mux_wait wait = {.deadline_ms = clock_now_ms() + LOOK_MS, .cancel_fd = -1};
	bool stopped;
	int mux;

	pthread_mutex_lock(&session->lock);
	stopped = exec->stopped;
	pthread_mutex_unlock(&session->lock);
	*ret_status = stopped ? STOPPED : NO_STATUS;
	if (stopped)
		return 0;
	mux = openssh_connect(session, &wait, &why);
	if (mux >= 0)
		close(mux);
	if (mux >= 0 || why.kind == ERROR_TIMEOUT) /* it is only busy */
		return 0;
	error_move(err, &why);
	return -1;
}

int openssh_exec_wait(
    struct session *base, uint64_t id, int64_t deadline_ms, int *ret_status, struct error *err)
{
	struct openssh_session *session = openssh_of(base);
	const struct mux_wait wait = {.deadline_ms = deadline_ms, .cancel_fd = -1};
	struct exec *exec;
	int rc;

	pthread_mutex_lock(&session->lock);
	exec = *find(session, id);
	pthread_mutex_unlock(&session->lock);
	if (exec == NULL)
		return error_set(err, ERROR_NOT_FOUND, "no such program in this session");
	rc = mux_session_end(exec->mux, exec->session, ret_status, &wait, err);
	if (rc < 0 && err != NULL && err->kind == ERROR_TIMEOUT)
		return error_set(err, ERROR_TIMEOUT, "the program on the host has not ended");
	if (rc == 0)
		rc = explain_gone(session, exec, ret_status, err);
	if (rc < 0)
		return -1;
	forget(session, id);
	return 0;
}

int openssh_exec_stop(struct session *base, uint64_t id, struct error *err UNUSED)
{
	struct openssh_session *session = openssh_of(base);
	struct exec *exec;

	pthread_mutex_lock(&session->lock);
	exec = *find(session, id);
	if (exec != NULL) {
		exec->stopped = true;
		shutdown(exec->mux, SHUT_RDWR);
	}
	pthread_mutex_unlock(&session->lock);
	return 0;
}

void openssh_drop_execs(struct openssh_session *session)
{
	while (session->execs != NULL)
		forget(session, session->execs->id);
}
