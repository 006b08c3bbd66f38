/* What of an image tells when something happened, and not what there is. Pure. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_CONTENT_RULES_H
#define SHIPIT_TRANSPORT_REGISTRY_CONTENT_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

/* Logs, caches and lists of package managers, and what can be made again from files that count.
 * `path` is clean (tree.h). */
bool content_left_out(const char *path);

/* Is it a table of passwords, which has in its third field the day on which one was set? */
bool content_is_shadow(const char *path);
/* Without these days; in place. Returns the new length. */
size_t content_drop_days(char *text, size_t len);

/* Of an image's config what decides how it runs; a new reference, NULL: no memory. */
json_t *content_run_options(const json_t *config);

#endif
