/* After the link was lost in the middle of a swap: ask the host what became of it. */
#ifndef SHIPIT_DEPLOY_HOST_LEARN_H
#define SHIPIT_DEPLOY_HOST_LEARN_H

#include "deploy/run.h"

/* Connect again for up to 90 s, wait for the lock (the keeper that was left behind holds it until
 * it has reverted), and look: the host's record wins. SWAP_COMMITTED or SWAP_REVERTED; SWAP_LOST,
 * with `err`, where it cannot be learned. `err` says on entry why the link was lost and keeps
 * saying it unless it was committed. */
enum swap_end host_learn(struct host_run *run, struct work *work, struct error *err);

#endif
