/* What a Dockerfile takes from outside of itself: read only as far as that, to know whether an
 * image has to be built again. The engine alone decides what is in it (Dockerfile reference,
 * docs.docker.com); where this is in doubt it says so. */
#ifndef SHIPIT_DEPLOY_DOCKERFILE_H
#define SHIPIT_DEPLOY_DOCKERFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strv.h"

enum { DOCKERFILE_MAX = 1024 * 1024 };

struct dockerfile {
	struct strv bases;   /* images of FROM, COPY --from and RUN --mount that are no stages */
	struct strv sources; /* what COPY and ADD take: paths in the context, without wildcards */
	bool whole_context;  /* they may take anything of it */
	bool unsure;	     /* what it takes shows only when it is built */
	bool epoch;	     /* it declares ARG SOURCE_DATE_EPOCH */
};

/* `args`: the build arguments; a value of NULL counts as none. -1: out of memory. */
int dockerfile_parse(
    const char *text, size_t len, const struct pairs *args, struct dockerfile *ret);
void dockerfile_release(struct dockerfile *dockerfile);

#endif
