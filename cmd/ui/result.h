/* The report at the end of a rollout: what is wrong and where, on `err`; what was done, how long it
 * took and how to take it back, on `out`. */
#ifndef SHIPIT_CMD_UI_RESULT_H
#define SHIPIT_CMD_UI_RESULT_H

#include "cmd/ui/color.h"
#include "cmd/ui/ui.h"

void result_print(const struct ui *ui, const struct ui_end *end);
/* "11 done, 1 reverted" */
void result_counts(FILE *out, bool color, const struct rollout_result *result);
/* HUE_GOOD, HUE_WARN or HUE_BAD. */
enum hue result_hue(enum host_outcome outcome);

#endif
