/* The engine's JSON stream: any bytes, cut anywhere, must give the same as in one piece.
 * Byte 0: what kind of transfer; byte 1: the size of the pieces; then the stream. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "transport/engine_stream.h"

struct run {
	struct transfer_state state;
	size_t messages;
	int rc;
	struct engine_progress sum;
};

static int take(void *context, const json_t *message, struct error *err)
{
	struct run *run = context;

	run->messages++;
	return transfer_state_take(&run->state, message, err);
}

static void feed(struct run *run, int kind, const char *data, size_t len, size_t piece)
{
	struct json_stream stream;
	struct error err = {0};

	*run = (struct run){.rc = 0};
	transfer_state_init(&run->state, (enum transfer_kind)kind);
	json_stream_init(&stream);
	for (size_t at = 0; run->rc == 0 && at < len; at += piece)
		run->rc = json_stream_feed(
		    &stream, data + at, len - at < piece ? len - at : piece, take, run, &err);
	if ((run->rc < 0) != (err.kind != ERROR_NONE))
		abort();
	transfer_state_sum(&run->state, &run->sum);
	if (run->sum.done > run->sum.total || run->state.n > LAYERS_MAX)
		abort();
	json_stream_release(&stream);
	error_release(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run whole, cut;

	if (size < 2)
		return 0;
	feed(&whole, data[0] % 4, (const char *)data + 2, size - 2, size);
	feed(&cut, data[0] % 4, (const char *)data + 2, size - 2, 1 + data[1] % 64);
	if (whole.rc != cut.rc || whole.messages != cut.messages ||
	    whole.sum.done != cut.sum.done || whole.sum.total != cut.sum.total ||
	    whole.state.outcome != cut.state.outcome ||
	    (whole.state.digest == NULL) != (cut.state.digest == NULL))
		abort();
	transfer_state_release(&whole.state);
	transfer_state_release(&cut.state);
	return 0;
}
