#include "transport/ssh/session.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc.h"
#include "transport/ssh/internal.h"

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
