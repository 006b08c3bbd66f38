/* What libssh2 has handed over and the socket has not taken yet.
 *
 * libssh2 must never see a partial write: a server that starts a new key exchange while half a
 * packet is out would wait for the other half for ever. So its send callback always accepts, and
 * the rest waits here. Who writes into channels looks at sendqueue_pending first and stops above a
 * limit of its own; `max` only ends a session whose host reads nothing at all. */
#ifndef SHIPIT_TRANSPORT_SSH_SENDQUEUE_H
#define SHIPIT_TRANSPORT_SSH_SENDQUEUE_H

#include <stddef.h>
#include <sys/types.h>

struct sendqueue {
	unsigned char *data;
	size_t head; /* the first byte that waits */
	size_t len;  /* how many wait */
	size_t cap;
	size_t max;
};

void sendqueue_init(struct sendqueue *queue, size_t max);
/* All of it or nothing: 0, or -1 with errno ENOMEM or ENOBUFS (more than `max` would wait). */
int sendqueue_add(struct sendqueue *queue, const void *data, size_t len);
size_t sendqueue_pending(const struct sendqueue *queue);

/* Takes what it can of `len` bytes: how many, or -1 with errno. */
typedef ssize_t sendqueue_write_fn(void *context, const void *data, size_t len);
/* Hand out what waits until all is gone or `write` says EAGAIN. 0, or -1 with write's errno. */
int sendqueue_flush(struct sendqueue *queue, sendqueue_write_fn *write, void *context);

void sendqueue_clear(struct sendqueue *queue);
void sendqueue_release(struct sendqueue *queue);

#endif
