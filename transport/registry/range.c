#include "transport/registry/range.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* Digits at `*at`; false when there are none, or too many. */
static bool take_number(const char **at, uint64_t *ret)
{
	const char *p = *at;

	*ret = 0;
	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (*ret > (UINT64_MAX - digit) / 10)
			return false;
		*ret = *ret * 10 + digit;
	}
	if (p == *at)
		return false;
	*at = p;
	return true;
}

static const char *skip_space(const char *at)
{
	return at + strspn(at, " \t");
}

/* "-N": the last N bytes. */
static enum range_kind parse_suffix(const char *at, uint64_t size, struct range *ret)
{
	uint64_t n;

	if (!take_number(&at, &n) || *skip_space(at) != '\0')
		return RANGE_WHOLE;
	if (n == 0 || size == 0)
		return RANGE_UNFITTING;
	ret->length = n < size ? n : size;
	ret->start = size - ret->length;
	return RANGE_PART;
}

enum range_kind range_parse(const char *header, uint64_t size, struct range *ret)
{
	uint64_t first, last = UINT64_MAX;
	const char *at;

	*ret = (struct range){0, size};
	if (header == NULL || strncasecmp(header, "bytes=", 6) != 0)
		return RANGE_WHOLE;
	at = skip_space(header + 6);
	if (*at == '-')
		return parse_suffix(at + 1, size, ret);
	if (!take_number(&at, &first) || *at++ != '-')
		return RANGE_WHOLE;
	if (*skip_space(at) != '\0' && (!take_number(&at, &last) || last < first))
		return RANGE_WHOLE;
	if (*skip_space(at) != '\0')
		return RANGE_WHOLE;
	if (first >= size)
		return RANGE_UNFITTING;
	ret->start = first;
	ret->length = (last < size ? last + 1 : size) - first;
	return RANGE_PART;
}

int range_parse_chunk(const char *header, struct range *ret)
{
	uint64_t first, last;

	if (!take_number(&header, &first) || *header++ != '-' || !take_number(&header, &last) ||
	    *header != '\0' || last < first || last - first == UINT64_MAX)
		return -1;
	*ret = (struct range){first, last - first + 1};
	return 0;
}
