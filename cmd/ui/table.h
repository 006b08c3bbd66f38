/* The live table as lines of text, for a terminal of a given size. Pure: what stands in the fleet,
 * the size and the time decide every byte. */
#ifndef SHIPIT_CMD_UI_TABLE_H
#define SHIPIT_CMD_UI_TABLE_H

#include "base/strv.h"
#include "cmd/ui/ui.h"

/* At most `rows` - 1 lines, each narrower than `columns`, so that none wraps and the cursor has a
 * line of its own below. Where not all hosts fit, those at work and those in trouble are shown and
 * all are counted. Returns -1 when out of memory. */
int table_compose(
    const struct ui *ui, int64_t now_ms, size_t columns, size_t rows, struct strv *ret);

#endif
