/* The protocol of ssh's control socket (OpenSSH's PROTOCOL.mux, version 4): what `ssh -O` and `ssh`
 * behind a master speak. Spoken from here it costs no child for each program and forward, answers
 * come as values, and descriptors are handed to the master, so that their bytes never pass here.
 *
 * A connection is used by one thread at a time. Every call ends at its deadline or when `cancel_fd`
 * is readable. */
#ifndef SHIPIT_TRANSPORT_SSH_OPENSSH_MUX_H
#define SHIPIT_TRANSPORT_SSH_OPENSSH_MUX_H

#include <stdint.h>

#include "base/error.h"

struct mux_wait {
	int64_t deadline_ms;
	int cancel_fd; /* -1: none */
};

/* Connect to the master's socket and exchange greetings. The descriptor, or -1: ERROR_NOT_FOUND
 * when nobody listens. */
int mux_connect(const char *path, const struct mux_wait *wait, struct error *err);

/* A program there. The master gets duplicates of the three descriptors, which stay the caller's.
 * Closing the connection closes the program's channel. ERROR_FAILED: the host refused. */
int mux_session(int mux, const char *command, const int fds[3], uint32_t *ret_session,
    const struct mux_wait *wait, struct error *err);
/* Wait for its end. 1: `ret_status` is its exit code; 0: the channel is gone without one (a signal
 * ended it, or the master is gone). */
int mux_session_end(
    int mux, uint32_t session, int *ret_status, const struct mux_wait *wait, struct error *err);

/* Where a forward listens and leads to: a Unix socket's path with port MUX_PATH, or host and port.
 */
enum mux_direction { MUX_LOCAL = 1, MUX_REMOTE = 2 };
enum { MUX_PATH = -2 };
struct mux_forward {
	enum mux_direction direction;
	const char *listen;
	int listen_port; /* 0, MUX_REMOTE alone: the host picks one */
	const char *connect;
	int connect_port;
};
/* `ret_port`: the one that the host picked; NULL: not wanted. ERROR_FAILED: refused, with the
 * master's words. */
int mux_forward(int mux, const struct mux_forward *forward, int *ret_port,
    const struct mux_wait *wait, struct error *err);
/* The same values as it was made with: 0 as the port that the host picked. */
int mux_forward_cancel(
    int mux, const struct mux_forward *forward, const struct mux_wait *wait, struct error *err);

/* A connection to host and port there. The master gets a duplicate of `fd`, for both directions,
 * which stays the caller's. Closing `mux` closes the connection; the master closes it when that has
 * ended. ERROR_FAILED: the host refused. */
int mux_stream(
    int mux, const char *host, int port, int fd, const struct mux_wait *wait, struct error *err);

/* The master is to end. */
int mux_terminate(int mux, const struct mux_wait *wait, struct error *err);

#endif
