/* Swaps that break off anywhere, on a host in miniature: whatever is found there, the repairs set
 * it right, a second look finds nothing more, and power may be lost in the middle of it all. */
#include "tests/unit/deploy_box.h"

/* What the keeper does to a host, a step at a time: docs/formats.md, "In the order in which power
 * may be lost". `old` or `new`; the new one's release is b, or a in a rollback. */
enum step_kind {
	OLD_ALWAYS,
	STOP_OLD,
	START_NEW,
	RENAME_OLD,
	RENAME_NEW,
	NEW_POLICY,
	OLD_NO,
	NEW_NO,
	NEW_BACK,
	OLD_BACK,
	STOP_NEW,
	START_OLD,
	OLD_POLICY,
};

struct swap {
	const char *old, *new; /* old NULL: a first deploy */
	const char *old_policy;
	bool old_runs;
};

static void take_step(struct box *box, const struct swap *swap, enum step_kind kind)
{
	bool of_old = kind == OLD_ALWAYS || kind == STOP_OLD || kind == RENAME_OLD ||
		      kind == OLD_NO || kind == OLD_BACK || kind == START_OLD || kind == OLD_POLICY;

	if (of_old && swap->old == NULL)
		return;
	if (!swap->old_runs &&
	    (kind == OLD_ALWAYS || kind == STOP_OLD || kind == START_OLD || kind == OLD_POLICY))
		return;
	switch (kind) {
	case OLD_ALWAYS:
		box_policy(box, swap->old, "always");
		break;
	case STOP_OLD:
		box_run(box, swap->old, false);
		break;
	case START_NEW:
		box_run(box, swap->new, true);
		break;
	case RENAME_OLD:
		box_rename(box, swap->old, box_retained(swap->old));
		break;
	case RENAME_NEW:
		box_rename(box, swap->new, BOX_NAME);
		break;
	case NEW_POLICY:
		box_policy(box, swap->new, box_find(box, swap->new)->restart);
		break;
	case OLD_NO:
		box_policy(box, swap->old, "no");
		break;
	case NEW_NO:
		box_policy(box, swap->new, "no");
		break;
	case NEW_BACK:
		box_rename(box, swap->new, box_retained(swap->new));
		break;
	case OLD_BACK:
		box_rename(box, swap->old, BOX_NAME);
		break;
	case STOP_NEW:
		box_run(box, swap->new, false);
		break;
	case START_OLD:
		box_run(box, swap->old, true);
		break;
	case OLD_POLICY:
		box_policy(box, swap->old, swap->old_policy);
		break;
	}
}

/* Ways that a swap can go; a rename that fails in a commit takes the commit back. */
static const struct {
	const char *name;
	enum step_kind steps[16];
	size_t n, prepared,
	    commits; /* from which step on: the old one is prepared; it was committed */
} ways[] = {
    {"commit", {OLD_ALWAYS, STOP_OLD, START_NEW, RENAME_OLD, RENAME_NEW, NEW_POLICY, OLD_NO}, 7, 1,
	6},
    {"revert", {OLD_ALWAYS, STOP_OLD, START_NEW, STOP_NEW, START_OLD, OLD_POLICY}, 6, 1, 99},
    {"a commit that failed",
	{OLD_ALWAYS, STOP_OLD, START_NEW, RENAME_OLD, RENAME_NEW, NEW_NO, NEW_BACK, OLD_BACK,
	    OLD_ALWAYS, STOP_NEW, START_OLD, OLD_POLICY},
	12, 1, 99},
};

static const struct scene {
	struct swap swap;
	const char *containers[4];
	const char *ledger[5];
} scenes[] = {
    {{NULL, "b", NULL, false}, {"b = created no always"}, {"1 deploy pending web b - r1"}},
    {{NULL, "b", NULL, false}, {"b = created no unless-stopped"}, {"1 deploy pending web b - r1"}},
    {{"a", "b", "always", true}, {"a * running always always", "b = created no always"},
	{"1 deploy committed web a - r1", "2 deploy pending web b a r2"}},
    {{"a", "b", "no", true}, {"a * running no no", "b = created no no"},
	{"1 deploy committed web a - r1", "2 deploy pending web b a r2"}},
    {{"a", "b", "on-failure:3", true},
	{"a * running on-failure:3 on-failure:3", "b = created no unless-stopped"},
	{"1 deploy committed web a - r1", "2 deploy pending web b a r2"}},
    {{"a", "b", "always", false}, {"a * exited always always", "b = created no always"},
	{"1 deploy committed web a - r1", "2 deploy pending web b a r2"}},
    {{"b", "a", "always", true},
	{"a = exited no always", "b * running always always", "c = exited no always"},
	{"1 deploy committed web c - r0", "2 deploy committed web a c r1",
	    "3 deploy committed web b a r2", "4 rollback pending web a b r3"}},
};

/* Look and repair; the repairs break off after `most`. Returns how many there were. */
static size_t repair(struct box *box, size_t most)
{
	struct container containers[BOX_MAX];
	struct facts facts = box_facts(box, containers);
	struct found found;
	size_t n;

	assert_int_equal(found_make(&facts, BOX_PREFIX, BOX_SERVICE, &found, NULL), 0);
	n = found.n_repairs;
	for (size_t i = 0; i < n && i < most; i++)
		box_repair(box, &found.repairs[i]);
	found_release(&found);
	return n;
}

/* One runs, as it ought to; the others lie there as they ought to; the ledger says the same. */
static void assert_right(struct box *box, bool one_runs)
{
	struct container containers[BOX_MAX];
	struct facts facts = box_facts(box, containers);
	struct found found;
	bool stopped;

	assert_int_equal(found_make(&facts, BOX_PREFIX, BOX_SERVICE, &found, NULL), 0);
	assert_int_equal(found.n_repairs, 0);
	/* What somebody took away cannot be brought back by a repair; what is stopped is said. */
	stopped = found.current != NULL && !found.current->running &&
		  strcmp(found.current->policy, "no") == 0 &&
		  strcmp(found.current->restart, "no") != 0;
	assert_int_equal(found.words.n, (found.drift ? 1 : 0) + (stopped ? 1 : 0));
	assert_true(!found.drift || found.current == NULL || !found.current->running);
	assert_null(found.pending);
	if (one_runs)
		assert_int_equal(box_running(box), 1);
	for (size_t i = 0; i < facts.n_containers; i++) {
		const struct container *c = &facts.containers[i];

		if (c == found.current) {
			assert_string_equal(c->name, BOX_NAME);
			if (!stopped)
				assert_string_equal(c->policy, c->restart);
		} else {
			assert_false(c->running);
			assert_string_equal(c->policy, "no");
			assert_string_equal(c->name, box_retained(c->id));
		}
	}
	if (found.current != NULL && found.current->running)
		assert_string_equal(
		    ledger_current(&box->ledger, BOX_SERVICE)->release, found.current->release);
	found_release(&found);
}

static struct box begun(const struct scene *scene, size_t way, size_t steps)
{
	struct box box = box_of(scene->containers, scene->ledger);

	for (size_t i = 0; i < steps; i++)
		take_step(&box, &scene->swap, ways[way].steps[i]);
	return box;
}

/* Where the old one ran, it or the new one runs whenever the engine comes back; and once both are
 * renamed and the new one has its policy, the new one does. */
static void assert_comes_back(struct box *box, const struct scene *scene, size_t way, size_t steps)
{
	const struct box_container *new = box_find(box, scene->swap.new);
	bool by_itself = new != NULL &&strcmp(new->restart, "always") == 0;

	if (!scene->swap.old_runs || steps < ways[way].prepared)
		return;
	if (steps == ways[way].n && strcmp(ways[way].name, "commit") != 0)
		return; /* the old one has its own policy back */
	if (steps < ways[way].commits || by_itself)
		assert_true(box_running(box) > 0);
}

static void every_swap_that_breaks_off(void **state UNUSED)
{
	size_t tried = 0;

	for (size_t s = 0; s < ARRAY_SIZE(scenes); s++)
		for (size_t way = 0; way < ARRAY_SIZE(ways); way++)
			for (size_t steps = 0; steps <= ways[way].n; steps++)
				for (int power = 0; power < 2; power++) {
					struct box box = begun(&scenes[s], way, steps);

					if (power) {
						box_reboot(&box);
						assert_comes_back(&box, &scenes[s], way, steps);
					}
					repair(&box, SIZE_MAX);
					assert_right(&box, scenes[s].swap.old != NULL);
					box_release(&box);
					tried++;
				}
	assert_int_equal(tried, ARRAY_SIZE(scenes) * 2 * (8 + 7 + 13));
}

static bool is_committed(struct box *box, const char *release)
{
	return strcmp(ledger_current(&box->ledger, BOX_SERVICE)->release, release_named(release)) ==
	       0;
}

/* Before the new one is renamed a loss of power means the old one; without one, what runs. */
static void what_runs_decides(void **state UNUSED)
{
	const struct scene *scene = &scenes[2];

	for (size_t steps = 0; steps <= ways[0].n; steps++) {
		struct box dark = begun(scene, 0, steps), killed = begun(scene, 0, steps);

		box_reboot(&dark);
		repair(&dark, SIZE_MAX);
		repair(&killed, SIZE_MAX);
		assert_int_equal(is_committed(&dark, "b"), steps >= 6);
		assert_int_equal(is_committed(&killed, "b"), steps >= 3);
		box_release(&dark);
		box_release(&killed);
	}
}

static bool all_come_back(const struct box *box)
{
	for (size_t i = 0; i < box->n; i++)
		if (strcmp(box->v[i].restart, "always") != 0)
			return false;
	return true;
}

/* `power`: bit 0: it was lost before the repair, bit 1: and again when the repair broke off. */
static void break_off(const struct scene *scene, size_t way, size_t steps, size_t most, int power)
{
	struct box box = begun(scene, way, steps);
	bool ran;

	if (power & 1)
		box_reboot(&box);
	ran = box_running(&box) > 0;
	repair(&box, most);
	if (ran)
		assert_true(box_running(&box) > 0);
	if (power & 2)
		box_reboot(&box);
	/* Nothing that served is lost by being repaired. */
	if (ran && all_come_back(&box) && (scene->swap.old != NULL || most > 0))
		assert_true(box_running(&box) > 0);
	repair(&box, SIZE_MAX);
	/* Who wants no policy gets what he wants, when power is lost after the last repair. */
	assert_right(&box, scene->swap.old != NULL && (!(power & 2) || all_come_back(&box)));
	box_release(&box);
}

/* A repair that breaks off itself, with and without a loss of power, is taken up by the next. */
static void every_repair_that_breaks_off(void **state UNUSED)
{
	for (size_t s = 0; s < ARRAY_SIZE(scenes); s++)
		for (size_t way = 0; way < ARRAY_SIZE(ways); way++)
			for (size_t steps = 0; steps <= ways[way].n; steps++)
				for (size_t most = 0; most < 8; most++)
					for (int power = 0; power < 4; power++)
						break_off(&scenes[s], way, steps, most, power);
}

/* --- anything at all */

static void random_box(struct box *box, uint64_t *random)
{
	static const char *const policies[] = {"no", "always", "unless-stopped", "on-failure:3"};
	static const char *const states[] = {"created", "running", "exited"};
	static const char *const kinds[] = {"deploy", "rollback"};
	static const char *const results[] = {"pending", "committed", "reverted", "failed"};
	size_t n = check_below(random, 5), lines = check_below(random, 7);
	size_t named = check_below(random, 6);

	*box = (struct box){.ledger = {.newest_version = 1}};
	for (size_t i = 0; i < n; i++) {
		char line[128], odd[8];

		snprintf(odd, sizeof(odd), "odd-%zu", i);
		snprintf(line, sizeof(line), "%c %s %s %s %s", (char)('a' + i),
		    i == named			  ? "*"
		    : check_below(random, 4) == 0 ? odd
						  : "=",
		    states[check_below(random, 3)], policies[check_below(random, 4)],
		    policies[check_below(random, 4)]);
		box_add(box, line);
	}
	for (size_t i = 0; i < lines; i++) {
		char line[128];
		CLEANUP_JSON json_t *json = NULL;
		struct ledger_entry entry;

		snprintf(line, sizeof(line), "%zu %s %s %s %c %c r%zu", i + 1,
		    kinds[check_below(random, 2)], results[check_below(random, 4)],
		    check_below(random, 5) == 0 ? "api" : "web",
		    (char)('a' + check_below(random, 5)), (char)('a' + check_below(random, 5)), i);
		json = ledger_line_json(line);
		assert_int_equal(ledger_entry_parse(json, &entry, NULL), 0);
		assert_int_equal(ledger_insert(&box->ledger, &entry), 0);
	}
}

static void any_state_is_set_right_at_once(void **state UNUSED)
{
	uint64_t random = 2026;

	for (int round = 0; round < 30000; round++) {
		struct box box;

		random_box(&box, &random);
		repair(&box, SIZE_MAX);
		assert_right(&box, false);
		assert_true(box_running(&box) <= 1);
		box_release(&box);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_swap_that_breaks_off),
	    cmocka_unit_test(what_runs_decides),
	    cmocka_unit_test(every_repair_that_breaks_off),
	    cmocka_unit_test(any_state_is_set_right_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
