/* The engine's log stream: any bytes, cut anywhere, must give the same as in one piece.
 * Byte 0: with frames or not; byte 1: the size of the pieces; byte 2: how much is kept. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "transport/engine_logs.h"

static void feed(const uint8_t *data, size_t size, size_t piece, struct buf *out)
{
	size_t keep = 1 + data[2];
	struct log_stream stream;

	buf_init(out, 2 * keep);
	log_stream_init(&stream, data[0] % 2, keep, out);
	for (size_t at = 3; at < size; at += piece) {
		if (log_stream_feed(&stream, (const char *)data + at,
			size - at < piece ? size - at : piece) < 0)
			abort();
	}
	log_stream_end(&stream);
	if (out->len > keep)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, cut;

	if (size < 3)
		return 0;
	feed(data, size, size, &whole);
	feed(data, size, 1 + data[1] % 64, &cut);
	if (whole.len != cut.len || memcmp(whole.data, cut.data, cut.len) != 0)
		abort();
	buf_release(&whole);
	buf_release(&cut);
	return 0;
}
