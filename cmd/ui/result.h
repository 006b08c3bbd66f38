/* The report at the end of a rollout: what is wrong and where, on `err`; what was done, how long it
 * took and how to take it back, on `out`. */
#ifndef SHIPIT_CMD_UI_RESULT_H
#define SHIPIT_CMD_UI_RESULT_H

#include "cmd/ui/ui.h"

void result_print(const struct ui *ui, const struct ui_end *end);

#endif
