/* What the tests of base/ and deploy/ have in common: cmocka with the headers it wants, asserts
 * about errors, and numbers that look random and are the same in every run. */
#ifndef SHIPIT_TESTS_UNIT_BASE_CHECK_H
#define SHIPIT_TESTS_UNIT_BASE_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/error.h"

/* `err` is of this kind, says `part` (NULL: whatever), and is released. */
#define assert_error(err, of_kind, part)                                                           \
	do {                                                                                       \
		assert_int_equal((err)->kind, of_kind);                                            \
		assert_contains(error_text(err), part);                                            \
		error_release(err);                                                                \
	} while (0)

#define assert_contains(text, part) check_contains(text, part, __FILE__, __LINE__)

static inline void check_contains(const char *text, const char *part, const char *file, int line)
{
	if (part == NULL || (text != NULL && strstr(text, part) != NULL))
		return;
	print_error("\"%s\" does not contain \"%s\"\n", text != NULL ? text : "(null)", part);
	_fail(file, line);
}

/* A small generator (xorshift64*): failures can be repeated. */
static inline uint64_t check_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL >> 16;
}

static inline size_t check_below(uint64_t *state, size_t limit)
{
	return (size_t)(check_random(state) % limit);
}

#endif
