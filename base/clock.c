#include "base/clock.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#ifdef CLOCK_BOOTTIME
#define DEADLINE_CLOCK CLOCK_BOOTTIME
#else
#define DEADLINE_CLOCK CLOCK_MONOTONIC
#endif

int64_t clock_now_ms(void)
{
	struct timespec now = {0};

	clock_gettime(DEADLINE_CLOCK, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int clock_left_ms(int64_t deadline_ms)
{
	int64_t left;

	if (deadline_ms < 0)
		return -1;
	left = deadline_ms - clock_now_ms();
	if (left <= 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}

void clock_format_utc(time_t when, char out[CLOCK_UTC_SIZE])
{
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL ||
	    strftime(out, CLOCK_UTC_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		memcpy(out, "-", 2);
}

int clock_parse_utc(const char *text, time_t *ret_when)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	char again[CLOCK_UTC_SIZE];
	time_t when;

	if (end == NULL || *end != '\0')
		return -1;
	/* strptime is lenient: it takes blanks, short numbers and the 30th of February. */
	when = timegm(&tm);
	clock_format_utc(when, again);
	if (strcmp(again, text) != 0)
		return -1;
	*ret_when = when;
	return 0;
}

void clock_format_age(int64_t seconds, char out[CLOCK_AGE_SIZE])
{
	if (seconds < 0)
		seconds = 0;
	if (seconds < 60)
		snprintf(out, CLOCK_AGE_SIZE, "%" PRId64 " s", seconds);
	else if (seconds < 3600)
		snprintf(out, CLOCK_AGE_SIZE, "%" PRId64 " min", seconds / 60);
	else if (seconds < 48 * 3600)
		snprintf(out, CLOCK_AGE_SIZE, "%" PRId64 " h", seconds / 3600);
	else
		snprintf(out, CLOCK_AGE_SIZE, "%" PRId64 " days", seconds / 86400);
}
