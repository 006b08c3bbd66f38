/* Known, unknown, changed and revoked host keys. */
#include "tests/e2e/session/suite.h"

static void set_known_hosts(const struct server *server, const char *format, ...)
{
	char path[256], text[SMALL];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(path, sizeof(path), "%s/known_hosts", server->dir);
	write_file(path, text);
}

static void public_key(const char *name, char out[SMALL])
{
	char path[256];
	char *text;

	snprintf(path, sizeof(path), "%s/%s.pub", top, name);
	text = slurp(path);
	snprintf(out, SMALL, "%s", text);
	*strrchr(out, ' ') = '\0';
	free(text);
}

static void expect_no_login(const struct server *server)
{
	char *log = server_log(server);

	assert_null(strstr(log, "userauth-request"));
	free(log);
}

static void test_hostkey_refused(void **state)
{
	struct server server;
	struct session_target target;
	char good[SMALL], bad[SMALL], ecdsa[SMALL], pin[SMALL];

	(void)state;
	server_start(&server, "");
	target = target_of(&server);
	public_key("host_ed25519", good);
	public_key("id_ed25519", bad);
	public_key("host_ecdsa", ecdsa);
	set_known_hosts(&server, "# nothing\n");
	REFUSED(&target, ERROR_HOST_KEY, "not known", "SHA256:", "ssh-ed25519", "host_key:");
	set_known_hosts(&server, "[127.0.0.1]:%d %s\n", server.port, bad);
	REFUSED(&target, ERROR_HOST_KEY, "CHANGED",
	    by_openssh() ? "Offending" : "known is ssh-ed25519 SHA256:", "ssh-keygen -R");
	/* accept_new is for unknown keys only. */
	target.accept_new = true;
	REFUSED(&target, ERROR_HOST_KEY, "CHANGED");
	set_known_hosts(&server, "@revoked * %s\n[127.0.0.1]:%d %s\n", good, server.port, good);
	REFUSED(&target, ERROR_HOST_KEY, "revoked");
	set_known_hosts(
	    &server, "[127.0.0.1]:%d,!127.0.0.9 ssh-rsa AAAAB3NzaC1yc2EAAAABAw==\n", server.port);
	REFUSED(&target, ERROR_HOST_KEY, by_openssh() ? "not known" : "another type",
	    by_openssh() ? "" : "ssh-rsa");
	target.accept_new = false;
	set_known_hosts(&server, "@cert-authority * %s\n", good);
	REFUSED(&target, ERROR_HOST_KEY, "not known", by_openssh() ? "" : "authority");
	set_known_hosts(&server, "[127.0.0.1]:%d %s\n", server.port, good);
	target.host_key = bad;
	REFUSED(&target, ERROR_HOST_KEY, "CHANGED", "the inventory");
	snprintf(pin, sizeof(pin), "ssh-ed25519 AAAA!!");
	target.host_key = pin;
	REFUSED(&target, ERROR_INVENTORY, "TYPE BASE64");
	expect_no_login(&server);
	server_stop(&server);
}

static void test_hostkey_known(void **state)
{
	struct server server;
	struct session_target target;
	char ed25519[SMALL], ecdsa[SMALL], other[SMALL];

	(void)state;
	server_start(&server, "");
	target = target_of(&server);
	public_key("host_ed25519", ed25519);
	public_key("host_ecdsa", ecdsa);
	public_key("id_ed25519", other);
	/* Only the ecdsa key is known: it must be asked for. */
	set_known_hosts(&server, "[127.0.0.1]:%d %s\n", server.port, ecdsa);
	expect_login(&target);
	set_known_hosts(&server, "nonsense\n[127.0.*]:* %s\n", ed25519);
	expect_login(&target);
	set_known_hosts(&server, "127.0.0.1 %s\n", ed25519);
	expect_login(&target);
	runf("ssh-keygen -q -H -f %s/known_hosts >/dev/null 2>&1", server.dir);
	expect_login(&target);
	set_known_hosts(&server, "[127.0.0.1]:%d %s\n[127.0.0.1]:%d %s\n", server.port, other,
	    server.port, ed25519);
	expect_login(&target);
	set_known_hosts(&server, "[127.0.0.1]:%d %s\n", server.port, other);
	target.host_key = ed25519;
	expect_login(&target);
	target.host_key = ecdsa;
	expect_login(&target);
	server_stop(&server);
}

static void test_hostkey_accept_new(void **state)
{
	struct server server;
	struct session_target target;
	char path[256], expected[SMALL + 64], key[SMALL];
	char *text;

	(void)state;
	server_start(&server, "");
	target = target_of(&server);
	target.accept_new = true;
	/* Without a newline, which ssh 9.2 does not mind, and then does not find what it wrote. */
	set_known_hosts(&server, "other.example ssh-ed25519 AAAA");
	if (by_openssh())
		runf("echo >> %s/known_hosts", server.dir);
	expect_login(&target);
	target.accept_new = false;
	expect_login(&target);
	snprintf(path, sizeof(path), "%s/known_hosts", server.dir);
	public_key("host_ed25519", key);
	snprintf(expected, sizeof(expected), "other.example ssh-ed25519 AAAA\n[127.0.0.1]:%d %s\n",
	    server.port, key);
	text = slurp(path);
	assert_string_equal(text, expected);
	free(text);
	/* Hashed where ssh would hash, into a folder that is not there yet. */
	runf("cd %s && sed -i 's/^HashKnownHosts.*/HashKnownHosts yes/; "
	     "s|^UserKnownHostsFile.*|UserKnownHostsFile %s/new/known_hosts|' ssh_config && "
	     "echo 'StrictHostKeyChecking accept-new' >> ssh_config",
	    server.dir, server.dir);
	if (by_openssh()) /* which makes no folder */
		runf("mkdir %s/new", server.dir);
	expect_login(&target);
	expect_login(&target);
	snprintf(path, sizeof(path), "%s/new/known_hosts", server.dir);
	text = slurp(path);
	assert_memory_equal(text, "|1|", 3);
	assert_ptr_equal(strchr(text, '\n') + 1, text + strlen(text));
	free(text);
	server_stop(&server);
}

SUITE(TEST(test_hostkey_refused), TEST(test_hostkey_known), TEST(test_hostkey_accept_new))
