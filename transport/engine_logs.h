/* The end of what a container says, both streams in the order they come. */
#ifndef SHIPIT_TRANSPORT_ENGINE_LOGS_H
#define SHIPIT_TRANSPORT_ENGINE_LOGS_H

#include <stdbool.h>

#include "base/buf.h"
#include "transport/engine_frames.h"

struct log_stream {
	struct buf *out;
	size_t keep; /* the end of that length is kept in `out` */
	bool cut;    /* something was dropped at the front */
	struct frames frames;
};

/* The end, of at most `keep` bytes, is collected in `out`, whose maximum has to be twice that. */
void log_stream_init(struct log_stream *stream, bool raw, size_t keep, struct buf *out);
/* Take the next piece, cut anywhere. -1: out of memory. */
int log_stream_feed(struct log_stream *stream, const char *data, size_t len);
/* Drop what is over `keep`, and the line that was cut by that. */
void log_stream_end(struct log_stream *stream);

#endif
