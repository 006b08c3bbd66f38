/* One container as the engine's inspect tells it. */
#ifndef SHIPIT_DEPLOY_FACTS_CONTAINER_H
#define SHIPIT_DEPLOY_FACTS_CONTAINER_H

#include <jansson.h>

#include "deploy/facts.h"

/* -1: out of memory. What is missing, or odd, becomes what is usual. */
int container_parse(const json_t *inspect, struct container *ret);
void container_release(struct container *container);

#endif
