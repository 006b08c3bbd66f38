/* What a manifest or an index says (OCI image-spec 1.1 manifest.md and image-index.md, and Docker's
 * schema 2 of both). Pure: bytes in, values out; bounded, since anybody may have written them. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_MANIFEST_H
#define SHIPIT_TRANSPORT_REGISTRY_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/digest.h"
#include "base/error.h"

enum {
	MANIFEST_MAX = 4 * 1024 * 1024, /* distribution-spec, "Pushing Manifests": at least 4 MB */
	MANIFEST_ENTRIES_MAX = 4096,	/* layers, or manifests of an index */
};

#define MEDIA_OCI_MANIFEST    "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_OCI_INDEX	      "application/vnd.oci.image.index.v1+json"
#define MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MEDIA_DOCKER_LIST     "application/vnd.docker.distribution.manifest.list.v2+json"
#define MEDIA_OCI_CONFIG      "application/vnd.oci.image.config.v1+json"
#define MEDIA_OCI_LAYER_GZIP  "application/vnd.oci.image.layer.v1.tar+gzip"
#define MEDIA_DOCKER_CONFIG   "application/vnd.docker.container.image.v1+json"
#define MEDIA_DOCKER_LAYER    "application/vnd.docker.image.rootfs.diff.tar.gzip"
#define MEDIA_OCI_EMPTY	      "application/vnd.oci.empty.v1+json"

struct descriptor {
	const char *media_type; /* all borrowed from the manifest's JSON; "" when absent */
	const char *digest;	/* digest_is_text() holds */
	uint64_t size;
	const char *os, *arch, *variant; /* of an index's entry; "" when it has no platform */
	const char *artifact_type;
	const json_t *annotations; /* NULL: none */
};

struct manifest {
	json_t *json;
	const char *media_type; /* as it says itself, or what its form tells */
	bool is_index;
	struct descriptor config;   /* of an image; digest "" in an index */
	struct descriptor *entries; /* layers of an image, manifests of an index */
	size_t n;
	struct descriptor subject; /* digest "": none */
	const char *artifact_type; /* "": none; an image's falls back on its config's media type */
	const json_t *annotations;
};

/* ERROR_PROTOCOL says what is wrong with it. `media_type` (a Content-Type; NULL: none) has to be
 * the same as what it says itself. Schema 1 is refused. */
int manifest_parse(
    const void *data, size_t len, const char *media_type, struct manifest *ret, struct error *err);
void manifest_release(struct manifest *manifest);
#define CLEANUP_MANIFEST __attribute__((cleanup(manifest_release)))

/* The first entry of an index that fits (os/arch); NULL: none does. */
const struct descriptor *manifest_choose(
    const struct manifest *index, const char *os, const char *arch);

/* An image's config, as far as we need it: ERROR_PROTOCOL when it is none. */
struct image_config {
	json_t *json;
	const char *os, *arch;	/* borrowed; defaults "linux", "amd64" */
	const json_t *diff_ids; /* an array of texts that digest_is_text() */
};
int image_config_parse(const void *data, size_t len, struct image_config *ret, struct error *err);
void image_config_release(struct image_config *config);
#define CLEANUP_IMAGE_CONFIG __attribute__((cleanup(image_config_release)))

/* The manifest of an image in canonical form (malloc'ed). Layers' media types: gzip, as a store's
 * own layers are. Docker's media types: engines of every age take them. */
struct manifest_layer {
	const char *digest;
	uint64_t size;
};
int manifest_make(const char *config_digest, uint64_t config_size,
    const struct manifest_layer *layers, size_t n, char **ret, struct error *err);

#endif
