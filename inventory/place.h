/* A place in a text, with lines and columns counted as libyaml counts them. */
#ifndef SHIPIT_INVENTORY_PLACE_H
#define SHIPIT_INVENTORY_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "inventory/inventory.h"

struct place {
	const char *at, *line_start; /* in a text that ends with NUL */
	int line, column;
};

struct place place_begin(const char *text);
/* Forward to `pos`, or the end of its line, or of the text. */
void place_go(struct place *place, const struct position *pos);

/* Bytes of the end of a line that stands there; 0: there is none. */
size_t place_break(const char *at);
/* Not the first byte of a character. */
bool place_inside(const char *at);

#endif
