/* For `status`, `history` and `check`: one environment after the other, each looked at and shown.
 */
#ifndef SHIPIT_CMD_EACH_H
#define SHIPIT_CMD_EACH_H

#include "cmd/cli.h"

/* Shows what was found in one environment; returns an exit code, or -1 with `err`. */
typedef int each_fn(
    struct cli *cli, const struct environment *env, const struct survey *survey, struct error *err);

/* The environment that the first argument names, or all of them; returns the worst exit code, or
 * -1 with `err`. With several, each has its name as heading. */
int each_environment(struct cli *cli, bool probe, each_fn *show, struct error *err);

#endif
