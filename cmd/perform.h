/* A rollout, shown while it happens, with its report and its exit code. */
#ifndef SHIPIT_CMD_PERFORM_H
#define SHIPIT_CMD_PERFORM_H

#include "cmd/cli.h"
#include "deploy/rollout.h"

/* `options` says what to do; who does it, what is shown and where questions go is filled in.
 * Returns the exit code, or -1 with `err` when nothing was begun. Remembers what `rollback` without
 * ENV takes back. */
int perform(struct cli *cli, struct rollout_options *options, struct error *err);

/* Better before anything is done than between two batches: with `pause: confirm` there has to be
 * somebody to ask. */
int perform_check_confirm(
    const struct cli *cli, const struct environment *environment, struct error *err);

#endif
