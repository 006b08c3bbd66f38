/* Networks and volumes as the file defines them (run option `definitions`, docs/formats.md): what
 * the engine is asked to make, and how what is there differs. Pure. */
#ifndef SHIPIT_DEPLOY_RESOURCES_H
#define SHIPIT_DEPLOY_RESOURCES_H

#include <jansson.h>
#include <stdbool.h>

#include "base/strv.h"

enum resource_kind { RESOURCE_NETWORK, RESOURCE_VOLUME };

/* "network", "volume" */
const char *resource_word(enum resource_kind kind);
/* The definition of that name; NULL: it is as the engine makes it. Borrowed. */
const json_t *resource_definition(const json_t *options, enum resource_kind kind, const char *name);
/* Members of the body that makes it, but for its name and labels; NULL: out of memory. */
json_t *resource_body(enum resource_kind kind, const json_t *definition);
/* `labels`, and over them the definition's; NULL: out of memory. */
json_t *resource_labels(const json_t *definition, const json_t *labels);

/* A line for each thing in which `there`, the engine's inspect, is not what the definition says:
 * "its driver is bridge, and the file says macvlan". Labels, which change nothing, go to
 * `ret_labels`. -1: out of memory. */
int resource_differences(enum resource_kind kind, const json_t *definition, const json_t *there,
    struct strv *ret, struct strv *ret_labels);

#endif
