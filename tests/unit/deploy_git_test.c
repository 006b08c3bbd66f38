/* What an image is said to be made from, of a real repository. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/buf.h"
#include "deploy/git.h"

static char folder[] = "/tmp/shipit-git-XXXXXX";

static void git(const char *arguments)
{
	CLEANUP_FREE char *line = string_printf("git -C %s -c user.name=ann -c "
						"user.email=ann@example.com %s >/dev/null 2>&1",
	    folder, arguments);

	assert_int_equal(system(line), 0); /* NOLINT(cert-env33-c): words of this file */
}

static void check_source(const char *remote, const char *expected)
{
	CLEANUP_FREE char *set = string_printf("remote set-url origin '%s'", remote);
	struct git_facts facts;

	git(set);
	git_look(folder, -1, &facts);
	if (expected != NULL)
		assert_string_equal(facts.source, expected);
	else
		assert_null(facts.source);
	git_facts_release(&facts);
}

/* Nobody else is to know a password, nor where things are on this machine. */
static void test_source(void **state UNUSED)
{
	check_source("https://example.com/shop.git", "https://example.com/shop.git");
	check_source("https://ann:token@example.com/shop.git", "https://example.com/shop.git");
	check_source("https://a@b:token@example.com/x@y.git", "https://example.com/x@y.git");
	check_source("ssh://git@example.com:22/shop.git", "ssh://example.com:22/shop.git");
	check_source("git@example.com:ann/shop.git", "git@example.com:ann/shop.git");
	check_source("/home/ann/shop.git", NULL);
	check_source("../shop.git", NULL);
	check_source("file:///home/ann/shop.git", NULL);
	check_source("shop.git", NULL);
}

static void test_revision(void **state UNUSED)
{
	struct git_facts facts;

	git_look(folder, -1, &facts);
	assert_int_equal(strlen(facts.revision), 40);
	assert_int_equal(facts.epoch, 1700000000);
	git_facts_release(&facts);
	git("rm -q --cached file");
	git_look(folder, -1, &facts);
	assert_string_equal(facts.revision + 40, "-dirty");
	git_facts_release(&facts);
	assert_int_equal(setenv("SOURCE_DATE_EPOCH", "5", 1), 0);
	git_look("/", -1, &facts);
	assert_null(facts.revision);
	assert_null(facts.source);
	assert_int_equal(facts.epoch, 5);
	git_facts_release(&facts);
	unsetenv("SOURCE_DATE_EPOCH");
}

static int set_up(void **state UNUSED)
{
	if (mkdtemp(folder) == NULL)
		return -1;
	setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1);
	setenv("GIT_COMMITTER_DATE", "1700000000 +0000", 1);
	git("init -q");
	git("remote add origin x");
	CLEANUP_FREE char *file = string_printf("touch %s/file", folder);
	assert_int_equal(system(file), 0); /* NOLINT(cert-env33-c) */
	git("add file");
	git("commit -q -m first");
	return 0;
}

static int tear_down(void **state UNUSED)
{
	CLEANUP_FREE char *line = string_printf("rm -rf %s", folder);

	return system(line); /* NOLINT(cert-env33-c) */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_source),
	    cmocka_unit_test(test_revision),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
