/* Container logs as the engine sends them (Docker Engine API, "Attach to a container", "Stream
 * format"): without a terminal, frames of an 8-byte header {stream, 0, 0, 0, big-endian length}
 * and that many bytes; with one, the bytes alone. */
#ifndef SHIPIT_TRANSPORT_ENGINE_LOGS_H
#define SHIPIT_TRANSPORT_ENGINE_LOGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct log_stream {
	struct buf *out;
	size_t keep; /* the end of that length is kept in `out` */
	bool raw;    /* no frames (any more) */
	bool cut;    /* something was dropped at the front */
	unsigned char head[8];
	size_t head_len;
	uint32_t left; /* of the frame under way */
};

/* The end, of at most `keep` bytes, is collected in `out`, whose maximum has to be twice that. */
void log_stream_init(struct log_stream *stream, bool raw, size_t keep, struct buf *out);
/* Take the next piece, cut anywhere. A header that is none (types other than 0 to 3) makes the rest
 * raw: odd text is better than no text. -1: out of memory. */
int log_stream_feed(struct log_stream *stream, const char *data, size_t len);
/* Drop what is over `keep`, and the line that was cut by that. */
void log_stream_end(struct log_stream *stream);

#endif
