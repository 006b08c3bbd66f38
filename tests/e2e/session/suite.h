/* A program of tests against sshd: what each may leave (nothing), and their main.
 *
 *	PROGRAM [PART-OF-A-NAME]	VERBOSE=1 shows what sessions log */
#ifndef SHIPIT_TESTS_E2E_SESSION_SUITE_H
#define SHIPIT_TESTS_E2E_SESSION_SUITE_H

#include "tests/e2e/session/server.h"

/* libssh2 1.10 leaks 51 bytes with each new key exchange, 24 with each ECDSA key, and what a key
 * exchange had that broke off. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libssh2.so\nleak:CRYPTO_zalloc";
}

static UNUSED int count_entries(const char *folder)
{
	DIR *dir = opendir(folder);
	int n = 0;

	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static UNUSED int count_fds(void)
{
	return count_entries("/proc/self/fd");
}

static UNUSED int count_children(void)
{
	pid_t children[256];

	return server_children(getpid(), children, 256);
}

/* Detached threads need a moment to be gone. */
static UNUSED bool threads_become(int n)
{
	for (int i = 0; i < 200; i++) {
		if (count_entries("/proc/self/task") <= n)
			return true;
		poll(NULL, 0, 10);
	}
	return false;
}

struct held {
	int fds, threads, children;
};
static struct held before;

static int count_before(void **state)
{
	(void)state;
	before.fds = count_fds();
	before.threads = count_entries("/proc/self/task");
	before.children = count_children();
	return 0;
}

static int count_after(void **state)
{
	(void)state;
	if (threads_become(before.threads) && count_fds() == before.fds &&
	    count_children() == before.children)
		return 0;
	print_error("left: threads %d -> %d, descriptors %d -> %d, children %d -> %d\n",
	    before.threads, count_entries("/proc/self/task"), before.fds, count_fds(),
	    before.children, count_children());
	return -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, count_before, count_after)

/* `main` of such a program. */
#define SUITE(...)                                                                                 \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		const struct CMUnitTest tests[] = {__VA_ARGS__};                                   \
		char pattern[128];                                                                 \
                                                                                                   \
		if (askpass_wanted())                                                              \
			return askpass_run(argc, argv);                                            \
		snprintf(pattern, sizeof(pattern), "*%s*", argc > 1 ? argv[1] : "");               \
		cmocka_set_test_filter(pattern);                                                   \
		verbose = getenv("VERBOSE") != NULL;                                               \
		signal(SIGPIPE, SIG_IGN);                                                          \
		return cmocka_run_group_tests(tests, make_keys, remove_all);                       \
	}

#endif
