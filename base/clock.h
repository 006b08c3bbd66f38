/* Time. Deadlines are milliseconds of CLOCK_BOOTTIME (which goes on while the laptop sleeps: a
 * host that waited 15 s has waited 15 s, whatever our lid did); where there is no such clock, of
 * CLOCK_MONOTONIC. Wall-clock time is for showing only. */
#ifndef SHIPIT_BASE_CLOCK_H
#define SHIPIT_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

int64_t clock_now_ms(void);
/* Milliseconds until `deadline_ms` for poll(2): 0 when past, at most INT_MAX; a negative deadline
 * means none and gives -1. */
int clock_left_ms(int64_t deadline_ms);

enum { CLOCK_UTC_SIZE = 24 };
/* "2026-11-22T17:54:32Z" */
void clock_format_utc(time_t when, char out[CLOCK_UTC_SIZE]);
/* The same back; -1 when it is not of that form. */
int clock_parse_utc(const char *text, time_t *ret_when);
/* "5s", "3 min", "2 h", "6 days": for people. */
enum { CLOCK_AGE_SIZE = 24 };
void clock_format_age(int64_t seconds, char out[CLOCK_AGE_SIZE]);

#endif
