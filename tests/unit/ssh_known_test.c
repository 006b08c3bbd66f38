/* Decisions about host keys: what ssh-keygen prints, and what follows from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "transport/ssh/libssh2/hostkey.h"

#define ED "ssh-ed25519"
#define EC "ecdsa-sha2-nistp256"

struct row {
	const char *name;
	const char *lines; /* for our name and port */
	const char *bare;  /* for the name alone */
	const char *type, *base64;
	enum hostkey_verdict verdict;
};

static const struct row rows[] = {
    {"nothing", "", "", ED, "AAAA", HOSTKEY_UNKNOWN},
    {"known", "h ssh-ed25519 AAAA\n", "", ED, "AAAA", HOSTKEY_GOOD},
    {"known with comment", "h ssh-ed25519 AAAA me@here\n", "", ED, "AAAA", HOSTKEY_GOOD},
    {"changed", "h ssh-ed25519 BBBB\n", "", ED, "AAAA", HOSTKEY_CHANGED},
    {"one of two", "h ssh-ed25519 BBBB\nh ssh-ed25519 AAAA\n", "", ED, "AAAA", HOSTKEY_GOOD},
    {"other type", "h ssh-rsa BBBB\n", "", ED, "AAAA", HOSTKEY_OTHER_TYPE},
    {"other type and changed", "h ssh-ed25519 BBBB\nh ssh-rsa CCCC\n", "", ED, "AAAA",
	HOSTKEY_CHANGED},
    {"revoked", "@revoked * ssh-ed25519 AAAA\n", "", ED, "AAAA", HOSTKEY_REVOKED},
    {"known, then revoked", "h ssh-ed25519 AAAA\n@revoked * ssh-ed25519 AAAA\n", "", ED, "AAAA",
	HOSTKEY_REVOKED},
    {"another key revoked", "h ssh-ed25519 AAAA\n@revoked * ssh-ed25519 BBBB\n", "", ED, "AAAA",
	HOSTKEY_GOOD},
    {"only another key revoked", "@revoked * ssh-ed25519 BBBB\n", "", ED, "AAAA", HOSTKEY_UNKNOWN},
    {"an authority is no key", "@cert-authority * ssh-ed25519 AAAA\n", "", ED, "AAAA",
	HOSTKEY_UNKNOWN},
    {"the name alone", "", "h ssh-ed25519 AAAA\n", ED, "AAAA", HOSTKEY_GOOD},
    {"another key for the name alone", "", "h ssh-ed25519 BBBB\n", ED, "AAAA", HOSTKEY_UNKNOWN},
    {"revoked for the name alone", "", "@revoked h ssh-ed25519 AAAA\n", ED, "AAAA",
	HOSTKEY_REVOKED},
    {"a mark that nobody knows", "@new h ssh-ed25519 AAAA\n", "", ED, "AAAA", HOSTKEY_UNKNOWN},
    {"comments and broken lines", "# Host h found: line 1\nh\nh ssh-ed25519\n@revoked\n \n", "", ED,
	"AAAA", HOSTKEY_UNKNOWN},
    {"same bytes, other type", "h ecdsa-sha2-nistp256 AAAA\n", "", ED, "AAAA", HOSTKEY_OTHER_TYPE},
};

static void test_judge(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct known_keys keys = {0};
		const struct known_key *known;

		assert_int_equal(known_parse(&keys, rows[i].lines, "a", false, NULL), 0);
		assert_int_equal(known_parse(&keys, rows[i].bare, "b", true, NULL), 0);
		if (hostkey_judge(&keys, rows[i].type, rows[i].base64, &known) != rows[i].verdict)
			fail_msg("%s", rows[i].name);
		assert_int_equal(known == NULL, rows[i].verdict == HOSTKEY_UNKNOWN);
		known_release(&keys);
	}
}

static void test_types(void **state)
{
	struct known_keys keys = {0};
	char *types = hostkey_types(&keys);

	(void)state;
	assert_memory_equal(types, "ssh-ed25519,", 12);
	free(types);
	known_parse(&keys, "h " EC " AAAA\n@revoked h ssh-ed25519 BBBB\n", "a", false, NULL);
	types = hostkey_types(&keys);
	assert_memory_equal(types, EC ",ssh-ed25519,", 32);
	free(types);
	known_release(&keys);
	known_parse(&keys, "h ssh-rsa AAAA\n", "a", false, NULL);
	types = hostkey_types(&keys);
	assert_memory_equal(types, "rsa-sha2-512,rsa-sha2-256,ssh-rsa,ssh-ed25519", 45);
	free(types);
	known_release(&keys);
}

/* The fingerprint is what `ssh-keygen -l` shows for this key. */
static const char key[] = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
static const char print[] = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU";

static void test_fingerprint(void **state)
{
	char out[HOSTKEY_PRINT_SIZE];

	(void)state;
	hostkey_print(key, out);
	assert_string_equal(out, print);
	hostkey_print("", out);
	assert_string_equal(out, "?");
	hostkey_print("no base64!", out);
	assert_string_equal(out, "?");
	hostkey_print("====", out);
	assert_string_equal(out, "?");
}

static void test_pin(void **state)
{
	static const char *const bad[] = {"", "ssh-ed25519", "ssh-ed25519 ???", "AAAA"};
	struct known_keys keys = {0};
	char line[256];

	(void)state;
	snprintf(line, sizeof(line), "ssh-ed25519 %s me@here", key);
	assert_int_equal(hostkey_pin(&keys, line, NULL), 0);
	assert_string_equal(keys.v[0].type, ED);
	assert_string_equal(keys.v[0].base64, key);
	known_release(&keys);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(hostkey_pin(&keys, bad[i], NULL), -1);
		known_release(&keys);
	}
}

static void expect_name(const char *host, int port, const char *alias, const char *want)
{
	struct ssh_config config = {.host_name = (char *)(uintptr_t)host,
	    .port = port,
	    .host_key_alias = (char *)(uintptr_t)alias};
	char *name = known_name(&config);

	assert_string_equal(name, want);
	free(name);
}

static void test_name(void **state)
{
	(void)state;
	expect_name("Web1.Example", 22, NULL, "web1.example");
	expect_name("Web1.Example", 2222, NULL, "[web1.example]:2222");
	expect_name("::1", 2222, NULL, "[::1]:2222");
	expect_name("10.0.0.9", 2222, "Fleet", "Fleet");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_judge),
	    cmocka_unit_test(test_types), cmocka_unit_test(test_fingerprint),
	    cmocka_unit_test(test_pin), cmocka_unit_test(test_name)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
