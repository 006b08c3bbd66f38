/* Building images on this machine: steps that wait for each other, each by the engine, and only
 * those of which something has changed.
 *
 * A step either builds an image, by the engine's own command, or runs a container with folders of
 * the project in it. A service with a build of its own is a step of its name. What a step was made
 * from is a digest over all that it takes, kept in the state folder with what came of it
 * (docs/formats.md), so an image says nothing of it and stays the same where its content does. */
#ifndef SHIPIT_DEPLOY_BUILD_H
#define SHIPIT_DEPLOY_BUILD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "deploy/event.h"
#include "inventory/inventory.h"

struct secrets;

struct build_options {
	bool pull, no_cache;
	int cancel_fd;
	struct secrets *secrets; /* NULL: they are asked for here */
};

struct build_counts {
	size_t run, unchanged; /* steps */
};

/* Build the images of these services, with all the steps that they need; those without a build are
 * passed over. Output goes out as EVENT_LOG; a failure carries the last 20 lines of its step.
 * `ret` may be NULL. */
int deploy_build(const struct inventory *inv, const struct service *const *services, size_t n,
    const struct build_options *options, struct events *events, struct build_counts *ret,
    struct error *err);

/* What builds and pulls on this machine: "docker" or "podman". */
const char *build_command(const struct inventory *inv);

#endif
