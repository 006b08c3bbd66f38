/* What is thought of what is found on a host: situations in a table. */
#include "tests/unit/deploy_box.h"

enum { MOST = 8 };

/* A letter is a release. Repairs, in their order: "stop b", "policy b no", "name b *" (`=`: the
 * retained name), "start b", "remove b", "line 4 reverted", "line b committed". */
static const struct {
	const char *name;
	const char *containers[MOST];
	const char *ledger[MOST];
	const char *current; /* "-": none */
	const char *pending; /* what became of it; NULL: none was */
	const char *repairs[MOST];
	const char *says; /* a part of the words */
} cases[] = {
    {"nothing at all", {NULL}, {NULL}, "-", NULL, {NULL}, NULL},
    {"all is well", {"a * running always always"}, {"1 deploy committed web a - r1"}, "a", NULL,
	{NULL}, NULL},
    {"all is well, with one retained", {"a = exited no always", "b * running always always"},
	{"1 deploy committed web a - r1", "2 deploy committed web b a r2"}, "b", NULL, {NULL},
	NULL},
    {"stopped by the user", {"a * exited always always"}, {"1 deploy committed web a - r1"}, "a",
	NULL, {NULL}, NULL},
    {"a policy of the user's own", {"a * running on-failure:3 on-failure:3"},
	{"1 deploy committed web a - r1"}, "a", NULL, {NULL}, NULL},
    {"another service's lines are not ours", {"a * running always always"},
	{"1 deploy committed web a - r1", "2 deploy pending api b a r2"}, "a", NULL, {NULL}, NULL},

    /* A first deploy that was interrupted. */
    {"first: created", {"a = created no always"}, {NULL}, "-", NULL, {"remove a"},
	"never came into service"},
    {"first: about to start", {"a = created no always"}, {"1 deploy pending web a - r1"}, "-",
	"reverted", {"remove a", "line 1 reverted"}, "the deploy of"},
    {"first: it runs", {"a = running no always"}, {"1 deploy pending web a - r1"}, "a", "committed",
	{"policy a always", "name a *", "line 1 committed"}, "it had been committed"},
    {"first: it ended", {"a = exited no always"}, {"1 deploy pending web a - r1"}, "-", "reverted",
	{"remove a", "line 1 reverted"}, "it had been reverted"},
    {"first: power lost after the rename", {"a * exited no always"},
	{"1 deploy pending web a - r1"}, "a", "committed",
	{"policy a always", "start a", "line 1 committed"}, "left stopped"},
    {"first: all but the line", {"a * running always always"}, {"1 deploy pending web a - r1"}, "a",
	"committed", {"line 1 committed"}, NULL},

    /* A deploy of b over a, in the order of the keeper's steps. */
    {"created", {"a * running always always", "b = created no always"},
	{"1 deploy committed web a - r1"}, "a", NULL, {"remove b"}, NULL},
    {"about to begin", {"a * running always always", "b = created no always"},
	{"1 deploy committed web a - r1", "2 deploy pending web b a r2"}, "a", "reverted",
	{"remove b", "line 2 reverted"}, NULL},
    {"prepared, of another policy", {"a * running always no", "b = created no always"},
	{"1 deploy committed web a - r1", "2 deploy pending web b a r2"}, "a", "reverted",
	{"policy a no", "remove b", "line 2 reverted"}, "restart policy was always instead of no"},
    {"both stopped", {"a * exited always always", "b = created no always"},
	{"1 deploy committed web a - r1", "2 deploy pending web b a r2"}, "a", "reverted",
	{"remove b", "start a", "line 2 reverted"}, "had been left stopped"},
    {"the new one runs", {"a * exited always always", "b = running no always"},
	{"1 deploy committed web a - r1", "2 deploy pending web b a r2"}, "b", "committed",
	{"policy b always", "policy a no", "name a =", "name b *", "line 2 committed"}, NULL},
    {"the new one ended", {"a * exited always always", "b = exited no always"},
	{"1 deploy committed web a - r1", "2 deploy pending web b a r2"}, "a", "reverted",
	{"remove b", "start a", "line 2 reverted"}, NULL},
    {"after a loss of power the old one runs",
	{"a * running always always", "b = exited no always"},
	{"1 deploy committed web a - r1", "2 deploy pending web b a r2"}, "a", "reverted",
	{"remove b", "line 2 reverted"}, NULL},
    {"the old one is renamed", {"a = exited always always", "b = running no always"},
	{"1 deploy committed web a - r1", "2 deploy pending web b a r2"}, "b", "committed",
	{"policy b always", "policy a no", "name b *", "line 2 committed"}, NULL},
    {"... and power was lost", {"a = running always always", "b = exited no always"},
	{"1 deploy committed web a - r1", "2 deploy pending web b a r2"}, "a", "reverted",
	{"remove b", "name a *", "line 2 reverted"}, "was called"},
    {"both are renamed", {"a = exited always always", "b * running no always"},
	{"1 deploy committed web a - r1", "2 deploy pending web b a r2"}, "b", "committed",
	{"policy b always", "policy a no", "line 2 committed"}, NULL},
    {"... and power was lost: the old one runs",
	{"a = running always always", "b * exited no always"},
	{"1 deploy committed web a - r1", "2 deploy pending web b a r2"}, "a", "reverted",
	{"remove b", "name a *", "line 2 reverted"}, NULL},
    {"the new one has its policy", {"a = exited always always", "b * running always always"},
	{"1 deploy committed web a - r1", "2 deploy pending web b a r2"}, "b", "committed",
	{"policy a no", "line 2 committed"}, NULL},
    {"... and power was lost: both run", {"a = running always always", "b * running always always"},
	{"1 deploy committed web a - r1", "2 deploy pending web b a r2"}, "b", "committed",
	{"stop a", "policy a no", "line 2 committed"}, "ran beside"},
    {"all but the line", {"a = exited no always", "b * running always always"},
	{"1 deploy committed web a - r1", "2 deploy pending web b a r2"}, "b", "committed",
	{"line 2 committed"}, NULL},

    /* A rollback from b to the retained a. */
    {"rollback: both stopped", {"a = exited no always", "b * exited always always"},
	{"1 deploy committed web a - r1", "2 deploy committed web b a r2",
	    "3 rollback pending web a b r3"},
	"b", "reverted", {"start b", "line 3 reverted"}, "the rollback to"},
    {"rollback: the old one runs again", {"a = running no always", "b * exited always always"},
	{"1 deploy committed web a - r1", "2 deploy committed web b a r2",
	    "3 rollback pending web a b r3"},
	"a", "committed",
	{"policy a always", "policy b no", "name b =", "name a *", "line 3 committed"},
	"the rollback to"},
    {"rollback: power lost between the renames",
	{"a = exited no always", "b = running always always"},
	{"1 deploy committed web a - r1", "2 deploy committed web b a r2",
	    "3 rollback pending web a b r3"},
	"b", "reverted", {"name b *", "line 3 reverted"}, NULL},

    /* What people do by hand. */
    {"the retained one was started, too", {"a = running no always", "b * running always always"},
	{"1 deploy committed web a - r1", "2 deploy committed web b a r2"}, "b", NULL, {"stop a"},
	"ran beside"},
    {"the retained one was started instead", {"a = running no always", "b * exited always always"},
	{"1 deploy committed web a - r1", "2 deploy committed web b a r2"}, "a", NULL,
	{"policy a always", "policy b no", "name b =", "name a *", "line a committed"},
	"not what the ledger calls current"},
    {"it was renamed", {"a shop-web running always always"}, {"1 deploy committed web a - r1"}, "a",
	NULL, {"name a *"}, "was called shop-web"},
    {"it was renamed and stopped", {"a shop-web exited always always"},
	{"1 deploy committed web a - r1"}, "a", NULL, {"name a *"}, NULL},
    {"its policy was changed", {"a * running unless-stopped always"},
	{"1 deploy committed web a - r1"}, "a", NULL, {"policy a always"}, NULL},
    {"it was removed", {"a = exited no always"},
	{"1 deploy committed web a - r1", "2 deploy committed web b a r2"}, "-", NULL, {NULL},
	NULL},
    {"the ledger was lost",
	{"a = exited no always", "b * running always always", "c = created no no"}, {NULL}, "b",
	NULL, {"remove c", "line b committed"}, "not what the ledger calls current"},
    {"the ledger was lost, and begun again", {"a = exited no always", "b * running always always"},
	{"1 deploy committed web b - r1"}, "b", NULL, {NULL}, NULL},

    /* What should not be. */
    {"what was reverted is still there", {"a * running always always", "b = exited no always"},
	{"1 deploy committed web a - r1", "2 deploy reverted web b a r2"}, "a", NULL, {"remove b"},
	NULL},
    {"what was reverted runs, too", {"a * running always always", "b = running no always"},
	{"1 deploy committed web a - r1", "2 deploy reverted web b a r2"}, "a", NULL,
	{"stop b", "remove b"}, NULL},
    {"two swaps without an outcome", {"a * running always always", "b = exited no always"},
	{"1 deploy committed web a - r1", "2 deploy pending web b a r2",
	    "3 deploy pending web c a r3"},
	"a", "reverted", {"remove b", "line 2 reverted", "line 3 reverted"}, NULL},
    {"an older swap without an outcome was committed", {"b = running no always"},
	{"1 deploy committed web a - r1", "2 deploy pending web b a r2",
	    "3 deploy reverted web c a r3"},
	"b", "committed", {"policy b always", "name b *", "line 2 committed"}, NULL},
};

static void say_repair(const struct repair *repair, char out[64])
{
	const char *release = repair->container != NULL ? repair->container->id : "?";
	char number[24];

	snprintf(number, sizeof(number), "%lld", (long long)repair->seq);
	switch (repair->kind) {
	case REPAIR_STOP:
		snprintf(out, 64, "stop %s", release);
		break;
	case REPAIR_POLICY:
		snprintf(out, 64, "policy %s %s", release, repair->value);
		break;
	case REPAIR_RENAME:
		snprintf(out, 64, "name %s %s", release,
		    strcmp(repair->value, BOX_NAME) == 0 ? "*" : "=");
		if (strcmp(repair->value, BOX_NAME) != 0)
			assert_string_equal(repair->value, box_retained(release));
		break;
	case REPAIR_START:
		snprintf(out, 64, "start %s", release);
		break;
	case REPAIR_REMOVE:
		snprintf(out, 64, "remove %s", release);
		break;
	case REPAIR_LEDGER:
		snprintf(out, 64, "line %s %s", repair->seq != 0 ? number : release,
		    ledger_result_name(repair->result));
		break;
	}
}

static void check_repairs(const char *name, const struct found *found, const char *const *want)
{
	for (size_t i = 0; i < found->n_repairs; i++) {
		char got[64];

		say_repair(&found->repairs[i], got);
		if (want[i] == NULL || strcmp(got, want[i]) != 0)
			fail_msg("%s: repair %zu is \"%s\" instead of \"%s\"", name, i, got,
			    want[i] != NULL ? want[i] : "none");
	}
	if (want[found->n_repairs] != NULL)
		fail_msg("%s: \"%s\" is missing", name, want[found->n_repairs]);
}

static void check_words(const struct found *found, const char *part)
{
	bool said = part == NULL;

	for (size_t i = 0; i < found->words.n; i++) {
		said = said || strstr(found->words.v[i], part) != NULL;
		assert_int_equal(strncmp(found->words.v[i], "web: ", 5), 0);
	}
	if (!said)
		fail_msg("nothing says \"%s\"", part);
	/* Nothing is repaired in silence, but what is stopped and renamed of the other one. */
	assert_true(found->n_repairs == 0 || found->words.n > 0);
}

static void every_situation(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct box box = box_of(cases[i].containers, cases[i].ledger);
		struct container containers[BOX_MAX];
		struct facts facts = box_facts(&box, containers);
		struct found found;
		const char *current;

		assert_int_equal(found_make(&facts, BOX_PREFIX, BOX_SERVICE, &found, NULL), 0);
		current = found.current != NULL ? found.current->id : "-";
		if (strcmp(current, cases[i].current) != 0)
			fail_msg("%s: current is %s instead of %s", cases[i].name, current,
			    cases[i].current);
		if ((found.pending == NULL) != (cases[i].pending == NULL))
			fail_msg("%s: pending or not?", cases[i].name);
		if (found.pending != NULL && cases[i].pending != NULL &&
		    strcmp(ledger_result_name(found.pending_result), cases[i].pending) != 0)
			fail_msg("%s: it was %s", cases[i].name, cases[i].pending);
		check_repairs(cases[i].name, &found, cases[i].repairs);
		check_words(&found, cases[i].says);
		found_release(&found);
		found_release(&found);
		box_release(&box);
	}
}

static void other_services_are_not_looked_at(void **state UNUSED)
{
	struct box box = box_of((const char *const[]){"a * running no always", NULL},
	    (const char *const[]){"1 deploy pending web a - r1", NULL});
	struct container containers[BOX_MAX];
	struct facts facts = box_facts(&box, containers);
	struct found found;

	assert_int_equal(found_make(&facts, BOX_PREFIX, "api", &found, NULL), 0);
	assert_null(found.current);
	assert_null(found.pending);
	assert_int_equal(found.n_repairs, 0);
	found_release(&found);
	box_release(&box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_situation),
	    cmocka_unit_test(other_services_are_not_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
