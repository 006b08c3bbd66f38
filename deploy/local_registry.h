/* The registry of a rollout on this machine, as its hosts see it: a server on a private socket, at
 * the end of every tunnel. Behind it is the store, or where the inventory names one, an external
 * registry. Each host has an account of its own, for the length of the rollout, with which it can
 * read the images of its services and nothing else; whoever else finds the tunnel gets nothing. */
#ifndef SHIPIT_DEPLOY_LOCAL_REGISTRY_H
#define SHIPIT_DEPLOY_LOCAL_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/limiter.h"
#include "base/strv.h"
#include "deploy/event.h"
#include "transport/registry/store.h"

enum { ACCOUNT_USER_SIZE = 32, ACCOUNT_PASSWORD_SIZE = 2 * 32 + 1 };

/* What a host says to be let in. Known to this process and, while it pulls, to the host's engine.
 */
struct account {
	const char *host; /* borrowed */
	char user[ACCOUNT_USER_SIZE], password[ACCOUNT_PASSWORD_SIZE];
};

struct local_registry {
	struct store *store; /* NULL: external, or not opened */
	struct store_hold *hold;
	char *folder; /* of a store that is only for a dry run; NULL: the user's own is used */
	struct server *server;
	struct account *accounts; /* one for each host */
	size_t n_accounts;
	struct limiter *limiter; /* of what hosts take; borrowed, may be NULL */
	struct events *events;
};

/* Open the store and hold it; `dry_run`: one that is gone afterwards. */
int local_registry_open(struct local_registry *registry, bool dry_run, struct error *err);
/* Listen on a socket in `folder`, which is private. `upstream` "HOST:PORT": not the store is
 * served, but this one. `hosts` and the `repositories` of each: `n` of them. */
int local_registry_start(struct local_registry *registry, const char *folder, const char *upstream,
    const char *const *hosts, const struct strv *repositories, size_t n, struct events *events,
    struct error *err);
/* The socket's path. */
const char *local_registry_address(const struct local_registry *registry);
/* Bytes of images that host number `i` has taken so far. */
uint64_t local_registry_taken(const struct local_registry *registry, size_t i);
/* Let hosts have this manifest, too: one that the store does not have (server_offer). */
int local_registry_offer(struct local_registry *registry, const char *repository, const char *tag,
    const char *manifest, const char *config, struct error *err);
/* Listen no more, and forget the accounts. The store stays open. Stops the limiter. */
void local_registry_stop(struct local_registry *registry);
/* When the store's file is larger than `limit`, have what is needed least go, saying so with -v.
 * Nothing depends on it: failing is said, too. */
void local_registry_tidy(
    struct local_registry *registry, uint64_t limit, int cancel_fd, struct events *events);
void local_registry_close(struct local_registry *registry);

#endif
