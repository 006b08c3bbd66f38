/* What an image is, whenever it was built: a fingerprint of its files and of how it is run, in
 * which no time has a part. Two builds that differ in timestamps only have the same one.
 *
 * Of each file: path, type, permissions, owner, where a link leads, device numbers, extended
 * attributes, and the bytes; no times. Left out is what tells when something happened and not
 * what there is: content_rules.h. Of the config: platform, environment, command and the like, and
 * labels that do not tell about the build. docs/formats.md has it all.
 *
 * Layers are read as streams from the store, each once. In memory are the paths (tree.h) and the
 * few files that the caller wants to see. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_CONTENT_H
#define SHIPIT_TRANSPORT_REGISTRY_CONTENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/digest.h"
#include "transport/registry/store.h"

enum {
	CONTENT_SIZE = 2 + DIGEST_HEX_SIZE, /* "1:", 64 hex digits, NUL */
	CONTENT_FILES_MAX = 64 * 1024 * 1024,
};

struct content_file {
	char *path; /* "var/lib/dpkg/status" */
	struct buf data;
};

struct content {
	char fingerprint[CONTENT_SIZE];
	struct content_file *files; /* those wanted, as the image shows them */
	size_t n_files;
	bool cut; /* there were more than CONTENT_FILES_MAX bytes of them: some are missing */
};

struct content_options {
	bool (*wants)(const char *path); /* NULL: no file */
	int cancel_fd;
};

/* `manifest`: of an image in `repository`. ERROR_PROTOCOL when it cannot be read as one. */
int content_read(struct store *store, const char *repository, const char *manifest,
    const struct content_options *options, struct content *ret, struct error *err);
const struct buf *content_file(const struct content *content, const char *path);
void content_release(struct content *content);

#endif
