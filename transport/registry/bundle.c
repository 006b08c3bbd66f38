#include "transport/registry/bundle.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "transport/registry/manifest.h"

enum {
	BLOCK = 512, /* of a tar (POSIX pax, "ustar Interchange Format") */
	PIECE = 64 * 1024,
	CONFIG_MAX = 8 * 1024 * 1024,
	NAME_SIZE = 80,
	HEX = 64,
};

static const char list_name[] = "manifest.json";

struct bundle {
	struct store *store;
	struct manifest manifest;
	struct image_config config;
	char *config_text;
	size_t config_len;
	size_t left_out; /* of the lowest layers */
};

/* --- making it ready */

static int read_config(struct bundle *bundle, struct error *err)
{
	const struct descriptor *config = &bundle->manifest.config;
	struct blob_reader *reader = NULL;
	struct blob_info info;
	ssize_t n = 1;

	if (blob_open(bundle->store, config->digest, &reader, &info, err) < 0)
		return -1;
	if (info.size > CONFIG_MAX) {
		blob_close(reader);
		return error_set(err, ERROR_PROTOCOL, "a config of %llu bytes is too long",
		    (unsigned long long)info.size);
	}
	bundle->config_text = malloc((size_t)info.size + 1);
	if (bundle->config_text == NULL)
		n = error_memory(err);
	while (n > 0 && bundle->config_len < info.size) {
		n = blob_read(reader, bundle->config_len, bundle->config_text + bundle->config_len,
		    (size_t)info.size - bundle->config_len, err);
		bundle->config_len += n > 0 ? (size_t)n : 0;
	}
	blob_close(reader);
	if (n < 0)
		return -1;
	return image_config_parse(bundle->config_text, bundle->config_len, &bundle->config, err);
}

static int read_manifest(
    struct bundle *bundle, const char *repository, const char *digest, struct error *err)
{
	struct stored_manifest stored = {0};
	int rc;

	if (store_manifest_get(bundle->store, repository, digest, &stored, err) < 0)
		return -1;
	rc = manifest_parse(stored.data, stored.len, stored.media_type, &bundle->manifest, err);
	stored_manifest_release(&stored);
	if (rc == 0 && bundle->manifest.is_index)
		rc = error_set(err, ERROR_PROTOCOL, "%s is an index, not an image", digest);
	return rc;
}

int bundle_open(struct store *store, const char *repository, const char *manifest,
    struct bundle **ret, struct error *err)
{
	struct bundle *bundle = calloc(1, sizeof(*bundle));
	int rc;

	if (bundle == NULL)
		return error_memory(err);
	bundle->store = store;
	rc = read_manifest(bundle, repository, manifest, err);
	if (rc == 0)
		rc = read_config(bundle, err);
	if (rc == 0 && json_array_size(bundle->config.diff_ids) != bundle->manifest.n)
		rc = error_set(err, ERROR_PROTOCOL,
		    "the config of %s knows %zu layers, its manifest %zu", manifest,
		    json_array_size(bundle->config.diff_ids), bundle->manifest.n);
	if (rc < 0) {
		bundle_close(bundle);
		return -1;
	}
	*ret = bundle;
	return 0;
}

void bundle_close(struct bundle *bundle)
{
	if (bundle == NULL)
		return;
	manifest_release(&bundle->manifest);
	image_config_release(&bundle->config);
	free(bundle->config_text);
	free(bundle);
}

const char *bundle_config(const struct bundle *bundle)
{
	return bundle->manifest.config.digest;
}

const json_t *bundle_diff_ids(const struct bundle *bundle)
{
	return bundle->config.diff_ids;
}

const json_t *bundle_config_json(const struct bundle *bundle)
{
	return bundle->config.json;
}

size_t bundle_layers(const struct bundle *bundle)
{
	return bundle->manifest.n;
}

const char *bundle_layer(const struct bundle *bundle, size_t i)
{
	return bundle->manifest.entries[i].digest;
}

/* --- what is in it */

size_t bundle_common(const json_t *diff_ids, const json_t *others)
{
	size_t n = 0;

	for (;; n++) {
		const char *ours = json_string_value(json_array_get(diff_ids, n));
		const char *theirs = json_string_value(json_array_get(others, n));

		if (ours == NULL || theirs == NULL || strcmp(ours, theirs) != 0)
			return n;
	}
}

void bundle_leave_out(struct bundle *bundle, size_t n)
{
	bundle->left_out = n < bundle->manifest.n ? n : bundle->manifest.n;
}

/* Images may have one layer twice, most often an empty one. */
static bool is_written(const struct bundle *bundle, size_t layer)
{
	if (layer < bundle->left_out)
		return false;
	for (size_t i = bundle->left_out; i < layer; i++)
		if (strcmp(bundle->manifest.entries[i].digest,
			bundle->manifest.entries[layer].digest) == 0)
			return false;
	return true;
}

/* "<64 hex>SUFFIX" of "sha256:<64 hex>" */
static void name_file(char out[NAME_SIZE], const char *digest, const char *suffix)
{
	const char *colon = strchr(digest, ':');

	snprintf(out, NAME_SIZE, "%.*s%s", HEX, colon != NULL ? colon + 1 : digest, suffix);
}

static char *make_list(const struct bundle *bundle)
{
	CLEANUP_JSON json_t *list = NULL;
	json_t *layers = json_array();
	char name[NAME_SIZE];

	for (size_t i = 0; layers != NULL && i < bundle->manifest.n; i++) {
		name_file(name, bundle->manifest.entries[i].digest, ".tar.gz");
		if (json_array_append_new(layers, json_string(name)) < 0) {
			json_decref(layers);
			return NULL;
		}
	}
	name_file(name, bundle_config(bundle), ".json");
	list = json_pack("[{s:s,s:n,s:o}]", "Config", name, "RepoTags", "Layers", layers);
	return list != NULL ? json_dumps(list, JSON_COMPACT) : NULL;
}

/* --- the tar */

static uint64_t rounded(uint64_t size)
{
	return (size + BLOCK - 1) / BLOCK * BLOCK;
}

uint64_t bundle_bytes(const struct bundle *bundle)
{
	CLEANUP_FREE char *list = make_list(bundle);
	uint64_t sum = 2 * BLOCK + 2 * BLOCK + rounded(bundle->config_len) +
		       rounded(list != NULL ? strlen(list) : 0);

	for (size_t i = 0; i < bundle->manifest.n; i++)
		if (is_written(bundle, i))
			sum += BLOCK + rounded(bundle->manifest.entries[i].size);
	return sum;
}

struct output {
	bundle_put_fn *put;
	void *context;
};

static int put(const struct output *out, const void *data, size_t len, struct error *err)
{
	return len > 0 ? out->put(out->context, data, len, err) : 0;
}

/* Eleven octal digits; what is larger than 8 GiB in base 256, as GNU tar and Go do. */
static void put_size(unsigned char field[12], uint64_t size)
{
	if (size < (uint64_t)1 << 33) {
		snprintf((char *)field, 12, "%011llo", (unsigned long long)size);
		return;
	}
	memset(field, 0, 12);
	field[0] = 0x80;
	for (int i = 11; size > 0; i--, size >>= 8)
		field[i] = (unsigned char)(size & 0xff);
}

static void put_text(unsigned char *field, const char *text)
{
	while (*text != '\0')
		*field++ = (unsigned char)*text++;
}

static int put_header(const struct output *out, const char *name, uint64_t size, struct error *err)
{
	unsigned char header[BLOCK] = {0};
	unsigned int sum = 0;

	put_text(header, name);
	put_text(header + 100, "0000644");
	put_text(header + 108, "0000000");
	put_text(header + 116, "0000000");
	put_size(header + 124, size);
	put_text(header + 136, "00000000000");
	memset(header + 148, ' ', 8); /* the sum, which counts itself as blanks */
	header[156] = '0';
	put_text(header + 257, "ustar");
	put_text(header + 263, "00");
	for (size_t i = 0; i < BLOCK; i++)
		sum += header[i];
	snprintf((char *)header + 148, 8, "%06o", sum);
	return put(out, header, BLOCK, err);
}

static int put_padding(const struct output *out, uint64_t size, struct error *err)
{
	static const char zeros[BLOCK];

	return put(out, zeros, (size_t)(rounded(size) - size), err);
}

static int put_file(
    const struct output *out, const char *name, const char *data, size_t len, struct error *err)
{
	if (put_header(out, name, len, err) < 0)
		return -1;
	for (size_t at = 0; at < len; at += PIECE)
		if (put(out, data + at, len - at < PIECE ? len - at : PIECE, err) < 0)
			return -1;
	return put_padding(out, len, err);
}

/* --- layers */

static int check_digest(struct digest *digest, const char *expected, struct error *err)
{
	unsigned char raw[DIGEST_RAW_SIZE];
	char text[DIGEST_TEXT_SIZE];

	if (digest_so_far(digest, raw, err) < 0)
		return -1;
	digest_text_of(raw, text);
	if (strcmp(text, expected) == 0)
		return 0;
	return error_set(err, ERROR_PROTOCOL, "blob %s is %s", expected, text);
}

static int put_pieces(const struct output *out, struct blob_reader *reader,
    const struct blob_info *info, struct digest *digest, char *piece, struct error *err)
{
	for (uint64_t at = 0; at < info->size;) {
		ssize_t n = blob_read(reader, at, piece, PIECE, err);

		if (n == 0)
			return error_set(
			    err, ERROR_PROTOCOL, "blob %s ends too early", info->digest);
		if (n < 0 || digest_add(digest, piece, (size_t)n, err) < 0)
			return -1;
		at += (uint64_t)n;
		if (at == info->size && check_digest(digest, info->digest, err) < 0)
			return -1;
		if (put(out, piece, (size_t)n, err) < 0)
			return -1;
	}
	return 0;
}

static int put_layer(
    struct bundle *bundle, size_t i, const struct output *out, char *piece, struct error *err)
{
	const struct descriptor *layer = &bundle->manifest.entries[i];
	struct blob_reader *reader = NULL;
	struct digest *digest = NULL;
	struct blob_info info;
	char name[NAME_SIZE];
	int rc;

	if (blob_open(bundle->store, layer->digest, &reader, &info, err) < 0)
		return -1;
	name_file(name, layer->digest, ".tar.gz");
	rc = info.size == layer->size
		 ? 0
		 : error_set(err, ERROR_PROTOCOL, "blob %s is not as long as its image says",
		       layer->digest);
	if (rc == 0)
		rc = digest_new(&digest, err);
	if (rc == 0)
		rc = put_header(out, name, info.size, err);
	if (rc == 0)
		rc = put_pieces(out, reader, &info, digest, piece, err);
	if (rc == 0)
		rc = put_padding(out, info.size, err);
	digest_free(digest);
	blob_close(reader);
	return rc;
}

int bundle_write(struct bundle *bundle, bundle_put_fn *to, void *context, struct error *err)
{
	static const char end[2 * BLOCK];
	const struct output out = {to, context};
	CLEANUP_FREE char *piece = malloc(PIECE);
	CLEANUP_FREE char *list = make_list(bundle);
	char name[NAME_SIZE];

	if (piece == NULL || list == NULL)
		return error_memory(err);
	for (size_t i = 0; i < bundle->manifest.n; i++)
		if (is_written(bundle, i) && put_layer(bundle, i, &out, piece, err) < 0)
			return -1;
	name_file(name, bundle_config(bundle), ".json");
	if (put_file(&out, name, bundle->config_text, bundle->config_len, err) < 0 ||
	    put_file(&out, list_name, list, strlen(list), err) < 0)
		return -1;
	return put(&out, end, sizeof(end), err);
}
