/* The user's wish to stop. SIGINT, SIGTERM and SIGHUP are the same to us: the first asks for an
 * orderly end, the second to let go, and a third ends the program at once. SIGPIPE is ignored:
 * a closed stdout is an error of writing. Stopping (Ctrl-Z) first puts the terminal right. */
#ifndef SHIPIT_CMD_SIGNALS_H
#define SHIPIT_CMD_SIGNALS_H

#include <stdbool.h>

#include "base/cancel.h"

/* Called in the handler, at the first and at the second signal: only what is safe there. */
typedef void signals_fn(void *context);

/* Install the handlers. `cancel` is fired by the first signal and must outlive everything. */
void signals_install(const struct cancel *cancel);
/* The defaults again: what is left to do needs no care. */
void signals_release(void);
/* Who else is told; NULL: nobody. */
void signals_tell(signals_fn *fn, void *context);
/* How many have come. */
int signals_count(void);
/* Was the program stopped and continued since this was asked last? */
bool signals_continued(void);

/* The calling thread, and those it makes, leave signals to the main thread. */
void signals_block(void);
void signals_unblock(void);

#endif
