/* The page about a rollout (its looks are for tests/e2e/report_test.sh), and the log file. */
#include "tests/unit/cmd_ui_help.h"

#include <unistd.h>

static struct memory out, err;
static char dir[64], path[128];

static int setup(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	memory_open(&out);
	memory_open(&err);
	snprintf(dir, sizeof(dir), "/tmp/report.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/x.html", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	assert_int_equal(rmdir(dir), 0); /* nothing else was left */
	memory_close(&out);
	memory_close(&err);
	return 0;
}

static char *content_of(const char *name)
{
	struct buf text = BUF_INIT((size_t)1 << 20);
	char chunk[4096];
	FILE *file = fopen(name, "r");
	size_t n;

	assert_non_null(file);
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		assert_int_equal(buf_add(&text, chunk, n), 0);
	fclose(file);
	return buf_steal(&text);
}

/* The style is a file of its own, to be read there. */
static char *without_style(char *page)
{
	char *from = strstr(page, "<style>"), *to = strstr(page, "</style>");

	assert_non_null(from);
	assert_non_null(to);
	memmove(from, to, strlen(to) + 1);
	return page;
}

static void tell_all(struct ui *ui)
{
	struct host_result hosts[3];
	struct rollout_result result;
	const struct ui_end end = {.result = &result,
	    .undo = "shipit rollback prod",
	    .rest = "shipit deploy prod --retry",
	    .exit_code = 3,
	    .now_ms = 19500};
	const struct say evil = {.at = 19450,
	    .kind = EVENT_NOTE,
	    .host = host_names[0],
	    .text = "<script>alert('x')</script> & \"more\" \033[2J"};

	begin(ui, 3);
	tell_story(ui);
	tell(ui, &evil);
	story_result(&result, hosts);
	ui_end(ui, &end);
	story_release(hosts);
}

static void test_page(void **state)
{
	const struct ui_options options = memory_options(&out, &err);
	struct ui *ui;
	char *page;

	(void)state;
	name_hosts(3);
	assert_int_equal(ui_new_report(&options, path, &ui, NULL), 0);
	tell_all(ui);
	ui_free(ui);
	page = content_of(path);
	golden_compare("report.html", without_style(page));
	assert_null(strstr(page, "<script"));
	assert_null(strchr(page, '\033'));
	free(page);
	fflush(err.file);
	assert_int_equal(err.len, 0);
}

/* Without an end there is no page, and what was there before stays. */
static void test_unfinished(void **state)
{
	const struct ui_options options = memory_options(&out, &err);
	struct ui *ui;
	char *page;

	(void)state;
	golden_write(path, "before");
	assert_int_equal(ui_new_report(&options, path, &ui, NULL), 0);
	begin(ui, 3);
	tell_story(ui);
	ui_free(ui);
	page = content_of(path);
	assert_string_equal(page, "before");
	free(page);
}

static void test_nowhere(void **state)
{
	const struct ui_options options = memory_options(&out, &err);
	CLEANUP_ERROR struct error error = {0};
	struct ui *ui = NULL;

	(void)state;
	assert_int_equal(ui_new_report(&options, "/nowhere/x.html", &ui, &error), -1);
	assert_int_equal(error.kind, ERROR_USAGE);
	assert_int_equal(ui_new_log(&options, "/nowhere/log", &ui, &error), -1);
	assert_int_equal(error.kind, ERROR_USAGE);
	assert_null(ui);
}

/* Beside a quiet interface: the file has all steps, one rollout after the other. */
static void test_log(void **state)
{
	struct ui_options options = memory_options(&out, &err);
	struct ui *ui, *log;
	char *text, *second;

	(void)state;
	options.quiet = options.color_out = true;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ui_new_plain(&options, &ui, NULL), 0);
		assert_int_equal(ui_new_log(&options, path, &log, NULL), 0);
		ui_add(ui, log);
		tell_all(ui);
		ui_free(ui);
	}
	text = content_of(path);
	assert_int_equal(strncmp(text, "== 20", 5), 0);
	assert_non_null(strstr(text, "web1.example.com: connect: ok"));
	assert_non_null(strstr(text, "  undo: shipit rollback prod"));
	second = strstr(text + 1, "== 20");
	assert_non_null(second);
	assert_non_null(strstr(second, "web1.example.com: connect: ok"));
	assert_null(strchr(text, '\033'));
	fflush(out.file);
	assert_null(strstr(out.text, "connect"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_page, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_unfinished, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_nowhere, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_log, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
