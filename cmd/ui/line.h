/* One event as one line of text: what plain output is made of, and what scrolls by above the
 * screen's table. */
#ifndef SHIPIT_CMD_UI_LINE_H
#define SHIPIT_CMD_UI_LINE_H

#include <stdbool.h>

#include "cmd/ui/color.h"
#include "cmd/ui/ui.h"

/* The line without time and newline, malloc'ed, cleaned; NULL: the event is not worth a line at
 * this verbosity (or no memory is left for it). `with_steps` false: only what a table of hosts
 * cannot show, which is notes and log lines. */
char *line_of_event(
    const struct ui *ui, const struct event *event, bool with_steps, enum hue *ret_hue);

#endif
