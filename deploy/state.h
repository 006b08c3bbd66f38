/* What this laptop remembers of its last rollouts from an inventory: a comfort, for `rollback`
 * without ENV and `deploy --retry`. Small JSON files below the XDG state folder, by the inventory's
 * path; nothing depends on their being there. */
#ifndef SHIPIT_DEPLOY_STATE_H
#define SHIPIT_DEPLOY_STATE_H

#include <jansson.h>

#include "base/error.h"
#include "base/strv.h"

struct last_rollout {
	char *environment;
	char *rollout;
	char *at;
};

/* ERROR_NOT_FOUND when nothing is remembered. */
int state_read(const char *inventory_path, struct last_rollout *ret, struct error *err);
int state_write(const char *inventory_path, const struct last_rollout *last, struct error *err);
void last_rollout_release(struct last_rollout *last);

/* What the last deploy to an environment left as it was: where it failed, what it did not reach or
 * not begin. */
struct missing {
	char *rollout; /* of which a retry is the rest */
	struct strv hosts;
	struct strv services; /* those that were to be deployed; empty: all */
};

/* ERROR_NOT_FOUND when none is remembered. */
int state_read_missing(
    const char *inventory_path, const char *environment, struct missing *ret, struct error *err);
int state_write_missing(const char *inventory_path, const char *environment,
    const struct missing *missing, struct error *err);
void missing_release(struct missing *missing);

/* What building left, so that what has not changed is not built again: an object of
 * docs/formats.md. ERROR_NOT_FOUND when nothing is remembered; `json` is taken, and may be NULL. */
int state_read_builds(const char *inventory_path, json_t **ret, struct error *err);
int state_write_builds(const char *inventory_path, json_t *json, struct error *err);
/* Be the only one of this user who builds `project`; closing *ret_fd ends it. ERROR_LOCKED: there
 * is another one. */
int state_lock_builds(const char *project, int *ret_fd, struct error *err);

#endif
