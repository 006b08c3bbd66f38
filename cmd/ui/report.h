/* What a report is made of: report.c gathers it, report_page.c writes the page. */
#ifndef SHIPIT_CMD_UI_REPORT_H
#define SHIPIT_CMD_UI_REPORT_H

#include "cmd/ui/ui.h"

/* One step of one host. */
struct span {
	size_t row; /* of the fleet */
	enum step step;
	const char *service; /* borrowed; NULL: all of the host */
	int64_t begin_ms, end_ms;
	bool open;
	enum state state;
	uint64_t bytes;
	char *text; /* what was said at its end; NULL: nothing */
};

struct note {
	const char *host; /* borrowed; NULL: this machine */
	int64_t at_ms;
	char *text;
};

struct report {
	struct ui ui;
	char *path, *part; /* where it goes, and where it is written */
	int fd;
	struct span *spans;
	size_t n_spans;
	struct note *notes;
	size_t n_notes, notes_left_out;
};

/* All text in it is escaped. -1: it could not be written. */
int report_write(const struct report *report, const struct ui_end *end, FILE *out);

#endif
