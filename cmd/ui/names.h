/* Names of hosts in few words: those that count up are a range, as an inventory has it. */
#ifndef SHIPIT_CMD_UI_NAMES_H
#define SHIPIT_CMD_UI_NAMES_H

#include <stddef.h>

#include "base/buf.h"
#include "base/strv.h"

/* Append "web[1:12].example.com, db1"; what goes beyond `columns` becomes "and 3 more". Returns as
 * buf_add. */
int names_add(struct buf *out, const struct strv *names, size_t columns);

#endif
