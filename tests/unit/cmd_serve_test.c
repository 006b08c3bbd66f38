/* `registry serve`: where it may listen, who is let in, and a log that holds nobody up. */
#include "tests/unit/cmd_golden.h"

#include <signal.h>
#include <unistd.h>

#include "base/cancel.h"
#include "cmd/serve_address.h"
#include "cmd/serve_log.h"

static void address(const char *text, const char *expected, bool loopback)
{
	struct serve_address parsed;
	char out[SERVE_ADDRESS_SIZE];

	assert_int_equal(serve_address_parse(text, &parsed, NULL), 0);
	serve_address_format(&parsed, out);
	assert_string_equal(out, expected);
	if (parsed.loopback != loopback)
		fail_msg("%s: loopback %d", text, parsed.loopback);
}

static void test_addresses(void **state)
{
	static const char *const bad[] = {"", ":", "5000", ":5000", "127.0.0.1",
	    "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:-1", "127.0.0.1:+1", "127.0.0.1: 1",
	    "127.0.0.1:65536", "127.0.0.1:000001", "::1:5000", "[::1]", "[::1]5000", "[::1:5000",
	    "[127.0.0.1]:5000", "127.1:5000", "2130706433:5000", "0177.0.0.1:5000",
	    "example.com:5000", "localhostx:1", "[]:1", "[:1", "127.0.0.1 :1",
	    "[1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111]:1"};

	(void)state;
	address("127.0.0.1:5000", "127.0.0.1:5000", true);
	address("localhost:0", "127.0.0.1:0", true);
	address("127.255.255.254:65535", "127.255.255.254:65535", true);
	address("[::1]:5000", "[::1]:5000", true);
	address("[0:0::0:1]:1", "[0:0::0:1]:1", true);
	address("[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:1", true);
	address("[::ffff:10.0.0.1]:1", "[::ffff:10.0.0.1]:1", false);
	address("[::ffff:0.0.0.0]:1", "[::ffff:0.0.0.0]:1", false);
	address("[::127.0.0.1]:1", "[::127.0.0.1]:1", false);
	address("0.0.0.0:5000", "0.0.0.0:5000", false);
	address("[::]:5000", "[::]:5000", false);
	address("128.0.0.1:1", "128.0.0.1:1", false);
	address("10.0.0.127:1", "10.0.0.127:1", false);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CLEANUP_ERROR struct error err = {0};
		struct serve_address parsed;

		if (serve_address_parse(bad[i], &parsed, &err) == 0)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_int_equal(err.kind, ERROR_USAGE);
	}
}

static void test_accounts(void **state)
{
	static const char *const bad[] = {
	    "", ":", "ann", "ann:", ":secret", "ann:sec\nret", "a\tb:c"};
	struct serve_account account;

	(void)state;
	assert_int_equal(serve_account_parse("ann:se:cret", &account, NULL), 0);
	assert_string_equal(account.user, "ann");
	assert_string_equal(account.password, "se:cret");
	serve_account_release(&account);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CLEANUP_ERROR struct error err = {0};

		assert_int_equal(serve_account_parse(bad[i], &account, &err), -1);
		assert_int_equal(err.kind, ERROR_USAGE);
		assert_null(strstr(error_text(&err), "sec"));
	}
}

/* A log, who reads it, and who ends it. */
static struct serve_log log_;
static struct cancel cancel;
static int reader[2];

static int setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(serve_log_init(&log_, NULL), 0);
	assert_int_equal(cancel_init(&cancel, NULL), 0);
	assert_int_equal(pipe(reader), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	serve_log_release(&log_);
	cancel_release(&cancel);
	for (size_t i = 0; i < 2; i++)
		if (reader[i] >= 0)
			close(reader[i]);
	return 0;
}

static void *run_log(void *context)
{
	(void)context;
	assert_int_equal(serve_log_run(&log_, reader[1], cancel.fd, NULL), 0);
	return NULL;
}

/* Everything that several threads say arrives, each line whole. */
static void *say_lines(void *context)
{
	for (int i = 0; i < 1000; i++) {
		char line[64];
		int len = snprintf(line, sizeof(line), "%d %d\n", *(int *)context, i);

		serve_log_add(&log_, line, (size_t)len);
	}
	return NULL;
}

static void test_log_arrives(void **state)
{
	enum { SPEAKERS = 4 };
	pthread_t threads[SPEAKERS], writer;
	int names[SPEAKERS], next[SPEAKERS] = {0};
	char line[64];
	FILE *in = fdopen(reader[0], "r");

	(void)state;
	assert_non_null(in);
	assert_int_equal(pthread_create(&writer, NULL, run_log, NULL), 0);
	for (int i = 0; i < SPEAKERS; i++) {
		names[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, say_lines, &names[i]), 0);
	}
	for (int n = 0; n < SPEAKERS * 1000; n++) {
		int who, which;

		assert_non_null(fgets(line, sizeof(line), in));
		assert_int_equal(sscanf(line, "%d %d", &who, &which), 2);
		assert_in_range(who, 0, SPEAKERS - 1);
		assert_int_equal(which, next[who]++);
	}
	cancel_fire(&cancel);
	for (int i = 0; i < SPEAKERS; i++)
		pthread_join(threads[i], NULL);
	pthread_join(writer, NULL);
	fclose(in);
	reader[0] = -1;
	assert_true(serve_log_lost(&log_) == 0);
}

/* Nobody reads: what is said is bounded, and the end comes all the same. */
static void test_log_is_bounded(void **state)
{
	enum { LINE = 1000, LINES = 4000 };
	char line[LINE];
	pthread_t writer;

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	line[LINE - 1] = '\n';
	assert_int_equal(pthread_create(&writer, NULL, run_log, NULL), 0);
	for (int i = 0; i < LINES; i++)
		serve_log_add(&log_, line, LINE);
	assert_true(serve_log_lost(&log_) > 0);
	cancel_fire(&cancel);
	pthread_join(writer, NULL);
	serve_log_flush(&log_, reader[1]);
}

/* `| head`: the reader is gone, also while nothing is said. */
static void test_log_ends_with_its_reader(void **state)
{
	pthread_t writer;

	(void)state;
	assert_int_equal(pthread_create(&writer, NULL, run_log, NULL), 0);
	close(reader[0]);
	reader[0] = -1;
	pthread_join(writer, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_addresses),
	    cmocka_unit_test(test_accounts),
	    cmocka_unit_test_setup_teardown(test_log_arrives, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_log_is_bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_log_ends_with_its_reader, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
