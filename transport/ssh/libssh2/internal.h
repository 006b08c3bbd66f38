/* The inside of a session: what its files share. Nothing outside of this folder includes this.
 *
 * Once the session is open, `link`, the channels and the forwards belong to the I/O thread. Other
 * threads leave requests and wait for their answer; what both sides touch is under `lock`.
 *
 *   loop.c     the I/O thread: poll, one pass over everything, sleep
 *   request.c  how other threads ask, and get their answer
 *   channel.c  one channel of the connection protocol, from its birth to its end
 *   stream.c   a channel's bytes to and from descriptors
 *   forward.c  what listens: there (remote forward) and here (local forward)
 *   ping.c     is the host still there? */
#ifndef SHIPIT_TRANSPORT_SSH_INTERNAL_H
#define SHIPIT_TRANSPORT_SSH_INTERNAL_H

#include <poll.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "transport/ssh/backend.h"
#include "transport/ssh/libssh2/connect.h"
#include "transport/ssh/libssh2/link.h"
#include "transport/ssh/libssh2/pump.h"
#include "transport/ssh/session.h"

enum {
	CHANNELS_MAX = 512,
	REQUEST_MS = 60000,	   /* an answer of the host to open, exec or listen */
	LOCAL_CONNECT_MS = 10000,  /* a remote forward's connection to its target here */
	WINDOW_BYTES = 256 * 1024, /* what the host may send into a channel unread */
	PACKET_BYTES = 32768,
	PASS_BYTES = 4 * PUMP_BUFFER_SIZE, /* of one stream in one pass */
};

/* ---- what other threads ask for ---- */

enum request_kind {
	REQUEST_EXEC,
	REQUEST_EXEC_STOP,
	REQUEST_LISTEN,	 /* remote forward */
	REQUEST_CANCEL,	 /* of a remote forward */
	REQUEST_FORWARD, /* local forward */
	REQUEST_CONNECT,
};

/* Lives on the stack of the thread that waits for `done`. The I/O thread answers each one, at the
 * latest when the session ends, and forgets it then. */
struct request {
	struct request *next;
	enum request_kind kind;
	const char *to;	       /* of REQUEST_EXEC: the command; of REQUEST_CONNECT: "HOST:PORT" */
	uint64_t exec_id;      /* of REQUEST_EXEC and REQUEST_EXEC_STOP */
	int64_t deadline_ms;   /* of REQUEST_CONNECT */
	int fds[3];	       /* of both: the session's ends, taken over at the answer 0 */
	int port;	       /* of REQUEST_LISTEN (answer) and REQUEST_CANCEL */
	struct remote *remote; /* of REQUEST_LISTEN, and */
	struct local *local;   /* of REQUEST_FORWARD: the session's once it is taken, then NULL */
	bool done;
	int result;
	struct error err;
};

/* How an exec ended; kept until somebody asks. */
struct exec_record {
	struct exec_record *next;
	uint64_t id;
	bool ended;
	int status;
};

/* ---- what the I/O thread has ---- */

enum channel_state {
	CHANNEL_CONNECTING, /* came through a remote forward; its target here is being connected */
	CHANNEL_QUEUED,	    /* to be opened: libssh2 opens one at a time */
	CHANNEL_OPENING,
	CHANNEL_STARTING, /* open; the program is being asked for */
	CHANNEL_OPEN,
	CHANNEL_CLOSING, /* our close is out, theirs may still have to come */
	CHANNEL_GONE,
};

enum channel_kind { CHANNEL_EXEC, CHANNEL_REMOTE, CHANNEL_LOCAL, CHANNEL_CONNECTION, CHANNEL_PING };

/* A socket of ours; poll tells, EAGAIN untells. */
struct port {
	int fd;
	bool readable, writable;
};

struct channel {
	struct channel *next;
	unsigned number; /* for the log */
	enum channel_kind kind;
	enum channel_state state;
	LIBSSH2_CHANNEL *ssh;
	struct ssh2_session *session;
	/* How to open it: */
	const char *type;	 /* static */
	struct buf message;	 /* type-specific data of CHANNEL_OPEN */
	char *command;		 /* exec after opening; NULL: none */
	struct request *request; /* who waits for it to be open, or NULL */
	int64_t deadline_ms;	 /* of the states before CHANNEL_OPEN */
	/* Its bytes: `in` goes to the host, `out` and `err` come from there. A forward has one
	 * socket for both directions, which is in[0] and out[0]. */
	struct port in, out, err;
	struct pump to_host, from_host, from_host_err;
	bool abandoned;	  /* nobody wants it any more; closed as soon as libssh2 lets go of it */
	bool eof_seen;	  /* the host will send no more */
	bool closed_seen; /* the host has closed it */
	uint64_t exec_id;
	struct remote *remote;	       /* the forward it came through */
	const struct addrinfo *trying; /* which of its addresses is being connected to */
	struct local *local;
};

enum remote_state {
	REMOTE_QUEUED,
	REMOTE_ASKING,
	REMOTE_LISTENING,
	REMOTE_CANCELLING,
	REMOTE_GONE
};

/* A remote forward. Freed with the session: its channels outlive it. */
struct remote {
	struct remote *next;
	enum remote_state state;
	LIBSSH2_LISTENER *listener;
	struct request *request;
	int64_t deadline_ms;
	int port;
	char *path;		    /* a Unix socket, or */
	struct addrinfo *addresses; /* all that HOST:PORT stands for, tried in turn */
};

/* A local forward. */
struct local {
	struct local *next;
	struct port port;  /* the listening socket */
	int64_t resume_ms; /* no descriptors left: nothing is accepted before */
	char *path;
	char *to;
	bool is_command;
	struct error refused; /* why its last connection failed; under the session's lock */
};

enum ping_state { PING_IDLE, PING_CHANNEL, PING_OPEN };

enum session_state { SESSION_OPENING, SESSION_RUNNING, SESSION_ENDED };

struct ssh2_session {
	struct session base; /* first */
	struct link link;
	struct proxy proxy;
	struct trace trace;
	char *name, *run_dir;
	pthread_t thread;
	bool has_thread;
	int wake[2]; /* a byte here ends the I/O thread's sleep */
	struct cancel lost;
	atomic_int cancel_fd; /* -1: none */

	pthread_mutex_t lock;
	pthread_cond_t changed; /* a request is done, an exec ended, the session ended */
	enum session_state state;
	bool closing;
	struct error why; /* of the end */
	struct request *requests, **requests_end;
	struct exec_record *execs;
	uint64_t next_exec;

	/* Of the I/O thread: */
	struct channel *channels;
	size_t n_channels;
	unsigned last_channel;
	struct channel *opening; /* libssh2 opens one channel at a time, */
	struct remote *asking;	 /* and makes one listener at a time */
	struct remote *remotes;	 /* list changed under lock */
	struct local *locals;	 /* list changed under lock */
	struct pollfd *slots;
	struct port **ports; /* whose slot it is */
	size_t n_slots, max_slots;
	enum ping_state ping;
	struct channel *ping_channel;
	int64_t ping_ms;
};

static inline struct ssh2_session *ssh2_of(struct session *base)
{
	return (struct ssh2_session *)base;
}

/* ---- session.c, session_exec.c, session_forward.c: what backend.h asks for ---- */

int ssh2_exec(
    struct session *base, const char *command, struct session_exec *ret, struct error *err);
int ssh2_exec_wait(
    struct session *base, uint64_t id, int64_t deadline_ms, int *ret_status, struct error *err);
int ssh2_exec_stop(struct session *base, uint64_t id, struct error *err);
int ssh2_forward_remote(struct session *base, const char *target, int *ret_port, struct error *err);
int ssh2_forward_cancel(struct session *base, int port, struct error *err);
int ssh2_forward_local(
    struct session *base, const char *to, bool is_command, char **ret_path, struct error *err);
int ssh2_forward_error(struct session *base, const char *path, struct error *err);
int ssh2_connect(struct session *base, const char *to, int64_t deadline_ms, struct error *err);

/* ---- request.c ---- */

/* Leave a request and wait for its answer; returns its result, the error moved to `err`. */
int request_run(struct ssh2_session *session, struct request *request, struct error *err);
/* I/O thread: the next request, NULL when there is none. */
struct request *request_take(struct ssh2_session *session);
/* I/O thread: answer and forget it. `why` is moved (NULL with result 0). */
void request_answer(
    struct ssh2_session *session, struct request *request, int result, struct error *why);
void session_wake(struct ssh2_session *session);
/* Sleep until something `changed` or `deadline_ms` is over (false). With `lock` held. */
bool session_sleep(struct ssh2_session *session, int64_t deadline_ms);
/* With `lock` held: the error of a session that has ended. */
int session_why(struct ssh2_session *session, struct error *err);

struct exec_record *exec_find(struct ssh2_session *session, uint64_t id); /* with `lock` held */
void exec_ended(struct ssh2_session *session, uint64_t id, int status);

/* ---- channel.c: all for the I/O thread ---- */

/* A new channel in the list; NULL: no memory, or too many. */
struct channel *channel_new(
    struct ssh2_session *session, enum channel_kind kind, enum channel_state state);
void channel_set_state(struct channel *channel, enum channel_state state);
/* Take what exec, connect ask for. */
void channel_start(struct ssh2_session *session, struct request *request);
void channel_stop_exec(struct ssh2_session *session, struct request *request);
int channel_open_to(struct channel *channel, const char *to, bool is_command);
/* Everything that can be done for it now; true when anything happened. */
bool channel_step(struct channel *channel);
/* Close it whatever state it is in. */
void channel_close(struct channel *channel);
/* When it must be looked at although nothing happened; -1: never. */
int64_t channel_timer(const struct channel *channel);
/* Remove those that are gone. */
void channel_sweep(struct ssh2_session *session);
/* At the session's end: close descriptors, answer requests, free. libssh2's part is freed with the
 * link. */
void channel_drop_all(struct ssh2_session *session);

/* ---- stream.c ---- */

bool stream_step(struct channel *channel);
void stream_close(struct channel *channel); /* descriptors and buffers */
void port_close(struct port *port);

/* ---- forward.c ---- */

void remote_start(struct ssh2_session *session, struct request *request);
void remote_cancel(struct ssh2_session *session, struct request *request);
void local_start(struct ssh2_session *session, struct request *request);
bool remote_step(struct ssh2_session *session, struct remote *remote);
/* Go on connecting to the target; the channel gets its socket. */
bool remote_connect(struct channel *channel);
bool local_accept(struct ssh2_session *session, struct local *local);
/* Remember why a connection failed, for session_forward_error. */
void local_refused(struct local *local, struct ssh2_session *session, struct error *why);
void remote_free(struct remote *remote); /* both take NULL */
void local_free(struct local *local);
void forward_drop_all(struct ssh2_session *session);

/* ---- ping.c ---- */

bool ping_step(struct ssh2_session *session);
int64_t ping_timer(const struct ssh2_session *session);
/* The channel is about to be freed. */
void ping_forget(struct ssh2_session *session, const struct channel *channel);
/* Has the host been silent too long? */
bool ping_lost(const struct ssh2_session *session);

/* ---- open.c ---- */

/* Connect, verify, log in: everything before the I/O thread. */
int open_link(struct ssh2_session *session, const struct opening *opening, struct error *err);

/* ---- loop.c ---- */

void *loop_run(void *session);

#endif
