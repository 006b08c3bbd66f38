/* Files of KEY=VALUE lines: `env_file`, and the `.env` beside an inventory. The rules are Compose's
 * (Compose specification, "Env_file format", and what compose-go makes of it):
 *
 *   KEY=value         as it is, up to the end of the line or " #"; white space around it dropped
 *   KEY="value"       \n \r \t \a \b \f \v \\ \" \$ are escapes; may go over several lines
 *   KEY='value'       literal; only \' is a quote; may go over several lines
 *   KEY               the caller's own value, left out where there is none
 *   export KEY=value  as without `export`;   # a comment
 *
 * Variables are filled in except between single quotes. One difference: a variable that is not set
 * and has no default is a mistake here, since in such a file it is nearly always a password with a
 * dollar sign in it. */
#ifndef SHIPIT_INVENTORY_ENVFILE_H
#define SHIPIT_INVENTORY_ENVFILE_H

#include "base/strv.h"
#include "inventory/interpolate.h"
#include "inventory/inventory.h"

enum { ENVFILE_MAX_BYTES = 4 * 1024 * 1024 };

/* Set the file's variables in `out`, over what is there. `file` names it in positions. Variables
 * are looked up in `variables`, then in the file so far. Returns -1 when out of memory, and only
 * then; mistakes go into `problems`. `text` is changed. */
int envfile_parse(char *text, size_t len, const char *file, const struct variables *variables,
    struct pairs *out, struct problems *problems);

#endif
