/* A terminal's modes, changed for a while, and put right by signal handlers. One terminal at a
 * time.
 */
#ifndef SHIPIT_CMD_UI_TERMINAL_H
#define SHIPIT_CMD_UI_TERMINAL_H

#include <stdbool.h>

enum terminal_mode {
	TERMINAL_SILENT, /* what is typed is not shown: a password */
	TERMINAL_RAW,	 /* every key goes to the program that reads */
};

/* False: it is no terminal. */
bool terminal_change(int fd, enum terminal_mode mode);
void terminal_reset(void);

/* For signal handlers: as it was before the change, and as it was after it. Without a change they
 * do nothing. */
void terminal_restore(void);
void terminal_resume(void);

#endif
