/* Which releases are kept. */
#include "deploy/run.h"
#include "tests/unit/deploy_box.h"

enum { MOST = 8 };

static const struct {
	const char *name;
	const char *containers[MOST];
	const char *ledger[MOST];
	int retain;
	const char *want; /* letters, in their order */
} cases[] = {
    {"nothing", {NULL}, {NULL}, 3, ""},
    {"the last three", {"d * running always always"},
	{"1 deploy committed web a - r1", "2 deploy committed web b a r2",
	    "3 deploy committed web c b r3", "4 deploy committed web d c r4"},
	3, "dcb"},
    {"only the current one", {"b * running always always"},
	{"1 deploy committed web a - r1", "2 deploy committed web b a r2"}, 1, "b"},
    {"each once, by its last commit", {"a * running always always"},
	{"1 deploy committed web a - r1", "2 deploy committed web b a r2",
	    "3 rollback committed web a b r3"},
	3, "ab"},
    {"what was not committed is not kept", {"a * running always always", "c = exited no always"},
	{"1 deploy committed web a - r1", "2 deploy reverted web b a r2",
	    "3 deploy failed web c a r3", "4 deploy pending web d a r4"},
	3, "a"},
    {"nor what another service had", {"a * running always always"},
	{"1 deploy committed web a - r1", "2 deploy committed api b - r2"}, 3, "a"},
    {"what served before the ledger was lost, the youngest first",
	{"a = exited no always", "b = exited no always", "c = exited no always",
	    "d * running always always"},
	{"1 deploy committed web d - r1"}, 3, "dcb"},
    {"but not in the place of what the ledger has",
	{"a = exited no always", "b = exited no always", "c * running always always"},
	{"1 deploy committed web b - r1", "2 deploy committed web c b r2"}, 2, "cb"},
    {"nor what never served", {"b * running always always", "c = created no always"},
	{"1 deploy committed web b - r1"}, 3, "b"},
};

static void the_last_releases_are_kept(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct service service = {
		    .name = (char *)(uintptr_t)BOX_SERVICE, .retain = cases[i].retain};
		struct box box = box_of(cases[i].containers, cases[i].ledger);
		struct container containers[BOX_MAX];
		struct facts facts = box_facts(&box, containers);
		struct strv keep = {0};

		assert_int_equal(prune_keep(&facts, &service, service.retain, &keep, NULL), 0);
		if (keep.n != strlen(cases[i].want))
			fail_msg("%s: %zu are kept", cases[i].name, keep.n);
		for (size_t j = 0; j < keep.n; j++) {
			char letter[2] = {cases[i].want[j], '\0'};

			if (strcmp(keep.v[j], release_named(letter)) != 0)
				fail_msg("%s: %s is kept", cases[i].name, keep.v[j]);
		}
		strv_release(&keep);
		box_release(&box);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_last_releases_are_kept)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
