#include "transport/engine_logs.h"

#include <string.h>

void log_stream_init(struct log_stream *stream, bool raw, size_t keep, struct buf *out)
{
	*stream = (struct log_stream){.out = out, .keep = keep, .frames = {.raw = raw}};
}

static void trim(struct log_stream *stream)
{
	if (stream->out->len <= stream->keep)
		return;
	buf_drop(stream->out, stream->out->len - stream->keep);
	stream->cut = true;
}

static int keep_text(struct log_stream *stream, const char *data, size_t len)
{
	if (len > stream->keep) {
		data += len - stream->keep;
		len = stream->keep;
		buf_clear(stream->out);
		stream->cut = true;
	}
	/* Trimming only when the double is reached moves each byte once. */
	if (stream->out->len + len > 2 * stream->keep)
		trim(stream);
	return buf_add(stream->out, data, len);
}

int log_stream_feed(struct log_stream *stream, const char *data, size_t len)
{
	while (len > 0) {
		struct frame_piece piece;
		size_t taken = frames_take(&stream->frames, data, len, &piece);

		if (keep_text(stream, piece.data, piece.len) < 0)
			return -1;
		data += taken;
		len -= taken;
	}
	return 0;
}

void log_stream_end(struct log_stream *stream)
{
	const char *newline;

	trim(stream);
	if (!stream->cut)
		return;
	newline = memchr(stream->out->data, '\n', stream->out->len);
	if (newline != NULL && newline + 1 < stream->out->data + stream->out->len)
		buf_drop(stream->out, (size_t)(newline - stream->out->data) + 1);
}
