#include "base/lines.h"

#include <string.h>

void lines_init(struct lines *lines, size_t max, line_fn *line, void *context)
{
	*lines = (struct lines){.part = BUF_INIT(max), .line = line, .context = context};
}

static void tell(struct lines *lines, bool whole)
{
	struct buf *part = &lines->part;

	if (whole && part->len > 0 && part->data[part->len - 1] == '\r')
		part->data[--part->len] = '\0';
	/* A newline right behind a piece ends the line that was told. */
	if (part->len > 0 || !lines->more)
		lines->line(lines->context, part->data);
	lines->more = !whole;
	buf_clear(part);
}

int lines_feed(struct lines *lines, const char *data, size_t len)
{
	struct buf *part = &lines->part;

	while (len > 0) {
		const char *newline = memchr(data, '\n', len);
		size_t take = newline != NULL ? (size_t)(newline - data) : len;
		bool whole = newline != NULL;

		if (take > part->max - part->len) {
			take = part->max - part->len;
			whole = false;
		}
		if (buf_add(part, data, take) < 0)
			return -1;
		if (whole || part->len == part->max)
			tell(lines, whole);
		data += take + whole;
		len -= take + whole;
	}
	return 0;
}

void lines_cut(struct lines *lines)
{
	if (lines->part.len > 0)
		tell(lines, false);
}

void lines_end(struct lines *lines)
{
	if (lines->part.len > 0)
		tell(lines, true);
	buf_release(&lines->part);
}
