/* One line on a terminal that says how far something is: "verify 34 %". Elsewhere, nothing. */
#ifndef SHIPIT_CMD_UI_METER_H
#define SHIPIT_CMD_UI_METER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct meter {
	FILE *out; /* NULL: nothing is shown */
	const char *what;
	int64_t shown_ms;
	bool shown;
};

/* `out` is written to when it is a terminal that can do it; NULL: never. */
void meter_init(struct meter *meter, FILE *out, const char *what);
/* A store_progress_fn whose context is the meter. Cheap: call it as often as you like. */
void meter_show(void *meter, uint64_t done, uint64_t total);
/* Take the line away again. */
void meter_clear(struct meter *meter);

#endif
