#include "deploy/tail.h"

#include <stdlib.h>
#include <string.h>

void tail_line(void *context, const char *line)
{
	struct tail *tail = context;
	size_t slot = tail->n++ % TAIL_LINES;

	free(tail->lines[slot]);
	tail->lines[slot] = strdup(line);
	emit_log(&tail->source, 0, line);
}

void tail_text(const struct tail *tail, struct buf *out)
{
	size_t first = tail->n > TAIL_LINES ? tail->n - TAIL_LINES : 0;

	for (size_t i = first; i < tail->n; i++) {
		const char *line = tail->lines[i % TAIL_LINES];

		buf_addf(out, "\n    %s", line != NULL ? line : "");
	}
}

void tail_release(struct tail *tail)
{
	for (size_t i = 0; i < TAIL_LINES; i++)
		free(tail->lines[i]);
}
