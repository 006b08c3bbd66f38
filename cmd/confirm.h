/* Questions before something is removed. */
#ifndef SHIPIT_CMD_CONFIRM_H
#define SHIPIT_CMD_CONFIRM_H

#include <stdbool.h>

#include "cmd/cli.h"

/* Ask on the terminal, unless --yes. -1 with ERROR_USAGE: the answer was no, or there is nobody. */
int confirm(struct cli *cli, const char *question, struct error *err);

/* Look which services are on the hosts and no longer in the inventory, and ask about them. Without
 * any, or without an answer, *ret is false: they stay, which is said. */
int confirm_left(struct cli *cli, const struct environment *env, bool *ret, struct error *err);

#endif
