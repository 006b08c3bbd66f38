/* What the commands of `shipit registry` share. */
#ifndef SHIPIT_CMD_REGISTRY_H
#define SHIPIT_CMD_REGISTRY_H

#include "cmd/cli.h"
#include "cmd/ui/meter.h"
#include "transport/registry/store.h"

/* The store of this user, at *ret_path. Where none was made yet none is made: *ret is NULL. */
int registry_find(struct store **ret, char **ret_path, struct error *err);
/* The same; that there is none is said. */
int registry_open(struct cli *cli, struct store **ret, struct error *err);
/* Progress on a terminal, unless the user wants quiet or JSON. */
void registry_meter(const struct cli *cli, struct meter *ret, const char *what);
/* "1 image", "12 images" */
enum { REGISTRY_COUNT_SIZE = 64 };
void registry_count(uint64_t n, const char *what, char out[REGISTRY_COUNT_SIZE]);

#endif
