/* Which packages an image has, by the database that its package manager keeps in it: dpkg's
 * (`status`, and of images without dpkg `status.d/`), apk's (`installed`), rpm's (rpmdb.sqlite).
 *
 * The databases are an image's, so they are not trusted: names and versions that are no plain text
 * are skipped, and there are at most PACKAGES_MAX. Pure. */
#ifndef SHIPIT_DEPLOY_PACKAGES_H
#define SHIPIT_DEPLOY_PACKAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { PACKAGES_MAX = 100 * 1000, PACKAGE_TEXT_MAX = 256 };

struct content;

struct package {
	char *name, *version, *arch; /* arch "" when it has none; all owned */
};

struct packages {
	struct package *v; /* by name, architecture and version */
	size_t n;
	bool known; /* a database was found and read */
};

/* Is this file of an image part of a database that packages_read() reads? */
bool packages_want(const char *path);
int packages_read(const struct content *content, struct packages *ret, struct error *err);
void packages_release(struct packages *packages);

/* One that is not the same in both. `from` NULL: it is new; `to` NULL: it is gone. Borrowed. */
struct package_change {
	const char *name, *from, *to;
};
/* In their names' order; `ret` is malloc'ed. */
int packages_compare(const struct packages *from, const struct packages *to,
    struct package_change **ret, size_t *ret_n, struct error *err);

/* --- of the files that read one database each */

/* Add one, if it is plain text. -1: no memory. Lengths may be 0. */
int packages_add(struct packages *packages, const char *name, size_t name_len, const char *version,
    size_t version_len, const char *arch, size_t arch_len);
/* `needs_state`: only those whose Status says "installed" are. */
int packages_read_dpkg(
    struct packages *packages, const char *text, size_t len, bool needs_state, struct error *err);
int packages_read_apk(struct packages *packages, const char *text, size_t len, struct error *err);
int packages_read_rpm(struct packages *packages, const void *data, size_t len, struct error *err);

#endif
