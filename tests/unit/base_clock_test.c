/* Deadlines, and time as text. */
#include <limits.h>

#include "base/clock.h"
#include "tests/unit/base_check.h"

static void deadlines_count_down(void **state UNUSED)
{
	int64_t now = clock_now_ms();
	int left;

	assert_true(now > 0);
	assert_int_equal(clock_left_ms(-1), -1);
	assert_int_equal(clock_left_ms(INT64_MIN), -1);
	assert_int_equal(clock_left_ms(0), 0);
	assert_int_equal(clock_left_ms(now - 5), 0);
	left = clock_left_ms(now + 60000);
	assert_in_range(left, 1, 60000);
	assert_int_equal(clock_left_ms(INT64_MAX), INT_MAX);
	assert_true(clock_now_ms() >= now);
}

static void utc_goes_round(void **state UNUSED)
{
	static const struct {
		time_t when;
		const char *text;
	} cases[] = {{0, "1970-01-01T00:00:00Z"}, {951782400, "2000-02-29T00:00:00Z"},
	    {1795370072, "2026-11-22T17:54:32Z"}, {4102444799, "2099-12-31T23:59:59Z"},
	    {253402300799, "9999-12-31T23:59:59Z"}};
	uint64_t random = 3;
	char text[CLOCK_UTC_SIZE];
	time_t when;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		clock_format_utc(cases[i].when, text);
		assert_string_equal(text, cases[i].text);
		assert_int_equal(clock_parse_utc(text, &when), 0);
		assert_int_equal(when, cases[i].when);
	}
	for (int i = 0; i < 1000; i++) {
		time_t any = (time_t)(check_random(&random) % 253402300800);

		clock_format_utc(any, text);
		assert_int_equal(clock_parse_utc(text, &when), 0);
		assert_int_equal(when, any);
	}
}

static void years_beyond_four_digits_are_no_text(void **state UNUSED)
{
	char text[CLOCK_UTC_SIZE];

	clock_format_utc((time_t)INT64_MAX, text);
	assert_string_equal(text, "-");
	clock_format_utc((time_t)253402300800 * 100, text);
	assert_true(strlen(text) < sizeof(text));
}

static void other_forms_are_refused(void **state UNUSED)
{
	static const char *const bad[] = {"", "-", "2026-11-22", "2026-11-22T17:54:32",
	    "2026-11-22T17:54:32+01:00", "2026-11-22T17:54:32.5Z", "2026-11-22T17:54:32Z ",
	    " 2026-11-22T17:54:32Z", "2026-1-2T3:4:5Z", "2026-02-30T00:00:00Z",
	    "2026-13-01T00:00:00Z", "2026-11-22 17:54:32Z", "2026-11-22T24:00:00Z"};
	time_t when = 17;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(clock_parse_utc(bad[i], &when), -1);
	assert_int_equal(when, 17);
}

static void ages_are_for_people(void **state UNUSED)
{
	static const struct {
		int64_t seconds;
		const char *want;
	} cases[] = {{-5, "0 s"}, {0, "0 s"}, {59, "59 s"}, {60, "1 min"}, {3599, "59 min"},
	    {3600, "1 h"}, {48 * 3600 - 1, "47 h"}, {48 * 3600, "2 days"},
	    {INT64_MAX, "106751991167300 days"}};
	char text[CLOCK_AGE_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		clock_format_age(cases[i].seconds, text);
		assert_string_equal(text, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(deadlines_count_down),
	    cmocka_unit_test(utc_goes_round),
	    cmocka_unit_test(years_beyond_four_digits_are_no_text),
	    cmocka_unit_test(other_forms_are_refused),
	    cmocka_unit_test(ages_are_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
