#include "cmd/ui/names.h"

#include <stdlib.h>
#include <string.h>

#include "cmd/ui/color.h"

enum { RANGE_MIN = 3, DIGITS_MAX = 9 };

/* A number in a name: "web" "07" ".example.com". */
struct counted {
	const char *name;
	size_t at, digits;
};

static char *counted_up(const struct counted *c, long by)
{
	long number = strtol(c->name + c->at, NULL, 10) + by;
	int width = c->name[c->at] == '0' ? (int)c->digits : 0;

	return string_printf(
	    "%.*s%0*ld%s", (int)c->at, c->name, width, number, c->name + c->at + c->digits);
}

/* How many of the names from `first` on count up at this number, itself included. */
static size_t count_run(const struct strv *names, size_t first, const struct counted *c)
{
	size_t n = 1;

	while (first + n < names->n) {
		CLEANUP_FREE char *next = counted_up(c, (long)n);

		if (next == NULL || strcmp(next, names->v[first + n]) != 0)
			break;
		n++;
	}
	return n;
}

/* The number in the first name at which most names count up. */
static size_t longest_run(const struct strv *names, size_t first, struct counted *ret)
{
	const char *name = names->v[first];
	size_t best = 1;

	for (size_t at = 0; name[at] != '\0'; at++) {
		struct counted c = {name, at, strspn(name + at, "0123456789")};
		size_t n;

		if (c.digits == 0)
			continue;
		n = c.digits <= DIGITS_MAX ? count_run(names, first, &c) : 1;
		if (n > best) {
			best = n;
			*ret = c;
		}
		at += c.digits - 1;
	}
	return best;
}

/* "web[1:12].example.com"; malloc'ed. */
static char *range_of(const struct counted *c, size_t n)
{
	long from = strtol(c->name + c->at, NULL, 10);
	int width = c->name[c->at] == '0' ? (int)c->digits : 0;

	return string_printf("%.*s[%0*ld:%0*ld]%s", (int)c->at, c->name, width, from, width,
	    from + (long)n - 1, c->name + c->at + c->digits);
}

int names_add(struct buf *out, const struct strv *names, size_t columns)
{
	size_t width = 0;

	for (size_t i = 0; i < names->n;) {
		struct counted c = {0};
		size_t n = longest_run(names, i, &c);
		CLEANUP_FREE char *text = NULL;

		if (n < RANGE_MIN)
			n = 1;
		text = n > 1 ? range_of(&c, n) : strdup(names->v[i]);
		if (text == NULL)
			return -1;
		width += text_width(text) + (i > 0 ? 2 : 0);
		if (i > 0 && width > columns)
			return buf_addf(out, " and %zu more", names->n - i);
		if (buf_addf(out, "%s%s", i > 0 ? ", " : "", text) < 0)
			return -1;
		i += n;
	}
	return 0;
}
