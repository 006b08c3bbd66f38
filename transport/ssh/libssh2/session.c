#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cond.h"
#include "base/proc.h"
#include "transport/ssh/libssh2/internal.h"

static int init_sync(struct ssh2_session *session, struct error *err)
{
	pthread_mutex_init(&session->lock, NULL);
	cond_init(&session->changed);
	if (cancel_init(&session->lost, err) < 0)
		return -1;
	if (fd_pipe(session->wake) < 0 || fd_nonblock(session->wake[0]) < 0 ||
	    fd_nonblock(session->wake[1]) < 0)
		return error_errno(err, errno, "a pipe for the session");
	return 0;
}

static struct ssh2_session *session_new(const struct session_target *target)
{
	struct ssh2_session *session = calloc(1, sizeof(*session));
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

static void release_lists(struct ssh2_session *session)
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

static void session_free(struct ssh2_session *session)
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
	session_unname(&session->base);
	free(session->run_dir);
	free(session);
}

/* Signals are for the main thread. */
static int start_thread(struct ssh2_session *session, struct error *err)
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

static int open_session(
    struct ssh2_session *session, const struct opening *opening, struct error *err)
{
	if (init_sync(session, err) < 0)
		return -1;
	if (session->name == NULL || session->run_dir == NULL)
		return error_memory(err);
	if (open_link(session, opening, err) < 0)
		return -1;
	return start_thread(session, err);
}

static void ssh2_close(struct session *base)
{
	struct ssh2_session *session = ssh2_of(base);
	if (session == NULL)
		return;
	pthread_mutex_lock(&session->lock);
	session->closing = true;
	pthread_mutex_unlock(&session->lock);
	session_wake(session);
	pthread_join(session->thread, NULL);
	session_free(session);
}

static void ssh2_set_cancel(struct session *base, int cancel_fd)
{
	struct ssh2_session *session = ssh2_of(base);
	atomic_store(&session->cancel_fd, cancel_fd);
	session_wake(session);
}

static int ssh2_lost(struct session *base, struct error *err)
{
	struct ssh2_session *session = ssh2_of(base);
	int rc = 0;

	pthread_mutex_lock(&session->lock);
	if (session->state == SESSION_ENDED)
		rc = session_why(session, err);
	pthread_mutex_unlock(&session->lock);
	return rc;
}

static int ssh2_lost_fd(const struct session *base)
{
	const struct ssh2_session *session = (const struct ssh2_session *)base;
	return session->lost.fd;
}

static const struct backend backend = {
    .name = "libssh2",
    .exec = ssh2_exec,
    .exec_wait = ssh2_exec_wait,
    .exec_stop = ssh2_exec_stop,
    .forward_remote = ssh2_forward_remote,
    .forward_cancel = ssh2_forward_cancel,
    .forward_local = ssh2_forward_local,
    .forward_error = ssh2_forward_error,
    .connect = ssh2_connect,
    .lost = ssh2_lost,
    .lost_fd = ssh2_lost_fd,
    .set_cancel = ssh2_set_cancel,
    .close = ssh2_close,
};

int ssh2_open(
    const struct opening *opening, struct session **ret, const char **ret_why, struct error *err)
{
	struct ssh2_session *session = session_new(opening->target);

	*ret_why = NULL;
	if (session == NULL)
		return error_memory(err);
	session->base.backend = &backend;
	if (open_session(session, opening, err) < 0) {
		*ret_why = session->link.beyond;
		session_free(session);
		return -1;
	}
	*ret = &session->base;
	return 0;
}
