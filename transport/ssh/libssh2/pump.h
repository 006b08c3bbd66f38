/* One direction of a stream: bytes go from a source through one bounded buffer to a sink, then the
 * end of the stream follows them.
 *
 * It knows neither sockets nor channels, so a test can feed it from memory. It never blocks: the
 * ends say PUMP_AGAIN, and pump_turn is called again when one of them may have changed. */
#ifndef SHIPIT_TRANSPORT_SSH_PUMP_H
#define SHIPIT_TRANSPORT_SSH_PUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	PUMP_AGAIN = -1, /* nothing now */
	PUMP_GONE = -2,	 /* nothing ever again */
};

struct pump_ends {
	/* Bytes read, 0 at the end of the stream, PUMP_AGAIN, PUMP_GONE (as the end). */
	ssize_t (*read)(void *source, void *data, size_t len);
	/* Bytes taken, PUMP_AGAIN, PUMP_GONE. After PUMP_AGAIN the same bytes come again. */
	ssize_t (*write)(void *sink, const void *data, size_t len);
	/* Pass on the end of the stream: 0, PUMP_AGAIN, PUMP_GONE. */
	int (*finish)(void *sink);
};

enum pump_state {
	PUMP_FLOWING,  /* the source may give more */
	PUMP_DRAINING, /* the source has ended; the buffer and the end are still to be passed on */
	PUMP_DISCARDING, /* the sink is gone; what comes is read and dropped, so the source can end
			  */
	PUMP_ENDED,	 /* nothing left to do */
};

struct pump {
	enum pump_state state;
	bool sink_gone;
	bool starved; /* there was no memory for the buffer: to be tried again soon */
	char *data;   /* PUMP_BUFFER_SIZE bytes, there from the first read to the end */
	size_t head, len;
	uint64_t moved; /* bytes that the sink took */
};

/* Two full SSH packets of libssh2 (it cuts at 32,700). */
enum { PUMP_BUFFER_SIZE = 2 * 32700 };

/* Zeroed memory is a pump that flows. Move what can be moved, at most about `quota` bytes, so that
 * one stream cannot starve the others. True when anything happened at all. No memory for the buffer
 * counts as PUMP_AGAIN. */
bool pump_turn(
    struct pump *pump, const struct pump_ends *ends, void *source, void *sink, size_t quota);

/* Does it want to read from its source, write to its sink? */
bool pump_wants_read(const struct pump *pump);
bool pump_wants_write(const struct pump *pump);

/* The sink will take nothing more. With `discard` the source is still read to its end. */
void pump_break(struct pump *pump, bool discard);
/* Nothing more from the source: pass on what is there and the end. */
void pump_cut(struct pump *pump);

void pump_release(struct pump *pump);

#endif
