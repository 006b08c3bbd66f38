/* Small tar archives in memory, by libarchive: what engines take and give as files of a container.
 *
 * Archives that come in are not trusted. What is read is bounded by `len` of the archive and by the
 * caller's limit on a member; sparse members and lying headers cannot make it grow past that. */
#ifndef SHIPIT_TRANSPORT_TAR_H
#define SHIPIT_TRANSPORT_TAR_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

/* A file to put in; a folder when `name` ends with '/'. */
struct tar_entry {
	const char *name;
	const void *data;
	size_t len;
	unsigned int mode;     /* 0: 0600, a folder 0700 */
	unsigned int uid, gid; /* 0: root */
	int64_t mtime;	       /* unix seconds; 0: now */
};

/* Append an archive of these `n` entries to `out`. Names may hold any bytes and have any length. */
int tar_make(const struct tar_entry *entries, size_t n, struct buf *out, struct error *err);

enum tar_type { TAR_FILE, TAR_FOLDER, TAR_OTHER };

/* Borrowed for the length of the call. `data` is followed by a NUL that is not counted. */
struct tar_member {
	const char *name; /* as it is written there: judge it before use */
	enum tar_type type;
	const char *data; /* of a TAR_FILE; else "" */
	size_t len;
	unsigned int mode;
	int64_t mtime;
};

typedef int tar_member_fn(void *context, const struct tar_member *member, struct error *err);

/* Call `take` with each member in order; a negative answer ends it with `err` as it left it.
 * ERROR_PROTOCOL when it is no tar, is cut short, or a file is longer than `max_member`. An archive
 * of no bytes at all has no members. */
int tar_walk(const void *tar, size_t len, size_t max_member, tar_member_fn *take, void *context,
    struct error *err);

#endif
