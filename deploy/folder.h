/* What is in a folder, as one digest: names, kinds, permissions and content; no times and no
 * owners, which an engine does not take either. */
#ifndef SHIPIT_DEPLOY_FOLDER_H
#define SHIPIT_DEPLOY_FOLDER_H

#include "base/digest.h"
#include "base/error.h"
#include "base/strv.h"
#include "deploy/ignore.h"

struct folder {
	const char *path;	     /* a folder, or a file */
	const struct ignore *ignore; /* NULL: nothing is left out */
	const struct strv *without;  /* absolute paths that are left out; NULL */
	const struct strv
	    *only; /* paths in it that alone count, with all below; NULL: everything */
	int cancel_fd;
};

/* Add it to a digest. `ret_files` (may be NULL): how many files there are. What cannot be read is
 * an error; what is not there is a folder of nothing. */
int folder_digest(
    const struct folder *folder, struct digest *digest, size_t *ret_files, struct error *err);

#endif
