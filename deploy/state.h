/* What this laptop remembers of its last rollout from an inventory: a comfort, for `rollback`
 * without ENV. A small JSON file below the XDG state folder, one for each inventory path; nothing
 * depends on its being there. */
#ifndef SHIPIT_DEPLOY_STATE_H
#define SHIPIT_DEPLOY_STATE_H

#include "base/error.h"

struct last_rollout {
	char *environment;
	char *rollout;
	char *at;
};

/* ERROR_NOT_FOUND when nothing is remembered. */
int state_read(const char *inventory_path, struct last_rollout *ret, struct error *err);
int state_write(const char *inventory_path, const struct last_rollout *last, struct error *err);
void last_rollout_release(struct last_rollout *last);

#endif
