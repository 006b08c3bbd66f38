#include "transport/registry/staged.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"

/* --- reading */

int staged_parse(const char *manifest, size_t manifest_len, const char *config, size_t config_len,
    struct staged *ret, struct error *err)
{
	struct staged staged = {0};

	if (manifest_parse(manifest, manifest_len, NULL, &staged.manifest, err) < 0 ||
	    image_config_parse(config, config_len, &staged.config, err) < 0) {
		staged_release(&staged);
		return -1;
	}
	if (staged.manifest.is_index ||
	    staged.manifest.n != json_array_size(staged.config.diff_ids)) {
		staged_release(&staged);
		return error_set(
		    err, ERROR_PROTOCOL, "the image's config and manifest differ in layers");
	}
	*ret = staged;
	return 0;
}

void staged_release(struct staged *staged)
{
	manifest_release(&staged->manifest);
	image_config_release(&staged->config);
}

/* The config is the first of the blobs that a manifest names. */
static int config_digest(
    const struct stored_manifest *stored, char out[DIGEST_TEXT_SIZE], struct error *err)
{
	CLEANUP_MANIFEST struct manifest manifest = {0};

	if (manifest_parse(stored->data, stored->len, NULL, &manifest, err) < 0)
		return -1;
	if (manifest.is_index)
		return error_set(err, ERROR_PROTOCOL, "%s is an index", stored->digest);
	memcpy(out, manifest.config.digest, DIGEST_TEXT_SIZE);
	return 0;
}

static int read_blob(
    struct store *store, const char *digest, char **ret, size_t *ret_len, struct error *err)
{
	CLEANUP_FREE char *data = NULL;
	struct blob_reader *reader;
	struct blob_info info;
	size_t got = 0;
	ssize_t n = 1;

	if (blob_open(store, digest, &reader, &info, err) < 0)
		return -1;
	if (info.size <= MANIFEST_MAX)
		data = malloc((size_t)info.size + 1);
	while (data != NULL && n > 0 && got < info.size) {
		n = blob_read(reader, got, data + got, (size_t)info.size - got, err);
		got += n > 0 ? (size_t)n : 0;
	}
	blob_close(reader);
	if (info.size > MANIFEST_MAX || n == 0)
		return error_set(err, ERROR_PROTOCOL, "%s is no image's config", digest);
	if (data == NULL)
		return error_memory(err);
	if (n < 0)
		return -1;
	*ret_len = got;
	*ret = steal_ptr(data);
	return 0;
}

int staged_read(struct store *store, const char *repository, const char *digest, struct staged *ret,
    struct error *err)
{
	struct stored_manifest stored = {0};
	CLEANUP_FREE char *config = NULL;
	char name[DIGEST_TEXT_SIZE];
	size_t len = 0;
	int rc;

	if (store_manifest_get(store, repository, digest, &stored, err) < 0)
		return -1;
	rc = config_digest(&stored, name, err);
	if (rc == 0)
		rc = read_blob(store, name, &config, &len, err);
	if (rc == 0)
		rc = staged_parse(stored.data, stored.len, config, len, ret, err);
	stored_manifest_release(&stored);
	return rc;
}

/* --- where to cut */

size_t staged_shared(const struct staged *staged, const json_t *diff_ids)
{
	size_t n = 0;

	while (n < staged->manifest.n && n < json_array_size(diff_ids) &&
	       json_equal(json_array_get(staged->config.diff_ids, n), json_array_get(diff_ids, n)))
		n++;
	return n;
}

uint64_t staged_bytes(const struct staged *staged, size_t from, size_t to)
{
	uint64_t bytes = 0;

	for (size_t i = from; i < to; i++)
		bytes += staged->manifest.entries[i].size;
	return bytes;
}

size_t staged_next(const struct staged *staged, size_t there)
{
	size_t all = staged->manifest.n, next = there;

	if (staged_bytes(staged, there, all) < STAGED_FROM)
		return all;
	while (next < all && staged_bytes(staged, there, next) < STAGED_LEAST)
		next++;
	return staged_bytes(staged, next, all) < STAGED_LEAST ? all : next;
}

/* --- making one */

static json_t *first_of(const json_t *array, size_t n)
{
	json_t *first = json_array();

	for (size_t i = 0; first != NULL && i < n; i++)
		if (json_array_append(first, json_array_get(array, i)) < 0) {
			json_decref(first);
			return NULL;
		}
	return first;
}

/* Engines refuse a history that tells of more layers than there are. */
static json_t *cut_history(const json_t *history, size_t layers)
{
	size_t n = 0, full = 0;

	for (; n < json_array_size(history); n++) {
		if (!json_flag(json_array_get(history, n), "empty_layer", false) &&
		    full++ == layers)
			break;
	}
	return first_of(history, n);
}

static char *make_config(const struct staged *staged, size_t layers)
{
	CLEANUP_JSON json_t *config = json_copy(staged->config.json);
	json_t *rootfs = json_copy(json_object_get(staged->config.json, "rootfs"));
	json_t *history = json_object_get(staged->config.json, "history");

	if (json_object_set_new(rootfs, "diff_ids", first_of(staged->config.diff_ids, layers)) <
		0 ||
	    (history != NULL &&
		json_object_set_new(config, "history", cut_history(history, layers)) < 0)) {
		json_decref(rootfs);
		return NULL;
	}
	if (json_object_set_new(config, "rootfs", rootfs) < 0)
		return NULL;
	return json_canonical(config);
}

static char *make_manifest(
    const struct staged *staged, size_t layers, const char *digest, size_t len)
{
	const json_t *own = staged->manifest.json;
	CLEANUP_JSON json_t *manifest = json_copy((json_t *)(uintptr_t)own);
	json_t *config = json_pack("{sssssI}", "mediaType", staged->manifest.config.media_type,
	    "digest", digest, "size", (json_int_t)len);

	json_object_del(manifest, "subject");
	json_object_del(manifest, "annotations");
	if (json_object_set_new(manifest, "config", config) < 0 ||
	    json_object_set_new(
		manifest, "layers", first_of(json_object_get(own, "layers"), layers)) < 0)
		return NULL;
	return json_canonical(manifest);
}

int staged_make(const struct staged *staged, size_t layers, char **ret_config, char **ret_manifest,
    struct error *err)
{
	CLEANUP_FREE char *config = make_config(staged, layers);
	char digest[DIGEST_TEXT_SIZE];

	if (config == NULL)
		return error_memory(err);
	if (digest_text(config, strlen(config), digest, err) < 0)
		return -1;
	*ret_manifest = make_manifest(staged, layers, digest, strlen(config));
	if (*ret_manifest == NULL)
		return error_memory(err);
	*ret_config = steal_ptr(config);
	return 0;
}
