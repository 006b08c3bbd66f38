/* An OCI layout (image-spec image-layout.md): index.json names manifests and indexes by digest, and
 * all of them and their blobs are in blobs/sha256/.
 *
 * What is packed already stays as it is, manifests and indexes byte for byte. Docker's newer
 * engines write layers unpacked, under manifests that say so: such an image gets a manifest of our
 * making, as one in Docker's own layout does, and an index around it is the same index with the new
 * manifests in it. Entries of an index that are not there, or not whole, stay what they are: names
 * of what can be had elsewhere. */
#include <string.h>

#include "base/json.h"
#include "transport/registry/import_internal.h"

enum { DEPTH_MAX = 4 };

static const char index_name[] = "index.json";

/* A manifest or index of the layout, on its way into the repository. */
struct entry {
	struct buf text;
	struct manifest manifest;
	char digest[DIGEST_TEXT_SIZE]; /* in the repository */
	size_t size;
	bool whole;    /* an image that is there, or an index with at least one in it */
	bool replaced; /* by one of our making */
};

static void entry_release(struct entry *entry)
{
	buf_release(&entry->text);
	manifest_release(&entry->manifest);
}
#define CLEANUP_ENTRY __attribute__((cleanup(entry_release)))

static bool is_image(const struct manifest *manifest)
{
	return strcmp(manifest->config.media_type, MEDIA_OCI_CONFIG) == 0 ||
	       strcmp(manifest->config.media_type, MEDIA_DOCKER_CONFIG) == 0;
}

/* --- one manifest */

static int put(struct import *import, struct entry *entry, struct error *err)
{
	entry->size = entry->text.len;
	return import_manifest(import, entry->manifest.media_type, entry->text.data,
	    entry->text.len, entry->manifest.is_index, entry->digest, err);
}

static int repack(
    struct import *import, struct entry *entry, const struct piece *layers, struct error *err)
{
	const struct descriptor *config = &entry->manifest.config;
	CLEANUP_BUF struct buf text = BUF_INIT(MANIFEST_MAX);

	entry->replaced = true;
	if (import_text_of(import, config->digest, config->size, &text, err) < 0)
		return -1;
	return import_image(import, text.data, text.len, layers, entry->manifest.n, &entry->size,
	    entry->digest, err);
}

static int link_blob(struct import *import, const struct piece *piece, struct error *err)
{
	return store_blob_link(
	    import->target->store, import->target->repository, piece->blob.digest, err);
}

/* Its blobs into the store. `ret_packed`: how many of the layers the store had to pack. */
static int fetch_layers(struct import *import, const struct manifest *manifest,
    struct piece *layers, size_t *ret_packed, struct error *err)
{
	*ret_packed = 0;
	for (size_t i = 0; i < manifest->n; i++) {
		if (import_blob(
			import, &manifest->entries[i], is_image(manifest), &layers[i], err) < 0)
			return -1;
		*ret_packed +=
		    strcmp(layers[i].blob.digest, manifest->entries[i].digest) != 0 ? 1 : 0;
	}
	if (*ret_packed > 0 && !is_image(manifest))
		return error_set(err, ERROR_NOT_FOUND,
		    "what comes as a tar is no layer of an image (%s)",
		    manifest->config.media_type);
	return 0;
}

/* Can a container be made of it? Attestations have the media types of images, and "unknown" for a
 * platform. */
static int look_at_config(
    struct import *import, const struct descriptor *config, bool *ret_whole, struct error *err)
{
	CLEANUP_IMAGE_CONFIG struct image_config parsed = {0};
	CLEANUP_BUF struct buf text = BUF_INIT(MANIFEST_MAX);

	if (import_text_of(import, config->digest, config->size, &text, err) < 0)
		return -1;
	if (image_config_parse(text.data, text.len, &parsed, err) < 0)
		return error_wrap(err, "%s", config->digest);
	*ret_whole = strcmp(parsed.os, "unknown") != 0;
	return 0;
}

static int link_all(struct import *import, const struct manifest *manifest,
    const struct piece *layers, struct error *err)
{
	struct piece config;

	if (import_blob(import, &manifest->config, false, &config, err) < 0 ||
	    link_blob(import, &config, err) < 0)
		return -1;
	for (size_t i = 0; i < manifest->n; i++)
		if (link_blob(import, &layers[i], err) < 0)
			return -1;
	return 0;
}

static int put_image(struct import *import, struct entry *entry, struct error *err)
{
	const struct manifest *manifest = &entry->manifest;
	CLEANUP_FREE struct piece *layers = calloc(manifest->n + 1, sizeof(*layers));
	bool whole = false;
	size_t packed;

	if (layers == NULL)
		return error_memory(err);
	for (size_t i = 0; import->folder >= 0 && i < manifest->n; i++)
		import->total += manifest->entries[i].size;
	if (is_image(manifest) && look_at_config(import, &manifest->config, &whole, err) < 0)
		return -1;
	if (fetch_layers(import, manifest, layers, &packed, err) < 0)
		return -1;
	entry->whole = whole;
	if (packed > 0)
		return repack(import, entry, layers, err);
	return link_all(import, manifest, layers, err) < 0 ? -1 : put(import, entry, err);
}

/* --- an index */

static int put_entry(struct import *import, struct entry *entry, int depth, struct error *missing,
    struct error *err);

/* An entry of the index is now another manifest: in the index, and where attestations name what
 * they are about (BuildKit, "vnd.docker.reference.digest"). */
static int replace(json_t *entries, size_t at, const struct entry *with, struct error *err)
{
	static const char about[] = "vnd.docker.reference.digest";
	json_t *entry = json_array_get(entries, at);
	CLEANUP_FREE char *old = strdup(json_str(entry, "digest", ""));
	const char *type =
	    with->manifest.is_index ? with->manifest.media_type : MEDIA_DOCKER_MANIFEST;
	size_t i;
	int rc;

	if (old == NULL)
		return error_memory(err);
	rc = json_object_set_new(entry, "digest", json_string(with->digest)) |
	     json_object_set_new(entry, "size", json_integer((json_int_t)with->size)) |
	     json_object_set_new(entry, "mediaType", json_string(type));
	json_array_foreach(entries, i, entry)
	{
		json_t *annotations = json_object_get(entry, "annotations");
		const char *named = json_string_value(json_object_get(annotations, about));

		if (named != NULL && strcmp(old, named) == 0)
			rc |= json_object_set_new(annotations, about, json_string(with->digest));
	}
	return rc == 0 ? 0 : error_memory(err);
}

/* What its entries have become. */
static int rewrite(struct entry *index, struct error *err)
{
	CLEANUP_FREE char *text = json_canonical(index->manifest.json);

	buf_clear(&index->text);
	if (text == NULL)
		return error_memory(err);
	return buf_adds(&index->text, text) == 0 ? 0 : buf_error(&index->text, err, "the index");
}

static int fetch_entry(struct import *import, const struct descriptor *descriptor,
    struct entry *ret, struct error *err)
{
	const char *type = *descriptor->media_type != '\0' ? descriptor->media_type : NULL;

	buf_init(&ret->text, MANIFEST_MAX);
	if (import_text_of(import, descriptor->digest, descriptor->size, &ret->text, err) < 0)
		return -1;
	if (manifest_parse(ret->text.data, ret->text.len, type, &ret->manifest, err) < 0)
		return error_wrap(err, "%s", descriptor->digest);
	return 0;
}

/* What is not there is not there; the first such is remembered. */
static int forgive(struct error *failure, struct error *missing, struct error *err)
{
	if (failure->kind != ERROR_NOT_FOUND) {
		error_move(err, failure);
		return -1;
	}
	if (missing->kind == ERROR_NONE)
		error_move(missing, failure);
	error_release(failure);
	return 0;
}

static int put_index(
    struct import *import, struct entry *index, int depth, struct error *missing, struct error *err)
{
	json_t *entries = json_object_get(index->manifest.json, "manifests");

	for (size_t i = 0; i < index->manifest.n; i++) {
		CLEANUP_ENTRY struct entry entry = {.text = BUF_INIT(0)};
		CLEANUP_ERROR struct error failure = {0};

		if (import_check(import, err) < 0 ||
		    import_count(
			&import->entries, import->limits.entries, "manifests in indexes", err) < 0)
			return -1;
		if (fetch_entry(import, &index->manifest.entries[i], &entry, &failure) < 0 ||
		    put_entry(import, &entry, depth + 1, missing, &failure) < 0) {
			if (forgive(&failure, missing, err) < 0)
				return -1;
			continue;
		}
		index->whole = index->whole || entry.whole;
		index->replaced = index->replaced || entry.replaced;
		if (entry.replaced && replace(entries, i, &entry, err) < 0)
			return -1;
	}
	if (index->replaced && rewrite(index, err) < 0)
		return -1;
	return put(import, index, err);
}

static int put_entry(
    struct import *import, struct entry *entry, int depth, struct error *missing, struct error *err)
{
	if (!entry->manifest.is_index)
		return put_image(import, entry, err);
	if (depth > DEPTH_MAX)
		return error_set(err, ERROR_PROTOCOL, "an index in an index, and so on, too deep");
	return put_index(import, entry, depth, missing, err);
}

/* --- index.json: which of them */

static const char *annotation(const struct descriptor *entry, const char *key)
{
	const char *text = json_string_value(json_object_get(entry->annotations, key));

	return text != NULL ? text : "";
}

/* Builders put a tag or a whole name there; containerd and Docker have the whole name in one of
 * their own. */
static const char *const name_keys[] = {
    "io.containerd.image.name", "org.opencontainers.image.ref.name"};

static bool has_name(const struct descriptor *entry, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(name_keys); i++) {
		const char *own = annotation(entry, name_keys[i]);

		if (*own != '\0' && import_same_name(own, name))
			return true;
	}
	return strcmp(entry->digest, name) == 0;
}

static int list_names(const struct manifest *index, struct strv *ret, struct error *err)
{
	for (size_t i = 0; i < index->n; i++) {
		const struct descriptor *entry = &index->entries[i];
		const char *whole = annotation(entry, name_keys[0]);
		const char *name = *whole != '\0' ? whole : annotation(entry, name_keys[1]);

		if (strv_add(ret, *name != '\0' ? name : entry->digest) < 0)
			return error_memory(err);
	}
	return 0;
}

/* Entries of one image for several platforms: each says another one, and none another name. */
static bool is_one_image(const struct manifest *index)
{
	for (size_t i = 0; i < index->n; i++) {
		const struct descriptor *a = &index->entries[i];

		if (*a->os == '\0')
			return false;
		for (size_t j = 0; j < i; j++) {
			const struct descriptor *b = &index->entries[j];

			/* Attestations are all "unknown/unknown". */
			if (strcmp(annotation(a, name_keys[1]), annotation(b, name_keys[1])) != 0 ||
			    (strcmp(a->os, "unknown") != 0 && strcmp(a->os, b->os) == 0 &&
				strcmp(a->arch, b->arch) == 0 &&
				strcmp(a->variant, b->variant) == 0))
				return false;
		}
	}
	return index->n > 1;
}

/* The number of the entry that is meant; one past the last: the whole index is. */
static int choose(const struct manifest *index, const char *name, size_t *ret, struct error *err)
{
	CLEANUP_STRV struct strv there = {0};
	const struct descriptor *entries = index->entries;
	size_t chosen = 0, fitting = 0;
	bool several = false;

	for (size_t i = 0; i < index->n; i++) {
		if (name != NULL && !has_name(&entries[i], name))
			continue;
		several = several ||
			  (fitting > 0 && strcmp(entries[chosen].digest, entries[i].digest) != 0);
		chosen = i;
		fitting++;
	}
	*ret = several ? index->n : chosen;
	if (fitting > 0 && (!several || (fitting == index->n && is_one_image(index))))
		return 0;
	if (index->n == 0)
		return error_set(err, ERROR_PROTOCOL, "%s names no image", index_name);
	if (fitting > 0 && name != NULL)
		return error_set(
		    err, ERROR_PROTOCOL, "%s has several images named %s", index_name, name);
	return list_names(index, &there, err) < 0 ? -1 : import_no_choice(name, &there, err);
}

static int put_root(struct import *import, struct entry *entry, struct error *err)
{
	CLEANUP_ERROR struct error missing = {0};

	if (put_entry(import, entry, 1, &missing, err) < 0)
		return -1;
	if (!entry->whole && missing.kind != ERROR_NONE) {
		error_move(err, &missing);
		return -1;
	}
	if (!entry->whole)
		return error_set(
		    err, ERROR_PROTOCOL, "it holds no image that a container can be made of");
	return 0;
}

int import_layout(struct import *import, const char *name, struct error *err)
{
	CLEANUP_ENTRY struct entry index = {.text = BUF_INIT(MANIFEST_MAX)};
	CLEANUP_ENTRY struct entry entry = {.text = BUF_INIT(0)};
	size_t chosen;

	if (import_text(import, index_name, &index.text, err) < 0)
		return -1;
	if (manifest_parse(index.text.data, index.text.len, NULL, &index.manifest, err) < 0 ||
	    choose(&index.manifest, name, &chosen, err) < 0)
		return error_wrap(err, "%s", index_name);
	if (chosen == index.manifest.n)
		return put_root(import, &index, err);
	if (fetch_entry(import, &index.manifest.entries[chosen], &entry, err) < 0)
		return -1;
	return put_root(import, &entry, err);
}
