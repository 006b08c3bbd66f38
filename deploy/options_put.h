/* Making run options, for the files that make them: each puts a member into `options`, or none. */
#ifndef SHIPIT_DEPLOY_OPTIONS_PUT_H
#define SHIPIT_DEPLOY_OPTIONS_PUT_H

#include <jansson.h>

#include "base/error.h"
#include "inventory/inventory.h"

/* `list` as the member `key`. Strings must be UTF-8: JSON, and so the engine's API, can carry
 * nothing else. */
int put_list(json_t *options, const char *key, const struct strv *list,
    const struct service *service, struct error *err);
/* The same, sorted; none where there is nothing. */
int put_sorted(json_t *options, const char *key, struct strv *list, const struct service *service,
    struct error *err);
/* None where it is empty. */
int put_object(json_t *options, const char *key, json_t *object, struct error *err);

/* Volumes, mounts and networks by their names on the host, and how the host is to make them. */
int put_resources(json_t *options, const struct inventory *inv, const char *prefix,
    const struct service *service, struct error *err);

#endif
