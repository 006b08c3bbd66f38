/* The bytes below SSH: a TCP connection, or a child's stdio (ProxyCommand, ProxyJump). */
#ifndef SHIPIT_TRANSPORT_SSH_CONNECT_H
#define SHIPIT_TRANSPORT_SSH_CONNECT_H

#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"
#include "transport/ssh/config.h"
#include "transport/ssh/trace.h"

/* The socket is non-blocking, without Nagle, and gives up (ETIMEDOUT) when the peer's kernel is
 * silent for 15 s, idle or not. */
int connect_tcp(const struct ssh_config *config, int64_t deadline_ms, int cancel_fd,
    const struct trace *trace, int *ret_fd, struct error *err);

/* A child whose stdin and stdout are one socket. What it says on stderr is kept for the message. */
struct proxy {
	pid_t pid; /* 0: none */
	int errors;
};

int proxy_start(struct proxy *proxy, const struct ssh_config *config, const struct trace *trace,
    int *ret_fd, struct error *err);
/* Append " (the proxy says: ...)" when it said something, which is the answer. */
bool proxy_blame(struct proxy *proxy, struct error *err);
/* End it: its socket must be closed already, which gives it 200 ms; then TERM, after 300 ms KILL.
 */
void proxy_stop(struct proxy *proxy);

#endif
