/* Making the body of POST /containers/create, for the files that make it. -1: out of memory. */
#ifndef SHIPIT_DEPLOY_CONTAINER_PUT_H
#define SHIPIT_DEPLOY_CONTAINER_PUT_H

#include <jansson.h>

#include "base/strv.h"
#include "deploy/container.h"

int put_network(json_t *body, json_t *host, const struct identity *identity, const json_t *options);
/* Binds, anonymous volumes and mounts. */
int put_volumes(json_t *body, json_t *host, const json_t *options);

/* The words behind `docker run --mount` for one of the run option `mounts`; malloc'ed, NULL: out of
 * memory. */
char *mount_words(const json_t *mount);

#endif
