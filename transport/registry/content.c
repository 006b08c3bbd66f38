#include "transport/registry/content.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/json.h"
#include "transport/registry/bundle.h"
#include "transport/registry/content_rules.h"
#include "transport/registry/tree.h"

enum {
	PIECE = 64 * 1024,
	SHADOW_MAX = 1024 * 1024,
	PATH_SIZE = 4096 + 1,
};

/* One image that is being read. */
struct reading {
	const struct content_options *options;
	struct store *store;
	struct tree *tree;
	struct content *content;
	size_t kept; /* bytes of files wanted */
	struct blob_reader *blob;
	uint64_t offset;
	struct error failure; /* of the blob, while libarchive reads */
	char piece[PIECE];
};

void content_release(struct content *content)
{
	for (size_t i = 0; i < content->n_files; i++) {
		free(content->files[i].path);
		buf_release(&content->files[i].data);
	}
	free(content->files);
	*content = (struct content){0};
}

const struct buf *content_file(const struct content *content, const char *path)
{
	for (size_t i = 0; i < content->n_files; i++)
		if (strcmp(content->files[i].path, path) == 0)
			return &content->files[i].data;
	return NULL;
}

/* --- a layer's bytes */

static la_ssize_t feed(struct archive *archive, void *context, const void **ret)
{
	struct reading *reading = context;
	ssize_t n;

	if (cancel_fd_fired(reading->options->cancel_fd)) {
		error_set(&reading->failure, ERROR_CANCELLED, "interrupted");
		n = -1;
	} else {
		n = blob_read(
		    reading->blob, reading->offset, reading->piece, PIECE, &reading->failure);
	}
	if (n < 0) {
		archive_set_error(archive, EIO, "the layer cannot be read");
		return -1;
	}
	reading->offset += (uint64_t)n;
	*ret = reading->piece;
	return n;
}

static int failed(struct reading *reading, struct archive *archive, struct error *err)
{
	const char *words = archive_error_string(archive);

	if (reading->failure.kind != ERROR_NONE) {
		error_move(err, &reading->failure);
		return -1;
	}
	if (archive_errno(archive) == ENOMEM)
		return error_memory(err);
	return error_set(err, ERROR_PROTOCOL, "a layer cannot be unpacked: %s",
	    words != NULL ? words : "no reason is known");
}

/* --- a file's digest */

static int add_number(struct digest *digest, la_int64_t number, struct error *err)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%lld\n", (long long)number);

	return digest_add(digest, text, (size_t)n, err);
}

/* In whatever order they come: each has a digest of its own, and these are added up byte by byte.
 */
static int add_attributes(struct digest *digest, struct archive_entry *entry, struct error *err)
{
	unsigned char sum[DIGEST_RAW_SIZE] = {0};
	const char *name;
	const void *value;
	size_t len;

	archive_entry_xattr_reset(entry);
	while (archive_entry_xattr_next(entry, &name, &value, &len) == ARCHIVE_OK) {
		unsigned char names[DIGEST_RAW_SIZE], values[DIGEST_RAW_SIZE], both[64];

		if (digest_raw(name, strlen(name), names, err) < 0 ||
		    digest_raw(value, len, values, err) < 0)
			return -1;
		memcpy(both, names, sizeof(names));
		memcpy(both + sizeof(names), values, sizeof(values));
		if (digest_raw(both, sizeof(both), names, err) < 0)
			return -1;
		for (size_t i = 0; i < sizeof(sum); i++)
			sum[i] = (unsigned char)(sum[i] + names[i]);
	}
	return digest_add(digest, sum, sizeof(sum), err);
}

static int add_header(struct digest *digest, struct archive_entry *entry, struct error *err)
{
	char text[160];
	const char *to = archive_entry_symlink(entry);
	bool is_device =
	    archive_entry_filetype(entry) == AE_IFCHR || archive_entry_filetype(entry) == AE_IFBLK;
	int n = snprintf(text, sizeof(text), "%o %o %lld %lld %lld %lld\n",
	    (unsigned int)archive_entry_filetype(entry), (unsigned int)archive_entry_perm(entry),
	    (long long)archive_entry_uid(entry), (long long)archive_entry_gid(entry),
	    is_device ? (long long)archive_entry_rdevmajor(entry) : 0,
	    is_device ? (long long)archive_entry_rdevminor(entry) : 0);

	if (to == NULL)
		to = archive_entry_symlink_utf8(entry);
	if (digest_add(digest, text, (size_t)n, err) < 0 ||
	    (to != NULL && digest_add(digest, to, strlen(to) + 1, err) < 0))
		return -1;
	return add_attributes(digest, entry, err);
}

/* A file that is wanted, in its making; NULL: it is not, or there is no room for it. */
static struct buf *keep(struct reading *reading, const char *path, uint64_t size, struct error *err)
{
	struct content *content = reading->content;
	struct content_file *v;
	char *copy;

	if (size > CONTENT_FILES_MAX - reading->kept) {
		content->cut = true;
		return NULL;
	}
	v = reallocarray(content->files, content->n_files + 1, sizeof(*v));
	if (v != NULL)
		content->files = v;
	copy = strdup(path);
	if (v == NULL || copy == NULL) {
		free(copy);
		error_memory(err);
		return NULL;
	}
	reading->kept += (size_t)size;
	v += content->n_files++;
	*v = (struct content_file){.path = copy, .data = BUF_INIT((size_t)size)};
	return &v->data;
}

static bool is_wanted(const struct reading *reading, const char *path)
{
	return reading->options->wants != NULL && reading->options->wants(path) &&
	       tree_shows(reading->tree, path) && content_file(reading->content, path) == NULL;
}

/* Into the digest, with where it stands after a hole; and into `copy` when there is one. */
static int add_data(struct reading *reading, struct archive *archive, struct digest *digest,
    struct buf *copy, struct error *err)
{
	const void *data;
	size_t len;
	la_int64_t offset, at = 0;
	int status;

	while ((status = archive_read_data_block(archive, &data, &len, &offset)) == ARCHIVE_OK) {
		if (digest != NULL && offset != at && add_number(digest, offset, err) < 0)
			return -1;
		if (digest != NULL && digest_add(digest, data, len, err) < 0)
			return -1;
		at = offset + (la_int64_t)len;
		if (copy != NULL && buf_add(copy, data, len) < 0)
			return buf_error(copy, err, "a file in the layer");
	}
	return status == ARCHIVE_EOF ? 0 : failed(reading, archive, err);
}

static int add_shadow(
    struct reading *reading, struct archive *archive, struct digest *digest, struct error *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT(SHADOW_MAX);

	if (add_data(reading, archive, NULL, &text, err) < 0)
		return -1;
	return digest_add(
	    digest, text.data, text.len > 0 ? content_drop_days(text.data, text.len) : 0, err);
}

static int add_file(struct reading *reading, struct archive *archive, struct archive_entry *entry,
    const char *path, struct digest *digest, struct error *err)
{
	la_int64_t size = archive_entry_size(entry);
	struct buf *copy = NULL;

	if (content_is_shadow(path) && size < SHADOW_MAX)
		return add_shadow(reading, archive, digest, err);
	if (add_number(digest, size, err) < 0)
		return -1;
	if (is_wanted(reading, path)) {
		copy = keep(reading, path, size > 0 ? (uint64_t)size : 0, err);
		if (copy == NULL && !reading->content->cut)
			return -1;
	}
	return add_data(reading, archive, digest, copy, err);
}

/* --- a layer */

static const char *name_or(const char *name, const char *utf8)
{
	return name != NULL ? name : utf8;
}

static int add_entry(struct reading *reading, struct archive *archive, struct archive_entry *entry,
    struct error *err)
{
	const char *path =
	    name_or(archive_entry_pathname(entry), archive_entry_pathname_utf8(entry));
	const char *target =
	    name_or(archive_entry_hardlink(entry), archive_entry_hardlink_utf8(entry));
	bool is_file = archive_entry_filetype(entry) == AE_IFREG;
	unsigned char raw[DIGEST_RAW_SIZE];
	struct digest *digest = NULL;
	char clean[PATH_SIZE];
	int rc;

	if (path == NULL)
		return error_set(err, ERROR_PROTOCOL, "a layer has a name that cannot be read");
	if (!tree_path(path, clean, sizeof(clean)))
		return error_set(
		    err, ERROR_PROTOCOL, "a layer has a name of %zu bytes", strlen(path));
	/* A file may be wanted that is not compared. */
	if (content_left_out(clean) && !(is_file && is_wanted(reading, clean)))
		return 0;
	if (target != NULL)
		return tree_add_link(reading->tree, clean, target, err);
	if (digest_new(&digest, err) < 0)
		return -1;
	rc = add_header(digest, entry, err);
	if (rc == 0 && is_file)
		rc = add_file(reading, archive, entry, clean, digest, err);
	if (rc == 0)
		rc = digest_so_far(digest, raw, err);
	digest_free(digest);
	if (rc < 0 || content_left_out(clean))
		return rc;
	return tree_add(reading->tree, clean, archive_entry_filetype(entry) == AE_IFDIR, raw, err);
}

static int walk(struct reading *reading, struct archive *archive, struct error *err)
{
	struct archive_entry *entry;
	int rc = 0, status;

	if (archive_read_support_filter_gzip(archive) < ARCHIVE_WARN ||
	    archive_read_support_filter_zstd(archive) < ARCHIVE_WARN ||
	    archive_read_support_format_tar(archive) != ARCHIVE_OK ||
	    archive_read_open(archive, reading, NULL, feed, NULL) != ARCHIVE_OK)
		return failed(reading, archive, err);
	while (rc == 0 && (status = archive_read_next_header(archive, &entry)) != ARCHIVE_EOF) {
		if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
			rc = failed(reading, archive, err);
		else
			rc = add_entry(reading, archive, entry, err);
	}
	return rc;
}

static int read_layer(struct reading *reading, const char *digest, struct error *err)
{
	struct archive *archive = archive_read_new();
	struct blob_info info;
	int rc;

	if (archive == NULL)
		return error_memory(err);
	tree_next_layer(reading->tree);
	reading->offset = 0;
	rc = blob_open(reading->store, digest, &reading->blob, &info, err);
	if (rc == 0)
		rc = walk(reading, archive, err);
	archive_read_free(archive);
	blob_close(steal_ptr(reading->blob));
	error_release(&reading->failure);
	return rc;
}

/* --- the image */

static int add_config(struct digest *digest, const struct bundle *bundle, struct error *err)
{
	CLEANUP_JSON json_t *options = content_run_options(bundle_config_json(bundle));
	CLEANUP_FREE char *text = options != NULL ? json_canonical(options) : NULL;

	return text != NULL ? digest_add(digest, text, strlen(text) + 1, err) : error_memory(err);
}

static int sum_up(struct reading *reading, const struct bundle *bundle, struct error *err)
{
	struct digest *digest = NULL;
	unsigned char raw[DIGEST_RAW_SIZE];
	char text[DIGEST_TEXT_SIZE];
	int rc;

	if (digest_new(&digest, err) < 0)
		return -1;
	rc = digest_add(digest, "shipit-content-1\n", 17, err);
	if (rc == 0)
		rc = add_config(digest, bundle, err);
	if (rc == 0)
		rc = tree_digest(reading->tree, digest, err);
	if (rc == 0)
		rc = digest_so_far(digest, raw, err);
	digest_free(digest);
	if (rc < 0)
		return -1;
	digest_text_of(raw, text);
	snprintf(reading->content->fingerprint, CONTENT_SIZE, "1:%s", strchr(text, ':') + 1);
	return 0;
}

static int read_all(struct reading *reading, const struct bundle *bundle, struct error *err)
{
	for (size_t i = bundle_layers(bundle); i > 0; i--)
		if (read_layer(reading, bundle_layer(bundle, i - 1), err) < 0)
			return error_wrap(err, "layer %zu", i);
	return sum_up(reading, bundle, err);
}

int content_read(struct store *store, const char *repository, const char *manifest,
    const struct content_options *options, struct content *ret, struct error *err)
{
	struct content content = {0};
	struct reading *reading = calloc(1, sizeof(*reading));
	struct bundle *bundle = NULL;
	int rc;

	if (reading == NULL)
		return error_memory(err);
	reading->options = options;
	reading->store = store;
	reading->content = &content;
	rc = tree_new(&reading->tree, err);
	if (rc == 0)
		rc = bundle_open(store, repository, manifest, &bundle, err);
	if (rc == 0)
		rc = read_all(reading, bundle, err);
	bundle_close(bundle);
	tree_free(reading->tree);
	free(reading);
	if (rc == 0)
		*ret = content;
	else
		content_release(&content);
	return rc;
}
