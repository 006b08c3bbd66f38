/* One question of `ready:` to a container, asked through the session: nothing is needed on the host
 * but what runs there anyway. */
#ifndef SHIPIT_DEPLOY_PROBE_H
#define SHIPIT_DEPLOY_PROBE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "inventory/inventory.h"
#include "transport/engine.h"
#include "transport/ssh/session.h"

struct probe_target {
	struct session *session;
	struct engine *engine;
	const char *container; /* its id */
	const json_t *inspect; /* what the engine says of it: where it can be reached */
	int cancel_fd;	       /* -1: none */
};

/* A local forward to where it was asked last: made anew only when that changes. */
struct probe_way {
	char *address, *path;
};
void probe_way_release(struct probe_way *way);

/* Is it well answered? At most until `deadline_ms`. Else `words` are what came instead: "503, where
 * 200 to 399 is wanted". */
bool probe_ask(const struct probe_target *target, const struct probe *probe, struct probe_way *way,
    int64_t deadline_ms, struct buf *words);

/* "HOST:PORT" as the host has to call it; malloc'ed. Without a host in the probe: where the
 * container publishes this port on the host, else the container's own address. Pure. */
int probe_address(const struct probe *probe, const json_t *inspect, char **ret, struct error *err);

#endif
