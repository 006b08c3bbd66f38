/* The screen's bytes, put through a small terminal: whatever came before, the table stands at the
 * bottom, what was said once above it, and nothing else is left. */
#include "tests/unit/cmd_ui_help.h"

#include "cmd/ui/color.h"
#include "cmd/ui/table.h"

enum { COLUMNS = 80, ROWS = 24, PAPER = 2000 };

/* Lines from the first one ever; the window on them does not matter, as nothing may scroll back
 * further than its height. One byte a column: the tests keep to ASCII. */
struct terminal {
	char cell[PAPER][COLUMNS + 1];
	size_t row, column, lowest, writes_beyond;
};

static struct terminal terminal;

static size_t number(const char **at)
{
	size_t n = 0;

	while (**at >= '0' && **at <= '9')
		n = n * 10 + (size_t)(*(*at)++ - '0');
	return n;
}

static void clear_from(struct terminal *t, size_t row, size_t column)
{
	t->cell[row][column] = '\0';
}

static const char *escape(struct terminal *t, const char *at)
{
	size_t n;

	assert_int_equal(at[1], '[');
	at += 2;
	n = number(&at);
	switch (*at) {
	case 'A':
		assert_true(n <= t->row && n < ROWS); /* not above the window */
		t->row -= n;
		break;
	case 'K':
		clear_from(t, t->row, t->column);
		break;
	case 'J':
		clear_from(t, t->row, t->column);
		for (size_t row = t->row + 1; row <= t->lowest; row++)
			clear_from(t, row, 0);
		break;
	case 'm':
		break;
	default:
		fail_msg("an escape sequence that nobody expects: %c", *at);
	}
	return at + 1;
}

static void put(struct terminal *t, char c)
{
	size_t len = strlen(t->cell[t->row]);

	if (t->column == COLUMNS) {
		t->row++;
		t->column = 0;
		len = strlen(t->cell[t->row]);
	}
	while (len < t->column)
		t->cell[t->row][len++] = ' ';
	if (len == t->column)
		t->cell[t->row][len + 1] = '\0';
	t->cell[t->row][t->column++] = c;
}

static void feed(struct terminal *t, const char *at, size_t len)
{
	const char *end = at + len;

	while (at < end) {
		if (*at == '\033') {
			at = escape(t, at);
			continue;
		}
		if (*at == '\r')
			t->column = 0;
		else if (*at == '\n')
			t->row++, t->column = 0;
		else
			put(t, *at);
		at++;
		assert_true(t->row < PAPER);
		if (t->row > t->lowest)
			t->lowest = t->row;
	}
}

static struct memory out, err;
static struct ui *ui;
static size_t fed;

static int setup(void **state)
{
	struct ui_options options;

	(void)state;
	setenv("TZ", "UTC", 1);
	memset(&terminal, 0, sizeof(terminal));
	fed = 0;
	memory_open(&out);
	memory_open(&err);
	options = memory_options(&out, &err);
	assert_int_equal(ui_new_screen(&options, &ui, NULL), 0);
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

static size_t look(void)
{
	size_t more;

	fflush(out.file);
	more = out.len - fed;
	if (more > 0)
		feed(&terminal, out.text + fed, more);
	fed = out.len;
	return more;
}

/* The last lines of the paper are what table_compose says, and the cursor is below them. */
static void table_stands(int64_t now)
{
	CLEANUP_STRV struct strv lines = {0};

	assert_int_equal(table_compose(ui, now, COLUMNS, ROWS, &lines), 0);
	assert_int_equal(terminal.column, 0);
	assert_string_equal(terminal.cell[terminal.row], "");
	assert_true(terminal.row >= lines.n);
	for (size_t i = 0; i < lines.n; i++)
		assert_string_equal(terminal.cell[terminal.row - lines.n + i], lines.v[i]);
	for (size_t row = terminal.row; row <= terminal.lowest; row++)
		assert_string_equal(terminal.cell[row], "");
}

static void paper_is(const char *name)
{
	CLEANUP_BUF struct buf text = BUF_INIT((size_t)1 << 20);

	for (size_t row = 0; row < terminal.row; row++)
		assert_int_equal(buf_addf(&text, "%s\n", terminal.cell[row]), 0);
	golden_compare(name, text.data);
}

static void test_story(void **state)
{
	struct host_result hosts[3];
	struct rollout_result result;
	const struct ui_end end = {
	    .result = &result, .undo = "shipit rollback prod", .now_ms = 19500};

	(void)state;
	begin(ui, 3);
	ui_tick(ui, 100);
	look();
	table_stands(100);
	tell_story(ui);
	ui_tick(ui, 19450);
	look();
	table_stands(19450);
	paper_is("screen-story.txt");
	story_result(&result, hosts);
	ui_end(ui, &end);
	story_release(hosts);
	look();
	paper_is("screen-end.txt");
}

/* At every moment of a long rollout with many hosts, and lines that scroll in between. */
static void test_long(void **state)
{
	unsigned seed = 7;

	(void)state;
	begin(ui, 40);
	for (int64_t now = 100; now < 60000; now += 100) {
		for (int k = 0; k < 3; k++) {
			size_t host;
			struct say say;

			seed = seed * 1103515245 + 12345;
			host = (seed >> 16) % 40;
			say = (struct say){
			    STEP(now, host_names[host], (enum step)(STEP_CONNECT + (seed >> 8) % 8),
				(enum state)((seed >> 4) % 7)),
			    .bytes = seed % 5000000,
			    .text = (seed & 64) != 0 ? "some words about it" : NULL};
			if (seed % 11 == 0)
				say.kind = EVENT_HOST;
			if (seed % 13 == 0)
				say.kind = EVENT_NOTE;
			tell(ui, &say);
		}
		ui_tick(ui, now);
		look();
		table_stands(now);
	}
}

static void test_calm(void **state)
{
	const struct say say = {STEP(1000, host_names[0], STEP_DELIVER, STATE_START)};

	(void)state;
	begin(ui, 3);
	ui_tick(ui, 1000);
	assert_true(look() > 0);
	ui_tick(ui, 1040); /* too soon for another frame */
	assert_int_equal(look(), 0);
	ui_tick(ui, 1200); /* nothing has changed */
	assert_int_equal(look(), 0);
	tell(ui, &say);
	assert_int_equal(look(), 0);
	ui_tick(ui, 1400);
	assert_in_range(look(), 1, 250); /* two lines of six, not all of it */
	table_stands(1400);
}

static void test_pause(void **state)
{
	const struct say note = {.at = 1500, .kind = EVENT_NOTE, .text = "said meanwhile"};

	(void)state;
	begin(ui, 3);
	ui_tick(ui, 1000);
	look();
	ui->ops->pause(ui, true);
	look();
	assert_int_equal(terminal.row, 0); /* the question has the terminal for itself */
	feed(&terminal, "web1: passphrase? \n", 19);
	tell(ui, &note);
	ui_tick(ui, 2000);
	assert_int_equal(look(), 0);
	ui->ops->pause(ui, false);
	ui_tick(ui, 2100);
	look();
	table_stands(2100);
	assert_string_equal(terminal.cell[0], "web1: passphrase? ");
	assert_string_equal(terminal.cell[1], "said meanwhile");
}

static void test_hostile(void **state)
{
	const struct say note = {.at = 100,
	    .kind = EVENT_NOTE,
	    .host = host_names[0],
	    .text = "\033[2J\033]0;owned\a\xc2\x9b"
		    "31m\r\b\xff"
		    "end\ttab"};
	const struct say failed = {
	    STEP(150, host_names[0], STEP_SWAP, STATE_FAILED), .error = "\033[1A\033[2K\n\n\rgone"};

	(void)state;
	begin(ui, 3);
	tell(ui, &note);
	tell(ui, &failed);
	ui_tick(ui, 200);
	look(); /* any sequence but ours fails in the terminal */
	table_stands(200);
	paper_is("screen-hostile.txt");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_story, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_long, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_calm, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_pause, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
