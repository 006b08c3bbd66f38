/* Trying something with less and less memory: every allocation fails in turn, alone and with all
 * that come after it. Include it once in a program. */
#ifndef SHIPIT_TESTS_UNIT_DEPLOY_MEMORY_H
#define SHIPIT_TESTS_UNIT_DEPLOY_MEMORY_H

#include "tests/unit/base_memory.h"
#include "tests/unit/deploy_check.h"

/* One try, as anything that can fail; what it makes it releases itself. `context` is made while
 * there is memory. */
typedef int try_fn(void *context, struct error *err);

enum { TRIES_MAX = 20000, SAID_MAX = 32 * 1024 };

/* What a try made, as text, to be compared: less memory must not make something else. */
static char said[SAID_MAX];

static void say(const char *text)
{
	size_t len = strlen(said);

	snprintf(said + len, SAID_MAX - len, "%s|", text != NULL ? text : "(null)");
}

static void compare(const char *name, size_t n, const char *want, const struct error *err, int rc)
{
	/* libcrypto does not always say why. */
	if (rc < 0 && err->kind != ERROR_MEMORY && strstr(error_text(err), "libcrypto") == NULL)
		fail_msg("%s: allocation %zu: %d, %s", name, n, rc, error_text(err));
	if (rc >= 0 && strcmp(said, want) != 0)
		fail_msg("%s: allocation %zu: \"%s\" instead of \"%s\"", name, n, said, want);
}

/* With plenty of memory it succeeds; with any less it gives the error of memory, or, where it can
 * do without (printf can, at times), the same as with plenty. */
static void starve(const char *name, try_fn *try, void *context)
{
	static char want[SAID_MAX];
	struct error err = {0};
	size_t n;

	said[0] = '\0';
	if (try(context, &err) < 0) /* and what is made once in a program is made now */
		fail_msg("%s: %s", name, error_text(&err));
	memcpy(want, said, sizeof(said));
	for (int once = 0; once < 2; once++) {
		bool failed = true;

		for (n = 1; failed && n < TRIES_MAX; n++) {
			int rc;

			said[0] = '\0';
			memory_fail_at(n, once == 1);
			rc = try(context, &err);
			failed = memory_is_back();
			compare(name, n, want, &err, rc);
			error_release(&err);
		}
		assert_true(n > 2 && n < TRIES_MAX);
	}
}

#endif
