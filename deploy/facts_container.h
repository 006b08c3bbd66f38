/* One container as the engine's inspect tells it. */
#ifndef SHIPIT_DEPLOY_FACTS_CONTAINER_H
#define SHIPIT_DEPLOY_FACTS_CONTAINER_H

#include <jansson.h>

#include "deploy/facts.h"

/* -1: out of memory. What is missing, or odd, becomes what is usual. */
int container_parse(const json_t *inspect, struct container *ret);
/* Of one without our labels, what its name says: `ret` was made by container_parse. */
int container_by_name(const char *prefix, const json_t *inspect, struct container *ret);
/* Of PREFIX.SERVICE or PREFIX.SERVICE.RELEASE the service's length and where the release begins
 * (NULL: there is none); 0 for any other name. */
size_t container_name_parse(const char *prefix, const char *name, const char **ret_release);
void container_release(struct container *container);

/* --- facts_ages.c */

struct engine;
struct facts;
/* Fill in how old the images of the running containers are. */
int facts_ages(struct engine *engine, struct facts *facts, struct error *err);

#endif
