/* An image that gets a manifest of our making: its config as it came, its layers as the store has
 * them. */
#include <string.h>

#include "transport/registry/import_internal.h"

/* Docker's media type of a layer says gzip, and no engine of 2020 takes anything else. */
static int check_gzip(
    struct import *import, const struct blob_info *blob, size_t number, struct error *err)
{
	struct blob_reader *reader;
	unsigned char head[CONTENT_HEAD];
	ssize_t n;

	if (blob_open(import->target->store, blob->digest, &reader, NULL, err) < 0)
		return -1;
	n = blob_read(reader, 0, head, sizeof(head), err);
	blob_close(reader);
	if (n < 0)
		return -1;
	if (content_of(head, (size_t)n) == CONTENT_GZIP)
		return 0;
	return error_set(err, ERROR_PROTOCOL,
	    "layer %zu (%s) is neither a tar nor packed by gzip, and no OCI manifest says what it "
	    "is",
	    number, blob->digest);
}

/* A layer that came packed is not unpacked here: engines check its diff_id when they pull it. */
static int check_layers(struct import *import, const struct image_config *config,
    const struct piece *layers, size_t n, struct error *err)
{
	if (json_array_size(config->diff_ids) != n)
		return error_set(err, ERROR_PROTOCOL,
		    "the image's config lists %zu layers, its manifest %zu",
		    json_array_size(config->diff_ids), n);
	for (size_t i = 0; i < n; i++) {
		const struct blob_info *blob = &layers[i].blob;
		const char *want = json_string_value(json_array_get(config->diff_ids, i));

		if (blob->diff_id[0] == '\0' && check_gzip(import, blob, i + 1, err) < 0)
			return -1;
		if (blob->diff_id[0] != '\0' && strcmp(blob->diff_id, want) != 0)
			return error_set(err, ERROR_PROTOCOL,
			    "layer %zu has the digest %s; the image's config wants %s", i + 1,
			    blob->diff_id, want);
	}
	return 0;
}

/* They become part of the repository before the manifest does. */
static int link_blobs(struct import *import, const struct blob_info *config,
    const struct piece *layers, size_t n, struct error *err)
{
	const struct import_target *target = import->target;

	if (store_blob_link(target->store, target->repository, config->digest, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (store_blob_link(target->store, target->repository, layers[i].blob.digest, err) <
		    0)
			return -1;
	return 0;
}

static int make_manifest(const struct blob_info *config, const struct piece *layers, size_t n,
    struct buf *ret, struct error *err)
{
	CLEANUP_FREE struct manifest_layer *list = calloc(n + 1, sizeof(*list));
	CLEANUP_FREE char *text = NULL;

	if (list == NULL)
		return error_memory(err);
	for (size_t i = 0; i < n; i++)
		list[i] = (struct manifest_layer){layers[i].blob.digest, layers[i].blob.size};
	if (manifest_make(config->digest, config->size, list, n, &text, err) < 0)
		return -1;
	return buf_adds(ret, text) == 0 ? 0 : buf_error(ret, err, "the manifest");
}

static int remember(struct import *import, const char *digest, const struct piece *layers, size_t n,
    struct error *err)
{
	struct import_image *packed =
	    reallocarray(import->packed, import->n_packed + 1, sizeof(*packed));

	if (packed == NULL)
		return error_memory(err);
	import->packed = packed;
	packed += import->n_packed++;
	*packed = (struct import_image){0};
	memcpy(packed->manifest, digest, DIGEST_TEXT_SIZE);
	for (size_t i = 0; i < n; i++)
		packed->unpacked += layers[i].unpacked;
	return 0;
}

int import_image(struct import *import, const void *data, size_t len, const struct piece *layers,
    size_t n, size_t *ret_len, char ret[DIGEST_TEXT_SIZE], struct error *err)
{
	CLEANUP_IMAGE_CONFIG struct image_config config = {0};
	CLEANUP_BUF struct buf manifest = BUF_INIT(MANIFEST_MAX);
	struct blob_info blob;

	if (image_config_parse(data, len, &config, err) < 0 ||
	    check_layers(import, &config, layers, n, err) < 0 ||
	    import_bytes(import, BLOB_AS_IS, data, len, NULL, &blob, err) < 0 ||
	    link_blobs(import, &blob, layers, n, err) < 0 ||
	    make_manifest(&blob, layers, n, &manifest, err) < 0 ||
	    import_manifest(
		import, MEDIA_DOCKER_MANIFEST, manifest.data, manifest.len, false, ret, err) < 0)
		return -1;
	*ret_len = manifest.len;
	return remember(import, ret, layers, n, err);
}

int import_known_layers(struct import *import, const void *data, size_t len, struct error *err)
{
	CLEANUP_IMAGE_CONFIG struct image_config config = {0};
	CLEANUP_FREE struct piece *layers = NULL;
	char digest[DIGEST_TEXT_SIZE];
	size_t n, manifest_len;

	if (image_config_parse(data, len, &config, err) < 0)
		return -1;
	n = json_array_size(config.diff_ids);
	layers = calloc(n + 1, sizeof(*layers));
	if (layers == NULL)
		return error_memory(err);
	for (size_t i = 0; i < n; i++) {
		const char *diff_id = json_string_value(json_array_get(config.diff_ids, i));

		if (store_layer_find(import->target->store, diff_id, &layers[i].blob, err) < 0)
			return -1;
	}
	return import_image(import, data, len, layers, n, &manifest_len, digest, err);
}
