/* What in ssh's configuration, and in the keys that it names, is left to the system's ssh. */
#include "tests/unit/base_check.h"

#include <libssh2.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "transport/ssh/choice.h"
#include "transport/ssh/wire.h"

static char folder[] = "/tmp/shipit-choice.XXXXXX";

/* NAME.pub, as it lies there when an agent or a token has the rest. */
static void write_public(const char *name, const char *type)
{
	CLEANUP_BUF struct buf blob = BUF_INIT(1024);
	CLEANUP_FREE char *path = string_printf("%s/%s.pub", folder, name);
	unsigned char text[2048];
	FILE *file = fopen(path, "w");

	assert_int_equal(wire_add_string(&blob, type, strlen(type)), 0);
	assert_int_equal(wire_add_string(&blob, "the rest of it", 14), 0);
	EVP_EncodeBlock(text, (const unsigned char *)blob.data, (int)blob.len);
	assert_non_null(file);
	fprintf(file, "%s %s me\n", type, (char *)text);
	assert_int_equal(fclose(file), 0);
}

static int make_keys(void **state UNUSED)
{
	assert_non_null(mkdtemp(folder));
	write_public("ed", "ssh-ed25519");
	write_public("rsa", "ssh-rsa");
	write_public("sk-ed", "sk-ssh-ed25519@openssh.com");
	write_public("sk-ec", "sk-ecdsa-sha2-nistp256@openssh.com");
	write_public("signed", "ssh-ed25519");
	write_public("signed-cert", "ssh-ed25519-cert-v01@openssh.com");
	return 0;
}

static int remove_keys(void **state UNUSED)
{
	static const char *const names[] = {"ed", "rsa", "sk-ed", "sk-ec", "signed", "signed-cert"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		CLEANUP_FREE char *path = string_printf("%s/%s.pub", folder, names[i]);

		unlink(path);
	}
	return rmdir(folder);
}

/* `keys`: names with a space between; `lines`: as `ssh -G` prints them. */
static void expect(const char *keys, const char *lines, const char *words)
{
	CLEANUP_STRV struct strv names = {0};
	CLEANUP_FREE char *reason = NULL;
	struct ssh_config config;

	unsetenv("SSH_AUTH_SOCK");
	assert_int_equal(strv_split(&names, keys, " "), 0);
	assert_int_equal(ssh_config_defaults(&config, "web1", NULL), 0);
	assert_int_equal(ssh_config_parse(&config, lines, NULL), 0);
	for (size_t i = 0; i < names.n; i++)
		strv_addf(&config.identity_files, "%s/%s", folder, names.v[i]);
	assert_int_equal(choice_reason(&config, &reason, NULL), 0);
	ssh_config_release(&config);
	if (words == NULL)
		assert_null(reason);
	else if (reason == NULL || strstr(reason, words) == NULL)
		fail_msg("%s, %s: %s", keys, lines, reason != NULL ? reason : "libssh2");
}

static void keys_decide(void **state UNUSED)
{
	const char *rsa = LIBSSH2_VERSION_NUM < 0x010b00 ? "only RSA keys" : NULL;

	expect("ed", "", NULL);
	expect("none", "", NULL);
	expect("", "", NULL);
	expect("rsa", "", rsa);
	expect("rsa none", "", rsa);
	expect("rsa ed", "", NULL);
	expect("rsa", "identityagent /run/agent", NULL); /* it signs them well */
	expect("ed sk-ed", "", "sk-ed is a FIDO key");
	expect("sk-ec", "identityagent /run/agent", "sk-ec is a FIDO key");
	expect("signed", "", "signed has a certificate");
}

static void settings_decide(void **state UNUSED)
{
	static const struct {
		const char *line, *words;
	} rows[] = {{"certificatefile /c", "CertificateFile"}, {"pkcs11provider /p", "PKCS11"},
	    {"pkcs11provider none", NULL}, {"knownhostscommand /k", "KnownHostsCommand"},
	    {"revokedhostkeys /r", "RevokedHostKeys"}, {"revokedhostkeys none", NULL},
	    {"ciphers aes128-ctr", NULL}, {"proxyjump a", NULL}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		expect("ed", rows[i].line, rows[i].words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_decide), cmocka_unit_test(settings_decide)};

	return cmocka_run_group_tests(tests, make_keys, remove_keys);
}
