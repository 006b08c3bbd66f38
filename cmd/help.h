/* What `shipit -h` and `shipit COMMAND -h` print. Each fits on 24 lines of 80 columns; a test holds
 * the tables to that. Return as buf_add. */
#ifndef SHIPIT_CMD_HELP_H
#define SHIPIT_CMD_HELP_H

#include "base/buf.h"
#include "cmd/command.h"

int help_command(const struct command *command, struct buf *out);
int help_all(struct buf *out);

#endif
