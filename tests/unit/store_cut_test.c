/* Where layers are cut. */
#include "tests/unit/store_place.h"
#include "transport/registry/cut.h"

enum { LEN = 4 * 1024 * 1024, CUTS_MAX = LEN / CUT_MIN + 2 };

/* The ends of the chunks; fed in pieces of at most `step` bytes (0: of random sizes). */
static size_t cuts_of(const unsigned char *data, size_t len, size_t step, size_t *cuts)
{
	struct cutter cutter = {0};
	uint64_t state = 7;
	size_t n = 0, at = 0;

	while (at < len) {
		size_t room = step > 0 ? step : 1 + check_below(&state, 5000), fed = 0;

		room = room < len - at ? room : len - at;
		while (fed < room) {
			bool cut = false;

			fed += cutter_feed(&cutter, data + at + fed, room - fed, &cut);
			if (cut) {
				assert_true(n < CUTS_MAX);
				cuts[n++] = at + fed;
			}
		}
		at += room;
	}
	return n;
}

static void boundaries_do_not_depend_on_feeding(void **state UNUSED)
{
	static size_t whole[CUTS_MAX], pieces[CUTS_MAX];
	static const size_t steps[] = {0, 1, 63, 8191, 8192, 8193, 1 << 20};
	unsigned char *data = content(1, LEN);
	size_t n = cuts_of(data, LEN, LEN, whole);

	assert_true(n > 50);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		assert_int_equal(cuts_of(data, LEN, steps[i], pieces), n);
		assert_memory_equal(whole, pieces, n * sizeof(*whole));
	}
	free(data);
}

static void sizes_are_within_bounds(void **state UNUSED)
{
	static size_t cuts[CUTS_MAX];
	unsigned char *data = content(2, LEN);
	size_t n = cuts_of(data, LEN, LEN, cuts), last = 0;

	for (size_t i = 0; i < n; i++) {
		assert_true(cuts[i] - last >= CUT_MIN && cuts[i] - last <= CUT_MAX);
		last = cuts[i];
	}
	assert_in_range(last / n, 28 * 1024, 48 * 1024); /* on average */
	memset(data, 0, LEN);				 /* no boundary to be seen */
	n = cuts_of(data, LEN, LEN, cuts);
	assert_int_equal(n, LEN / CUT_MAX);
	assert_int_equal(cuts[0], CUT_MAX);
	free(data);
}

static bool has(const size_t *cuts, size_t n, size_t end, size_t begin)
{
	for (size_t i = 0; i < n; i++)
		if (cuts[i] == end)
			return i > 0 ? cuts[i - 1] == begin : begin == 0;
	return false;
}

/* Bytes put in at one place: what comes later is cut where it was. */
static void a_change_changes_few_chunks(void **state UNUSED)
{
	static size_t before[CUTS_MAX], after[CUTS_MAX];
	uint64_t random = 3;

	for (int round = 0; round < 10; round++) {
		unsigned char *data = content(4 + (uint64_t)round, LEN);
		unsigned char *changed = malloc(LEN + 100);
		size_t at = check_below(&random, LEN / 2), more = 1 + check_below(&random, 99);
		size_t n, m, gone = 0;

		assert_non_null(changed);
		memcpy(changed, data, at);
		memset(changed + at, 'x', more);
		memcpy(changed + at + more, data + at, LEN - at);
		n = cuts_of(data, LEN, LEN, before);
		m = cuts_of(changed, LEN + more, LEN, after);
		for (size_t i = 0; i < n; i++) {
			size_t begin = i > 0 ? before[i - 1] : 0;

			gone += before[i] <= at ? !has(after, m, before[i], begin)
						: !has(after, m, before[i] + more, begin + more);
		}
		assert_in_range(gone, 1, 8);
		free(changed);
		free(data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(boundaries_do_not_depend_on_feeding),
	    cmocka_unit_test(sizes_are_within_bounds),
	    cmocka_unit_test(a_change_changes_few_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
