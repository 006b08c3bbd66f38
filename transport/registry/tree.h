/* The files of an image as its layers leave them, put together without unpacking anything: each
 * path with the digest of what stands there.
 *
 * Layers are given from the top down: what a higher layer has, replaces or whites out (OCI
 * image-spec, layer.md, "Whiteouts") hides what lies below, so each layer is read once, in whatever
 * order its members come. Bounded: so many names, and so many bytes of them. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_TREE_H
#define SHIPIT_TRANSPORT_REGISTRY_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/digest.h"
#include "base/error.h"

enum { TREE_NAMES_MAX = 500 * 1000, TREE_BYTES_MAX = 64 * 1024 * 1024 };

struct tree;

int tree_new(struct tree **ret, struct error *err);
void tree_free(struct tree *tree); /* takes NULL */

/* What follows is of the next lower layer; to be called before the first one, too. */
void tree_next_layer(struct tree *tree);

/* Paths are as a layer has them: "./etc/passwd", "etc/", "/etc". More of them than there is room
 * for is ERROR_PROTOCOL. */
/* `digest`: of all that counts about it. Whiteouts are understood, their digest is not looked at.
 */
int tree_add(struct tree *tree, const char *path, bool folder,
    const unsigned char digest[DIGEST_RAW_SIZE], struct error *err);
/* Another name for what `target` is in this layer. */
int tree_add_link(struct tree *tree, const char *path, const char *target, struct error *err);
/* Would a file of this layer be seen there? */
bool tree_shows(const struct tree *tree, const char *path);
/* The path without what it may begin or end with: "etc/passwd"; "" of the root. Into `out`, cut at
 * `size`. False: it is longer. */
bool tree_path(const char *path, char *out, size_t size);

/* Add all that is seen, in the order of the paths' bytes. */
int tree_digest(struct tree *tree, struct digest *digest, struct error *err);

#endif
