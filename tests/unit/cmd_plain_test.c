/* Lines with a time, and the report at the end. */
#include "tests/unit/cmd_ui_help.h"

#include "cmd/ui/result.h"

static struct memory out, err;
static struct ui *ui;

static int setup(void **state)
{
	struct ui_options options;

	(void)state;
	setenv("TZ", "UTC", 1);
	memory_open(&out);
	memory_open(&err);
	options = memory_options(&out, &err);
	assert_int_equal(ui_new_plain(&options, &ui, NULL), 0);
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

static void end_story(void)
{
	struct host_result hosts[3];
	struct rollout_result result;
	const struct ui_end end = {.result = &result,
	    .undo = "shipit rollback prod",
	    .look = "shipit status prod",
	    .exit_code = 3,
	    .now_ms = 19500};

	story_result(&result, hosts);
	ui_end(ui, &end);
	story_release(hosts);
}

static void test_story(void **state)
{
	(void)state;
	begin(ui, 3);
	tell_story(ui);
	end_story();
	golden_compare("story.txt", out.text);
	golden_compare("story.err", err.text);
}

static void test_import(void **state)
{
	const struct say known[] = {
	    {STEP(0, NULL, STEP_IMPORT, STATE_START), .service = "web"},
	    {STEP(500, NULL, STEP_IMPORT, STATE_PROGRESS), .service = "web", .bytes = 1,
		.total = 2},
	    {STEP(1000, NULL, STEP_IMPORT, STATE_OK), .service = "web", .ms = 1000,
		.text = "already in the store"},
	};

	(void)state;
	begin(ui, 1);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		tell(ui, &known[i]);
	fflush(out.file);
	assert_non_null(strstr(out.text, " here: import web: begins\n"));
	assert_non_null(strstr(out.text, " here: import web: ok, 1.0 s; already in the store\n"));
}

static void test_verbose(void **state)
{
	(void)state;
	ui->options.verbose = 2;
	begin(ui, 3);
	tell_story(ui);
	fflush(out.file);
	golden_compare("story-vv.txt", out.text);
}

static void test_quiet(void **state)
{
	(void)state;
	ui->options.quiet = true;
	begin(ui, 3);
	tell_story(ui);
	fflush(out.file);
	assert_int_equal(out.len, 0);
	end_story();
	golden_compare("story-q.txt", out.text);
	golden_compare("story.err", err.text);
}

static void test_colors(void **state)
{
	(void)state;
	ui->options.color_out = ui->options.color_err = true;
	begin(ui, 3);
	tell_story(ui);
	end_story();
	golden_compare("story-color.txt", out.text);
}

/* Many hosts with the same trouble are one message; many names are cut. */
static void test_many_the_same(void **state)
{
	enum { N = 40 };
	struct host_result hosts[N] = {0};
	struct rollout_result result = {.hosts = hosts, .n_hosts = N};
	const struct ui_end end = {.result = &result, .look = "shipit status prod", .now_ms = 5000};

	(void)state;
	begin(ui, N);
	for (size_t i = 0; i < N; i++) {
		hosts[i].host = host_names[i];
		hosts[i].outcome = i < 20 ? HOST_UNTOUCHED : HOST_UNCHANGED;
		if (i < 20)
			error_set(&hosts[i].error, ERROR_FAILED, "port 8080 is taken by %s",
			    i == 7 ? "nginx" : "old.web");
	}
	ui_end(ui, &end);
	golden_compare("many.txt", out.text);
	golden_compare("many.err", err.text);
	for (size_t i = 0; i < N; i++)
		error_release(&hosts[i].error);
}

static void test_dry_run(void **state)
{
	struct host_result hosts[3];
	struct rollout_result result;
	const struct ui_end end = {.result = &result, .dry_run = true, .now_ms = 900};

	(void)state;
	begin(ui, 3);
	story_result(&result, hosts);
	error_release(&hosts[1].error);
	for (size_t i = 0; i < 2; i++)
		strv_add(&hosts[i].plan, "web: replace 20261120 by 20261122\033[2J");
	ui_end(ui, &end);
	story_release(hosts);
	golden_compare("dry-run.txt", out.text);
	golden_compare("dry-run.err", err.text);
}

/* A silent half minute is broken by what is still going on. */
static void test_tick(void **state)
{
	const struct say say = {STEP(1000, host_names[0], STEP_DELIVER, STATE_START)};
	const struct say more = {STEP(2000, host_names[0], STEP_DELIVER, STATE_PROGRESS),
	    .bytes = 5000000, .total = 90000000};

	(void)state;
	begin(ui, 2);
	tell(ui, &say);
	tell(ui, &more);
	for (int64_t now = 1000; now < 62000; now += 100)
		ui_tick(ui, now);
	fflush(out.file);
	golden_compare("tick.txt", out.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_story, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_import, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_verbose, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_quiet, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_colors, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_many_the_same, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_dry_run, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_tick, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
