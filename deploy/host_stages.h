/* A long image is pulled in stages (transport/registry/staged.h), so that what has arrived stays on
 * the host when the link dies. Docker shares what two pulls want: there the next stage begins when
 * the layers before it are sent, while they are being unpacked. */
#ifndef SHIPIT_DEPLOY_HOST_STAGES_H
#define SHIPIT_DEPLOY_HOST_STAGES_H

#include "deploy/run.h"

/* Pull `reference`, which leads through a tunnel to the registry of this rollout and is `variant`
 * of `image`, in stages where it is worth it. What stands there of it is kept in run->held. */
int host_pull_stages(struct host_run *run, const struct image *image,
    const struct image_variant *variant, const char *reference,
    const struct engine_transfer *transfer, struct error *err);
/* The image is there, or will not be: remove the names of its stages, which keep their layers. Best
 * effort: the next rollout removes what is left. */
void host_forget_stages(struct host_run *run);

#endif
