#include "transport/engine_logs.h"

#include <string.h>

void log_stream_init(struct log_stream *stream, bool raw, size_t keep, struct buf *out)
{
	*stream = (struct log_stream){.out = out, .keep = keep, .raw = raw};
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

static void take_header(struct log_stream *stream)
{
	const unsigned char *h = stream->head;

	stream->head_len = 0;
	stream->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
	stream->raw = h[0] > 3 || h[1] != 0 || h[2] != 0 || h[3] != 0;
}

/* Bytes of a header: how many were taken, or -1. */
static int feed_header(struct log_stream *stream, const char *data, size_t len)
{
	size_t take = sizeof(stream->head) - stream->head_len;

	if (take > len)
		take = len;
	memcpy(stream->head + stream->head_len, data, take);
	stream->head_len += take;
	if (stream->head_len < sizeof(stream->head))
		return (int)take;
	take_header(stream);
	if (stream->raw && keep_text(stream, (char *)stream->head, sizeof(stream->head)) < 0)
		return -1;
	return (int)take;
}

int log_stream_feed(struct log_stream *stream, const char *data, size_t len)
{
	while (len > 0) {
		size_t take = len;

		if (!stream->raw && stream->left == 0) {
			int taken = feed_header(stream, data, len);

			if (taken < 0)
				return -1;
			take = (size_t)taken;
		} else {
			if (!stream->raw && take > stream->left)
				take = stream->left;
			if (keep_text(stream, data, take) < 0)
				return -1;
			if (!stream->raw)
				stream->left -= (uint32_t)take;
		}
		data += take;
		len -= take;
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
