#include "transport/ssh/libssh2/pump.h"

#include <stdlib.h>

static void end(struct pump *pump)
{
	free(pump->data);
	pump->data = NULL;
	pump->starved = false;
	pump->head = 0;
	pump->len = 0;
	pump->state = PUMP_ENDED;
}

void pump_break(struct pump *pump, bool discard)
{
	if (pump->state == PUMP_ENDED)
		return;
	pump->sink_gone = true;
	pump->head = 0;
	pump->len = 0;
	if (discard && pump->state != PUMP_DRAINING)
		pump->state = PUMP_DISCARDING;
	else
		end(pump);
}

void pump_cut(struct pump *pump)
{
	if (pump->state == PUMP_FLOWING)
		pump->state = PUMP_DRAINING;
	else if (pump->state == PUMP_DISCARDING)
		end(pump);
}

bool pump_wants_read(const struct pump *pump)
{
	return (pump->state == PUMP_FLOWING && pump->len == 0) || pump->state == PUMP_DISCARDING;
}

bool pump_wants_write(const struct pump *pump)
{
	return pump->len > 0 || pump->state == PUMP_DRAINING;
}

static bool fill(struct pump *pump, const struct pump_ends *ends, void *source)
{
	ssize_t n;

	if (pump->data == NULL) {
		pump->data = malloc(PUMP_BUFFER_SIZE);
		pump->starved = pump->data == NULL;
		if (pump->starved)
			return false;
	}
	n = ends->read(source, pump->data, PUMP_BUFFER_SIZE);
	if (n == PUMP_AGAIN)
		return false;
	if (n <= 0) {
		pump_cut(pump);
	} else if (pump->state == PUMP_FLOWING) {
		pump->head = 0;
		pump->len = (size_t)n;
	}
	return true;
}

static bool empty(struct pump *pump, const struct pump_ends *ends, void *sink)
{
	ssize_t n = ends->write(sink, pump->data + pump->head, pump->len);

	if (n == PUMP_GONE) {
		pump_break(pump, true);
		return true;
	}
	if (n <= 0)
		return false;
	pump->head += (size_t)n;
	pump->len -= (size_t)n;
	pump->moved += (uint64_t)n;
	return true;
}

static bool finish(struct pump *pump, const struct pump_ends *ends, void *sink)
{
	int rc = ends->finish(sink);

	if (rc == PUMP_AGAIN)
		return false;
	if (rc < 0)
		pump->sink_gone = true;
	end(pump);
	return true;
}

bool pump_turn(
    struct pump *pump, const struct pump_ends *ends, void *source, void *sink, size_t quota)
{
	uint64_t start = pump->moved;
	bool any = false;

	while (pump->state != PUMP_ENDED && pump->moved - start < quota) {
		bool moved;

		if (pump->len > 0)
			moved = empty(pump, ends, sink);
		else if (pump->state == PUMP_DRAINING)
			moved = finish(pump, ends, sink);
		else
			moved = fill(pump, ends, source);
		if (!moved)
			break;
		any = true;
		if (pump->state == PUMP_DISCARDING)
			break;
	}
	return any;
}

void pump_release(struct pump *pump)
{
	end(pump);
}
