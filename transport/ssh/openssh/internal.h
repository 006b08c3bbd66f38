/* The inside of a session by the system's ssh: what its files share.
 *
 *   session.c  its life, and the thread that watches the master
 *   exec.c     programs
 *   forward.c  forwards; those to a program's stdio are accepted here, all others by the master */
#ifndef SHIPIT_TRANSPORT_SSH_OPENSSH_INTERNAL_H
#define SHIPIT_TRANSPORT_SSH_OPENSSH_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/cancel.h"
#include "transport/ssh/backend.h"
#include "transport/ssh/openssh/master.h"
#include "transport/ssh/openssh/mux.h"

enum { REQUEST_MS = 60000, BRIDGES_MAX = 256 };

struct exec {
	struct exec *next;
	uint64_t id;
	int mux;
	uint32_t session;
	bool stopped;
};

struct remote {
	struct remote *next;
	int port;
	unsigned users; /* the master makes one of two that lead to the same place */
	char *connect;	/* a path, or a host */
	int connect_port;
};

struct local {
	struct local *next;
	char *path, *to;
	int fd;		      /* listens, for a program; -1: the master does */
	struct error refused; /* why the last one failed, of a program */
};

/* A connection to a program's stdio or to an address. The master has the descriptors; this end is
 * kept so that it ends with the session, and to see that it has ended. */
struct bridge {
	struct bridge *next;
	int mux;
};

struct openssh_session {
	struct session base; /* first */
	struct session_target target;
	char *name, *run_dir;
	struct master master;
	int watch;   /* a connection to the master: closed when that is gone */
	int wake[2]; /* a byte here ends the thread's sleep */
	atomic_int cancel_fd;
	struct cancel lost, stop; /* it has ended; it is being closed */
	pthread_t thread;

	pthread_mutex_t forwarding; /* one question about remote forwards at a time */
	pthread_mutex_t lock;
	bool ended, closing;
	struct error why;
	uint64_t next_exec;
	struct exec *execs;
	struct remote *remotes;
	struct local *locals;
	struct bridge *bridges;
	size_t n_bridges;
};

static inline struct openssh_session *openssh_of(struct session *base)
{
	return (struct openssh_session *)base;
}

/* Take what the master has said; with `lock` held. */
void openssh_listen(struct openssh_session *session);
void openssh_wake(struct openssh_session *session);
/* With `lock` held: the error of a session that has ended. */
int openssh_why(struct openssh_session *session, struct error *err);
/* A connection to the master for a request; -1 also when the session has ended. */
int openssh_connect(
    struct openssh_session *session, const struct mux_wait *wait, struct error *err);
struct mux_wait openssh_patience(const struct openssh_session *session);
/* The error of a request: of the session, when it has ended. Returns -1. */
int openssh_failed(struct openssh_session *session, struct error *err);

/* ---- exec.c ---- */
int openssh_exec(
    struct session *base, const char *command, struct session_exec *ret, struct error *err);
int openssh_exec_wait(
    struct session *base, uint64_t id, int64_t deadline_ms, int *ret_status, struct error *err);
int openssh_exec_stop(struct session *base, uint64_t id, struct error *err);
void openssh_drop_execs(struct openssh_session *session);

/* ---- forward.c ---- */
int openssh_forward_remote(
    struct session *base, const char *target, int *ret_port, struct error *err);
int openssh_forward_cancel(struct session *base, int port, struct error *err);
int openssh_forward_local(
    struct session *base, const char *to, bool is_command, char **ret_path, struct error *err);
int openssh_forward_error(struct session *base, const char *path, struct error *err);
int openssh_stream(struct session *base, const char *to, int64_t deadline_ms, struct error *err);
/* The thread: somebody has connected to a forward that leads to a program. */
void openssh_accept(struct openssh_session *session, struct local *local);
void openssh_drop_forwards(struct openssh_session *session);

#endif
