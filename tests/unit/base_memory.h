/* Allocations that fail when a test says so. This program's malloc and its kin stand before those
 * of libc (and of a sanitizer), so whatever calls them is counted: our code, jansson, vasprintf.
 *
 *   memory_fail_at(n, true); rc = try(); failed = memory_is_back();
 *
 * Include it once in a program. Where programs cannot stand before their libraries' malloc (macOS,
 * thread sanitizers, clang's others, valgrind) memory_can_fail() is false, and such programs
 * do nothing. */
#ifndef SHIPIT_TESTS_UNIT_BASE_MEMORY_H
#define SHIPIT_TESTS_UNIT_BASE_MEMORY_H

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Of this thread: how many more succeed, -1: all; whether those after the failed one succeed.
 * Volatile, because compilers know of malloc that it changes no variable. */
static _Thread_local volatile long memory_left = -1;
static _Thread_local volatile bool memory_once, memory_has_failed;
/* Only what this program's own code asks for fails, jansson's included (base/json.c): libarchive
 * does not survive all of its failures. */
static _Thread_local volatile bool memory_ours_only;

#if defined(__linux__) && !defined(__SANITIZE_THREAD__)
#define MEMORY_STANDS_BEFORE 1
#if defined(__clang__)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#undef MEMORY_STANDS_BEFORE
#endif
#endif
#endif

#ifdef MEMORY_STANDS_BEFORE

/* Set by the linker: where this program's own code is. */
extern char __executable_start, etext;

static bool memory_is_short(const void *caller)
{
	uintptr_t at = (uintptr_t)caller;

	if (memory_left < 0)
		return false;
	if (memory_ours_only && (at < (uintptr_t)&__executable_start || at > (uintptr_t)&etext))
		return false;
	if (memory_left > 0) {
		memory_left--;
		return false;
	}
	if (memory_once)
		memory_left = -1;
	memory_has_failed = true;
	errno = ENOMEM;
	return true;
}

#define CALLER __builtin_return_address(0)

/* The next one after ours, into a function pointer: ISO C has no cast for that. */
static void memory_next(void *function, size_t size, const char *name)
{
	void *next = dlsym(RTLD_NEXT, name);

	memcpy(function, &next, size);
}

void *malloc(size_t size)
{
	static void *(*next)(size_t);

	if (memory_is_short(CALLER))
		return NULL;
	if (next == NULL)
		memory_next(&next, sizeof(next), "malloc");
	return next(size);
}

void *calloc(size_t n, size_t size)
{
	static void *(*next)(size_t, size_t);

	if (memory_is_short(CALLER))
		return NULL;
	if (next == NULL)
		memory_next(&next, sizeof(next), "calloc");
	return next(n, size);
}

static void *memory_realloc(void *old, size_t size)
{
	static void *(*next)(void *, size_t);

	if (next == NULL)
		memory_next(&next, sizeof(next), "realloc");
	return next(old, size);
}

void *realloc(void *old, size_t size)
{
	return memory_is_short(CALLER) ? NULL : memory_realloc(old, size);
}

/* Sanitizers have their own of these, which do not come by the ones above. */
void *reallocarray(void *old, size_t n, size_t size)
{
	if ((size != 0 && n > SIZE_MAX / size) || memory_is_short(CALLER))
		return NULL;
	return memory_realloc(old, n * size);
}

static char *memory_copy(const char *text, size_t len)
{
	char *copy = memory_realloc(NULL, len + 1);

	if (copy != NULL) {
		memcpy(copy, text, len);
		copy[len] = '\0';
	}
	return copy;
}

char *strndup(const char *text, size_t len)
{
	return memory_is_short(CALLER) ? NULL : memory_copy(text, strnlen(text, len));
}

char *strdup(const char *text)
{
	return memory_is_short(CALLER) ? NULL : memory_copy(text, strlen(text));
}

#endif

/* The `n`-th allocation of this thread from now on fails, and with `once` none after it. */
static inline void memory_fail_at(size_t n, bool once)
{
	memory_once = once;
	memory_has_failed = false;
	memory_left = (long)n - 1;
}

/* All succeed again; did one fail? */
static inline bool memory_is_back(void)
{
	memory_left = -1;
	return memory_has_failed;
}

static inline bool memory_can_fail(void)
{
	void *volatile block, *volatile copy;

	memory_fail_at(1, false);
	block = malloc(1);
	copy = strdup("x");
	memory_is_back();
	free(block);
	free(copy);
	return block == NULL && copy == NULL;
}

#endif
