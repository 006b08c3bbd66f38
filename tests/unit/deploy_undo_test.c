/* Which rollout a rollback takes back, from the ledgers of several hosts. */
#include "deploy/undo.h"
#include "tests/unit/deploy_ledger.h"

enum { HOSTS = 3, LINES = 6 };

static const struct {
	const char *name;
	const char *services; /* separated by blanks */
	const char *hosts[HOSTS][LINES];
	const char *want; /* the rollout; or: */
	enum error_kind kind;
	const char *says;
	const char *given;
} cases[] = {
    {"one host, one deploy", "web", {{"1 deploy committed web a - r1"}}, "r1", 0, NULL, NULL},
    {"the last of several", "web",
	{{"1 deploy committed web a - r1", "2 deploy committed web b a r2"}}, "r2", 0, NULL, NULL},
    {"what was reverted, failed or is pending does not count", "web",
	{{"1 deploy committed web a - r1", "2 deploy reverted web b a r2",
	    "3 deploy failed web b a r3", "4 deploy pending web b a r4"}},
	"r1", 0, NULL, NULL},
    {"a rollback is taken back by the next one", "web",
	{{"1 deploy committed web a - r1", "2 deploy committed web b a r2",
	    "3 rollback committed web a b r3"}},
	"r3", 0, NULL, NULL},
    {"what was undone with its rollout does not count", "db web",
	{{"1 deploy committed db a - r0", "2 deploy committed web b - r1",
	    "3 deploy committed db c a r2", "4 deploy reverted web c b r2",
	    "5 rollback committed db a - r0"}},
	"r1", 0, NULL, NULL},
    {"and what comes after it does", "db",
	{{"1 deploy committed db a - r0", "2 deploy committed db c a r2",
	    "3 rollback committed db a - r0", "4 deploy committed db d a r3"}},
	"r3", 0, NULL, NULL},
    {"it came to one host only", "web",
	{{"1 deploy committed web a - r1", "2 deploy committed web b a r2"},
	    {"1 deploy committed web a - r1", "2 deploy reverted web b a r2"}},
	"r2", 0, NULL, NULL},
    {"hosts count from different numbers", "web",
	{{"1 deploy committed web a - r1", "2 deploy committed web b a r2",
	     "9 deploy committed web c b r3"},
	    {"5 deploy committed web c - r3"}},
	"r3", 0, NULL, NULL},
    {"a host that was away for a while", "web",
	{{"1 deploy committed web a - r1"},
	    {"1 deploy committed web a - r1", "2 deploy committed web b a r2",
		"3 deploy committed web c b r3"}},
	"r3", 0, NULL, NULL},
    {"a chain over hosts that have no rollout in common", "web",
	{{"1 deploy committed web a - r1", "2 deploy committed web b a r2"},
	    {"1 deploy committed web b - r2", "2 deploy committed web c b r3"},
	    {"1 deploy committed web a - r1"}},
	"r3", 0, NULL, NULL},
    {"only the services asked for", "web",
	{{"1 deploy committed web a - r1", "2 deploy committed api b - r2"}}, "r1", 0, NULL, NULL},
    {"any of the services asked for", "web api",
	{{"1 deploy committed web a - r1", "2 deploy committed api b - r2"}}, "r2", 0, NULL, NULL},
    {"a host without a ledger", "web", {{"1 deploy committed web a - r1"}, {NULL}}, "r1", 0, NULL,
	NULL},
    {"nothing anywhere", "web", {{NULL}, {NULL}}, NULL, ERROR_NOT_FOUND, "nothing was deployed",
	NULL},
    {"nothing of this service", "db", {{"1 deploy committed web a - r1"}}, NULL, ERROR_NOT_FOUND,
	"nothing was deployed", NULL},
    {"nothing that was committed", "web", {{"1 deploy reverted web a - r1"}}, NULL, ERROR_NOT_FOUND,
	"nothing was deployed", NULL},
    {"two last ones", "web", {{"1 deploy committed web a - r1"}, {"1 deploy committed web b - r2"}},
	NULL, ERROR_CONFLICT, "r1 and r2", NULL},
    {"two last ones after a common one", "web",
	{{"1 deploy committed web a - r1", "2 deploy committed web b a r2"},
	    {"1 deploy committed web a - r1", "2 deploy committed web c a r3"}},
	NULL, ERROR_CONFLICT, "r2 and r3", NULL},
    /* Somebody started the old container by hand, and a later command wrote that down. */
    {"two that come after each other", "web",
	{{"1 deploy committed web a - r1", "2 deploy committed web b a r2",
	     "3 deploy committed web a b r1"},
	    {"1 deploy committed web a - r1", "2 deploy committed web b a r2"}},
	NULL, ERROR_CONFLICT, "after each other", NULL},
    {"a retry on the other hosts is of the same rollout", "web",
	{{"1 deploy committed web a - r1", "2 deploy committed web b a r2"},
	    {"1 deploy committed web a - r1", "2 deploy reverted web b a r2",
		"3 deploy committed web c a r3 +r2"},
	    {"1 deploy committed web a - r1", "2 deploy committed web d a r4 +r2"}},
	"r2", 0, NULL, NULL},
    {"and is meant when the retry is named", "web",
	{{"1 deploy committed web b a r2"}, {"1 deploy committed web c a r3 +r2"}}, "r2", 0, NULL,
	"r3"},
    {"a rollback that did not come to one host is finished first", "web",
	{{"1 deploy committed web a - r1", "2 deploy committed web b a r2",
	     "3 rollback committed web a b r3 -r2"},
	    {"1 deploy committed web a - r1", "2 deploy committed web b a r2"}},
	"r2", 0, NULL, NULL},
    {"also when it is the one that is named", "web",
	{{"1 deploy committed web b a r2", "2 rollback committed web a b r3 -r2"},
	    {"1 deploy committed web b a r2"}},
	"r2", 0, NULL, "r3"},
    {"in as many tries as it takes", "web",
	{{"1 deploy committed web b a r2", "2 rollback committed web a b r3 -r2"},
	    {"1 deploy committed web b a r2", "2 rollback committed web a b r3 -r2"},
	    {"1 deploy committed web b a r2"}},
	"r2", 0, NULL, "r3"},
    {"which are one rollback then", "web",
	{{"1 deploy committed web b a r2", "2 rollback committed web a b r3 -r2"},
	    {"1 deploy committed web b a r2", "2 rollback committed web a b r4 -r2 +r3"}},
	"r3", 0, NULL, NULL},
    {"and then it can be taken back itself", "web",
	{{"1 deploy committed web b a r2", "2 rollback committed web a b r3 -r2"},
	    {"1 deploy committed web b a r2", "2 rollback committed web a b r3 -r2"}},
	"r3", 0, NULL, NULL},
    {"a host that never took part does not keep it from that", "web",
	{{"1 deploy committed web a - r1", "2 deploy committed web b a r2",
	     "3 rollback committed web a b r3 -r2"},
	    {"1 deploy committed web a - r1"}},
	"r3", 0, NULL, NULL},
    {"one that nobody knows is believed", "web", {{"1 deploy committed web b a r2"}}, "r9", 0, NULL,
	"r9"},
    {"the same on all hosts", "web",
	{{"1 deploy committed web a - r1", "2 deploy committed web b a r2",
	    "3 deploy committed web a b r1"}},
	"r1", 0, NULL, NULL},
};

static void choose(size_t i, bool turned)
{
	CLEANUP_STRV struct strv services = {0};
	struct ledger ledgers[HOSTS];
	const struct ledger *pointers[HOSTS];
	struct error err = {0};
	struct undo chosen = {0};
	size_t n = 0;
	int rc;

	assert_int_equal(strv_split(&services, cases[i].services, " "), 0);
	for (size_t host = 0; host < HOSTS; host++)
		ledgers[host] = ledger_of(cases[i].hosts[host]);
	for (size_t host = 0; host < HOSTS; host++)
		pointers[n++] = &ledgers[turned ? HOSTS - 1 - host : host];
	rc = undo_choose(pointers, n, (const char *const *)services.v, services.n, cases[i].given,
	    &chosen, &err);
	if (cases[i].want == NULL) {
		assert_int_equal(rc, -1);
		assert_null(chosen.rollout);
		if (turned)
			assert_error(&err, cases[i].kind, NULL);
		else
			assert_error(&err, cases[i].kind, cases[i].says);
	} else {
		assert_int_equal(rc, 0);
		assert_string_equal(chosen.rollout, cases[i].want);
		/* What is finished is said with what it finishes. */
		if (strstr(cases[i].name, "finished first") != NULL)
			assert_string_equal(chosen.continues, "r3");
	}
	undo_release(&chosen);
	for (size_t host = 0; host < HOSTS; host++)
		ledger_release(&ledgers[host]);
}

static void the_last_rollout_is_chosen(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		print_message("%s\n", cases[i].name);
		choose(i, false);
		choose(i, true); /* the order of hosts means nothing */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_last_rollout_is_chosen)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
