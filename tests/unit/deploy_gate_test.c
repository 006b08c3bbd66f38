/* Gates between hosts, with threads that vote and leave at random. */
#include <pthread.h>
#include <sched.h>

#include "base/clock.h"
#include "deploy/gate.h"
#include "tests/unit/deploy_check.h"

enum { GATES = 8, PARTIES_MAX = 8 };

static void all_votes_are_go(void **state UNUSED)
{
	struct gates *gates;
	bool go = true;

	assert_int_equal(gates_new(2, 2, NULL, NULL, &gates, NULL), 0);
	gates_vote(gates, 0);
	assert_false(gates_wait(gates, 0, 0, &go));
	assert_false(go); /* not open is no go */
	gates_vote(gates, 0);
	assert_true(gates_wait(gates, 0, -1, &go));
	assert_true(go);
	assert_false(gates_wait(gates, 1, 0, &go));
	gates_free(gates);
	gates_free(NULL);
}

static void waiting_has_an_end(void **state UNUSED)
{
	struct gates *gates;
	int64_t start_ms = clock_now_ms();
	bool go;

	assert_int_equal(gates_new(2, 1, NULL, NULL, &gates, NULL), 0);
	assert_false(gates_wait(gates, 0, 60, &go));
	assert_in_range(clock_now_ms() - start_ms, 50, 30000);
	gates_free(gates);
}

static void refused_is_refused_from_there_on(void **state UNUSED)
{
	struct gates *gates;
	bool go;

	assert_int_equal(gates_new(1, 3, NULL, NULL, &gates, NULL), 0);
	assert_true(gates_pass(gates, 0));
	gates_refuse(gates);
	assert_false(gates_pass(gates, 1));
	assert_false(gates_pass(gates, 2));
	assert_true(gates_wait(gates, 0, -1, &go));
	assert_true(go); /* what was open stays so */
	gates_free(gates);
}

static void who_leaves_well_is_not_waited_for(void **state UNUSED)
{
	struct gates *gates;
	bool go;

	assert_int_equal(gates_new(2, 3, NULL, NULL, &gates, NULL), 0);
	gates_vote(gates, 0);
	gates_leave(gates, 1); /* voted on the first, and goes */
	assert_true(gates_pass(gates, 0));
	assert_true(gates_pass(gates, 1));
	gates_vote(gates, 2);
	assert_true(gates_wait(gates, 2, 0, &go));
	assert_true(go);
	gates_free(gates);
}

static void who_leaves_badly_closes_them(void **state UNUSED)
{
	struct gates *gates;

	assert_int_equal(gates_new(2, 3, NULL, NULL, &gates, NULL), 0);
	gates_vote(gates, 0);
	assert_true(gates_pass(gates, 0));
	gates_refuse(gates);
	gates_leave(gates, 1);
	assert_false(gates_pass(gates, 1));
	assert_false(gates_pass(gates, 2));
	gates_free(gates);
}

struct decisions {
	int asked[GATES];
	size_t no; /* at this gate */
};

static bool decide(void *context, size_t gate)
{
	struct decisions *decisions = context;

	decisions->asked[gate]++;
	return gate != decisions->no;
}

static void the_last_one_decides_once(void **state UNUSED)
{
	struct decisions decisions = {.no = 2};
	struct gates *gates;

	assert_int_equal(gates_new(2, 4, decide, &decisions, &gates, NULL), 0);
	gates_leave(gates, 0);
	assert_int_equal(decisions.asked[0], 0);
	assert_true(gates_pass(gates, 0));
	assert_true(gates_pass(gates, 1));
	assert_false(gates_pass(gates, 2));
	assert_false(gates_pass(gates, 3));
	assert_int_equal(decisions.asked[0], 1);
	assert_int_equal(decisions.asked[2], 1);
	assert_int_equal(decisions.asked[3], 0); /* there is nothing left to be decided */
	gates_free(gates);
}

/* --- threads */

struct party {
	pthread_t thread;
	struct gates *gates;
	uint64_t random;
	bool may_fail;
	/* what it saw: */
	size_t passed;
	bool left, failed;
};

static void *walk(void *context)
{
	struct party *party = context;

	for (size_t gate = 0; gate < GATES; gate++) {
		size_t what = check_below(&party->random, party->may_fail ? 40 : 1000);

		if (what == 0) { /* leave before this gate */
			party->left = true;
			party->failed = party->may_fail && check_below(&party->random, 2) == 0;
			if (party->failed)
				gates_refuse(party->gates);
			gates_leave(party->gates, gate);
			return NULL;
		}
		if (what == 1 && party->may_fail)
			gates_refuse(party->gates);
		if (what % 3 == 0)
			sched_yield();
		if (what % 2 == 0) {
			bool go = false;

			gates_vote(party->gates, gate);
			while (!gates_wait(party->gates, gate, 1, &go))
				continue;
			party->failed = !go;
		} else {
			party->failed = !gates_pass(party->gates, gate);
		}
		if (party->failed) {
			gates_leave(party->gates, gate + 1);
			return NULL;
		}
		party->passed++;
	}
	gates_leave(party->gates, GATES);
	return NULL;
}

/* Whoever passes a gate passes it with everybody who is still there; nobody waits for ever. */
static void walk_together(uint64_t seed, size_t n, bool may_fail)
{
	struct party parties[PARTIES_MAX] = {0};
	struct decisions decisions = {.no = GATES};
	struct gates *gates;
	size_t most = 0;

	assert_int_equal(gates_new(n, GATES, decide, &decisions, &gates, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		parties[i].gates = gates;
		parties[i].random = seed * 977 + i + 1;
		parties[i].may_fail = may_fail;
		assert_int_equal(pthread_create(&parties[i].thread, NULL, walk, &parties[i]), 0);
	}
	for (size_t i = 0; i < n; i++)
		pthread_join(parties[i].thread, NULL);
	for (size_t i = 0; i < n; i++)
		most = parties[i].passed > most ? parties[i].passed : most;
	for (size_t i = 0; i < n; i++)
		if (!parties[i].left)
			assert_int_equal(parties[i].passed, most);
	for (size_t gate = 0; gate < GATES; gate++)
		assert_true(decisions.asked[gate] <= 1);
	gates_free(gates);
}

static void many_walk_together(void **state UNUSED)
{
	for (uint64_t seed = 1; seed <= 150; seed++) {
		walk_together(seed, 1 + seed % PARTIES_MAX, false);
		walk_together(seed, 1 + seed % PARTIES_MAX, true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_votes_are_go),
	    cmocka_unit_test(waiting_has_an_end),
	    cmocka_unit_test(refused_is_refused_from_there_on),
	    cmocka_unit_test(who_leaves_well_is_not_waited_for),
	    cmocka_unit_test(who_leaves_badly_closes_them),
	    cmocka_unit_test(the_last_one_decides_once),
	    cmocka_unit_test(many_walk_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
