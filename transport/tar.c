#include "transport/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

static void cleanup_entry(struct archive_entry **entry)
{
	archive_entry_free(*entry);
}

static int failed(struct archive *archive, struct error *err, const char *what)
{
	const char *words = archive_error_string(archive);

	if (archive_errno(archive) == ENOMEM)
		return error_memory(err);
	return error_set(err, ERROR_PROTOCOL, "%s: %s", what, words != NULL ? words : "no reason");
}

/* What does not fit is remembered here, not reported: libarchive 3.6 leaks its writer when that
 * fails. */
struct sink {
	struct buf *out;
	bool full;
};

static la_ssize_t on_write(
    struct archive *archive UNUSED, void *context, const void *data, size_t len)
{
	struct sink *sink = context;

	sink->full = sink->full || buf_add(sink->out, data, len) < 0;
	return (la_ssize_t)len;
}

static int add_entry(struct archive *archive, const struct tar_entry *from, struct error *err)
{
	__attribute__((cleanup(cleanup_entry))) struct archive_entry *entry = archive_entry_new();
	size_t name_len = strlen(from->name);
	bool folder = name_len > 0 && from->name[name_len - 1] == '/';

	if (entry == NULL)
		return error_memory(err);
	archive_entry_set_pathname(entry, from->name);
	archive_entry_set_filetype(entry, folder ? AE_IFDIR : AE_IFREG);
	archive_entry_set_perm(entry, from->mode != 0 ? from->mode : folder ? 0700 : 0600);
	archive_entry_set_uid(entry, from->uid);
	archive_entry_set_gid(entry, from->gid);
	archive_entry_set_mtime(entry, from->mtime != 0 ? from->mtime : time(NULL), 0);
	archive_entry_set_size(entry, folder ? 0 : (la_int64_t)from->len);
	if (archive_write_header(archive, entry) != ARCHIVE_OK)
		return failed(archive, err, "cannot make a tar");
	if (!folder && from->len > 0 &&
	    archive_write_data(archive, from->data, from->len) != (la_ssize_t)from->len)
		return failed(archive, err, "cannot make a tar");
	return 0;
}

/* The GNU format takes names as bytes, of any length, whatever this process's locale is; and Go,
 * busybox and GNU tar all read it. */
static int open_writer(struct archive *archive, struct sink *sink, struct error *err)
{
	if (archive_write_set_format_gnutar(archive) != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(archive, 0) != ARCHIVE_OK ||
	    archive_write_open(archive, sink, NULL, on_write, NULL) != ARCHIVE_OK)
		return failed(archive, err, "cannot make a tar");
	return 0;
}

int tar_make(const struct tar_entry *entries, size_t n, struct buf *out, struct error *err)
{
	struct sink sink = {.out = out};
	struct archive *archive = archive_write_new();
	int rc;

	if (archive == NULL)
		return error_memory(err);
	rc = open_writer(archive, &sink, err);
	for (size_t i = 0; rc == 0 && !sink.full && i < n; i++)
		rc = add_entry(archive, &entries[i], err);
	if (rc == 0 && archive_write_close(archive) != ARCHIVE_OK)
		rc = failed(archive, err, "cannot make a tar");
	archive_write_free(archive);
	return rc == 0 && sink.full ? buf_error(out, err, "the tar") : rc;
}

static enum tar_type type_of(struct archive_entry *entry)
{
	if (archive_entry_hardlink(entry) != NULL)
		return TAR_OTHER;
	switch (archive_entry_filetype(entry)) {
	case AE_IFREG:
		return TAR_FILE;
	case AE_IFDIR:
		return TAR_FOLDER;
	default:
		return TAR_OTHER;
	}
}

static int read_data(struct archive *archive, struct buf *data, struct error *err)
{
	char piece[16 * 1024];
	la_ssize_t n;

	while ((n = archive_read_data(archive, piece, sizeof(piece))) > 0) {
		if (buf_add(data, piece, (size_t)n) < 0)
			return buf_error(data, err, "a file in the tar");
	}
	return n < 0 ? failed(archive, err, "not a valid tar") : 0;
}

static int take_entry(struct archive *archive, struct archive_entry *entry, struct buf *data,
    tar_member_fn *take, void *context, struct error *err)
{
	const char *name = archive_entry_pathname(entry);
	const char *utf8 = name == NULL ? archive_entry_pathname_utf8(entry) : NULL;
	struct tar_member member = {
	    .name = name != NULL   ? name
		    : utf8 != NULL ? utf8
				   : "",
	    .type = type_of(entry),
	    .mode = (unsigned int)archive_entry_perm(entry),
	    .mtime = archive_entry_mtime(entry),
	};

	buf_clear(data);
	if (member.type == TAR_FILE) {
		if (archive_entry_size(entry) > 0 &&
		    (uint64_t)archive_entry_size(entry) > data->max)
			return error_set(err, ERROR_PROTOCOL,
			    "a file in the tar is longer than %zu bytes", data->max);
		if (read_data(archive, data, err) < 0)
			return -1;
	}
	member.data = data->data;
	member.len = data->len;
	return take(context, &member, err);
}

static int open_reader(struct archive *archive, const void *tar, size_t len, struct error *err)
{
	if (archive_read_support_format_tar(archive) != ARCHIVE_OK ||
	    archive_read_open_memory(archive, tar, len) != ARCHIVE_OK)
		return failed(archive, err, "not a valid tar");
	return 0;
}

int tar_walk(const void *tar, size_t len, size_t max_member, tar_member_fn *take, void *context,
    struct error *err)
{
	CLEANUP_BUF struct buf data = BUF_INIT(max_member);
	struct archive *archive;
	struct archive_entry *entry;
	int rc, status;

	if (len == 0)
		return 0;
	archive = archive_read_new();
	if (archive == NULL)
		return error_memory(err);
	rc = open_reader(archive, tar, len, err);
	while (rc == 0 && (status = archive_read_next_header(archive, &entry)) != ARCHIVE_EOF) {
		/* A warning is about an attribute that nobody here reads. */
		if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
			rc = failed(archive, err, "not a valid tar");
		else
			rc = take_entry(archive, entry, &data, take, context, err);
	}
	archive_read_free(archive);
	return rc;
}
