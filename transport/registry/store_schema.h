/* The tables, and how older files become like newer ones. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_STORE_SCHEMA_H
#define SHIPIT_TRANSPORT_REGISTRY_STORE_SCHEMA_H

#include <stddef.h>

#include "base/error.h"

enum {
	STORE_APPLICATION_ID = 0x53684970, /* "ShIp", PRAGMA application_id */
	STORE_SCHEMA = 2,		   /* PRAGMA user_version */
};

/* Make sure that `path` is a store of this schema: made when there is none, migrated when it is
 * older. A newer one, and what is no store, is refused and not touched. */
int store_schema_prepare(const char *path, const char *lock_path, struct error *err);

/* The SQL that leads from schema `version` to the next one (0: from nothing); for tests. */
const char *store_schema_step(int version);

#endif
