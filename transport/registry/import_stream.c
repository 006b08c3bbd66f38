/* The bytes of an archive, from a descriptor that may be a file, a pipe or a socket; unpacked where
 * they are compressed. */
#include <archive.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/text.h"
#include "transport/registry/import_internal.h"

enum {
	PIECE = 512 * 1024,
	MAGIC = 4,
	WAKE_MS = 200,
};

struct import_stream {
	struct import *import;
	int fd;
	bool is_file;
	uint64_t size;		  /* of a file */
	size_t pending;		  /* bytes of `piece` that were read to see what they are */
	struct archive *unpacker; /* NULL: it is not compressed */
	uint64_t unpacked;
	struct error failure; /* of a callback */
	unsigned char piece[PIECE];
};

static int wait_for_bytes(struct import_stream *stream, struct error *err)
{
	struct import *import = stream->import;
	struct pollfd slots[2] = {{stream->fd, POLLIN, 0}, {import->target->cancel_fd, POLLIN, 0}};

	do {
		import_show(
		    import, import->done == 0 && !stream->is_file ? "exporting" : "importing");
		if (poll(slots, 2, WAKE_MS) < 0 && errno != EINTR)
			return error_errno(err, errno, "cannot wait for the archive");
		if (slots[1].revents != 0)
			return import_check(import, err);
	} while (slots[0].revents == 0);
	return 0;
}

static ssize_t read_some(struct import_stream *stream, void *data, size_t len, struct error *err)
{
	ssize_t n;

	do {
		if (wait_for_bytes(stream, err) < 0)
			return -1;
		n = read(stream->fd, data, len);
	} while (n < 0 && (errno == EINTR || errno == EAGAIN));
	if (n < 0)
		return error_errno(err, errno, "cannot read the archive");
	stream->import->done += (uint64_t)n;
	return n;
}

/* As it comes, compressed or not. */
static ssize_t read_raw(struct import_stream *stream, const void **ret, struct error *err)
{
	ssize_t n = (ssize_t)stream->pending;

	stream->pending = 0;
	*ret = stream->piece;
	return n > 0 ? n : read_some(stream, stream->piece, sizeof(stream->piece), err);
}

static la_ssize_t feed_unpacker(struct archive *archive UNUSED, void *context, const void **ret)
{
	struct import_stream *stream = context;

	return read_raw(stream, ret, &stream->failure);
}

static int cannot_unpack(struct import_stream *stream, struct error *err)
{
	const char *words = archive_error_string(stream->unpacker);

	if (stream->failure.kind != ERROR_NONE) {
		error_move(err, &stream->failure);
		return -1;
	}
	if (archive_errno(stream->unpacker) == ENOMEM)
		return error_memory(err);
	return error_set(err, ERROR_PROTOCOL, "the archive cannot be unpacked: %s",
	    words != NULL ? words : "no reason is known");
}

static int check_unpacked(const struct import_stream *stream, struct error *err)
{
	const struct import_limits *limits = &stream->import->limits;
	char bytes[TEXT_BYTES_SIZE];
	uint64_t most = limits->unpacked;

	if (stream->unpacked <= limits->unpacked_free)
		return 0;
	if (stream->import->done < most / limits->unpacked_ratio)
		most = stream->import->done * limits->unpacked_ratio;
	if (stream->unpacked <= (most > limits->unpacked_free ? most : limits->unpacked_free))
		return 0;
	text_bytes(stream->unpacked, bytes);
	error_set(
	    err, ERROR_PROTOCOL, "the archive unpacks to more than %s, far more than it is", bytes);
	return error_hint(err, "if that is meant, unpack it first");
}

ssize_t import_stream_read(struct import_stream *stream, const void **ret, struct error *err)
{
	size_t len = 0;
	la_int64_t offset;
	int status;

	if (stream->unpacker == NULL)
		return read_raw(stream, ret, err);
	do {
		status = archive_read_data_block(stream->unpacker, ret, &len, &offset);
		if (status != ARCHIVE_OK && status != ARCHIVE_WARN && status != ARCHIVE_EOF)
			return cannot_unpack(stream, err);
		stream->unpacked += len;
		if (import_check(stream->import, err) < 0 || check_unpacked(stream, err) < 0)
			return -1;
	} while (len == 0 && status != ARCHIVE_EOF);
	return (ssize_t)len;
}

uint64_t import_stream_skip(struct import_stream *stream, uint64_t n)
{
	off_t at;

	if (!stream->is_file || stream->unpacker != NULL || stream->pending > 0)
		return 0;
	at = lseek(stream->fd, 0, SEEK_CUR);
	if (at < 0 || (uint64_t)at >= stream->size)
		return 0;
	if (n > stream->size - (uint64_t)at)
		n = stream->size - (uint64_t)at;
	if (lseek(stream->fd, (off_t)n, SEEK_CUR) < 0)
		return 0;
	stream->import->done += n;
	return n;
}

static int open_unpacker(struct import_stream *stream, struct error *err)
{
	struct archive_entry *entry;

	stream->unpacker = archive_read_new();
	if (stream->unpacker == NULL)
		return error_memory(err);
	if (archive_read_support_filter_gzip(stream->unpacker) < ARCHIVE_WARN ||
	    archive_read_support_filter_zstd(stream->unpacker) < ARCHIVE_WARN ||
	    archive_read_support_format_raw(stream->unpacker) != ARCHIVE_OK ||
	    archive_read_open(stream->unpacker, stream, NULL, feed_unpacker, NULL) != ARCHIVE_OK ||
	    archive_read_next_header(stream->unpacker, &entry) != ARCHIVE_OK)
		return cannot_unpack(stream, err);
	return 0;
}

/* Read until it can be told what it is. */
static int look_at_start(struct import_stream *stream, enum content *ret, struct error *err)
{
	ssize_t n = 1;

	while (n > 0 && stream->pending < MAGIC) {
		n = read_some(stream, stream->piece + stream->pending,
		    sizeof(stream->piece) - stream->pending, err);
		if (n < 0)
			return -1;
		stream->pending += (size_t)n;
	}
	*ret = content_of(stream->piece, stream->pending);
	return 0;
}

static int open_stream(struct import_stream *stream, bool packed, struct error *err)
{
	enum content content;
	struct stat file;

	if (fstat(stream->fd, &file) < 0)
		return error_errno(err, errno, "the archive");
	stream->is_file = S_ISREG(file.st_mode);
	stream->size = stream->is_file ? (uint64_t)file.st_size : 0;
	if (stream->is_file)
		stream->import->total = stream->size;
	if (look_at_start(stream, &content, err) < 0)
		return -1;
	if (packed && (content == CONTENT_GZIP || content == CONTENT_ZSTD))
		return open_unpacker(stream, err);
	return 0;
}

int import_stream_open(
    struct import *import, int fd, bool packed, struct import_stream **ret, struct error *err)
{
	struct import_stream *stream = calloc(1, sizeof(*stream));

	if (stream == NULL)
		return error_memory(err);
	stream->import = import;
	stream->fd = fd;
	if (open_stream(stream, packed, err) == 0) {
		*ret = stream;
		return 0;
	}
	import_stream_close(stream);
	return -1;
}

void import_stream_close(struct import_stream *stream)
{
	if (stream == NULL)
		return;
	if (stream->unpacker != NULL)
		archive_read_free(stream->unpacker);
	error_release(&stream->failure);
	free(stream);
}
