/* Which hosts a pattern of the inventory means: a name, a glob, or tag:NAME. */
#ifndef SHIPIT_INVENTORY_PATTERNS_H
#define SHIPIT_INVENTORY_PATTERNS_H

#include "inventory/inventory.h"

bool pattern_matches(const char *pattern, const struct host *host);
/* Does any of them match? */
bool patterns_match(const struct strv *patterns, const struct host *host);

#endif
