/* What is read out of a Dockerfile, and what of a folder .dockerignore leaves out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/attr.h"
#include "deploy/dockerfile.h"
#include "deploy/ignore.h"

static char *joined(const struct strv *list, char out[1024])
{
	out[0] = '\0';
	for (size_t i = 0; i < list->n; i++) {
		strcat(out, i > 0 ? " " : "");
		strcat(out, list->v[i]);
	}
	return out;
}

struct expected {
	const char *text, *bases, *sources;
	bool whole, unsure;
};

static void check(const struct expected *e, const struct pairs *args)
{
	struct dockerfile file;
	char text[1024];

	assert_int_equal(dockerfile_parse(e->text, strlen(e->text), args, &file), 0);
	assert_string_equal(joined(&file.bases, text), e->bases);
	assert_string_equal(joined(&file.sources, text), e->sources);
	assert_int_equal(file.whole_context, e->whole);
	assert_int_equal(file.unsure, e->unsure);
	dockerfile_release(&file);
}

static void test_what_it_takes(void **state UNUSED)
{
	static const struct expected cases[] = {
	    {"", "", "", false, false},
	    {"FROM scratch\nCOPY a ./b/c /x/\n", "", "a b/c", false, false},
	    {"from debian:12 as one\nFROM one\nCOPY --from=one /a /b\nCOPY --from=0 /a /b\n",
		"debian:12", "", false, false},
	    {"FROM --platform=linux/amd64 a\nCOPY --chown=1:1 --from=b:1 x y\n", "a b:1", "", false,
		false},
	    {"# FROM x\nFROM a\nRUN echo \\\n# FROM y\n\n  FROM b\n", "a", "", false, false},
	    {"FROM a\nCOPY . /x\n", "a", "", true, false},
	    {"FROM a\nCOPY src/*.c /x\n", "a", "", true, false},
	    {"FROM a\nCOPY [\"src\", \"/x\"]\n", "a", "", true, false},
	    {"FROM a\nCOPY ../up /x\n", "a", "", true, false},
	    {"FROM a\nCOPY <<END /x\n", "a", "", true, false},
	    {"FROM a\nADD http://b/c /x\n", "a", "", false, true},
	    {"FROM a\nADD one two /x\r\n", "a", "one two", false, false},
	    {"FROM a\nRUN --mount=type=cache,target=/c make\n", "a", "", false, false},
	    {"FROM a\nRUN --mount=target=/c make\n", "a", "", true, false},
	    {"FROM a\nRUN --network=none --mount=type=bind,from=b,target=/c make\n", "a b", "",
		false, false},
	    {"ARG V=1\nFROM a:$V\n", "a:1", "", false, false},
	    {"ARG V\nFROM a:${V:-2}-x\n", "a:2-x", "", false, false},
	    {"ARG V\nFROM a:${V}\n", "", "", false, true},
	    {"FROM a\nARG V=1\nFROM b:$V\n", "a", "", false, true},
	    {"ARG G=given\nFROM ${G}\n", "yes", "", false, false},
	    {"ARG V=1\nFROM a:${V:+2}\n", "", "", false, true},
	    {"ARG V=1\nFROM a:${V\n", "", "", false, true},
	    {"FROM a:$\n", "", "", false, true},
	    {"FROM\nCOPY\nADD x\nARG\nRUN\n", "", "", false, false},
	    {"# escape=`\nFROM a\n", "a", "", true, true},
	    {"# syntax=x\nFROM a\n", "a", "", false, false},
	    {"FROM a", "a", "", false, false},
	};
	struct pairs args = {0};

	pairs_set(&args, "G", "yes");
	pairs_set(&args, "V", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check(&cases[i], &args);
	pairs_release(&args);
}

static void test_epoch(void **state UNUSED)
{
	static const char text[] = "FROM a\nARG SOURCE_DATE_EPOCH=0\n";
	struct dockerfile file;
	struct pairs none = {0};

	assert_int_equal(dockerfile_parse(text, strlen(text), &none, &file), 0);
	assert_true(file.epoch);
	dockerfile_release(&file);
}

/* As moby/patternmatcher decides it. */
static void test_ignore(void **state UNUSED)
{
	static const struct {
		const char *file, *path;
		bool ignored;
	} cases[] = {
	    {"", "a", false},
	    {"# a\n\na\n", "a", true},
	    {"a", "a/b/c", true},
	    {"a", "ab", false},
	    {"a", "b/a", false},
	    {"/a/", "a/x", true},
	    {"./a", "a", true},
	    {"*", "a", true},
	    {"*.o", "x.o", true},
	    {"*.o", "d/x.o", false},
	    {"*/*.o", "d/x.o", true},
	    {"**/*.o", "x.o", true},
	    {"**/*.o", "a/b/x.o", true},
	    {"a/**", "a/b", true},
	    {"a/**", "b/a", false},
	    {"**/a/b", "x/a/b/c", true},
	    {"a?c", "abc", true},
	    {"a?c", "a/c", false},
	    {"[a-c]x", "bx", true},
	    {"[^a-c]x", "bx", false},
	    {"[^a-c]x", "dx", true},
	    {"^x", "^x", true},
	    {"\\*", "*", true},
	    {"\\*", "a", false},
	    {"*\n!keep", "keep", false},
	    {"*\n!keep", "keep/x", false},
	    {"*\n!keep\nkeep/not", "keep/not", true},
	    {"!a\na", "a", true},
	    {"a\n!a/b", "a/b", false},
	    {"a\n!a/b", "a/c", true},
	    {"  spaces  \r\n", "spaces", true},
	    {"!", "a", false},
	    {"[", "[", true},
	    {"a*a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ignore ignore;

		assert_int_equal(ignore_parse(cases[i].file, strlen(cases[i].file), &ignore), 0);
		if (ignore_has(&ignore, cases[i].path) != cases[i].ignored)
			fail_msg("\"%s\" and %s", cases[i].file, cases[i].path);
		ignore_release(&ignore);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_it_takes),
	    cmocka_unit_test(test_epoch),
	    cmocka_unit_test(test_ignore),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
