/* Where every host stands, folded from events: what the screen paints and what the report at the
 * end remembers. Plain data; knows nothing of terminals. */
#ifndef SHIPIT_CMD_UI_FLEET_H
#define SHIPIT_CMD_UI_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "deploy/event.h"

enum row_state {
	ROW_WAITING, /* nothing was heard yet, or a step is done and the next has not begun */
	ROW_RUNNING,
	ROW_OK,
	ROW_FAILED,
	ROW_REVERTED,
	ROW_SKIPPED,
	ROW_UNKNOWN,
	N_ROW_STATES,
};

struct row {
	const char *host; /* borrowed; NULL: this machine */
	enum row_state state;
	enum step step;	     /* the one under way, or the one that failed */
	const char *service; /* borrowed; NULL: all of the host */
	int64_t since_ms;    /* when the step began */
	uint64_t bytes, total;
	double rate;	   /* bytes per second, smoothed; 0: not known */
	int64_t sample_ms; /* of the last progress; 0: none */
	char *text;	   /* cleaned, one line; NULL: none */
	bool step_failed;  /* some step did: its error has been told */
};

struct fleet {
	struct row *rows; /* the first is this machine, the others are in the inventory's order */
	size_t n;
	enum step
	    last_step; /* a host that has done this one is finished; STEP_NONE: EVENT_HOST says */
};

int fleet_init(struct fleet *fleet, const char *const *hosts, size_t n, enum step last_step,
    struct error *err);
void fleet_event(struct fleet *fleet, const struct event *event);
/* The row of a host; NULL when it is none of ours. */
struct row *fleet_row(const struct fleet *fleet, const char *host);
/* How many hosts are in a state. */
size_t fleet_count(const struct fleet *fleet, enum row_state state);
void fleet_release(struct fleet *fleet);

#endif
