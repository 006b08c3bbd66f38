/* Helpers over jansson: getters that never fail, one canonical text, parsing with bounds. */
#include "base/json.h"
#include "tests/unit/base_check.h"

static json_t *parsed(const char *text)
{
	json_t *json = NULL;
	struct error err = {0};

	if (json_parse(text, strlen(text), "it", &json, &err) < 0)
		fail_msg("%s", error_text(&err));
	return json;
}

static void getters_take_paths_and_defaults(void **state UNUSED)
{
	CLEANUP_JSON json_t *json =
	    parsed("{\"State\":{\"Health\":{\"Status\":\"healthy\"},"
		   "\"Running\":true,\"ExitCode\":3,\"Odd\":[1]},\"n\":null}");

	assert_string_equal(json_str(json, "State.Health.Status", "-"), "healthy");
	assert_string_equal(json_str(json, "State.Health.Log", "-"), "-");
	assert_string_equal(json_str(json, "State.Health.Status.More", "-"), "-");
	assert_string_equal(json_str(json, "State.Odd", "-"), "-");
	assert_string_equal(json_str(json, "n", "-"), "-");
	assert_null(json_str(NULL, "a", NULL));
	assert_int_equal(json_int(json, "State.ExitCode", 7), 3);
	assert_int_equal(json_int(json, "State.Running", 7), 7);
	assert_true(json_flag(json, "State.Running", false));
	assert_true(json_flag(json, "State.ExitCode", true));
	assert_false(json_flag(json, "nothing", false));
	assert_ptr_equal(json_at(json, ""), json);
	assert_null(json_at(json, "a..b"));
	assert_null(json_at(
	    json, "a-name-that-is-longer-than-any-member-of-any-answer-of-any-engine-ever-was"));
}

static void canonical_text_is_one(void **state UNUSED)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
	    {"{ \"b\" : 1, \"a\" : [ ] }", "{\"a\":[],\"b\":1}"},
	    {"{\"\xc3\xa4\":1,\"z\":2,\"B\":3}", "{\"B\":3,\"z\":2,\"\xc3\xa4\":1}"},
	    {"\"a\\/b\\u00e4\"", "\"a/b\xc3\xa4\""},
	    {"\"\\u001b\\n\\\"\"", "\"\\u001B\\n\\\"\""},
	    {"17", "17"},
	    {"null", "null"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_JSON json_t *json = parsed(cases[i].in);
		CLEANUP_FREE char *text = json_canonical(json);

		assert_string_equal(text, cases[i].want);
	}
}

static void what_is_no_json_is_an_error(void **state UNUSED)
{
	static const char *const bad[] = {"", "{", "{}x", "{\"a\":}", "\xff", "\"\\u0000\"", "[1,]",
	    "nul", "1e999", "99999999999999999999"};
	struct error err = {0};
	json_t *json = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(json_parse(bad[i], strlen(bad[i]), "the answer", &json, &err), -1);
		assert_null(json);
		assert_error(&err, ERROR_PROTOCOL, "the answer is not valid JSON: ");
	}
	assert_int_equal(json_parse("{}\0", 3, "the answer", &json, &err), -1);
	assert_error(&err, ERROR_PROTOCOL, NULL);
}

static void depth_has_a_bound(void **state UNUSED)
{
	enum { DEPTH = 100000 };
	CLEANUP_FREE char *deep = malloc(2 * DEPTH);
	struct error err = {0};
	json_t *json = NULL;

	assert_non_null(deep);
	memset(deep, '[', DEPTH);
	memset(deep + DEPTH, ']', DEPTH);
	assert_int_equal(json_parse(deep, 2 * DEPTH, "it", &json, &err), -1);
	assert_error(&err, ERROR_PROTOCOL, "depth");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(getters_take_paths_and_defaults),
	    cmocka_unit_test(canonical_text_is_one),
	    cmocka_unit_test(what_is_no_json_is_an_error),
	    cmocka_unit_test(depth_has_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
