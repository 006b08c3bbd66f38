/* --json: one object per line, names as docs/json.md has them, ASCII only. */
#include "tests/unit/cmd_ui_help.h"

#include <jansson.h>

#include "cmd/ui/json.h"

static struct memory out, err;
static struct ui *ui;

static int setup(void **state)
{
	struct ui_options options;

	(void)state;
	memory_open(&out);
	memory_open(&err);
	options = memory_options(&out, &err);
	assert_int_equal(ui_new_json(&options, &ui, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ui_free(ui);
	memory_close(&out);
	memory_close(&err);
	return 0;
}

static void test_story(void **state)
{
	struct host_result hosts[3];
	struct rollout_result result;
	struct ui_end end = {.result = &result,
	    .undo = "shipit rollback prod",
	    .look = "shipit status prod",
	    .exit_code = 3,
	    .now_ms = 19500};

	(void)state;
	begin(ui, 3);
	tell_story(ui);
	story_result(&result, hosts);
	ui_end(ui, &end);
	story_release(hosts);
	fflush(err.file);
	assert_int_equal(err.len, 0);
	golden_compare("story.json", out.text);
}

static void test_dry_run(void **state)
{
	struct host_result hosts[3];
	struct rollout_result result;
	struct ui_end end = {.result = &result, .dry_run = true, .now_ms = 900};

	(void)state;
	begin(ui, 3);
	story_result(&result, hosts);
	strv_add(&hosts[0].plan, "web: replace 20261120-091201-77aa001 by 20261122-175432-9f3c2a1");
	strv_add(&hosts[0].plan, "docker run --detach --name shop.prod.web IMAGE");
	ui_end(ui, &end);
	story_release(hosts);
	golden_compare("dry-run.json", out.text);
}

/* Bytes that are no UTF-8, and sequences that would drive a terminal. */
static void test_hostile(void **state)
{
	const char *host = "web1.example.com";
	const struct say say = {.kind = EVENT_NOTE,
	    .host = host,
	    .text = "a\xff"
		    "b \033[2J\xc2\x9b"
		    "c \xe2\x80\xae \" \\ \n end"};
	json_t *object;

	(void)state;
	begin(ui, 1);
	tell(ui, &say);
	fflush(out.file);
	for (size_t i = 0; i < out.len; i++)
		assert_true((out.text[i] >= ' ' && out.text[i] < 0x7f) ||
			    (out.text[i] == '\n' && i + 1 == out.len));
	object = json_loadb(out.text, out.len, 0, NULL);
	assert_non_null(object);
	assert_non_null(strstr(json_string_value(json_object_get(object, "text")), "a\\xffb"));
	json_decref(object);
}

static void test_levels(void **state)
{
	const struct say say = {.kind = EVENT_LOG, .level = 1, .text = "x"};

	(void)state;
	begin(ui, 1);
	tell(ui, &say);
	fflush(out.file);
	assert_int_equal(out.len, 0);
	ui->options.verbose = 1;
	tell(ui, &say);
	fflush(out.file);
	assert_true(out.len > 0);
}

/* Every outcome and kind of error has a name of its own. */
static void test_names(void **state)
{
	(void)state;
	for (int a = HOST_UNTOUCHED; a <= HOST_UNKNOWN; a++)
		for (int b = HOST_UNTOUCHED; b < a; b++)
			assert_string_not_equal(host_outcome_name((enum host_outcome)a),
			    host_outcome_name((enum host_outcome)b));
	for (int a = ERROR_NONE; a <= ERROR_SYSTEM; a++)
		for (int b = ERROR_NONE; b < a; b++)
			assert_string_not_equal(error_kind_name((enum error_kind)a),
			    error_kind_name((enum error_kind)b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_story, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_dry_run, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
