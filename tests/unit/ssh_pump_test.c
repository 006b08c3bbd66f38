/* Pumps with random partial reads and writes against a simple model: what the source gave is what
 * the sink got, in order, and the end of the stream after it, once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "transport/ssh/libssh2/pump.h"

enum { SEEDS = 400, TURNS = 20000 };

struct world {
	unsigned seed;
	uint64_t total;	   /* what the source has to give */
	uint64_t given;	   /* what it gave */
	uint64_t got;	   /* what the sink took */
	uint64_t sink_end; /* after so many bytes the sink is gone */
	bool source_gone;  /* the source ends with an error */
	int wrong, ends;
	const void *again; /* the write that was refused must come again */
	size_t again_len;
};

static unsigned roll(struct world *world)
{
	world->seed = world->seed * 1103515245U + 12345U;
	return world->seed >> 8;
}

static unsigned char byte_at(uint64_t i)
{
	return (unsigned char)((i * 2654435761U) >> 11);
}

static ssize_t source_read(void *context, void *data, size_t len)
{
	struct world *world = context;
	unsigned char *bytes = data;
	size_t n;

	if (roll(world) % 3 == 0)
		return PUMP_AGAIN;
	if (world->given == world->total)
		return world->source_gone ? PUMP_GONE : 0;
	n = 1 + roll(world) % (roll(world) % 2 == 0 ? 7 : len);
	if (n > world->total - world->given)
		n = (size_t)(world->total - world->given);
	for (size_t i = 0; i < n; i++)
		bytes[i] = byte_at(world->given + i);
	world->given += n;
	return (ssize_t)n;
}

static ssize_t sink_write(void *context, const void *data, size_t len)
{
	struct world *world = context;
	const unsigned char *bytes = data;
	size_t n;

	world->wrong += world->ends != 0;
	world->wrong += world->again != NULL && (world->again != data || world->again_len != len);
	world->again = NULL;
	if (world->got >= world->sink_end)
		return PUMP_GONE;
	if (roll(world) % 3 == 0) {
		world->again = data;
		world->again_len = len;
		return PUMP_AGAIN;
	}
	n = 1 + roll(world) % (roll(world) % 2 == 0 ? 9 : (unsigned)len);
	if (n > len)
		n = len;
	for (size_t i = 0; i < n; i++)
		world->wrong += bytes[i] != byte_at(world->got + i);
	world->got += n;
	return (ssize_t)n;
}

static int sink_finish(void *context)
{
	struct world *world = context;

	if (roll(world) % 3 == 0)
		return PUMP_AGAIN;
	world->wrong += world->got != world->given;
	world->ends++;
	return 0;
}

static const struct pump_ends ends = {source_read, sink_write, sink_finish};

static void run(struct pump *pump, struct world *world)
{
	for (int i = 0; i < TURNS && pump->state != PUMP_ENDED; i++) {
		uint64_t got = world->got;
		size_t quota = 1 + roll(world) % 100000;

		pump_turn(pump, &ends, world, world, quota);
		assert_true(world->got - got < quota + PUMP_BUFFER_SIZE);
		assert_int_equal(pump->moved, world->got);
		assert_true(pump->len <= PUMP_BUFFER_SIZE);
		assert_true(world->given - world->got <= PUMP_BUFFER_SIZE || pump->sink_gone);
		assert_int_equal(
		    pump_wants_write(pump), pump->len > 0 || pump->state == PUMP_DRAINING);
		assert_false(pump->len > 0 && pump_wants_read(pump));
	}
	assert_int_equal(pump->state, PUMP_ENDED);
	assert_null(pump->data);
	assert_int_equal(world->wrong, 0);
	assert_false(pump_turn(pump, &ends, world, world, 1));
}

static void test_all_arrives(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < SEEDS; seed++) {
		struct world world = {.seed = seed, .sink_end = UINT64_MAX};
		struct pump pump = {0};

		world.total = seed == 0 ? 0 : roll(&world) % 400000;
		world.source_gone = seed % 4 == 1;
		run(&pump, &world);
		assert_int_equal(world.got, world.total);
		assert_int_equal(world.ends, 1);
		assert_false(pump.sink_gone);
	}
}

/* The sink goes away: the source is still read to its end, so that whoever writes there can end. */
static void test_sink_gone(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < SEEDS; seed++) {
		struct world world = {.seed = seed, .total = 300000};
		struct pump pump = {0};

		world.sink_end = roll(&world) % 200000;
		run(&pump, &world);
		assert_int_equal(world.given, world.total);
		assert_int_equal(world.ends, 0);
		assert_true(pump.sink_gone);
	}
}

static void test_cut_and_break(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < SEEDS; seed++) {
		struct world world = {.seed = seed, .total = 300000, .sink_end = UINT64_MAX};
		struct pump pump = {0};

		for (unsigned i = roll(&world) % 50; i > 0; i--)
			pump_turn(&pump, &ends, &world, &world, 5000);
		if (seed % 3 == 0) {
			/* what was read still arrives, and the end */
			pump_cut(&pump);
			run(&pump, &world);
			assert_int_equal(world.got, world.given);
			assert_int_equal(world.ends, 1);
		} else if (seed % 3 == 1) {
			pump_break(&pump, true);
			run(&pump, &world);
			assert_int_equal(world.given, world.total);
		} else {
			pump_break(&pump, false);
			assert_int_equal(pump.state, PUMP_ENDED);
		}
		pump_release(&pump);
		pump_cut(&pump);
		pump_break(&pump, true);
		assert_int_equal(pump.state, PUMP_ENDED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_arrives),
	    cmocka_unit_test(test_sink_gone), cmocka_unit_test(test_cut_and_break)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
