/* `${VAR}` and its kin, as the Compose specification has them (12-interpolation.md):
 *
 *   $VAR ${VAR}       its value; empty when it is not set
 *   ${VAR:-default}   default when it is unset or empty; ${VAR-default}: when it is unset
 *   ${VAR:?message}   a mistake when it is unset or empty; ${VAR?message}: when it is unset
 *   ${VAR:+other}     other when it is set and not empty; ${VAR+other}: when it is set
 *   $$                a dollar sign, as is one with neither a name nor "{" behind it
 *
 * `default`, `message` and `other` may hold variables themselves. Any other "${" is a mistake. */
#ifndef SHIPIT_INVENTORY_INTERPOLATE_H
#define SHIPIT_INVENTORY_INTERPOLATE_H

#include "base/buf.h"
#include "base/strv.h"

enum {
	INTERPOLATE_MAX = 1024 * 1024, /* bytes in one value */
	INTERPOLATE_DEPTH = 16,
};

struct variables {
	void *context;
	/* NULL when it is not set. Borrowed. */
	const char *(*get)(void *context, const char *name);
};

enum interpolated { INTERPOLATED, INTERPOLATE_MISTAKE, INTERPOLATE_NO_MEMORY };

/* Append `text`, interpolated, to `out`. A mistake is described in `why`, without values but for
 * those that the file's own `?message` names. `unset` takes the names that had no value and no
 * default; each once. */
enum interpolated interpolate(const char *text, const struct variables *variables, struct buf *out,
    struct strv *unset, struct buf *why);

#endif
