/* The live table: what it shows at which size. */
#include "tests/unit/cmd_ui_help.h"

#include "cmd/ui/color.h"
#include "cmd/ui/table.h"

static struct memory out, err;
static struct ui *ui;

static int setup(void **state)
{
	struct ui_options options;

	(void)state;
	memory_open(&out);
	memory_open(&err);
	options = memory_options(&out, &err);
	assert_int_equal(ui_new_plain(&options, &ui, NULL), 0);
	ui->options.quiet = true;
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

/* Host `i` somewhere on its way: every seventh has failed, one has gone back, sixteen work. */
static void tell_fleet(size_t n)
{
	const struct say first = {
	    .kind = EVENT_ROLLOUT, .release = "r", .text = "deploy shop.prod"};

	tell(ui, &first);
	for (size_t i = 0; i < n; i++) {
		const char *h = host_names[i];
		const struct say done[] = {
		    {STEP(100, h, STEP_CONNECT, STATE_OK)},
		    {STEP(200, h, STEP_DELIVER, STATE_START), .service = "web"},
		    {STEP(500, h, STEP_DELIVER, STATE_PROGRESS), .bytes = 1000000 * (i + 1),
			.total = 120000000},
		    {STEP(1500, h, STEP_DELIVER, STATE_PROGRESS), .bytes = 5000000 * (i + 1),
			.total = 120000000},
		    {STEP(1600, h, STEP_DELIVER, STATE_OK)},
		    {STEP(1700, h, STEP_READY, STATE_START), .service = "web", .text = "starting"},
		};
		const struct say failed = {STEP(2000, h, STEP_READY, STATE_FAILED),
		    .service = "web", .error = "exited 3\nsecond line \033[2J"};
		const struct say good = {
		    .at = 2100, .kind = EVENT_HOST, .host = h, .state = STATE_OK};
		const struct say back = {
		    .at = 2100, .kind = EVENT_HOST, .host = h, .state = STATE_REVERTED};
		size_t kind = i * 20 / n, steps = kind < 15 ? 6 : kind < 17 ? 4 : kind < 18 ? 1 : 0;

		for (size_t k = 0; k < steps; k++)
			tell(ui, &done[k]);
		if (kind < 14)
			tell(ui, i % 7 == 1 ? &failed : &good);
		if (i == 1)
			tell(ui, &back);
	}
}

static void compose(size_t columns, size_t rows, const char *name)
{
	CLEANUP_STRV struct strv lines = {0};
	CLEANUP_BUF struct buf text = BUF_INIT((size_t)1 << 20);

	assert_int_equal(table_compose(ui, 65000, columns, rows, &lines), 0);
	assert_true(lines.n < rows);
	for (size_t i = 0; i < lines.n; i++) {
		assert_true(text_width(lines.v[i]) < columns);
		assert_null(strchr(lines.v[i], '\033'));
		assert_int_equal(buf_addf(&text, "%s\n", lines.v[i]), 0);
	}
	golden_compare(name, text.data);
}

static void test_three(void **state)
{
	(void)state;
	begin(ui, 3);
	tell_story(ui);
	compose(80, 24, "table-3-80x24.txt");
	compose(40, 10, "table-3-40x10.txt");
	compose(200, 60, "table-3-200x60.txt");
}

static void test_three_at_work(void **state)
{
	const struct say laptop = {STEP(64000, NULL, STEP_IMPORT, STATE_START), .service = "web"};

	(void)state;
	begin(ui, 3);
	tell_fleet(3);
	tell(ui, &laptop);
	compose(80, 24, "table-work-80x24.txt");
}

/* Of what is taken into the store both the bytes and the speed are seen, whatever its name. */
static void test_import(void **state)
{
	const struct say import[] = {
	    {STEP(60000, NULL, STEP_IMPORT, STATE_START), .service = "web"},
	    {STEP(61000, NULL, STEP_IMPORT, STATE_PROGRESS), .bytes = 10000000, .total = 2147483648,
		.text = "importing"},
	    {STEP(63000, NULL, STEP_IMPORT, STATE_PROGRESS), .bytes = 410000000,
		.total = 2147483648, .text = "importing"},
	};
	const struct say again[] = {
	    {STEP(60000, NULL, STEP_IMPORT, STATE_START),
		.service = "a-service-whose-name-has-forty-bytes-40-"},
	    {STEP(63000, NULL, STEP_IMPORT, STATE_PROGRESS), .bytes = 410000000,
		.total = 2147483648, .text = "importing"},
	};

	(void)state;
	begin(ui, 2);
	for (size_t i = 0; i < ARRAY_SIZE(import); i++)
		tell(ui, &import[i]);
	compose(80, 24, "table-import-80x24.txt");
	for (size_t i = 0; i < ARRAY_SIZE(again); i++)
		tell(ui, &again[i]);
	compose(80, 24, "table-import-long-80x24.txt");
}

static void test_many(void **state)
{
	(void)state;
	begin(ui, 300);
	tell_fleet(300);
	compose(80, 24, "table-300-80x24.txt");
	compose(40, 10, "table-300-40x10.txt");
	compose(200, 60, "table-300-200x60.txt");
}

static void test_tiny(void **state)
{
	(void)state;
	begin(ui, 3);
	tell_story(ui);
	for (size_t columns = 0; columns < 100; columns++)
		for (size_t rows = 0; rows < 30; rows++) {
			CLEANUP_STRV struct strv lines = {0};

			assert_int_equal(table_compose(ui, 65000, columns, rows, &lines), 0);
			assert_true(lines.n == 0 || lines.n < rows);
			for (size_t i = 0; i < lines.n; i++)
				assert_true(text_width(lines.v[i]) < columns);
		}
}

static void test_width(void **state)
{
	CLEANUP_BUF struct buf text = BUF_INIT(256);

	(void)state;
	assert_int_equal(text_width("abc"), 3);
	assert_int_equal(text_width("\xc3\xa4\xe4\xb8\xad"), 3); /* a with dots, a wide character */
	assert_int_equal(text_width("e\xcc\x81"), 1);		 /* a combining accent */
	assert_int_equal(text_fit(&text, "\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad", 4, true), 0);
	assert_string_equal(text.data, "\xe4\xb8\xad~ ");
	buf_clear(&text);
	assert_int_equal(text_fit(&text, "abcdef", 4, true), 0);
	assert_string_equal(text.data, "abc~");
	buf_clear(&text);
	assert_int_equal(text_fit(&text, "abcdef", 0, true), 0);
	assert_string_equal(text.data, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_three, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_three_at_work, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_import, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_many, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_tiny, setup, teardown),
	    cmocka_unit_test(test_width),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
