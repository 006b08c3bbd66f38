/* tests/unit/golden/mistakes.txt: what people get wrong, one thing in each file, and all that
 * `shipit check --offline` says about it. Somebody who has never seen the manual has to know from
 * that what to write. GOLDEN_UPDATE=1 writes what is, to be read by somebody before it is
 * committed. Runs from the top of the repository.
 *
 * A case begins with "#### NAME", then comes the file, then "#### is answered with". */
#include "tests/unit/cmd_golden.h"

#include "cmd/complain.h"
#include "cmd/ui/color.h"
#include "tests/unit/inventory_fake.h"

static const char golden[] = "tests/unit/golden/mistakes.txt";
static const char begins[] = "#### ", answered[] = "#### is answered with\n";
static char folder[] = "tests/unit/golden/inventory";

enum { CASES_MAX = 300, CASES_LEAST = 80, MISTAKES_LEAST = 60, COLUMNS = 80 };

struct mistake_case {
	char *name, *file, *answer;
	char *said; /* what it is answered with now */
	size_t n;   /* messages */
	bool warning;
};

struct cases {
	struct mistake_case v[CASES_MAX];
	size_t n;
};

static char *cut(const char *from, const char *to)
{
	char *text = strndup(from, (size_t)(to - from));

	assert_non_null(text);
	return text;
}

static void read_cases(char *text, struct cases *cases)
{
	char *next;

	for (char *at = strstr(text, begins); at; at = next) {
		struct mistake_case *c = &cases->v[cases->n++];
		char *file = strchr(at, '\n') + 1, *answer = strstr(file, answered);

		assert_true(cases->n <= CASES_MAX);
		assert_non_null(answer);
		next = strstr(answer + strlen(answered), "\n#### ");
		c->name = cut(at + strlen(begins), file - 1);
		c->file = cut(file, answer);
		answer += strlen(answered);
		c->answer = next ? cut(answer, next) : cut(answer, answer + strlen(answer));
		next = next ? next + 1 : NULL;
	}
}

static void show(struct mistake_case *c, const struct problems *problems, const char *label)
{
	struct memory out;

	c->n = problems->n;
	memory_open(&out);
	complain_problems(out.file, false, label, problems);
	fflush(out.file);
	c->said = strdup(out.text);
	assert_non_null(c->said);
	memory_close(&out);
}

static void answer(struct mistake_case *c)
{
	struct source source = {folder, fake_variable, fake_read_file};
	struct inventory *inv = NULL;
	struct problems problems = {0};
	struct error err = {0};
	int result = inventory_parse(
	    c->file, strlen(c->file), "shipit.yml", "/project", &source, &inv, &problems, &err);

	c->warning = result == 0;
	if (result < 0)
		show(c, &problems, "");
	else
		show(c, &inv->warnings, "warning: ");
	inventory_free(inv);
	problems_release(&problems);
	error_release(&err);
}

static void write_cases(const struct cases *cases)
{
	FILE *file = fopen(golden, "w");

	assert_non_null(file);
	for (size_t i = 0; i < cases->n; i++)
		fprintf(file, "%s%s\n%s%s%s%s", begins, cases->v[i].name, cases->v[i].file,
		    answered, cases->v[i].said, i + 1 < cases->n ? "\n" : "");
	assert_int_equal(fclose(file), 0);
}

static void load_cases(struct cases *cases)
{
	size_t len;
	char *text = NULL;

	*cases = (struct cases){0};
	assert_int_equal(
	    source_system.read_file(NULL, golden, (size_t)4 << 20, &text, &len, NULL), 0);
	read_cases(text, cases);
	free(text);
	for (size_t i = 0; i < cases->n; i++)
		answer(&cases->v[i]);
}

static void free_cases(struct cases *cases)
{
	for (size_t i = 0; i < cases->n; i++) {
		free(cases->v[i].name);
		free(cases->v[i].file);
		free(cases->v[i].answer);
		free(cases->v[i].said);
	}
}

static void test_answers(void **state UNUSED)
{
	static struct cases cases;
	int wrong = 0;

	load_cases(&cases);
	if (getenv("GOLDEN_UPDATE"))
		write_cases(&cases);
	for (size_t i = 0; i < cases.n && !getenv("GOLDEN_UPDATE"); i++)
		if (strcmp(cases.v[i].answer, cases.v[i].said) != 0) {
			print_error("%s: expected\n%sgot\n%s", cases.v[i].name, cases.v[i].answer,
			    cases.v[i].said);
			wrong++;
		}
	free_cases(&cases);
	assert_int_equal(wrong, 0);
}

/* One message for each cause, and no two of them are the same mistake. */
static void test_distinct(void **state UNUSED)
{
	static struct cases cases;
	size_t mistakes = 0;

	load_cases(&cases);
	for (size_t i = 0; i < cases.n; i++) {
		if (cases.v[i].n != 1)
			fail_msg("%s: %zu messages:\n%s", cases.v[i].name, cases.v[i].n,
			    cases.v[i].said);
		mistakes += !cases.v[i].warning;
		for (size_t k = 0; k < i; k++)
			if (strcmp(cases.v[i].said, cases.v[k].said) == 0 ||
			    strcmp(cases.v[i].name, cases.v[k].name) == 0)
				fail_msg("%s: the same as %s", cases.v[i].name, cases.v[k].name);
	}
	assert_true(cases.n >= CASES_LEAST);
	assert_true(mistakes >= MISTAKES_LEAST);
	free_cases(&cases);
}

/* Terminal columns before the character that is the `column`th. */
static size_t width_before(const char *text, int column)
{
	const char *to = text;

	for (int i = 1; i < column; i++)
		do
			to++;
		while (((unsigned char)*to & 0xc0) == 0x80);
	char *before = cut(text, to);
	size_t width = text_width(before);
	free(before);
	return width;
}

/* "shipit.yml:LINE:COLUMN: MESSAGE", the line in no more columns than a terminal has, the caret
 * below what the column means. */
static void test_shape(void **state UNUSED)
{
	static struct cases cases;

	load_cases(&cases);
	for (size_t i = 0; i < cases.n; i++) {
		const char *said = cases.v[i].said, *quote = strchr(said, '\n') + 1;
		int line, column, used = 0;

		assert_int_equal(sscanf(said, "shipit.yml:%d:%d: %n", &line, &column, &used), 2);
		assert_true(used > 0 && line > 0 && column > 0);
		if (strncmp(quote, "    ", 4) != 0)
			continue;
		const char *caret = strchr(quote, '\n') + 1;
		assert_true(caret - quote <= COLUMNS + 1);
		assert_int_equal(caret[strspn(caret, " ")], '^');
		if (quote[4] != '~')
			assert_int_equal(strspn(caret, " "), 4 + width_before(quote + 4, column));
	}
	free_cases(&cases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_distinct),
	    cmocka_unit_test(test_shape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
