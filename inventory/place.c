#include "inventory/place.h"

#include <string.h>

size_t place_break(const char *at)
{
	if (at[0] == '\r')
		return at[1] == '\n' ? 2 : 1;
	if (at[0] == '\n')
		return 1;
	if (strncmp(at, "\xc2\x85", 2) == 0)
		return 2;
	return strncmp(at, "\xe2\x80\xa8", 3) == 0 || strncmp(at, "\xe2\x80\xa9", 3) == 0 ? 3 : 0;
}

bool place_inside(const char *at)
{
	return ((unsigned char)*at & 0xc0) == 0x80;
}

struct place place_begin(const char *text)
{
	static const char bom[] = "\xef\xbb\xbf";

	if (strncmp(text, bom, strlen(bom)) == 0)
		text += strlen(bom);
	return (struct place){text, text, 1, 1};
}

void place_go(struct place *place, const struct position *pos)
{
	while (*place->at && (place->line < pos->line || place->column < pos->column)) {
		size_t len = place_break(place->at);

		if (len > 0 && place->line == pos->line)
			break;
		if (len > 0) {
			place->at += len;
			place->line_start = place->at;
			place->line++;
			place->column = 1;
			continue;
		}
		do
			place->at++;
		while (place_inside(place->at));
		place->column++;
	}
}
