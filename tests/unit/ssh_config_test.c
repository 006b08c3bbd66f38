/* What `ssh -G` prints, and the tokens in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/ssh/config.h"
#include "transport/ssh/tokens.h"

static struct ssh_config config;

static int set_up(void **state)
{
	(void)state;
	setenv("SSH_AUTH_SOCK", "/run/agent", 1);
	return ssh_config_defaults(&config, "web1", NULL);
}

static int tear_down(void **state)
{
	(void)state;
	ssh_config_release(&config);
	return 0;
}

static void test_defaults(void **state)
{
	(void)state;
	assert_string_equal(config.host_name, "web1");
	assert_int_equal(config.port, 22);
	assert_string_equal(config.agent, "/run/agent");
	assert_int_equal(config.identity_files.n, 3);
	assert_false(config.accept_new);
	assert_null(config.proxy_command);
}

static void test_parse(void **state)
{
	(void)state;
	assert_int_equal(ssh_config_parse(&config,
			     "host web1\nuser deploy\nhostname 10.0.0.9\nport 2222\n"
			     "addressfamily inet6\nidentitiesonly yes\nidentityfile ~/.ssh/a b\n"
			     "identityfile /k/two\nidentityagent /run/other\n"
			     "userknownhostsfile /a /b\nglobalknownhostsfile none\n"
			     "hostkeyalias fleet\nstricthostkeychecking accept-new\n"
			     "hashknownhosts yes\nconnecttimeout 7\nproxyjump a,b\n"
			     "proxycommand none\nunknownoption whatever\nlonely\n\n",
			     NULL),
	    0);
	assert_string_equal(config.user, "deploy");
	assert_string_equal(config.host_name, "10.0.0.9");
	assert_int_equal(config.port, 2222);
	assert_int_equal(config.family, AF_INET6);
	assert_true(config.identities_only);
	assert_int_equal(config.identity_files.n, 2);
	assert_string_equal(config.identity_files.v[0], "~/.ssh/a b");
	assert_string_equal(config.agent, "/run/other");
	assert_int_equal(config.user_known_hosts.n, 2);
	assert_int_equal(config.global_known_hosts.n, 0);
	assert_string_equal(config.host_key_alias, "fleet");
	assert_true(config.accept_new);
	assert_true(config.hash_known_hosts);
	assert_int_equal(config.connect_timeout_ms, 7000);
	assert_string_equal(config.proxy_jump, "a,b");
	assert_null(config.proxy_command);
}

static void test_strictness(void **state)
{
	static const struct {
		const char *line;
		bool accept_new;
	} rows[] = {{"stricthostkeychecking ask", false}, {"stricthostkeychecking true", false},
	    {"stricthostkeychecking false", true}, {"stricthostkeychecking no", true},
	    {"stricthostkeychecking off", true}, {"stricthostkeychecking accept-new", true},
	    {"stricthostkeychecking yes", false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(ssh_config_parse(&config, rows[i].line, NULL), 0);
		assert_int_equal(config.accept_new, rows[i].accept_new);
	}
}

static void test_nonsense(void **state)
{
	(void)state;
	assert_int_equal(
	    ssh_config_parse(
		&config, "port 99999\nport x\nconnecttimeout none\nport -1\n \n\r\nuser\n", NULL),
	    0);
	assert_int_equal(config.port, 22);
	assert_int_equal(config.connect_timeout_ms, 0);
}

static void test_agent(void **state)
{
	static const struct {
		const char *line, *agent;
	} rows[] = {{"identityagent none", NULL}, {"identityagent SSH_AUTH_SOCK", "/run/agent"},
	    {"identityagent $MY_AGENT", "/run/mine"}, {"identityagent $NO_AGENT", NULL},
	    {"identityagent ${MY_AGENT}", "/run/mine"}, {"identityagent %d/x", NULL}};

	(void)state;
	setenv("MY_AGENT", "/run/mine", 1);
	unsetenv("NO_AGENT");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(ssh_config_parse(&config, rows[i].line, NULL), 0);
		assert_int_equal(ssh_config_expand(&config, NULL), 0);
		if (i + 1 == ARRAY_SIZE(rows))
			assert_int_equal(config.agent[0], '/');
		else if (rows[i].agent == NULL)
			assert_null(config.agent);
		else
			assert_string_equal(config.agent, rows[i].agent);
	}
}

static void expect_tokens(
    char *(*expand)(const char *, const struct ssh_config *), const char *text, const char *want)
{
	char *got = expand(text, &config);

	assert_string_equal(got, want);
	free(got);
}

static void test_tokens(void **state)
{
	char *home = tokens_home(NULL), *user = tokens_user();
	char want[512], uid[32];

	(void)state;
	config.port = 2222;
	free(config.user);
	config.user = strdup("deploy");
	expect_tokens(tokens_expand, "nc %h %p %r %n %% %z %", "nc web1 2222 deploy web1 % %z %");
	expect_tokens(tokens_expand, "%k", "web1");
	expect_tokens(tokens_expand, "${HOME}~", "${HOME}~");
	snprintf(uid, sizeof(uid), "%ld", (long)getuid());
	expect_tokens(tokens_expand, "%i", uid);
	expect_tokens(tokens_expand, "%u", user);
	snprintf(want, sizeof(want), "%s/.ssh/id_%s", home, "web1");
	expect_tokens(tokens_expand_path, "~/.ssh/id_%n", want);
	expect_tokens(tokens_expand_path, "%d/.ssh/id_%n", want);
	expect_tokens(tokens_expand_path, "/a~b", "/a~b");
	setenv("PLACE", "there", 1);
	expect_tokens(tokens_expand_path, "/${PLACE}/x$y${NOT_CLOSED", "/there/x$y${NOT_CLOSED");
	snprintf(want, sizeof(want), "%s", home);
	expect_tokens(tokens_expand_path, "~", want);
	free(home);
	free(user);
}

/* The one that logins are counted for. */
static void test_first_machine(void **state)
{
	static const struct {
		const char *lines, *first;
	} rows[] = {{"hostname 10.0.0.9\nport 2222", "10.0.0.9:2222"},
	    {"proxyjump me@jump:23,inner", "me@jump:23"}, {"proxyjump jump", "jump"},
	    {"proxycommand ssh -W %h:%p jump", "ssh -W %h:%p jump"}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ssh_config_release(&config);
		assert_int_equal(ssh_config_defaults(&config, "web1", NULL), 0);
		assert_int_equal(ssh_config_parse(&config, rows[i].lines, NULL), 0);
		assert_int_equal(ssh_config_expand(&config, NULL), 0);
		assert_string_equal(config.first_machine, rows[i].first);
	}
}

/* What is allowed goes to the transport. */
static void test_algorithms(void **state)
{
	(void)state;
	assert_null(config.macs);
	assert_int_equal(ssh_config_parse(&config,
			     "ciphers aes256-ctr\nmacs hmac-sha2-512\n"
			     "kexalgorithms curve25519-sha256\nhostkeyalgorithms ssh-ed25519\n"
			     "bindaddress 10.0.0.1\n",
			     NULL),
	    0);
	assert_string_equal(config.ciphers, "aes256-ctr");
	assert_string_equal(config.macs, "hmac-sha2-512");
	assert_string_equal(config.key_exchanges, "curve25519-sha256");
	assert_string_equal(config.host_key_types, "ssh-ed25519");
	assert_string_equal(config.bind_address, "10.0.0.1");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_defaults), TEST(test_parse),
	    TEST(test_strictness), TEST(test_nonsense), TEST(test_agent), TEST(test_tokens),
	    TEST(test_first_machine), TEST(test_algorithms)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
