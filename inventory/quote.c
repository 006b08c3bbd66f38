/* The lines that mistakes are about. The files are gone through once, however many there are. */
#include <stdlib.h>
#include <string.h>

#include "inventory/place.h"
#include "inventory/problems.h"

/* Nobody reads more of a line at once than a terminal shows. */
static int quote(struct problem *problem, const struct place *c)
{
	enum { SIDE_MAX = 400 };
	const char *from = c->line_start, *to = c->at;

	if (c->at - from > SIDE_MAX)
		for (from = c->at - SIDE_MAX; place_inside(from);)
			from++;
	while (*to && place_break(to) == 0 && (to - c->at < SIDE_MAX || place_inside(to)))
		to++;
	if (c->line != problem->pos.line || strspn(from, " \t") >= (size_t)(to - from))
		return 0;
	free(problem->quote);
	problem->quote = strndup(from, (size_t)(to - from));
	problem->quote_at = (size_t)(c->at - from);
	return problem->quote ? 0 : -1;
}

int problems_quote(struct problems *problems, const struct problems *texts)
{
	const char *file = NULL, *text = NULL;
	struct place c = {0};

	for (size_t i = 0; i < problems->n; i++) {
		struct problem *problem = &problems->v[i];

		if (problem->pos.file != file) {
			file = problem->pos.file;
			text = problems_text_of(texts, file);
			c = text ? place_begin(text) : c;
		}
		if (!text || problem->hidden || problem->pos.line < 1)
			continue;
		place_go(&c, &problem->pos);
		if (quote(problem, &c) < 0)
			return -1;
	}
	return 0;
}
