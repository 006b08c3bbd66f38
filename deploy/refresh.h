/* `refresh`: images made anew from newer bases, deployed where they are not what runs.
 *
 * It is a deploy (rollout.h, `refresh`) in which each host's plan asks refresh_judge(): compared is
 * what is in the images (transport/registry/content.h), not their digests. What runs is read from
 * this machine's store, or where that does not have it, once from the host. A fingerprint that was
 * deployed is in the hosts' ledgers, and so is that it was taken back: whoever runs the next
 * refresh, from whatever machine, leaves an image alone that did not work. */
#ifndef SHIPIT_DEPLOY_REFRESH_H
#define SHIPIT_DEPLOY_REFRESH_H

#include "base/error.h"
#include "base/strv.h"
#include "inventory/inventory.h"

/* Which of these services (`names` NULL or empty: all of the environment's) have something to be
 * made anew from: a `build:`, or an image that came from a registry. Of the others `ret_left` says
 * why not, a sentence each. */
int refresh_choose(const struct inventory *inv, const struct environment *env,
    const struct strv *names, int cancel_fd, struct strv *ret, struct strv *ret_left,
    struct error *err);

#endif
