/* Durations and numbers as texts. */
#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "inventory/values.h"

struct unit {
	const char *name;
	int64_t ns;
};

/* The longest name first where one begins another. */
static const struct unit units[] = {
    {"ns", 1},
    {"us", 1000},
    {"\xc2\xb5s", 1000},
    {"ms", 1000000},
    {"s", 1000000000},
    {"m", 60000000000},
    {"h", 3600000000000},
};

static const int64_t ns_per_ms = 1000000;
static const int64_t longest_ns = 3600000000000 * 10000;

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "1.5h" at *at: its nanoseconds are added to *total. */
static int parse_part(const char **at, int64_t *total)
{
	const char *text = *at, *fraction = "";
	int64_t whole = 0;
	const struct unit *unit = NULL;

	if (!is_digit(*text))
		return -1;
	for (; is_digit(*text); text++)
		if (whole <= longest_ns)
			whole = whole * 10 + (*text - '0');
	if (*text == '.') {
		fraction = ++text;
		if (!is_digit(*text))
			return -1;
		while (is_digit(*text))
			text++;
	}
	for (size_t i = 0; i < ARRAY_SIZE(units) && !unit; i++)
		if (strncmp(text, units[i].name, strlen(units[i].name)) == 0)
			unit = &units[i];
	if (!unit || whole > longest_ns / unit->ns)
		return -1;
	*total += whole * unit->ns;
	for (int64_t scale = unit->ns / 10; is_digit(*fraction); fraction++, scale /= 10)
		*total += scale * (*fraction - '0');
	*at = text + strlen(unit->name);
	return *total > longest_ns ? -1 : 0;
}

/* As Go's time.ParseDuration, which Compose uses, without signs; at most 10000 hours. What is not
 * a whole millisecond is rounded up. */
int parse_duration(const char *text, int64_t *ret_ms)
{
	int64_t total = 0;

	if (strcmp(text, "0") == 0) {
		*ret_ms = 0;
		return 0;
	}
	do {
		if (parse_part(&text, &total) < 0)
			return -1;
	} while (*text);
	*ret_ms = (total + ns_per_ms - 1) / ns_per_ms;
	return 0;
}

int parse_int(const char *text, int least, int most, int *ret)
{
	long value = 0, sign = *text == '-' ? -1 : 1;

	text += sign < 0;
	if (!*text)
		return -1;
	for (; *text; text++) {
		if (!is_digit(*text) || value > INT32_MAX)
			return -1;
		value = value * 10 + (*text - '0');
	}
	value *= sign;
	if (value < least || value > most)
		return -1;
	*ret = (int)value;
	return 0;
}

bool parse_bool(const char *text, bool *ret)
{
	static const char *const words[][2] = {
	    {"false", "true"}, {"no", "yes"}, {"off", "on"}, {"n", "y"}};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		for (int value = 0; value < 2; value++)
			if (strcasecmp(text, words[i][value]) == 0) {
				*ret = value;
				return true;
			}
	return false;
}
