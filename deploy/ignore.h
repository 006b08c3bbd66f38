/* .dockerignore: what of a folder an engine does not get to see. As moby/patternmatcher: the last
 * pattern that fits a path or a folder above it counts, `!` takes it back. */
#ifndef SHIPIT_DEPLOY_IGNORE_H
#define SHIPIT_DEPLOY_IGNORE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strv.h"

enum { IGNORE_MAX = 1024 * 1024 };

struct ignore {
	struct strv patterns;
	bool negates; /* something below an ignored folder may be taken back */
};

/* Of the text of a file. -1: out of memory. */
int ignore_parse(const char *text, size_t len, struct ignore *ret);
void ignore_release(struct ignore *ignore);

/* `path`: relative to the folder, without "." and "..". */
bool ignore_has(const struct ignore *ignore, const char *path);

#endif
