/* Which hosts of a deploy go together, and who waits for what. */
#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "deploy/batches.h"
#include "tests/unit/deploy_check.h"

static void parts_of_hosts_are_whole_hosts(void **state UNUSED)
{
	static const struct {
		struct share share;
		size_t hosts, up, down;
	} cases[] = {
	    {{3, false}, 12, 3, 3},
	    {{30, false}, 12, 12, 30},
	    {{25, true}, 12, 3, 3},
	    {{25, true}, 10, 3, 2},
	    {{1, true}, 10, 1, 0},
	    {{99, true}, 10, 10, 9},
	    {{100, true}, 7, 7, 7},
	    {{0, true}, 7, 0, 0},
	    {{0, false}, 7, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(share_up(&cases[i].share, cases[i].hosts), cases[i].up);
		assert_int_equal(share_down(&cases[i].share, cases[i].hosts), cases[i].down);
	}
}

static void canaries_first_then_batches(void **state UNUSED)
{
	static const struct {
		struct rollout_policy policy;
		size_t hosts;
		const char *want; /* where each ends */
	} cases[] = {
	    {{{0, false}, 0, 0, false, {0, false}, 0}, 12, "12"},
	    {{{0, false}, 0, 0, false, {0, false}, 0}, 0, ""},
	    {{{0, false}, 0, 0, false, {0, false}, 0}, 1, "1"},
	    {{{0, false}, 1, 0, false, {0, false}, 0}, 12, "1 12"},
	    {{{25, true}, 1, 0, false, {0, false}, 0}, 12, "1 4 7 10 12"},
	    {{{5, false}, 0, 0, false, {0, false}, 0}, 12, "5 10 12"},
	    {{{5, false}, 0, 0, false, {0, false}, 0}, 10, "5 10"},
	    {{{1, false}, 2, 0, false, {0, false}, 0}, 4, "2 3 4"},
	    {{{3, false}, 9, 0, false, {0, false}, 0}, 4, "4"},
	    {{{4000, false}, 0, 0, false, {0, false}, 0}, 4, "4"},
	    {{{1, true}, 0, 0, false, {0, false}, 0}, 3, "1 2 3"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf words = BUF_INIT(1024);
		size_t *ends = NULL, n = 0;

		assert_int_equal(batches_cut(&cases[i].policy, cases[i].hosts, &ends, &n, NULL), 0);
		for (size_t k = 0; k < n; k++)
			buf_addf(&words, "%s%zu", k > 0 ? " " : "", ends[k]);
		assert_string_equal(words.len > 0 ? words.data : "", cases[i].want);
		buf_release(&words);
		free(ends);
	}
}

/* --- turns */

enum { BATCHES = 4, HOSTS = 5 };

struct member {
	pthread_t thread;
	struct turns *turns;
	size_t batch;
	atomic_int *swapping; /* the batch that may swap */
	bool early, delivered, swapped;
};

static void *be_member(void *context)
{
	struct member *member = context;

	if (turns_wait(member->turns, member->batch, TURN_DELIVER)) {
		/* One batch ahead, and no more. */
		member->early = (int)member->batch > atomic_load(member->swapping) + 1;
		member->delivered = true;
	}
	turns_done(member->turns, member->batch, TURN_DELIVER);
	if (turns_wait(member->turns, member->batch, TURN_SWAP)) {
		member->early =
		    member->early || (int)member->batch != atomic_load(member->swapping);
		member->swapped = true;
	}
	turns_done(member->turns, member->batch, TURN_SWAP);
	return NULL;
}

/* `last`: the batch after which it ends. */
static void conduct(struct turns *turns, atomic_int *swapping, size_t last)
{
	turns_give(turns, 0, TURN_DELIVER);
	for (size_t i = 0; i <= last; i++) {
		assert_true(turns_await(turns, i, TURN_DELIVER, HOSTS));
		atomic_store(swapping, (int)i);
		turns_give(turns, i, TURN_SWAP);
		if (i + 1 < BATCHES)
			turns_give(turns, i + 1, TURN_DELIVER);
		assert_true(turns_await(turns, i, TURN_SWAP, HOSTS));
	}
	turns_end(turns);
}

static void a_batch_begins_when_the_one_before_is_done(void **state UNUSED)
{
	for (size_t last = 0; last < BATCHES; last++) {
		struct member members[BATCHES * HOSTS] = {0};
		struct turns *turns = NULL;
		atomic_int swapping;

		atomic_init(&swapping, -1);
		assert_int_equal(turns_new(BATCHES, &turns, NULL), 0);
		for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
			members[i].turns = turns;
			members[i].batch = i / HOSTS;
			members[i].swapping = &swapping;
			assert_int_equal(
			    pthread_create(&members[i].thread, NULL, be_member, &members[i]), 0);
		}
		conduct(turns, &swapping, last);
		for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
			pthread_join(members[i].thread, NULL);
			assert_false(members[i].early);
			assert_int_equal(members[i].swapped, members[i].batch <= last);
			assert_true(members[i].batch <= last + 1 || !members[i].delivered);
		}
		turns_free(turns);
	}
}

static void after_the_end_nobody_waits(void **state UNUSED)
{
	struct turns *turns = NULL;

	assert_int_equal(turns_new(2, &turns, NULL), 0);
	turns_give(turns, 0, TURN_DELIVER);
	turns_end(turns);
	turns_give(turns, 0, TURN_SWAP);
	assert_true(turns_wait(turns, 0, TURN_DELIVER)); /* what was given is */
	assert_false(turns_wait(turns, 0, TURN_SWAP));
	assert_false(turns_wait(turns, 1, TURN_DELIVER));
	assert_false(turns_await(turns, 0, TURN_DELIVER, 1));
	turns_free(turns);
	turns_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(parts_of_hosts_are_whole_hosts),
	    cmocka_unit_test(canaries_first_then_batches),
	    cmocka_unit_test(a_batch_begins_when_the_one_before_is_done),
	    cmocka_unit_test(after_the_end_nobody_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
