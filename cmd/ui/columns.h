/* Text in columns, as `status` and the like print it: as wide as its widest cell, two spaces
 * between. Cells are cleaned when they are added, so they may hold what a host said. */
#ifndef SHIPIT_CMD_UI_COLUMNS_H
#define SHIPIT_CMD_UI_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/attr.h"
#include "cmd/ui/color.h"

enum { COLUMNS_MAX = 12 };

struct cell {
	char *text;
	enum hue hue;
};

struct columns {
	size_t n_columns;
	struct cell *cells; /* row by row; the first row is the heading */
	size_t n, room;
	bool failed; /* out of memory: the rest is left out, and columns_print says so */
};

/* `headings`: NULL-terminated; at most COLUMNS_MAX. */
void columns_init(struct columns *columns, const char *const *headings);
/* The next cell; NULL is shown as "-", "" as nothing. */
void columns_add(struct columns *columns, enum hue hue, const char *text);
void columns_addf(struct columns *columns, enum hue hue, const char *format, ...) PRINTF_LIKE(3, 4);
/* How many rows there are below the heading. */
size_t columns_rows(const struct columns *columns);
/* Every line `indent` columns in. -1: out of memory. */
int columns_print(const struct columns *columns, FILE *out, bool color, int indent);
void columns_release(struct columns *columns);

#define CLEANUP_COLUMNS __attribute__((cleanup(columns_release)))

#endif
