/* Colours, and the width of text on a terminal. Only five of the sixteen basic colours are used:
 * those that can be read on a dark and on a light ground. */
#ifndef SHIPIT_CMD_UI_COLOR_H
#define SHIPIT_CMD_UI_COLOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum hue { HUE_PLAIN, HUE_GOOD, HUE_BAD, HUE_WARN, HUE_FAINT, HUE_STRONG };

/* Is `fd` a terminal that shows colours, and does nobody ask for none (option, NO_COLOR, TERM)? */
bool color_wanted(int fd, bool no_color);

/* The sequences around coloured text; "" when `color` is false. */
const char *hue_on(bool color, enum hue hue);
const char *hue_off(bool color, enum hue hue);

/* Columns that UTF-8 text without control characters takes. */
size_t text_width(const char *text);
/* Append at most `columns` columns of `text`, the last one a "~" where something was cut off; with
 * `pad`, spaces up to `columns`. Returns as buf_add. */
int text_fit(struct buf *out, const char *text, size_t columns, bool pad);

/* `text` cleaned for a terminal, on one line and without tabs; malloc'ed; NULL when out of memory
 * or `text` is NULL. Very long text is cut. */
char *text_cleaned(const char *text);

#endif
