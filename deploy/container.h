/* From run options to what the engine's API takes, and to the `docker run` line that would make the
 * same for a person to read. Pure. */
#ifndef SHIPIT_DEPLOY_CONTAINER_H
#define SHIPIT_DEPLOY_CONTAINER_H

#include <jansson.h>

#include "base/error.h"
#include "base/buf.h"
#include "base/strv.h"
#include "deploy/secrets.h"

/* Who and what a container is: its labels. `source` may be NULL. */
struct identity {
	const char *project, *environment, *prefix, *service;
	const char *release, *rollout;
	const char *image;  /* config digest */
	const char *config; /* config hash */
	const char *by, *at, *source;
	bool fixed_policy; /* the engine can change none later: it gets the user's at once */
};

/* The body of POST /containers/create. Restart policy `no`: commit gives it the user's
 * (fixed_policy). `image_id` is what the host's engine calls the image. Only the first network is
 * in it: engines before API 1.44 take one; the others are connected afterwards
 * (container_networks). It has the values of secrets that are variables; `secrets` may be NULL
 * where there are none. Options that options_check does not take: ERROR_PROTOCOL. */
int container_body(const struct identity *identity, const json_t *options, const char *image_id,
    struct secrets *secrets, json_t **ret, struct error *err);

/* The same for a one-off container that runs `command`: without what would let others take it for
 * the service (its labels, its name on the network, its ports and its healthcheck). */
int container_before_body(const struct identity *identity, const json_t *options,
    const char *image_id, struct secrets *secrets, const struct strv *command, json_t **ret,
    struct error *err);

/* The secrets that are files, as a tar to be put at "/" of the container; nothing where there are
 * none. `tar` is a BUF_SECRET. */
int container_secret_files(
    const json_t *options, struct secrets *secrets, struct buf *tar, struct error *err);

/* Names of the networks, the first one being in the body; none only with `network_mode`. */
int container_networks(
    const struct identity *identity, const json_t *options, struct strv *ret, struct error *err);
/* What connects it to one of them: its names there, of which the service's is the first, and
 * addresses. NULL: out of memory. */
json_t *container_endpoint(
    const struct identity *identity, const json_t *options, const char *network);

/* "docker run --detach --name ... IMAGE COMMAND", quoted for sh, values of environment variables
 * as they are. malloc'ed; NULL when out of memory, or when options_check does not take `options`.
 */
char *container_run_line(const struct identity *identity, const json_t *options, const char *image);

/* The labels of networks, volumes and the ledger's container. */
json_t *container_owner_labels(const char *project, const char *environment, const char *prefix);

#endif
