#include "transport/registry/manifest.h"

#include <string.h>

#include "base/json.h"

static int is_wrong(struct error *err, const char *what)
{
	return error_set(err, ERROR_PROTOCOL, "the manifest is not one of an image: %s", what);
}

/* An optional text; one of another type is a mistake. */
static int read_text(const json_t *object, const char *key, const char **ret, struct error *err)
{
	const json_t *value = json_object_get(object, key);

	*ret = "";
	if (value == NULL || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return error_set(err, ERROR_PROTOCOL, "the manifest's \"%s\" is no text", key);
	*ret = json_string_value(value);
	return 0;
}

static int read_annotations(const json_t *object, const json_t **ret, struct error *err)
{
	const json_t *value = json_object_get(object, "annotations"), *text;
	const char *key;

	*ret = NULL;
	if (value == NULL || json_is_null(value))
		return 0;
	if (!json_is_object(value))
		return is_wrong(err, "its annotations are no object");
	json_object_foreach((json_t *)(uintptr_t)value, key, text)
	{
		if (!json_is_string(text))
			return is_wrong(err, "an annotation is no text");
	}
	*ret = value;
	return 0;
}

static int read_platform(const json_t *object, struct descriptor *ret, struct error *err)
{
	const json_t *platform = json_object_get(object, "platform");

	ret->os = ret->arch = ret->variant = "";
	if (platform == NULL || json_is_null(platform))
		return 0;
	if (!json_is_object(platform))
		return is_wrong(err, "a platform is no object");
	if (read_text(platform, "os", &ret->os, err) < 0 ||
	    read_text(platform, "architecture", &ret->arch, err) < 0)
		return -1;
	return read_text(platform, "variant", &ret->variant, err);
}

/* image-spec descriptor.md: mediaType, digest and size are required. */
static int read_descriptor(
    const json_t *object, const char *what, struct descriptor *ret, struct error *err)
{
	const json_t *size = json_object_get(object, "size");

	if (!json_is_object(object))
		return error_set(err, ERROR_PROTOCOL, "the manifest names no %s", what);
	if (read_text(object, "mediaType", &ret->media_type, err) < 0 ||
	    read_text(object, "digest", &ret->digest, err) < 0 ||
	    read_text(object, "artifactType", &ret->artifact_type, err) < 0)
		return -1;
	if (!digest_is_text(ret->digest))
		return error_set(err, ERROR_PROTOCOL,
		    "the manifest names its %s by \"%.80s\", which is no sha256 digest", what,
		    ret->digest);
	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return error_set(err, ERROR_PROTOCOL,
		    "the manifest says no size, or one that makes no sense, of its %s", what);
	ret->size = (uint64_t)json_integer_value(size);
	if (read_annotations(object, &ret->annotations, err) < 0)
		return -1;
	return read_platform(object, ret, err);
}

static int read_entries(
    const json_t *array, const char *what, struct manifest *manifest, struct error *err)
{
	size_t n = json_array_size(array);
	uint64_t sum = 0;

	if (n > MANIFEST_ENTRIES_MAX)
		return error_set(err, ERROR_PROTOCOL, "the manifest has %zu entries, more than %d",
		    n, MANIFEST_ENTRIES_MAX);
	manifest->entries = calloc(n + 1, sizeof(*manifest->entries));
	if (manifest->entries == NULL)
		return error_memory(err);
	for (size_t i = 0; i < n; i++) {
		struct descriptor *entry = &manifest->entries[i];

		if (read_descriptor(json_array_get(array, i), what, entry, err) < 0)
			return -1;
		if (entry->size > UINT64_MAX - sum)
			return is_wrong(err, "its sizes make no sense");
		sum += entry->size;
		manifest->n = i + 1;
	}
	return 0;
}

static int read_index(struct manifest *manifest, struct error *err)
{
	manifest->config = (struct descriptor){.media_type = "", .digest = ""};
	return read_entries(
	    json_object_get(manifest->json, "manifests"), "manifest", manifest, err);
}

static int read_image(struct manifest *manifest, struct error *err)
{
	const json_t *layers = json_object_get(manifest->json, "layers");

	if (!json_is_array(layers))
		return is_wrong(err, "it lists no layers");
	if (read_descriptor(
		json_object_get(manifest->json, "config"), "config", &manifest->config, err) < 0)
		return -1;
	if (*manifest->artifact_type == '\0')
		manifest->artifact_type = manifest->config.media_type;
	return read_entries(layers, "layer", manifest, err);
}

static bool is_index_type(const char *media_type)
{
	return strcmp(media_type, MEDIA_OCI_INDEX) == 0 ||
	       strcmp(media_type, MEDIA_DOCKER_LIST) == 0;
}

static bool is_known_type(const char *media_type)
{
	return is_index_type(media_type) || strcmp(media_type, MEDIA_OCI_MANIFEST) == 0 ||
	       strcmp(media_type, MEDIA_DOCKER_MANIFEST) == 0;
}

/* What it is: as it says itself, as the client says, and as its form tells; they have to agree
 * (image-spec manifest.md "mediaType", distribution-spec "Pushing Manifests"). */
static int read_type(struct manifest *manifest, const char *announced, struct error *err)
{
	const char *own;

	if (read_text(manifest->json, "mediaType", &own, err) < 0)
		return -1;
	manifest->is_index = json_is_array(json_object_get(manifest->json, "manifests"));
	if (manifest->is_index && json_object_get(manifest->json, "layers") != NULL)
		return is_wrong(err, "it is an image and an index at once");
	if (announced != NULL && *own != '\0' && strcmp(announced, own) != 0)
		return error_set(err, ERROR_PROTOCOL,
		    "the manifest was announced as %.100s, and says that it is %.100s", announced,
		    own);
	if (*own != '\0')
		announced = own;
	if (announced == NULL)
		announced = manifest->is_index ? MEDIA_OCI_INDEX : MEDIA_OCI_MANIFEST;
	if (!is_known_type(announced) || is_index_type(announced) != manifest->is_index)
		return error_set(err, ERROR_PROTOCOL, "%.100s is not the media type of %s",
		    announced, manifest->is_index ? "an index" : "an image's manifest");
	manifest->media_type = announced;
	return 0;
}

/* A media type that only the client says has to live as long as the manifest. */
static int keep_type(struct manifest *manifest, struct error *err)
{
	static const char *const known[] = {
	    MEDIA_OCI_MANIFEST, MEDIA_OCI_INDEX, MEDIA_DOCKER_MANIFEST, MEDIA_DOCKER_LIST};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(manifest->media_type, known[i]) == 0) {
			manifest->media_type = known[i];
			return 0;
		}
	return is_wrong(err, "its media type is not known");
}

static int read_all(struct manifest *manifest, const char *media_type, struct error *err)
{
	const json_t *subject = json_object_get(manifest->json, "subject");

	if (!json_is_object(manifest->json))
		return is_wrong(err, "it is no JSON object");
	if (json_int(manifest->json, "schemaVersion", 0) != 2) {
		is_wrong(err, "its schemaVersion is not 2");
		return error_hint(err, "it is of an old kind; push the image again");
	}
	if (read_type(manifest, media_type, err) < 0 || keep_type(manifest, err) < 0 ||
	    read_text(manifest->json, "artifactType", &manifest->artifact_type, err) < 0 ||
	    read_annotations(manifest->json, &manifest->annotations, err) < 0)
		return -1;
	manifest->subject = (struct descriptor){.media_type = "", .digest = ""};
	if (subject != NULL && !json_is_null(subject) &&
	    read_descriptor(subject, "subject", &manifest->subject, err) < 0)
		return -1;
	return manifest->is_index ? read_index(manifest, err) : read_image(manifest, err);
}

int manifest_parse(
    const void *data, size_t len, const char *media_type, struct manifest *ret, struct error *err)
{
	struct manifest manifest = {.media_type = "", .artifact_type = ""};

	if (len > MANIFEST_MAX)
		return error_set(err, ERROR_PROTOCOL, "the manifest has %zu bytes, more than %d",
		    len, MANIFEST_MAX);
	if (json_parse(data, len, "the manifest", &manifest.json, err) < 0)
		return -1;
	if (read_all(&manifest, media_type, err) < 0) {
		manifest_release(&manifest);
		return -1;
	}
	*ret = manifest;
	return 0;
}

void manifest_release(struct manifest *manifest)
{
	json_decref(manifest->json);
	free(manifest->entries);
	*manifest = (struct manifest){0};
}

const struct descriptor *manifest_choose(
    const struct manifest *index, const char *os, const char *arch)
{
	for (size_t i = 0; i < index->n; i++)
		if (strcmp(index->entries[i].os, os) == 0 &&
		    strcmp(index->entries[i].arch, arch) == 0)
			return &index->entries[i];
	return NULL;
}

/* --- an image's config (image-spec config.md) */

static int check_config(struct image_config *config, struct error *err)
{
	const json_t *diff_id;
	size_t i;

	config->os = json_str(config->json, "os", "linux");
	config->arch = json_str(config->json, "architecture", "amd64");
	config->diff_ids = json_at(config->json, "rootfs.diff_ids");
	if (!json_is_array(config->diff_ids) ||
	    json_array_size(config->diff_ids) > MANIFEST_ENTRIES_MAX)
		return error_set(err, ERROR_PROTOCOL,
		    "the image's config lists no layers (rootfs.diff_ids), or too many");
	json_array_foreach(config->diff_ids, i, diff_id)
	{
		if (!json_is_string(diff_id) || !digest_is_text(json_string_value(diff_id)))
			return error_set(err, ERROR_PROTOCOL,
			    "the image's config names layer %zu by no sha256 digest", i + 1);
	}
	return 0;
}

int image_config_parse(const void *data, size_t len, struct image_config *ret, struct error *err)
{
	struct image_config config = {0};

	if (len > MANIFEST_MAX)
		return error_set(err, ERROR_PROTOCOL,
		    "the image's config has %zu bytes, more than %d", len, MANIFEST_MAX);
	if (json_parse(data, len, "the image's config", &config.json, err) < 0)
		return -1;
	if (check_config(&config, err) < 0) {
		image_config_release(&config);
		return -1;
	}
	*ret = config;
	return 0;
}

void image_config_release(struct image_config *config)
{
	json_decref(config->json);
	*config = (struct image_config){0};
}

/* --- making one */

static json_t *make_descriptor(const char *media_type, const char *digest, uint64_t size)
{
	return json_pack(
	    "{sssssI}", "mediaType", media_type, "digest", digest, "size", (json_int_t)size);
}

int manifest_make(const char *config_digest, uint64_t config_size,
    const struct manifest_layer *layers, size_t n, char **ret, struct error *err)
{
	CLEANUP_JSON json_t *list = json_array();
	CLEANUP_JSON json_t *manifest = NULL;

	for (size_t i = 0; i < n && list != NULL; i++)
		if (json_array_append_new(list,
			make_descriptor(MEDIA_DOCKER_LAYER, layers[i].digest, layers[i].size)) < 0)
			return error_memory(err);
	manifest = json_pack("{sisssosO}", "schemaVersion", 2, "mediaType", MEDIA_DOCKER_MANIFEST,
	    "config", make_descriptor(MEDIA_DOCKER_CONFIG, config_digest, config_size), "layers",
	    list);
	*ret = manifest != NULL ? json_canonical(manifest) : NULL;
	return *ret != NULL ? 0 : error_memory(err);
}
