/* Which images a tag or digest of the store stands for. */
#include <string.h>

#include "transport/registry/import_internal.h"

enum { DEPTH_MAX = 4 };

struct look {
	struct store *store;
	const char *repository;
	struct imported *found;
	size_t entries;
};

void imported_release(struct imported *imported)
{
	for (size_t i = 0; i < imported->n; i++) {
		free(imported->images[i].os);
		free(imported->images[i].arch);
	}
	free(imported->images);
	*imported = (struct imported){0};
}

static int read_config(
    struct look *look, const struct descriptor *config, struct buf *ret, struct error *err)
{
	struct blob_reader *reader;
	char data[16 * 1024];
	ssize_t n;

	if (config->size > MANIFEST_MAX)
		return error_set(err, ERROR_PROTOCOL, "the image's config is longer than %d bytes",
		    MANIFEST_MAX);
	if (blob_open(look->store, config->digest, &reader, NULL, err) < 0)
		return -1;
	while ((n = blob_read(reader, ret->len, data, sizeof(data), err)) > 0) {
		if (buf_add(ret, data, (size_t)n) < 0) {
			n = buf_error(ret, err, "the image's config");
			break;
		}
	}
	blob_close(reader);
	return n < 0 ? -1 : 0;
}

/* Is every blob there? */
static int measure(struct look *look, const struct manifest *manifest, struct import_image *image,
    struct error *err)
{
	struct blob_info blob;

	if (store_blob_in(look->store, look->repository, manifest->config.digest, &blob, err) < 0)
		return -1;
	image->bytes = blob.size;
	for (size_t i = 0; i < manifest->n; i++) {
		if (store_blob_in(
			look->store, look->repository, manifest->entries[i].digest, &blob, err) < 0)
			return -1;
		image->bytes += blob.size;
	}
	return 0;
}

static int add(struct look *look, struct import_image *image, struct error *err)
{
	struct imported *found = look->found;
	struct import_image *v = reallocarray(found->images, found->n + 1, sizeof(*v));

	if (v == NULL || image->os == NULL || image->arch == NULL) {
		found->images = v != NULL ? v : found->images;
		free(image->os);
		free(image->arch);
		return error_memory(err);
	}
	found->images = v;
	v[found->n++] = *image;
	return 0;
}

static int look_at_image(
    struct look *look, const char *digest, const struct manifest *manifest, struct error *err)
{
	CLEANUP_IMAGE_CONFIG struct image_config config = {0};
	CLEANUP_BUF struct buf text = BUF_INIT(MANIFEST_MAX);
	struct import_image image = {0};

	/* Attestations, signatures and the like have manifests, too. */
	if (strcmp(manifest->config.media_type, MEDIA_OCI_CONFIG) != 0 &&
	    strcmp(manifest->config.media_type, MEDIA_DOCKER_CONFIG) != 0)
		return 0;
	if (measure(look, manifest, &image, err) < 0 ||
	    read_config(look, &manifest->config, &text, err) < 0 ||
	    image_config_parse(text.data, text.len, &config, err) < 0)
		return -1;
	if (strcmp(config.os, "unknown") == 0)
		return 0;
	memcpy(image.manifest, digest, DIGEST_TEXT_SIZE);
	memcpy(image.config, manifest->config.digest, DIGEST_TEXT_SIZE);
	image.os = strdup(config.os);
	image.arch = strdup(config.arch);
	return add(look, &image, err);
}

static int look_at(struct look *look, const char *reference, int depth, struct error *err);

static int look_at_index(
    struct look *look, const struct manifest *index, int depth, struct error *err)
{
	for (size_t i = 0; i < index->n; i++) {
		CLEANUP_ERROR struct error failure = {0};

		if (import_count(
			&look->entries, 2 * MANIFEST_ENTRIES_MAX, "manifests in indexes", err) < 0)
			return -1;
		if (depth < DEPTH_MAX &&
		    look_at(look, index->entries[i].digest, depth + 1, &failure) < 0 &&
		    failure.kind != ERROR_NOT_FOUND) {
			error_move(err, &failure);
			return -1;
		}
	}
	return 0;
}

static int look_at(struct look *look, const char *reference, int depth, struct error *err)
{
	struct stored_manifest stored = {0};
	CLEANUP_MANIFEST struct manifest manifest = {0};
	int rc;

	if (store_manifest_get(look->store, look->repository, reference, &stored, err) < 0)
		return -1;
	rc = manifest_parse(stored.data, stored.len, stored.media_type, &manifest, err);
	if (rc == 0)
		rc = manifest.is_index ? look_at_index(look, &manifest, depth, err)
				       : look_at_image(look, stored.digest, &manifest, err);
	stored_manifest_release(&stored);
	return rc;
}

int import_look(struct store *store, const char *repository, const char *reference,
    struct imported *ret, struct error *err)
{
	struct imported found = {0};
	struct look look = {.store = store, .repository = repository, .found = &found};

	if (look_at(&look, reference, 1, err) < 0) {
		imported_release(&found);
		return -1;
	}
	if (found.n == 0) {
		imported_release(&found);
		return error_set(err, ERROR_NOT_FOUND,
		    "%s:%s holds no image that a container can be made of", repository, reference);
	}
	*ret = found;
	return 0;
}
