/* A session's life, and the thread that watches its master. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc.h"
#include "transport/ssh/child.h"
#include "transport/ssh/openssh/internal.h"

enum { CONTROL_MS = 10000, GOODBYE_MS = 1000, DEATH_MS = 500, LOSS_MS = 3000 };
enum { SLOT_WAKE, SLOT_CANCEL, SLOT_WATCH, SLOT_ERRORS, SLOTS_FIXED, LOCALS_MAX = 32 };

void openssh_wake(struct openssh_session *session)
{
	ssize_t n;

	do
		n = write(session->wake[1], "", 1);
	while (n < 0 && errno == EINTR);
	/* A full pipe wakes just as well. */
}

struct mux_wait openssh_patience(const struct openssh_session *session)
{
	return (struct mux_wait){
	    .deadline_ms = clock_now_ms() + REQUEST_MS, .cancel_fd = session->lost.fd};
}

int openssh_why(struct openssh_session *session, struct error *err)
{
	error_set(err, session->why.kind != ERROR_NONE ? session->why.kind : ERROR_CANCELLED, "%s",
	    session->why.kind != ERROR_NONE ? error_text(&session->why) : "the session is closed");
	if (session->why.hint != NULL)
		error_hint(err, "%s", session->why.hint);
	return -1;
}

/* The master may be dead and the thread not know it yet. */
int openssh_failed(struct openssh_session *session, struct error *err)
{
	struct pollfd slot = {.fd = session->lost.fd, .events = POLLIN};

	if (err != NULL && err->kind != ERROR_UNREACHABLE && err->kind != ERROR_NOT_FOUND &&
	    err->kind != ERROR_CANCELLED)
		return -1;
	poll(&slot, 1, LOSS_MS);
	pthread_mutex_lock(&session->lock);
	if (session->ended)
		openssh_why(session, err);
	pthread_mutex_unlock(&session->lock);
	return -1;
}

int openssh_connect(struct openssh_session *session, const struct mux_wait *wait, struct error *err)
{
	CLEANUP_ERROR struct error why = {0};
	int mux = -1;
	bool ended;

	pthread_mutex_lock(&session->lock);
	ended = session->ended;
	if (ended)
		openssh_why(session, err);
	pthread_mutex_unlock(&session->lock);
	if (ended)
		return -1;
	mux = mux_connect(session->master.control, wait, &why);
	if (mux >= 0)
		return mux;
	openssh_failed(session, &why);
	if (err != NULL)
		error_move(err, &why);
	return -1;
}

/* --- the thread */

struct watch {
	struct pollfd slots[SLOTS_FIXED + LOCALS_MAX + BRIDGES_MAX];
	struct local *locals[LOCALS_MAX];
	nfds_t n_locals, n;
};

static void watch_all(struct openssh_session *session, struct watch *watch)
{
	watch->slots[SLOT_WAKE] = (struct pollfd){.fd = session->wake[0], .events = POLLIN};
	watch->slots[SLOT_CANCEL] =
	    (struct pollfd){.fd = atomic_load(&session->cancel_fd), .events = POLLIN};
	watch->slots[SLOT_WATCH] = (struct pollfd){.fd = session->watch, .events = POLLIN};
	watch->n = SLOTS_FIXED;
	watch->n_locals = 0;
	pthread_mutex_lock(&session->lock);
	watch->slots[SLOT_ERRORS] = (struct pollfd){.fd = session->master.errors, .events = POLLIN};
	for (struct local *local = session->locals; local != NULL; local = local->next) {
		if (local->fd < 0 || watch->n_locals == LOCALS_MAX ||
		    session->n_bridges >= BRIDGES_MAX)
			continue;
		watch->locals[watch->n_locals++] = local;
		watch->slots[watch->n++] = (struct pollfd){.fd = local->fd, .events = POLLIN};
	}
	for (const struct bridge *bridge = session->bridges;
	     bridge != NULL && watch->n < ARRAY_SIZE(watch->slots); bridge = bridge->next)
		watch->slots[watch->n++] = (struct pollfd){.fd = bridge->mux, .events = POLLIN};
	pthread_mutex_unlock(&session->lock);
}

/* What the master says of a bridge is only that it has ended. */
static void sweep_bridges(struct openssh_session *session)
{
	struct bridge **at = &session->bridges;

	pthread_mutex_lock(&session->lock);
	while (*at != NULL) {
		struct bridge *bridge = *at;
		char bytes[64];
		ssize_t n = read(bridge->mux, bytes, sizeof(bytes));

		if (n > 0 || (n < 0 && fd_is_for_later(errno))) {
			at = &bridge->next;
			continue;
		}
		*at = bridge->next;
		close(bridge->mux);
		free(bridge);
		session->n_bridges--;
	}
	pthread_mutex_unlock(&session->lock);
}

static void swallow_wakes(const struct openssh_session *session)
{
	char bytes[64];

	while (read(session->wake[0], bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes))
		;
}

void openssh_listen(struct openssh_session *session)
{
	if (session->master.errors < 0 || master_listen(&session->master, &session->target))
		return;
	close(session->master.errors);
	session->master.errors = -1;
}

static void listen_to_master(struct openssh_session *session)
{
	pthread_mutex_lock(&session->lock);
	openssh_listen(session);
	pthread_mutex_unlock(&session->lock);
}

static void explain_loss(struct openssh_session *session, struct error *why)
{
	char when[CLOCK_UTC_SIZE];
	CLEANUP_FREE char *words = NULL;

	pthread_mutex_lock(&session->lock);
	openssh_listen(session);
	words = said_last(&session->master.said);
	pthread_mutex_unlock(&session->lock);
	clock_format_utc(time(NULL), when);
	error_set(why, ERROR_UNREACHABLE, "the connection to %s was lost at %s: %s",
	    session->base.describe, when, words != NULL ? words : "ssh ended");
}

static bool is_closing(struct openssh_session *session)
{
	bool closing;

	pthread_mutex_lock(&session->lock);
	closing = session->closing;
	pthread_mutex_unlock(&session->lock);
	return closing;
}

/* False: over; `why` is set unless somebody closes. */
static bool turn(struct openssh_session *session, struct watch *watch, struct error *why)
{
	int n;

	watch_all(session, watch);
	n = poll(watch->slots, watch->n, -1);
	if (is_closing(session))
		return false;
	if (n <= 0)
		return true;
	if (watch->slots[SLOT_CANCEL].revents != 0 &&
	    watch->slots[SLOT_CANCEL].fd == atomic_load(&session->cancel_fd)) {
		error_set(why, ERROR_CANCELLED, "cancelled");
		return false;
	}
	if (watch->slots[SLOT_ERRORS].revents != 0)
		listen_to_master(session);
	if (watch->slots[SLOT_WATCH].revents != 0) {
		explain_loss(session, why);
		return false;
	}
	if (watch->slots[SLOT_WAKE].revents != 0)
		swallow_wakes(session);
	for (nfds_t i = 0; i < watch->n_locals; i++)
		if (watch->slots[SLOTS_FIXED + i].revents != 0)
			openssh_accept(session, watch->locals[i]);
	sweep_bridges(session);
	return true;
}

static void *run(void *context)
{
	struct openssh_session *session = context;
	CLEANUP_ERROR struct error why = {0};
	struct watch *watch = calloc(1, sizeof(*watch));

	if (watch == NULL)
		error_memory(&why);
	while (watch != NULL && turn(session, watch, &why))
		;
	free(watch);
	/* Lost or cancelled: what the master still holds is of no use any more. */
	if (why.kind != ERROR_NONE) {
		master_let_go(&session->master);
		child_stop(session->master.pid, why.kind == ERROR_CANCELLED ? 0 : DEATH_MS);
	}
	pthread_mutex_lock(&session->lock);
	if (why.kind != ERROR_NONE)
		master_kill(&session->master, 0);
	session->ended = true;
	error_move(&session->why, &why);
	pthread_mutex_unlock(&session->lock);
	cancel_fire(&session->lost);
	return NULL;
}

/* --- its life */

static void session_free(struct openssh_session *session)
{
	openssh_drop_execs(session);
	openssh_drop_forwards(session);
	if (session->watch >= 0)
		close(session->watch);
	for (int i = 0; i < 2; i++)
		if (session->wake[i] >= 0)
			close(session->wake[i]);
	cancel_release(&session->lost);
	cancel_release(&session->stop);
	pthread_mutex_destroy(&session->forwarding);
	pthread_mutex_destroy(&session->lock);
	error_release(&session->why);
	session_unname(&session->base);
	free(session->name);
	free(session->run_dir);
	free(session);
}

static void close_session(struct session *base)
{
	struct openssh_session *session = openssh_of(base);
	struct mux_wait wait = {.cancel_fd = -1};

	pthread_mutex_lock(&session->lock);
	session->closing = true;
	pthread_mutex_unlock(&session->lock);
	cancel_fire(&session->stop);
	/* The thread must not take the master's end for a loss. */
	openssh_wake(session);
	pthread_join(session->thread, NULL);
	wait.deadline_ms = clock_now_ms() + GOODBYE_MS;
	if (session->master.pid > 0)
		mux_terminate(session->watch, &wait, NULL);
	master_stop(&session->master, GOODBYE_MS);
	session_free(session);
}

static int lost(struct session *base, struct error *err)
{
	struct openssh_session *session = openssh_of(base);
	int rc = 0;

	pthread_mutex_lock(&session->lock);
	if (session->ended)
		rc = openssh_why(session, err);
	pthread_mutex_unlock(&session->lock);
	return rc;
}

static int lost_fd(const struct session *base)
{
	return ((const struct openssh_session *)base)->lost.fd;
}

static void set_cancel(struct session *base, int cancel_fd)
{
	struct openssh_session *session = openssh_of(base);

	atomic_store(&session->cancel_fd, cancel_fd);
	openssh_wake(session);
}

static const struct backend backend = {
    .name = "openssh",
    .exec = openssh_exec,
    .exec_wait = openssh_exec_wait,
    .exec_stop = openssh_exec_stop,
    .forward_remote = openssh_forward_remote,
    .forward_cancel = openssh_forward_cancel,
    .forward_local = openssh_forward_local,
    .forward_error = openssh_forward_error,
    .connect = openssh_stream,
    .lost = lost,
    .lost_fd = lost_fd,
    .set_cancel = set_cancel,
    .close = close_session,
};

static struct openssh_session *session_new(const struct session_target *target)
{
	struct openssh_session *session = calloc(1, sizeof(*session));
	struct cancel none = CANCEL_INIT;

	if (session == NULL)
		return NULL;
	session->base.backend = &backend;
	session->watch = session->wake[0] = session->wake[1] = -1;
	session->master.errors = session->master.life = -1;
	session->lost = session->stop = none;
	atomic_init(&session->cancel_fd, target->cancel_fd);
	pthread_mutex_init(&session->lock, NULL);
	pthread_mutex_init(&session->forwarding, NULL);
	session->name = strdup(target->name);
	session->run_dir = strdup(target->run_dir != NULL ? target->run_dir : "");
	/* For the log, as long as the session lives. */
	session->target = (struct session_target){
	    .name = session->name, .log = target->log, .context = target->context, .cancel_fd = -1};
	return session;
}

/* Signals are for the main thread. */
static int start_thread(struct openssh_session *session, struct error *err)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&session->thread, NULL, run, session);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc == 0 ? 0 : error_errno(err, rc, "no thread for the session");
}

static int open_session(
    struct openssh_session *session, const struct opening *opening, struct error *err)
{
	const struct session_target *target = opening->target;
	struct mux_wait wait = {.cancel_fd = target->cancel_fd};
	const struct trace trace = {target->log, target->context, target->name};

	if (session->name == NULL || session->run_dir == NULL)
		return error_memory(err);
	if (cancel_init(&session->lost, err) < 0 || cancel_init(&session->stop, err) < 0)
		return -1;
	if (fd_pipe(session->wake) < 0 || fd_nonblock(session->wake[0]) < 0 ||
	    fd_nonblock(session->wake[1]) < 0)
		return error_errno(err, errno, "a pipe for the session");
	if (session_name(&session->base, opening->config, err) < 0 ||
	    master_start(&session->master, opening, err) < 0)
		return -1;
	wait.deadline_ms = clock_now_ms() + CONTROL_MS;
	session->watch = mux_connect(session->master.control, &wait, err);
	if (session->watch < 0)
		return -1;
	trace_line(&trace, TRACE_SHORT, "logged in as %s", session->base.describe);
	return start_thread(session, err);
}

int openssh_open(const struct opening *opening, struct session **ret, struct error *err)
{
	struct openssh_session *session = session_new(opening->target);

	if (session == NULL)
		return error_memory(err);
	if (open_session(session, opening, err) < 0) {
		master_stop(&session->master, 0);
		session_free(session);
		return -1;
	}
	*ret = &session->base;
	return 0;
}
