/* One history out of many ledgers. */
#include "tests/unit/cmd_golden.h"

#include "cmd/merge.h"

enum { HOSTS_MAX = 4, ENTRIES_MAX = 8 };

/* "SEQ ROLLOUT SERVICE RESULT TIME" */
struct line {
	int seq;
	const char *rollout, *service;
	enum ledger_result result;
	const char *at;
};

static struct ledger_entry entries[HOSTS_MAX][ENTRIES_MAX];
static struct ledger ledgers[HOSTS_MAX];
static struct merge_source sources[HOSTS_MAX];
static const char *const host_names[HOSTS_MAX] = {"h1", "h2", "h3", "h4"};

static char *text(const char *constant)
{
	return (char *)(uintptr_t)constant;
}

static void ledger(size_t host, const struct line *lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		entries[host][i] = (struct ledger_entry){.seq = lines[i].seq,
		    .rollout = text(lines[i].rollout),
		    .service = text(lines[i].service),
		    .release = text(lines[i].rollout),
		    .result = lines[i].result,
		    .error = lines[i].result == LEDGER_REVERTED ? text("why") : NULL,
		    .at = text(lines[i].at)};
	ledgers[host] = (struct ledger){.v = entries[host], .n = n};
	sources[host] = (struct merge_source){.host = host_names[host], .ledger = &ledgers[host]};
}

#define LEDGER(host, ...)                                                                          \
	ledger(host, (const struct line[]){__VA_ARGS__},                                           \
	    sizeof((const struct line[]){__VA_ARGS__}) / sizeof(struct line))

/* "r3 web 2/1, r2 web 3/0": committed and reverted. */
static void merged_is(size_t n_hosts, const char *expected)
{
	struct merged *merged = NULL;
	struct buf words = BUF_INIT(4096);
	size_t n = 0;

	assert_int_equal(merge_ledgers(sources, n_hosts, &merged, &n, NULL), 0);
	for (size_t i = 0; i < n; i++)
		buf_addf(&words, "%s%s %s %zu/%zu/%zu", i > 0 ? ", " : "", merged[i].entry->rollout,
		    merged[i].entry->service, merged[i].hosts[LEDGER_COMMITTED],
		    merged[i].hosts[LEDGER_REVERTED], merged[i].n_hosts);
	assert_string_equal(words.data, expected);
	buf_release(&words);
	free(merged);
}

static void test_same_story(void **state)
{
	(void)state;
	for (size_t host = 0; host < 3; host++)
		LEDGER(host, {1, "r1", "web", LEDGER_COMMITTED, "2026-01-01T00:00:00Z"},
		    {2, "r2", "web", host == 1 ? LEDGER_REVERTED : LEDGER_COMMITTED,
			"2026-01-02T00:00:00Z"});
	merged_is(3, "r2 web 2/1/3, r1 web 3/0/3");
	merged_is(0, "");
}

/* The clock of the laptop that made r2 was slow: the ledger's order wins. */
static void test_order_is_the_ledgers(void **state)
{
	(void)state;
	LEDGER(0, {1, "r1", "web", LEDGER_COMMITTED, "2026-01-05T00:00:00Z"},
	    {2, "r2", "web", LEDGER_COMMITTED, "2026-01-01T00:00:00Z"},
	    {3, "r3", "web", LEDGER_COMMITTED, "2026-01-06T00:00:00Z"});
	LEDGER(1, {9, "r2", "web", LEDGER_COMMITTED, "2026-01-01T00:00:00Z"});
	LEDGER(2, {4, "x1", "web", LEDGER_COMMITTED, "2026-01-05T12:00:00Z"});
	merged_is(3, "r3 web 1/0/1, x1 web 1/0/1, r2 web 2/0/2, r1 web 1/0/1");
}

/* A host's last word about a rollout is what counts, and it counts once. */
static void test_taken_back(void **state)
{
	(void)state;
	LEDGER(0, {1, "r1", "web", LEDGER_COMMITTED, "2026-01-01T00:00:00Z"},
	    {2, "r1", "db", LEDGER_REVERTED, "2026-01-01T00:00:00Z"},
	    {3, "r1", "web", LEDGER_REVERTED, "2026-01-01T00:00:00Z"});
	LEDGER(1, {1, "r1", "web", LEDGER_COMMITTED, "2026-01-01T00:00:00Z"});
	merged_is(2, "r1 web 1/1/2, r1 db 0/1/1");
}

/* What nobody wrote the end of: as it was found. */
static void test_found(void **state)
{
	static const struct merge_found found[] = {{2, LEDGER_REVERTED}};

	(void)state;
	LEDGER(0, {1, "r1", "web", LEDGER_COMMITTED, "2026-01-01T00:00:00Z"},
	    {2, "r2", "web", LEDGER_PENDING, "2026-01-02T00:00:00Z"});
	merged_is(1, "r2 web 0/0/1, r1 web 1/0/1");
	sources[0].found = found;
	sources[0].n_found = 1;
	merged_is(1, "r2 web 0/1/1, r1 web 1/0/1");
}

/* Ledgers that contradict each other still give every line once. */
static void test_contradiction(void **state)
{
	(void)state;
	LEDGER(0, {1, "a", "web", LEDGER_COMMITTED, "2026-01-01T00:00:00Z"},
	    {2, "b", "web", LEDGER_COMMITTED, "2026-01-02T00:00:00Z"});
	LEDGER(1, {1, "b", "web", LEDGER_COMMITTED, "2026-01-02T00:00:00Z"},
	    {2, "a", "web", LEDGER_COMMITTED, "2026-01-01T00:00:00Z"});
	merged_is(2, "b web 2/0/2, a web 2/0/2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_same_story),
	    cmocka_unit_test(test_order_is_the_ledgers),
	    cmocka_unit_test(test_taken_back),
	    cmocka_unit_test(test_found),
	    cmocka_unit_test(test_contradiction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
