/* Errors as values.
 *
 * Every function that can fail takes a `struct error *err` last and returns 0, or a negative
 * number with `err` filled in. The one who fails says what and why (error_set), each level above
 * says what it was about (error_wrap), and where there is a way out, somebody says it (error_hint).
 * Only cmd/ prints.
 *
 * A struct error starts zeroed and is released once. Filling one that is already filled replaces
 * it. `err` may be NULL where the caller does not care. Running out of memory is an error like any
 * other: its text is static, so that reporting it cannot fail. */
#ifndef SHIPIT_BASE_ERROR_H
#define SHIPIT_BASE_ERROR_H

#include "base/attr.h"

enum error_kind {
	ERROR_NONE = 0,
	ERROR_FAILED,	   /* it was tried and did not work */
	ERROR_USAGE,	   /* the command line */
	ERROR_INVENTORY,   /* shipit.yml or a file it names */
	ERROR_UNREACHABLE, /* no connection to the host, or it was lost */
	ERROR_HOST_KEY,	   /* the host's key is unknown, changed or revoked */
	ERROR_AUTH,	   /* the host refused every way to log in */
	ERROR_LOCKED,	   /* another rollout holds the lock */
	ERROR_NOT_FOUND,   /* the engine, registry or file says there is no such thing */
	ERROR_CONFLICT,	   /* the engine says a name or port is taken */
	ERROR_PROTOCOL,	   /* the far side said something that makes no sense */
	ERROR_TIMEOUT,	   /* a deadline passed */
	ERROR_CANCELLED,   /* the user asked to stop */
	ERROR_DOWN,	   /* a service is down and could not be brought back */
	ERROR_MEMORY,	   /* out of memory */
	ERROR_SYSTEM,	   /* a system call failed */
};

struct error {
	enum error_kind kind;
	int code;      /* errno, or the HTTP status, where there is one; else 0 */
	char *message; /* what and why; never NULL once set (use error_text) */
	char *hint;    /* what to do about it, or NULL */
	int is_static; /* message is not ours to free */
};

/* Fill `err`; all return -1, so `return error_set(err, ...)` reads well. */
int error_set(struct error *err, enum error_kind kind, const char *format, ...) PRINTF_LIKE(3, 4);
int error_errno(struct error *err, int errnum, const char *format, ...) PRINTF_LIKE(3, 4);
int error_memory(struct error *err);

/* Put "CONTEXT: " in front of the message; returns -1. Keeps kind, code and hint. */
int error_wrap(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* Say what to do; replaces an earlier hint; returns -1. */
int error_hint(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* The message; "no error" when there is none. Never NULL. */
const char *error_text(const struct error *err);

/* Move `from` to `to` (released first); `from` is empty afterwards. */
void error_move(struct error *to, struct error *from);

/* Frees what it holds and zeroes it. Takes NULL. */
void error_release(struct error *err);

#define CLEANUP_ERROR __attribute__((cleanup(error_release)))

#endif
