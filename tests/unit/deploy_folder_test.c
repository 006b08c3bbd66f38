/* The digest of a folder: what changes it, and what does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "deploy/folder.h"

static char folder[] = "/tmp/whole.XXXXXX";

static void write_file(const char *name, const char *text)
{
	char *path = string_printf("%s/%s", folder, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	free(path);
}

static void run(const char *format)
{
	char *command = string_printf("cd %s && %s", folder, format);

	assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
	free(command);
}

static struct folder all_of_it(void)
{
	return (struct folder){.path = folder, .cancel_fd = -1};
}

static void digest_of(const struct folder *whole, char out[DIGEST_TEXT_SIZE])
{
	unsigned char raw[DIGEST_RAW_SIZE];
	struct digest *digest = NULL;

	assert_int_equal(digest_new(&digest, NULL), 0);
	assert_int_equal(folder_digest(whole, digest, NULL, NULL), 0);
	assert_int_equal(digest_so_far(digest, raw, NULL), 0);
	digest_text_of(raw, out);
	digest_free(digest);
}

static bool changes(const struct folder *whole, const char *command)
{
	char before[DIGEST_TEXT_SIZE], after[DIGEST_TEXT_SIZE];

	digest_of(whole, before);
	run(command);
	digest_of(whole, after);
	return strcmp(before, after) != 0;
}

static void test_content(void **state UNUSED)
{
	struct folder whole = all_of_it();

	assert_true(changes(&whole, "echo other >a"));
	assert_true(changes(&whole, "chmod 755 a"));
	assert_true(changes(&whole, "mv a b"));
	assert_true(changes(&whole, "mkdir more"));
	assert_true(changes(&whole, "ln -s b link"));
	assert_true(changes(&whole, "ln -sf c link"));
	assert_true(changes(&whole, "mv src/x src/xy"));
	assert_false(changes(&whole, "touch -d 2001-01-01 b src more"));
	assert_false(changes(&whole, "cp b c && rm c"));
	/* "b" with "c" in it is not "bc". */
	assert_true(changes(&whole, "printf 1 >more/1; printf 2 >more/2"));
	assert_true(changes(&whole, "printf 12 >more/1; : >more/2"));
}

static void test_only_and_without(void **state UNUSED)
{
	struct strv only = {0}, without = {0};
	struct folder whole = all_of_it();
	char *path = string_printf("%s/out", folder);

	assert_int_equal(strv_add(&only, "src"), 0);
	assert_int_equal(strv_add(&without, path), 0);
	whole.only = &only;
	assert_false(changes(&whole, "echo x >a; echo x >srcs"));
	assert_true(changes(&whole, "echo x >src/new"));
	whole.only = NULL;
	whole.without = &without;
	assert_false(changes(&whole, "mkdir out; echo x >out/x"));
	assert_true(changes(&whole, "echo x >outer"));
	strv_release(&only);
	strv_release(&without);
	free(path);
}

static void test_ignored(void **state UNUSED)
{
	static const char text[] = "*.o\nbuild\n!build/keep\n";
	struct ignore ignore;
	struct folder whole = all_of_it();

	assert_int_equal(ignore_parse(text, strlen(text), &ignore), 0);
	whole.ignore = &ignore;
	assert_false(changes(&whole, "echo x >a.o; mkdir build; echo x >build/x"));
	assert_true(changes(&whole, "echo x >build/keep"));
	ignore_release(&ignore);
}

static void test_refusals(void **state UNUSED)
{
	struct folder whole = all_of_it();
	struct digest *digest = NULL;
	struct error err = {0};
	size_t files = 7;

	whole.path = "/nowhere/at/all";
	assert_int_equal(digest_new(&digest, NULL), 0);
	assert_int_equal(folder_digest(&whole, digest, &files, &err), 0);
	assert_int_equal(files, 0);
	whole.path = folder;
	run("d=deep; for i in 1 2 3 4 5 6 7 8; do d=$d/$d; done; mkdir -p $d");
	assert_int_equal(folder_digest(&whole, digest, &files, &err), -1);
	assert_non_null(strstr(error_text(&err), "folders deep"));
	error_release(&err);
	run("rm -r deep; mkfifo pipe");
	assert_int_equal(folder_digest(&whole, digest, &files, &err), 0);
	digest_free(digest);
}

static int set_up(void **state UNUSED)
{
	strcpy(folder, "/tmp/whole.XXXXXX");
	assert_non_null(mkdtemp(folder));
	run("mkdir src");
	write_file("a", "one\n");
	write_file("src/x", "x\n");
	return 0;
}

static int tear_down(void **state UNUSED)
{
	run("rm -rf \"$PWD\"");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_content, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_only_and_without, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_ignored, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
