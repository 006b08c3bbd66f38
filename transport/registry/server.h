/* A registry over HTTP (OCI distribution-spec 1.1), by libmicrohttpd: all four of its categories
 * over a store, or a window on another registry through which only reads pass.
 *
 * During a rollout it listens on a private Unix socket, to which the tunnels of the hosts lead,
 * asks every client for the rollout's one-time credentials, and gives each account only the
 * repositories it was made for. Alone (`shipit registry serve`) it listens on loopback.
 *
 * A thread for each connection: reading the store and slow clients may block it. Bounded: 256
 * connections, 16 KiB of header, 4 MiB of manifest, and per connection one chunk of a blob. A
 * client that stalls is waited for, 10 minutes; one that sends or reads for 5 minutes and more at
 * less than 1 KiB/s on average is dropped; and, where credentials are asked for, one that has not
 * shown any within 20 s. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_SERVER_H
#define SHIPIT_TRANSPORT_REGISTRY_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/limiter.h"
#include "base/strv.h"
#include "transport/registry/store.h"

struct server;

/* One request, once it is over; called from the connection's thread. Texts are not cleaned. */
struct server_request {
	const char *account; /* NULL: none */
	const char *method, *path;
	unsigned int status;
	uint64_t sent, received; /* bytes of bodies */
	int64_t ms;
};
typedef void server_log_fn(void *context, const struct server_request *request);

struct server_options {
	struct store *store;  /* what is served; NULL: `upstream` */
	const char *upstream; /* "HOST:PORT" of another registry: GET and HEAD pass, nothing else */
	const char
	    *unix_path;	    /* where it listens: a socket's path (made 0600, removed at the end), */
	const char *listen; /* or "ADDRESS:PORT"; port 0: a free one */
	bool accounts;	    /* only clients with the credentials of an account get anything */
	bool read_only;
	/* What blobs wait for on their way out; borrowed. NULL: nothing. Stop it before the server:
	 * a blob that waits ends then. */
	struct limiter *limiter;
	server_log_fn *log; /* may be NULL */
	void *context;
};

int server_start(const struct server_options *options, struct server **ret, struct error *err);
/* "127.0.0.1:PORT", or the socket's path. */
const char *server_address(const struct server *server);

/* Let somebody in who says USER:PASSWORD (RFC 7617), to `repositories` (NULL: all), to read, and
 * with `write` to write, too. Copies everything. */
int server_allow(struct server *server, const char *user, const char *password,
    const struct strv *repositories, bool write, struct error *err);
/* Let a manifest be had from `repository` by `tag` (and its digest), with its config, which the
 * store does not have; its layers are in that repository. Until the server stops; copies
 * everything. No error when it is offered already. */
int server_offer(struct server *server, const char *repository, const char *tag,
    const char *manifest, const char *config, struct error *err);
/* Bytes of bodies that an account has got so far; 0 for an unknown one. */
uint64_t server_taken(struct server *server, const char *user);

/* Stop listening, end every connection, join every thread. Takes NULL. */
void server_stop(struct server *server);

#endif
