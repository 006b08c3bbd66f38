/* The engine's JSON streams, cut anywhere, and what is summed up from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "transport/engine_stream.h"

/* dockerd 20.10, shortened. */
static const char pull[] =
    "{\"status\":\"Pulling from shop.prod.web\",\"id\":\"1\"}\r\n"
    "{\"status\":\"Pulling fs layer\",\"progressDetail\":{},\"id\":\"aaa\"}\r\n"
    "{\"status\":\"Pulling fs layer\",\"progressDetail\":{},\"id\":\"bbb\"}\r\n"
    "{\"status\":\"Already exists\",\"progressDetail\":{},\"id\":\"ccc\"}\r\n"
    "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":100,\"total\":1000},"
    "\"progress\":\"[=\\u003e  ] 100B/1kB\",\"id\":\"aaa\"}\r\n"
    "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":50,\"total\":500},\"id\":\"bbb\"}"
    "\r\n"
    "{\"status\":\"Verifying Checksum\",\"progressDetail\":{},\"id\":\"aaa\"}\r\n"
    "{\"status\":\"Download complete\",\"progressDetail\":{},\"id\":\"aaa\"}\r\n"
    "{\"status\":\"Download complete\",\"progressDetail\":{},\"id\":\"bbb\"}\r\n"
    "{\"status\":\"Extracting\",\"progressDetail\":{\"current\":300,\"total\":1000},\"id\":\"aaa\"}"
    "\r\n"
    "{\"status\":\"Pull complete\",\"progressDetail\":{},\"id\":\"aaa\"}\r\n"
    "{\"status\":\"Extracting\",\"progressDetail\":{\"current\":200,\"total\":500},\"id\":\"bbb\"}"
    "\r\n"
    "{\"status\":\"Pull complete\",\"progressDetail\":{},\"id\":\"bbb\"}\r\n"
    "{\"status\":\"Digest: sha256:"
    "8be26f81ffea54106bae012c6f349df70f4d5e7e2ec01b143c46e2c03b9e551d\"}\r\n"
    "{\"status\":\"Status: Downloaded newer image for 127.0.0.1:1/shop.prod.web:1\"}\r\n";

static int count(void *context, const json_t *message, struct error *err UNUSED)
{
	char *text = json_canonical(message);

	buf_adds(context, text);
	buf_adds(context, "\n");
	free(text);
	return 0;
}

/* All messages of `data`, fed in pieces of `size`. */
static int split(const char *data, size_t len, size_t size, struct buf *out, struct error *err)
{
	struct json_stream stream;
	int rc = 0;

	json_stream_init(&stream);
	for (size_t at = 0; rc == 0 && at < len; at += size)
		rc = json_stream_feed(
		    &stream, data + at, len - at < size ? len - at : size, count, out, err);
	if (rc == 0 && json_stream_open(&stream))
		rc = 1;
	json_stream_release(&stream);
	return rc;
}

static void pieces_of_any_size_give_the_same_messages(void **state UNUSED)
{
	struct buf whole = BUF_INIT(65536);

	assert_int_equal(split(pull, sizeof(pull) - 1, sizeof(pull), &whole, NULL), 0);
	for (size_t size = 1; size < 200; size++) {
		struct buf out = BUF_INIT(65536);

		assert_int_equal(split(pull, sizeof(pull) - 1, size, &out, NULL), 0);
		assert_string_equal(out.data, whole.data);
		buf_release(&out);
	}
	buf_release(&whole);
}

static void braces_and_quotes_in_strings_end_nothing(void **state UNUSED)
{
	static const char text[] = " {\"a\":\"}{\\\"}\\\\\"}\n\t{\"b\":{\"c\":[{}]}}{\"d\":1}";

	for (size_t size = 1; size < sizeof(text); size++) {
		struct buf out = BUF_INIT(1024);

		assert_int_equal(split(text, sizeof(text) - 1, size, &out, NULL), 0);
		assert_string_equal(
		    out.data, "{\"a\":\"}{\\\"}\\\\\"}\n{\"b\":{\"c\":[{}]}}\n{\"d\":1}\n");
		buf_release(&out);
	}
}

static void what_is_no_object_is_refused(void **state UNUSED)
{
	static const char *const bad[] = {
	    "x", "[1]", "{}x", "{\"a\":1,}", "\"{}\"", "{}\n}", "{]}"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct buf out = BUF_INIT(1024);
		struct error err = {0};

		assert_int_equal(split(bad[i], strlen(bad[i]), 1, &out, &err), -1);
		assert_int_equal(err.kind, ERROR_PROTOCOL);
		error_release(&err);
		buf_release(&out);
	}
	assert_int_equal(split("{\"a\":", 5, 5, NULL, NULL), 1);
	assert_int_equal(split("\0{}", 3, 3, NULL, NULL), -1);
}

static void a_message_without_end_is_refused(void **state UNUSED)
{
	struct json_stream stream;
	struct error err = {0};
	char piece[4096];
	size_t fed = 0;

	memset(piece, '{', sizeof(piece));
	json_stream_init(&stream);
	while (json_stream_feed(&stream, piece, sizeof(piece), count, NULL, &err) == 0)
		fed += sizeof(piece);
	assert_int_equal(fed, JSON_MESSAGE_MAX);
	assert_non_null(strstr(error_text(&err), "longer than"));
	json_stream_release(&stream);
	error_release(&err);
}

/* One message into `state`. */
static int take(struct transfer_state *state, const char *text, struct error *err)
{
	json_t *message = json_loads(text, 0, NULL);
	int rc;

	assert_non_null(message);
	state->moved = false;
	rc = transfer_state_take(state, message, err);
	json_decref(message);
	return rc;
}

static void assert_sum(
    const struct transfer_state *state, const char *phase, uint64_t done, uint64_t total)
{
	struct engine_progress sum;

	transfer_state_sum(state, &sum);
	assert_string_equal(sum.phase, phase);
	assert_int_equal(sum.done, done);
	assert_int_equal(sum.total, total);
}

static void a_pull_adds_up(void **unused UNUSED)
{
	static const struct {
		const char *phase;
		uint64_t done, total;
	} want[] = {
	    {"downloading", 0, 0},
	    {"downloading", 0, 0},
	    {"downloading", 0, 0},
	    {"downloading", 0, 0},
	    {"downloading", 100, 1000},
	    {"downloading", 150, 1500},
	    {"downloading", 1050, 1500},
	    {"downloading", 1050, 1500},
	    {"downloading", 1500, 1500},
	    {"extracting", 300, 1500},
	    {"downloading", 1500, 1500},
	    {"extracting", 1200, 1500},
	    {"downloading", 1500, 1500},
	    {"downloading", 1500, 1500},
	    {"downloading", 1500, 1500},
	};
	struct transfer_state state;
	const char *line = pull;
	char text[512];

	transfer_state_init(&state, TRANSFER_PULL);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++, line = strchr(line, '\n') + 1) {
		snprintf(text, sizeof(text), "%.*s", (int)strcspn(line, "\r"), line);
		assert_false(state.outcome);
		assert_int_equal(take(&state, text, NULL), 0);
		assert_sum(&state, want[i].phase, want[i].done, want[i].total);
	}
	assert_true(state.outcome);
	assert_string_equal(state.digest,
	    "sha256:8be26f81ffea54106bae012c6f349df70f4d5e7e2ec01b143c46e2c03b9e551d");
	transfer_state_release(&state);
}

#define HEX64 "8be26f81ffea54106bae012c6f349df70f4d5e7e2ec01b143c46e2c03b9e551d"

static void a_push_tells_its_digest(void **unused UNUSED)
{
	static const char *const ways[] = {
	    "{\"progressDetail\":{},\"aux\":{\"Tag\":\"1\",\"Digest\":\"sha256:" HEX64
	    "\",\"Size\":943}}",
	    "{\"status\":\"1: digest: sha256:" HEX64 " size: 943\"}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct transfer_state state;

		transfer_state_init(&state, TRANSFER_PUSH);
		assert_int_equal(take(&state,
				     "{\"status\":\"Pushing\",\"progressDetail\":{\"current\":7,"
				     "\"total\":5},\"id\":\"a\"}",
				     NULL),
		    0);
		assert_sum(&state, "pushing", 7, 7);
		assert_false(state.outcome);
		assert_int_equal(take(&state, ways[i], NULL), 0);
		assert_true(state.outcome);
		assert_string_equal(state.digest, "sha256:" HEX64);
		transfer_state_release(&state);
	}
}

static void a_push_may_tell_no_digest(void **unused UNUSED)
{
	struct transfer_state state;

	transfer_state_init(&state, TRANSFER_PUSH);
	assert_int_equal(take(&state, "{\"status\":\"1: digest:  size: 943\"}", NULL), 0);
	assert_true(state.outcome);
	assert_null(state.digest);
	transfer_state_release(&state);
}

static void loads_and_imports_end_with_a_word(void **unused UNUSED)
{
	struct transfer_state state;

	transfer_state_init(&state, TRANSFER_LOAD);
	assert_int_equal(take(&state,
			     "{\"status\":\"Loading layer\",\"progressDetail\":{\"current\":3,"
			     "\"total\":9},\"id\":\"a\"}",
			     NULL),
	    0);
	assert_sum(&state, "loading", 3, 9);
	assert_false(state.outcome);
	assert_int_equal(take(&state, "{\"stream\":\"Loaded image: shop:1\\n\"}", NULL), 0);
	assert_true(state.outcome);
	transfer_state_release(&state);

	transfer_state_init(&state, TRANSFER_IMPORT);
	assert_int_equal(take(&state, "{\"status\":\"sha256:" HEX64 "\"}", NULL), 0);
	assert_true(state.outcome);
	transfer_state_release(&state);
}

static void errors_are_passed_on_whole(void **unused UNUSED)
{
	static const struct {
		const char *message, *words;
		enum error_kind kind;
	} cases[] = {
	    {"{\"errorDetail\":{\"code\":1,\"message\":\"no space left\"},\"error\":\"short\"}",
		"no space left", ERROR_FAILED},
	    {"{\"errorDetail\":{\"message\":\"\"},\"error\":\"second\"}", "second", ERROR_FAILED},
	    {"{\"error\":\"only this\"}", "only this", ERROR_FAILED},
	    {"{\"errorDetail\":{}}", "failed without a word", ERROR_FAILED},
	    {"{\"errorDetail\":{\"code\":404,\"message\":\"gone\"}}", "gone", ERROR_NOT_FOUND},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct transfer_state state;
		struct error err = {0};

		transfer_state_init(&state, TRANSFER_PULL);
		assert_int_equal(take(&state, cases[i].message, &err), -1);
		assert_string_equal(error_text(&err), cases[i].words);
		assert_int_equal(err.kind, cases[i].kind);
		assert_int_equal(take(&state, cases[i].message, NULL), -1);
		error_release(&err);
		transfer_state_release(&state);
	}
}

/* Engines with the containerd store say the same ten times a second. */
static void repeated_figures_do_not_count_as_movement(void **unused UNUSED)
{
	static const char here[] = "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":5,"
				   "\"total\":10},\"id\":\"a\"}";
	struct transfer_state state;

	transfer_state_init(&state, TRANSFER_PULL);
	assert_true(transfer_state_is_local(&state));
	take(&state, here, NULL);
	assert_true(state.moved);
	take(&state, here, NULL);
	assert_false(state.moved);
	assert_false(transfer_state_is_local(&state));
	take(&state, "{\"status\":\"Download complete\",\"id\":\"a\"}", NULL);
	assert_true(state.moved);
	take(&state, "{\"status\":\"Download complete\",\"id\":\"a\"}", NULL);
	assert_false(state.moved);
	assert_true(transfer_state_is_local(&state));
	transfer_state_release(&state);
}

static void seconds_are_not_bytes(void **unused UNUSED)
{
	struct transfer_state state;

	transfer_state_init(&state, TRANSFER_PULL);
	take(&state,
	    "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":10,\"total\":10},\"id\":"
	    "\"a\"}",
	    NULL);
	take(&state,
	    "{\"status\":\"Extracting\",\"progressDetail\":{\"current\":3,\"units\":\"s\"},\"id\":"
	    "\"a\"}",
	    NULL);
	assert_sum(&state, "extracting", 0, 10);
	transfer_state_release(&state);
}

static void hostile_figures_stay_in_bounds(void **unused UNUSED)
{
	struct transfer_state state;
	struct engine_progress sum;
	char text[512];

	transfer_state_init(&state, TRANSFER_PULL);
	for (int i = 0; i < LAYERS_MAX + 500; i++) {
		snprintf(text, sizeof(text),
		    "{\"status\":\"%s\",\"progressDetail\":{\"current\":%s,\"total\":%s},\"id\":\"%"
		    "d\"}",
		    i % 2 ? "Downloading" : "Extracting",
		    i % 3 ? "9223372036854775807" : "-9223372036854775808",
		    i % 5 ? "9223372036854775807" : "-1", i);
		assert_int_equal(take(&state, text, NULL), 0);
		transfer_state_sum(&state, &sum);
		assert_true(sum.done <= sum.total);
	}
	assert_int_equal(state.n, LAYERS_MAX);
	snprintf(text, sizeof(text), "{\"status\":\"Waiting\",\"id\":\"%0*d\"}", LAYER_ID_MAX, 1);
	assert_int_equal(take(&state, text, NULL), 0);
	assert_int_equal(take(&state, "{\"status\":[],\"id\":{},\"progressDetail\":7}", NULL), 0);
	assert_int_equal(take(&state, "{}", NULL), 0);
	transfer_state_release(&state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pieces_of_any_size_give_the_same_messages),
	    cmocka_unit_test(braces_and_quotes_in_strings_end_nothing),
	    cmocka_unit_test(what_is_no_object_is_refused),
	    cmocka_unit_test(a_message_without_end_is_refused),
	    cmocka_unit_test(a_pull_adds_up),
	    cmocka_unit_test(a_push_tells_its_digest),
	    cmocka_unit_test(a_push_may_tell_no_digest),
	    cmocka_unit_test(loads_and_imports_end_with_a_word),
	    cmocka_unit_test(errors_are_passed_on_whole),
	    cmocka_unit_test(repeated_figures_do_not_count_as_movement),
	    cmocka_unit_test(seconds_are_not_bytes),
	    cmocka_unit_test(hostile_figures_stay_in_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
