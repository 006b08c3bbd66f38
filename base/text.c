#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Length of the UTF-8 sequence at `s` (RFC 3629: no overlong forms, no surrogates), 0 if none. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (left < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* C0 but tab and newline, DEL, C1, and the marks that turn the direction of writing. */
static bool is_control(const unsigned char *s, size_t n)
{
	if (n == 1)
		return (s[0] < 0x20 && s[0] != '\t' && s[0] != '\n') || s[0] == 0x7f;
	if (n == 2)
		return s[0] == 0xc2 && s[1] < 0xa0;
	if (n == 3 && s[0] == 0xe2)
		return (s[1] == 0x80 && s[2] >= 0xaa && s[2] <= 0xae) ||
		       (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9);
	return false;
}

int text_clean(struct buf *out, const char *text, size_t len, bool one_line)
{
	const unsigned char *s = (const unsigned char *)text;

	for (size_t i = 0; i < len;) {
		size_t n = utf8_length(s + i, len - i);
		int rc = 0;

		if (n == 0 || is_control(s + i, n)) {
			size_t end = i + (n == 0 ? 1 : n);

			for (; i < end && rc == 0; i++)
				rc = buf_addf(out, "\\x%02x", s[i]);
		} else if (s[i] == '\n' && one_line) {
			rc = buf_adds(out, "\\n");
			i++;
		} else {
			rc = buf_add(out, s + i, n);
			i += n;
		}
		if (rc < 0)
			return -1;
	}
	return 0;
}

bool text_is_utf8(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t left = strlen(text), n;

	for (; left > 0; s += n, left -= n) {
		n = utf8_length(s, left);
		if (n == 0)
			return false;
	}
	return true;
}

enum { WORD_MAX = 64 };

static size_t least(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein, two swapped neighbours counting as one slip; words up to WORD_MAX. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][WORD_MAX + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la > WORD_MAX || lb > WORD_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= lb; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t *now = rows[i % 3], *before = rows[(i + 2) % 3],
		       *earlier = rows[(i + 1) % 3];

		now[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			now[j] = least(
			    before[j] + 1, now[j - 1] + 1, before[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    earlier[j - 2] + 1 < now[j])
				now[j] = earlier[j - 2] + 1;
		}
	}
	return rows[la % 3][lb];
}

const char *text_nearest(const char *word, const char *const *known, size_t n)
{
	size_t best = (strlen(word) + 2) / 3 + 1;
	const char *nearest = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t d = distance(word, known[i]);

		if (d < best) {
			best = d;
			nearest = known[i];
		}
	}
	return nearest;
}

bool text_glob(const char *pattern, const char *name)
{
	return fnmatch(pattern, name, 0) == 0;
}

bool text_is_name(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > 40)
		return false;
	for (size_t i = 0; i < len; i++) {
		bool inner = i > 0 && i + 1 < len && text[i - 1] != '-' && text[i - 1] != '_';
		char c = text[i];

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') &&
		    !((c == '-' || c == '_') && inner))
			return false;
	}
	return true;
}

void text_bytes(uint64_t bytes, char out[TEXT_BYTES_SIZE])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 999.5 && unit + 1 < ARRAY_SIZE(units)) {
		value /= 1000;
		unit++;
	}
	snprintf(out, TEXT_BYTES_SIZE, unit > 0 && value < 9.95 ? "%.1f %s" : "%.0f %s", value,
	    units[unit]);
}

/* "", "B", "k", "MB", "GiB": 0 when it is none of these. */
static uint64_t unit_of(const char *text)
{
	static const char prefixes[] = "kmgtp";
	const char *prefix = *text != '\0' ? strchr(prefixes, tolower((unsigned char)*text)) : NULL;
	uint64_t base = 1024, factor = 1;

	if (prefix == NULL)
		return *text == '\0' || strcasecmp(text, "b") == 0;
	if (strcasecmp(text + 1, "b") == 0)
		base = 1000;
	else if (text[1] != '\0' && strcasecmp(text + 1, "ib") != 0)
		return 0;
	for (const char *at = prefixes; at <= prefix; at++)
		factor *= base;
	return factor;
}

int text_parse_bytes(const char *text, uint64_t *ret)
{
	char *end;
	unsigned long long number;
	uint64_t unit;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	number = strtoull(text, &end, 10);
	end += *end == ' ';
	unit = unit_of(end);
	if (errno != 0 || unit == 0 || number > INT64_MAX / unit)
		return -1;
	*ret = number * unit;
	return 0;
}
