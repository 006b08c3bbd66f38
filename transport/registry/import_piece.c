/* The pieces of an image: bytes into the store, and back by name or digest. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "transport/registry/import_internal.h"

enum { PIECE = 256 * 1024 };

static unsigned long octal(const unsigned char *field, size_t len)
{
	unsigned long value = 0;
	size_t i = 0;

	while (i < len && field[i] == ' ')
		i++;
	for (; i < len && field[i] >= '0' && field[i] <= '7'; i++)
		value = value * 8 + field[i] - '0';
	return value;
}

/* POSIX ustar: the sum of the header's bytes, those of the sum itself taken as blanks. That also
 * knows archives older than the magic. */
static bool is_tar(const unsigned char *head, size_t len)
{
	enum { SUM_AT = 148, SUM_LEN = 8 };
	unsigned long sum = 0;

	if (len < CONTENT_HEAD)
		return false;
	for (size_t i = 0; i < CONTENT_HEAD; i++)
		sum += i >= SUM_AT && i < SUM_AT + SUM_LEN ? ' ' : head[i];
	/* nothing but zeros: the end of an archive without members */
	return sum == octal(head + SUM_AT, SUM_LEN) ||
	       (head[0] == '\0' && memcmp(head, head + 1, CONTENT_HEAD - 1) == 0);
}

enum content content_of(const void *data, size_t len)
{
	const unsigned char *head = data;

	if (len == 0)
		return CONTENT_NONE;
	if (is_tar(head, len))
		return CONTENT_TAR;
	if (len >= 3 && memcmp(head, "\x1f\x8b\x08", 3) == 0) /* RFC 1952 §2.3.1 */
		return CONTENT_GZIP;
	if (len >= 4 && memcmp(head, "\x28\xb5\x2f\xfd", 4) == 0) /* RFC 8878 §3.1.1 */
		return CONTENT_ZSTD;
	return *head == '{' || *head == '[' ? CONTENT_JSON : CONTENT_OTHER;
}

int import_bytes(struct import *import, enum blob_form form, const void *data, size_t len,
    const char *expected, struct blob_info *ret, struct error *err)
{
	struct blob_writer *writer;

	if (blob_begin(import->target->store, form, &writer, err) < 0)
		return -1;
	blob_expect(writer, len);
	if (blob_write(writer, data, len, err) < 0) {
		blob_abandon(writer);
		return -1;
	}
	return blob_commit(writer, expected, ret, err);
}

/* --- a layout in a folder */

/* `name` is ours, or made of hex digits. No link is followed: what is in the folder is not trusted
 * with the rest of this machine. */
static int open_in_folder(const struct import *import, const char *name, struct error *err)
{
	CLEANUP_CLOSE int folder = -1;
	const char *last = strrchr(name, '/');
	CLEANUP_FREE char *parent = last != NULL ? strndup(name, (size_t)(last - name)) : NULL;
	int fd, at = import->folder;
	struct stat file;

	if (last != NULL && parent == NULL)
		return error_memory(err);
	if (parent != NULL) {
		folder = openat(at, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		at = folder;
	}
	fd = parent != NULL && folder < 0 ? -1
					  : openat(at, last != NULL ? last + 1 : name,
						O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return error_set(err, ERROR_NOT_FOUND, "the layout has no %s", name);
	if (fd < 0 && errno == ELOOP)
		return error_set(err, ERROR_PROTOCOL, "%s is a symbolic link", name);
	if (fd < 0)
		return error_errno(err, errno, "cannot open %s", name);
	if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode))
		return fd;
	close(fd);
	return error_set(err, ERROR_PROTOCOL, "%s is no regular file", name);
}

static ssize_t read_piece(
    struct import *import, int fd, void *data, size_t len, const char *name, struct error *err)
{
	ssize_t n;

	if (import_check(import, err) < 0)
		return -1;
	do
		n = read(fd, data, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_errno(err, errno, "cannot read %s", name);
	import->done += (uint64_t)n;
	import_show(import, "importing");
	return n;
}

static int read_text(struct import *import, const char *name, struct buf *ret, struct error *err)
{
	CLEANUP_CLOSE int fd = open_in_folder(import, name, err);
	char data[16 * 1024];
	ssize_t n = -1;

	while (fd >= 0 && (n = read_piece(import, fd, data, sizeof(data), name, err)) > 0) {
		if (buf_add(ret, data, (size_t)n) < 0) {
			buf_error(ret, err, name);
			if (ret->too_long && err != NULL)
				err->kind = ERROR_PROTOCOL;
			return -1;
		}
	}
	return n < 0 ? -1 : 0;
}

/* Write from `fd` on after the first `n` bytes, which are in `data`, as large as PIECE. */
static int copy(struct import *import, int fd, char *data, ssize_t n, struct blob_writer *writer,
    const char *digest, struct error *err)
{
	while (n > 0) {
		if (blob_write(writer, data, (size_t)n, err) < 0)
			return -1;
		n = read_piece(import, fd, data, PIECE, digest, err);
	}
	return n < 0 ? -1 : 0;
}

static int blob_from_folder(struct import *import, const char *name,
    const struct descriptor *descriptor, bool layer, struct piece *ret, struct error *err)
{
	CLEANUP_CLOSE int fd = open_in_folder(import, name, err);
	CLEANUP_FREE char *data = malloc(PIECE);
	struct blob_writer *writer;
	enum blob_form form = BLOB_AS_IS;
	ssize_t n;

	if (fd < 0)
		return -1;
	if (data == NULL)
		return error_memory(err);
	n = read_piece(import, fd, data, PIECE, name, err);
	if (n < 0)
		return -1;
	if (layer && content_of(data, n < CONTENT_HEAD ? (size_t)n : CONTENT_HEAD) == CONTENT_TAR)
		form = BLOB_LAYER;
	if (blob_begin(import->target->store, form, &writer, err) < 0)
		return -1;
	blob_expect(writer, descriptor->size);
	if (copy(import, fd, data, n, writer, name, err) < 0) {
		blob_abandon(writer);
		return -1;
	}
	ret->unpacked = form == BLOB_LAYER ? blob_written(writer) : 0;
	if (blob_commit(writer, descriptor->digest, &ret->blob, err) < 0)
		return error_wrap(err, "%s", name);
	return 0;
}

/* 1: the store has it, 0: it has not. */
static int known(
    struct import *import, const char *digest, bool layer, struct blob_info *ret, struct error *err)
{
	CLEANUP_ERROR struct error failure = {0};
	int rc = store_blob_find(import->target->store, digest, ret, &failure);

	if (rc < 0 && failure.kind == ERROR_NOT_FOUND && layer)
		rc = store_layer_find(import->target->store, digest, ret, &failure);
	if (rc == 0)
		return 1;
	if (failure.kind == ERROR_NOT_FOUND)
		return 0;
	error_move(err, &failure);
	return -1;
}

/* --- by name and digest, wherever it is */

enum { BLOB_NAME_SIZE = 80 };

static void blob_name(const char *digest, char ret[BLOB_NAME_SIZE])
{
	snprintf(ret, BLOB_NAME_SIZE, "blobs/sha256/%s", digest + strlen("sha256:"));
}

static int text_from_store(
    struct import *import, const struct blob_info *blob, struct buf *ret, struct error *err)
{
	struct blob_reader *reader;
	char data[16 * 1024];
	ssize_t n = 0;

	if (blob->size > ret->max)
		return error_set(err, ERROR_PROTOCOL, "it is longer than %zu bytes", ret->max);
	if (blob_open(import->target->store, blob->digest, &reader, NULL, err) < 0)
		return -1;
	while ((n = blob_read(reader, ret->len, data, sizeof(data), err)) > 0) {
		if (buf_add(ret, data, (size_t)n) < 0) {
			n = buf_error(ret, err, "it");
			break;
		}
	}
	blob_close(reader);
	return n < 0 ? -1 : 0;
}

int import_text(struct import *import, const char *name, struct buf *ret, struct error *err)
{
	const struct part *part;

	if (import->folder >= 0)
		return read_text(import, name, ret, err);
	if (parts_find(&import->parts, name, &part, err) < 0)
		return -1;
	if (part->form == PART_TEXT)
		return buf_add(ret, part->text, part->len) == 0 ? 0 : buf_error(ret, err, name);
	if (part->form == PART_LONG_TEXT)
		return error_set(
		    err, ERROR_PROTOCOL, "%.200s is longer than %d bytes", name, MANIFEST_MAX);
	if (part->blob.diff_id[0] != '\0')
		return error_set(err, ERROR_PROTOCOL, "%.200s is no JSON, but a layer", name);
	if (text_from_store(import, &part->blob, ret, err) < 0)
		return error_wrap(err, "%.200s", name);
	return 0;
}

int import_text_of(
    struct import *import, const char *digest, uint64_t size, struct buf *ret, struct error *err)
{
	char name[BLOB_NAME_SIZE], found[DIGEST_TEXT_SIZE];

	blob_name(digest, name);
	if (size > MANIFEST_MAX)
		return error_set(err, ERROR_PROTOCOL,
		    "%s is announced with %llu bytes, more than %d", name, (unsigned long long)size,
		    MANIFEST_MAX);
	if (import_text(import, name, ret, err) < 0 ||
	    digest_text(ret->data, ret->len, found, err) < 0)
		return -1;
	if (strcmp(found, digest) != 0)
		return error_set(err, ERROR_PROTOCOL, "%s has the digest %s", name, found);
	if (size != ret->len)
		return error_set(err, ERROR_PROTOCOL,
		    "%s is announced with %llu bytes, and has %zu", name, (unsigned long long)size,
		    ret->len);
	return 0;
}

/* A part in the store: text is written to it now. */
static int store_part(struct import *import, const struct part *part, bool layer, struct piece *ret,
    struct error *err)
{
	enum blob_form form = layer && part->len == 0 ? BLOB_LAYER : BLOB_AS_IS;

	ret->unpacked = part->unpacked;
	ret->blob = part->blob;
	if (part->form == PART_BLOB)
		return 0;
	if (part->form == PART_LONG_TEXT)
		return error_set(err, ERROR_PROTOCOL, "%.200s is longer than %d bytes", part->name,
		    MANIFEST_MAX);
	return import_bytes(import, form, part->text, part->len, NULL, &ret->blob, err);
}

static int check_size(const struct descriptor *descriptor, const char *name,
    const struct piece *piece, struct error *err)
{
	bool packed = strcmp(piece->blob.digest, descriptor->digest) != 0;
	uint64_t size = packed ? piece->unpacked : piece->blob.size;

	if (size == descriptor->size || (packed && size == 0))
		return 0;
	return error_set(err, ERROR_PROTOCOL, "%s is announced with %llu bytes, and has %llu", name,
	    (unsigned long long)descriptor->size, (unsigned long long)size);
}

int import_blob(struct import *import, const struct descriptor *descriptor, bool layer,
    struct piece *ret, struct error *err)
{
	char name[BLOB_NAME_SIZE];
	const struct part *part;
	int rc;

	*ret = (struct piece){0};
	if (import_count(&import->pieces, import->limits.pieces, "layers and configs", err) < 0 ||
	    import_check(import, err) < 0)
		return -1;
	blob_name(descriptor->digest, name);
	if (import->folder >= 0) {
		rc = known(import, descriptor->digest, layer, &ret->blob, err);
		if (rc == 0)
			rc = blob_from_folder(import, name, descriptor, layer, ret, err);
		else if (rc > 0)
			import->done += descriptor->size;
	} else {
		rc = parts_find(&import->parts, name, &part, err);
		if (rc == 0)
			rc = store_part(import, part, layer, ret, err);
	}
	return rc < 0 ? -1 : check_size(descriptor, name, ret, err);
}

int import_layer(struct import *import, const char *name, struct piece *ret, struct error *err)
{
	CLEANUP_FREE char *clean = NULL;
	const struct part *part;

	*ret = (struct piece){0};
	if (part_name(name, NULL, &clean, err) < 0)
		return -1;
	if (clean == NULL)
		return error_set(err, ERROR_PROTOCOL, "\"%.200s\" is no name of a layer", name);
	if (parts_find(&import->parts, clean, &part, err) < 0)
		return -1;
	return store_part(import, part, true, ret, err);
}
