/* An SSH session to one host, as plain descriptors and Unix sockets.
 *
 * By libssh2, or by the system's ssh as a control master (`transport`); what follows about threads,
 * limits and memory is of the first, for the second ssh's own hold, and its bytes do not pass here.
 *
 * One I/O thread per session is the only caller of libssh2; everything here may be called from any
 * other thread and may block, until its deadline, `cancel_fd` or the session's end. What the
 * session gives out are ordinary descriptors and socket paths in a private folder (0700), so the
 * caller may block in libcurl, in a prompt, anywhere, while tunnel, rekeying and heartbeats go on.
 *
 * A session ends by session_close, by the link's death, or by cancel; then every descriptor it
 * gave out reads EOF, and every call returns session_lost's error.
 *
 * A dead machine or link, and a frozen sshd, are noticed within 20 s (15 s by TCP_USER_TIMEOUT, 17
 * s by questions that the host must answer; ping.c). Every answer of the host to exec, forward or
 * connect has a deadline of 60 s. libssh2 opens one channel at a time: while the host connects to
 * an address that swallows packets, later opens wait, what is open goes on.
 *
 * Memory is bounded: 64 KB for each direction of a stream, 256 KB that the host may send unread (2
 * MB through a remote forward, where libssh2 decides), 512 channels, 32 of them through one remote
 * forward (others wait), and in the send queue as much as leaves in a quarter of a second, at most
 * 512 KB. */
#ifndef SHIPIT_TRANSPORT_SSH_SESSION_H
#define SHIPIT_TRANSPORT_SSH_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strv.h"

struct session;

/* Asks a person: the text is shown, the answer is malloc'ed (wiped and freed by the caller), NULL
 * when nobody can be asked. Called from the thread that called session_open; may be called by
 * several sessions at once: the callee shows one prompt at a time. */
typedef char *session_prompt_fn(void *context, const char *host, const char *text, bool echo);
/* One line for -v / -vv, clean of control characters. Also called from the session's I/O thread. */
typedef void session_log_fn(void *context, int level, const char *text);

enum session_transport {
	SESSION_AUTO,	 /* libssh2, and the system's ssh for what that cannot do */
	SESSION_LIBSSH2, /* that alone */
	SESSION_OPENSSH, /* the system's ssh, as a control master */
};

struct session_target {
	enum session_transport transport;
	const char *name;	/* as the inventory calls it: for messages and for `ssh -G` */
	const char *address;	/* NULL: name */
	const char *user;	/* NULL: ssh's configuration */
	int port;		/* 0: ssh's configuration */
	const char *host_key;	/* pinned "TYPE BASE64"; NULL: known_hosts */
	const char *config;	/* as `ssh -F`; NULL: ssh's default */
	bool accept_new;	/* unknown host keys are added instead of refused */
	int connect_timeout_ms; /* TCP, key exchange and login together, without the wait for a turn
				 * (admission.h); 0: 30 s */
	const char
	    *run_dir;  /* private folder for sockets, exists, short (socket paths: 100 bytes) */
	int cancel_fd; /* readable: give up at once; -1: none */
	session_prompt_fn *prompt;
	session_log_fn *log;
	void *context; /* of prompt and log */
};

/* Connect, verify the host key, log in; in this order: nothing is sent to a host whose key is not
 * right. ERROR_UNREACHABLE, ERROR_HOST_KEY (message with both fingerprints, hint how to mend),
 * ERROR_AUTH (which ways were tried), ERROR_TIMEOUT (names the phase), ERROR_CANCELLED. */
int session_open(const struct session_target *target, struct session **ret, struct error *err);

/* From now on this descriptor ends the session when it becomes readable, instead of the target's
 * cancel_fd (-1: none does). So "stop" can end the connecting at once, and still leave the session
 * to a rollout that has something to finish or take back on the host. */
void session_set_cancel(struct session *session, int cancel_fd);

/* "deploy@10.0.0.9:2222": for messages. */
const char *session_describe(const struct session *session);
/* By which transport: "libssh2" or "openssh". */
const char *session_transport_name(const struct session *session);
/* The name of the user we logged in as. */
const char *session_user(const struct session *session);

/* A program on the host. `command` goes to the login shell as it is.
 *
 * The descriptors are Unix stream sockets in blocking mode. Closing `in` (or shutdown) is EOF
 * there; writing to it after the program's end is EPIPE, with SIGPIPE unless send's MSG_NOSIGNAL is
 * used or the process ignores it. What comes for a closed `out` or `err` is dropped, and the
 * program goes on: session_exec_stop ends it. `out` and `err` share one window: who lets one of
 * them fill up (about 400 KB) gets no more from the other either. */
struct session_exec {
	int in, out, err; /* our ends; close `in` to send EOF. Owned by the caller */
	uint64_t id;	  /* for session_exec_wait */
};
int session_exec(
    struct session *session, const char *command, struct session_exec *ret, struct error *err);
/* Wait for its end, until `deadline_ms` (base/clock.h; -1: the session's end). `ret_status`: exit
 * code, or 128 + signal (by the system's ssh 255 for every signal, which it does not tell). Its
 * descriptors stay the caller's, and what it wrote last may still be in them. To be called until it
 * succeeds once for each exec, or never: after ERROR_TIMEOUT it may be called again. */
int session_exec_wait(
    struct session *session, uint64_t id, int64_t deadline_ms, int *ret_status, struct error *err);

/* Do not wait for it: close the channel. The program sees EOF, and SIGPIPE when it writes; the
 * descriptors read EOF; its status is 129. No error when it has ended already. */
int session_exec_stop(struct session *session, uint64_t id, struct error *err);

/* Remote forward: the host listens on 127.0.0.1 at a port of its own choosing, and each connection
 * that arrives there is connected here to `target`: a Unix socket's path (starts with '/') or
 * "HOST:PORT". The hint of a refusal names the server settings to look at. */
int session_forward_remote(
    struct session *session, const char *target, int *ret_port, struct error *err);
/* The host stops listening; connections that are there live on. */
int session_forward_cancel(struct session *session, int port, struct error *err);

/* Local forward: a Unix socket here; each connection to it is a channel of its own that leads to
 * `to` there: a Unix socket's path, "HOST:PORT", or with `is_command` the stdio of a program.
 * `ret_path` is malloc'ed; the socket is gone with the session. */
int session_forward_local(
    struct session *session, const char *to, bool is_command, char **ret_path, struct error *err);

/* A connection that the host refuses is closed without a byte: why the last one on this path was.
 * Then -1 and `err`; 0 when none was. */
int session_forward_error(struct session *session, const char *path, struct error *err);

/* A connection to "HOST:PORT" there, once the host has made it; until `deadline_ms`, or for 60 s
 * (-1). The descriptor, close-on-exec and blocking, or -1: ERROR_FAILED (the host refused),
 * ERROR_TIMEOUT. */
int session_connect(
    struct session *session, const char *to, int64_t deadline_ms, struct error *err);

/* Has the link died? Then -1 and `err` says when and why. Never blocks. */
int session_lost(struct session *session, struct error *err);
/* Readable once the session has ended, for poll. */
int session_lost_fd(const struct session *session);

/* End it in an orderly way within 2 s, whatever state it is in: join its thread, close and unlink
 * everything. Takes NULL. */
void session_close(struct session *session);

#endif
