/* The layout of `docker save`: manifest.json, a list of images, each with the names of its config's
 * and its layers' files (moby image/spec v1.2, "Combined Image JSON + Filesystem Changeset
 * Format").
 */
#include <string.h>

#include "base/json.h"
#include "transport/registry/import_internal.h"

static const char list_name[] = "manifest.json";

static int read_list(struct import *import, json_t **ret, struct error *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT(MANIFEST_MAX);
	size_t n;

	if (import_text(import, list_name, &text, err) < 0 ||
	    json_parse(text.data, text.len, list_name, ret, err) < 0)
		return -1;
	n = json_array_size(*ret);
	if (n == 0 || n > MANIFEST_ENTRIES_MAX)
		return error_set(err, ERROR_PROTOCOL, "%s lists no images, or too many", list_name);
	return 0;
}

static bool has_name(const json_t *image, const char *name)
{
	const json_t *tag;
	size_t i;

	json_array_foreach(json_object_get(image, "RepoTags"), i, tag)
	{
		if (json_is_string(tag) && import_same_name(json_string_value(tag), name))
			return true;
	}
	return false;
}

static int list_names(const json_t *images, struct strv *ret, struct error *err)
{
	const json_t *image, *tag;
	size_t i, j;

	json_array_foreach(images, i, image)
	{
		json_array_foreach(json_object_get(image, "RepoTags"), j, tag)
		{
			if (json_is_string(tag) && strv_add(ret, json_string_value(tag)) < 0)
				return error_memory(err);
		}
	}
	return 0;
}

/* The one that `name` means, or the only one; an image may be listed for each of its names. */
static int choose(const json_t *images, const char *name, const json_t **ret, struct error *err)
{
	CLEANUP_STRV struct strv there = {0};
	const json_t *image, *chosen = NULL;
	bool several = false;
	size_t i;

	json_array_foreach(images, i, image)
	{
		if (name != NULL && !has_name(image, name))
			continue;
		several = several || (chosen != NULL && strcmp(json_str(chosen, "Config", ""),
							    json_str(image, "Config", "")) != 0);
		chosen = image;
	}
	*ret = chosen;
	if (chosen != NULL && !several)
		return 0;
	if (chosen != NULL && name != NULL)
		return error_set(
		    err, ERROR_PROTOCOL, "%s lists two images named %s", list_name, name);
	return list_names(images, &there, err) < 0 ? -1 : import_no_choice(name, &there, err);
}

/* "HEX.json" (docker, podman), "sha256:HEX" (crane, kaniko): who says a digest has to have it. */
static int check_config_name(const char *name, const struct buf *config, struct error *err)
{
	char said[DIGEST_TEXT_SIZE] = "sha256:", found[DIGEST_TEXT_SIZE];

	if (strncmp(name, "sha256:", 7) == 0)
		name += 7;
	if (strspn(name, "0123456789abcdef") != DIGEST_HEX_SIZE - 1 ||
	    (name[DIGEST_HEX_SIZE - 1] != '\0' && strcmp(name + DIGEST_HEX_SIZE - 1, ".json") != 0))
		return 0;
	memcpy(said + 7, name, DIGEST_HEX_SIZE - 1);
	said[DIGEST_TEXT_SIZE - 1] = '\0';
	if (digest_text(config->data, config->len, found, err) < 0)
		return -1;
	if (strcmp(said, found) == 0)
		return 0;
	return error_set(err, ERROR_PROTOCOL, "the config %s has the digest %s", name, found);
}

static int read_config(
    struct import *import, const json_t *image, struct buf *ret, struct error *err)
{
	const char *name = json_str(image, "Config", "");
	CLEANUP_FREE char *clean = NULL;

	if (part_name(name, NULL, &clean, err) < 0)
		return -1;
	if (clean == NULL)
		return error_set(err, ERROR_PROTOCOL, "%s names no config", list_name);
	if (import_text(import, clean, ret, err) < 0)
		return -1;
	return check_config_name(name, ret, err);
}

static int find_layers(
    struct import *import, const json_t *names, struct piece *layers, size_t n, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		const char *name = json_string_value(json_array_get(names, i));

		if (name == NULL)
			return error_set(
			    err, ERROR_PROTOCOL, "%s names layer %zu by no text", list_name, i + 1);
		if (import_layer(import, name, &layers[i], err) < 0)
			return -1;
	}
	return 0;
}

int import_docker(struct import *import, const char *name, struct error *err)
{
	CLEANUP_JSON json_t *images = NULL;
	CLEANUP_BUF struct buf config = BUF_INIT(MANIFEST_MAX);
	CLEANUP_FREE struct piece *layers = NULL;
	const json_t *image, *names;
	char digest[DIGEST_TEXT_SIZE];
	size_t n, len;

	if (read_list(import, &images, err) < 0 || choose(images, name, &image, err) < 0 ||
	    read_config(import, image, &config, err) < 0)
		return -1;
	names = json_object_get(image, "Layers");
	n = json_array_size(names);
	if (n > MANIFEST_ENTRIES_MAX)
		return error_set(err, ERROR_PROTOCOL, "the image has %zu layers, more than %d", n,
		    MANIFEST_ENTRIES_MAX);
	layers = calloc(n + 1, sizeof(*layers));
	if (layers == NULL)
		return error_memory(err);
	if (find_layers(import, names, layers, n, err) < 0)
		return -1;
	return import_image(import, config.data, config.len, layers, n, &len, digest, err);
}
