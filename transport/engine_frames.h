/* What a container or a program in one says, as the engine sends it (Docker Engine API, "Attach to
 * a container", "Stream format"): without a terminal, frames of an 8-byte header {stream, 0, 0, 0,
 * big-endian length} and that many bytes; with one, the bytes alone. No I/O. */
#ifndef SHIPIT_TRANSPORT_ENGINE_FRAMES_H
#define SHIPIT_TRANSPORT_ENGINE_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frames {
	bool raw; /* no frames (any more) */
	unsigned char head[8];
	size_t head_len;
	uint32_t left; /* of the frame under way */
};

struct frame_piece {
	int stream; /* 1: stdout, also of what is raw; 2: stderr */
	const char *data;
	size_t len; /* 0: these bytes belonged to a header */
};

/* Take from `data`, at most `len` bytes and as far as one piece goes: how many were taken, 1 or
 * more. `ret` points into `data`, or into `frames`: a header that is none (types other than 0 to 3)
 * makes it and all the rest raw, as odd text is better than no text. */
size_t frames_take(struct frames *frames, const char *data, size_t len, struct frame_piece *ret);

#endif
