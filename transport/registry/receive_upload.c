#include "transport/registry/receive_upload.h"

#include <string.h>
#include <zlib.h>

#include "transport/registry/manifest.h"

enum { PIECE = 128 * 1024, GZIP_WINDOW = 15 + 16 /* zlib.h: a gzip header, nothing else */ };

struct upload {
	struct store *store;
	enum { UPLOAD_FRESH, UPLOAD_LAYER, UPLOAD_TEXT } form;
	struct blob_writer *writer;
	z_stream gzip;
	bool unpacking; /* gzip is initialized */
	bool ended;	/* the gzip stream is complete */
	uint64_t received, most;
	struct buf text;
	struct error failure;
	unsigned char piece[PIECE];
};

struct upload *upload_new(struct store *store, uint64_t most)
{
	struct upload *upload = calloc(1, sizeof(*upload));

	if (upload == NULL)
		return NULL;
	upload->store = store;
	upload->most = most;
	buf_init(&upload->text, MANIFEST_MAX);
	return upload;
}

void upload_free(struct upload *upload)
{
	if (upload == NULL)
		return;
	if (upload->unpacking)
		inflateEnd(&upload->gzip);
	blob_abandon(upload->writer);
	buf_release(&upload->text);
	error_release(&upload->failure);
	free(upload);
}

static int begin_layer(struct upload *upload, struct error *err)
{
	upload->form = UPLOAD_LAYER;
	if (inflateInit2(&upload->gzip, GZIP_WINDOW) != Z_OK)
		return error_memory(err);
	upload->unpacking = true;
	return blob_begin(upload->store, BLOB_LAYER, &upload->writer, err);
}

static int unpack_piece(struct upload *upload, struct error *err)
{
	size_t n;
	int rc;

	upload->gzip.next_out = upload->piece;
	upload->gzip.avail_out = PIECE;
	rc = inflate(&upload->gzip, Z_NO_FLUSH);
	n = PIECE - upload->gzip.avail_out;
	if (rc == Z_MEM_ERROR)
		return error_memory(err);
	if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
		return error_set(err, ERROR_PROTOCOL, "what came is no gzip stream");
	if (blob_written(upload->writer) + n > upload->most)
		return error_set(err, ERROR_PROTOCOL, "more came than the image is large");
	upload->ended = rc == Z_STREAM_END;
	return blob_write(upload->writer, upload->piece, n, err);
}

static int add_packed(struct upload *upload, const void *data, size_t len, struct error *err)
{
	upload->gzip.next_in = (unsigned char *)(uintptr_t)data;
	upload->gzip.avail_in = (unsigned int)len;
	/* A full piece may be followed by more that zlib has ready. */
	do {
		if (upload->ended)
			return upload->gzip.avail_in == 0
				   ? 0
				   : error_set(err, ERROR_PROTOCOL,
					 "there is more behind the end of a gzip stream");
		if (unpack_piece(upload, err) < 0)
			return -1;
	} while (upload->gzip.avail_in > 0 || upload->gzip.avail_out == 0);
	return 0;
}

static int add(struct upload *upload, const void *data, size_t len, struct error *err)
{
	bool text = *(const char *)data == '{';

	if (upload->form == UPLOAD_FRESH && text)
		upload->form = UPLOAD_TEXT;
	if (upload->form == UPLOAD_FRESH && begin_layer(upload, err) < 0)
		return -1;
	if (upload->form == UPLOAD_LAYER)
		return add_packed(upload, data, len, err);
	return buf_add(&upload->text, data, len) == 0
		   ? 0
		   : buf_error(&upload->text, err, "the image's config");
}

void upload_add(struct upload *upload, const void *data, size_t len)
{
	upload->received += len;
	if (len == 0 || upload->failure.kind != ERROR_NONE)
		return;
	if (len > UINT32_MAX)
		error_set(&upload->failure, ERROR_PROTOCOL, "too much came at once");
	else
		add(upload, data, len, &upload->failure);
}

uint64_t upload_received(const struct upload *upload)
{
	return upload->received;
}

bool upload_failed(struct upload *upload, struct error *err)
{
	if (upload->failure.kind == ERROR_NONE)
		return false;
	error_move(err, &upload->failure);
	return true;
}

int upload_end(struct upload *upload, char ret_digest[DIGEST_TEXT_SIZE],
    const struct buf **ret_text, struct error *err)
{
	struct blob_info info;

	*ret_text = upload->form == UPLOAD_TEXT ? &upload->text : NULL;
	if (upload->form == UPLOAD_TEXT)
		return digest_text(upload->text.data, upload->text.len, ret_digest, err);
	if (upload->writer == NULL || !upload->ended)
		return error_set(err, ERROR_PROTOCOL, "a layer ended too early");
	if (blob_commit(steal_ptr(upload->writer), NULL, &info, err) < 0)
		return -1;
	memcpy(ret_digest, info.diff_id, DIGEST_TEXT_SIZE);
	return 0;
}
