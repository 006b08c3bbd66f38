/* One libssh2 session over one connected socket, never blocking inside libssh2.
 *
 * Two callbacks stand between libssh2 and the socket. Sending always succeeds: what the socket does
 * not take waits in a queue (sendqueue.h says why). Receiving counts, so that the I/O thread can
 * tell whether bytes were taken off the socket since it last looked at every channel: those bytes
 * are invisible to poll(2), and sleeping on them would lose a wake-up.
 *
 * Used by one thread at a time: the one that opens the session, later its I/O thread. */
#ifndef SHIPIT_TRANSPORT_SSH_LINK_H
#define SHIPIT_TRANSPORT_SSH_LINK_H

#include <libssh2.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "transport/ssh/config.h"
#include "transport/ssh/libssh2/sendqueue.h"
#include "transport/ssh/trace.h"

struct link {
	int fd;
	LIBSSH2_SESSION *ssh;
	struct sendqueue queue;
	size_t busy;	    /* above so many waiting bytes nothing more is written into channels */
	uint64_t sent;	    /* bytes the socket took, ever */
	uint64_t pace_sent; /* of link_pace: `sent` and the time at the last look */
	int64_t pace_ms;
	bool writable;	   /* the socket has not said EAGAIN since poll said that it takes more */
	bool readable;	   /* poll said so, and recv has not said EAGAIN since */
	uint64_t received; /* bytes, ever */
	int64_t heard_ms;  /* when the last of them came */
	bool dead;	   /* nothing goes in or out any more; libssh2 is told so */
	int dead_errno;	   /* why; 0: the host closed the connection */
	/* While opening: */
	const char *phase; /* for messages: "key exchange" */
	int64_t deadline_ms;
	int cancel_fd;
	struct trace trace;
	void *prompt; /* of auth.c */
	const char
	    *beyond; /* static: what failed and is beyond libssh2; NULL: nothing of that sort */
};

enum { LINK_QUEUE_MAX = 8 * 1024 * 1024 };

/* Takes `fd`, also on failure. */
int link_init(struct link *link, int fd, struct error *err);

/* Banner and key exchange. `host_key_types`: which to ask for, the best first, comma-separated.
 * When the host hung up before its banner (MaxStartups), `ret_throttled` is true. */
int link_handshake(struct link *link, const struct ssh_config *config, const char *host_key_types,
    bool *ret_throttled, struct error *err);

/* For the loops "call libssh2 until it is not EAGAIN": send what waits, sleep until the host says
 * something. ERROR_TIMEOUT and ERROR_CANCELLED name the phase. */
int link_wait(struct link *link, struct error *err);

/* What poll said about the socket. */
void link_ready(struct link *link, short revents);
/* Hand the socket what waits; marks the link dead when that fails. */
void link_flush(struct link *link);
bool link_busy(const struct link *link);
/* To be called often: lets about as much wait, here and in the kernel, as leaves in a quarter of a
 * second. Heartbeats stand in the same queue behind the image: on a slow link they must not come
 * late, on a fast one the thread must not be woken for every packet. */
void link_pace(struct link *link);

/* Why it is dead: "closed by the host", "Connection reset by peer". */
const char *link_death(const struct link *link);
void link_kill(struct link *link, int errnum);
/* A return value of libssh2: does it mean that the connection is of no use any more? Then it is
 * marked dead. */
bool link_fatal(struct link *link, int rc);
/* What libssh2 said last, cleaned by nobody: for trace and messages. */
const char *link_last_error(const struct link *link);

/* Say goodbye if the socket takes it within `linger_ms`, free everything. Does not block longer,
 * whatever state libssh2 is in. */
void link_close(struct link *link, int linger_ms);

#endif
