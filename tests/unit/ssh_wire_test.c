/* SSH's strings and numbers, key files, and an agent that says anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "transport/ssh/libssh2/agent.h"
#include "transport/ssh/keyfile.h"
#include "transport/ssh/wire.h"

static void test_wire(void **state)
{
	struct buf buf = BUF_INIT(64);
	struct wire wire;
	size_t len;

	(void)state;
	assert_int_equal(wire_add_u8(&buf, 200), 0);
	assert_int_equal(wire_add_u32(&buf, 0xfedcba98U), 0);
	assert_int_equal(wire_add_string(&buf, "abc", 3), 0);
	assert_memory_equal(buf.data, "\xc8\xfe\xdc\xba\x98\0\0\0\3abc", 12);
	wire = (struct wire){.data = (unsigned char *)buf.data, .len = buf.len};
	assert_int_equal(wire_u8(&wire), 200);
	assert_int_equal(wire_u32(&wire), 0xfedcba98U);
	assert_memory_equal(wire_string(&wire, &len), "abc", 3);
	assert_int_equal(len, 3);
	assert_false(wire.failed);
	assert_int_equal(wire_u8(&wire), 0);
	assert_true(wire.failed);
	/* A length that is longer than what is there, and stays failed. */
	wire = (struct wire){.data = (const unsigned char *)"\0\0\0\5abc", .len = 7};
	assert_null(wire_string(&wire, &len));
	assert_int_equal(len, 0);
	assert_null(wire_string(&wire, &len));
	wire = (struct wire){.data = (const unsigned char *)"\xff\xff\xff\xff", .len = 4};
	assert_null(wire_string(&wire, &len));
	buf_release(&buf);
}

static void test_blob(void **state)
{
	static const unsigned char blob[] = "\0\0\0\4abcdrest";
	static const unsigned char nul[] = "\0\0\0\4ab\0d";
	char *type = wire_blob_type(blob, sizeof(blob) - 1);

	(void)state;
	assert_string_equal(type, "abcd");
	free(type);
	assert_true(wire_blob_is(blob, sizeof(blob) - 1, "abcd"));
	assert_false(wire_blob_is(blob, sizeof(blob) - 1, "abc"));
	assert_false(wire_blob_is(blob, 6, "abcd"));
	assert_null(wire_blob_type(blob, 3));
	assert_null(wire_blob_type(nul, 8));
	assert_null(wire_blob_type((const unsigned char *)"\0\0\0\0", 4));
}

/* ---- key files ---- */

static char folder[] = "/tmp/shipit-wire.XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void shell(const char *command)
{
	char line[1024];

	snprintf(line, sizeof(line), "cd %s && { %s; } >/dev/null 2>&1", folder, command);
	assert_int_equal(system(line), 0);
}

static int read_key(const char *name, struct keyfile *key, struct error *err)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return keyfile_read(path, key, err);
}

static void expect_key(const char *name, const char *type, bool encrypted)
{
	struct keyfile key;
	struct error err = {0};

	if (read_key(name, &key, &err) < 0)
		fail_msg("%s: %s", name, error_text(&err));
	if (type != NULL)
		assert_string_equal(key.type, type);
	else
		assert_null(key.type);
	assert_int_equal(key.encrypted, encrypted);
	keyfile_release(&key);
}

static void test_keyfiles(void **state)
{
	struct keyfile key;
	struct error err = {0};

	(void)state;
	shell("ssh-keygen -q -t ed25519 -N '' -f ed && ssh-keygen -q -t ecdsa -N secret -f ec && "
	      "ssh-keygen -q -t rsa -b 2048 -m PEM -N secret -f rsa && cp rsa bare && rm ec.pub && "
	      "mkdir pub && cp ed.pub pub/only.pub && : > empty && head -c 300 ed > short && "
	      "printf 'x y z\\n' > bad.pub && cp ed open && chmod 600 * pub/* && chmod 700 pub && "
	      "chmod 640 open");
	expect_key("ed", "ssh-ed25519", false);
	expect_key("ec", "ecdsa-sha2-nistp256", true);
	expect_key("rsa", "ssh-rsa", true);
	expect_key("bare", NULL, true);
	expect_key("pub/only", "ssh-ed25519", false);
	expect_key("empty", NULL, false);
	expect_key("short", NULL, false);
	assert_int_equal(read_key("bad", &key, &err), -1);
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
	assert_int_equal(read_key("open", &key, &err), -1);
	assert_int_equal(err.kind, ERROR_AUTH);
	assert_int_equal(read_key("pub", &key, &err), -1);
	error_release(&err);
}

/* ---- an agent that answers with these bytes, then hangs up ---- */

struct fake {
	int fd;
	const char *answer;
	size_t len;
	pthread_t thread;
	char path[128];
};

static void *answer(void *argument)
{
	struct fake *fake = argument;
	int fd = accept(fake->fd, NULL, NULL);
	char request[64];

	if (recv(fd, request, sizeof(request), 0) > 0)
		for (size_t i = 0; i < fake->len; i++) /* in pieces */
			send(fd, fake->answer + i, 1, MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	while (recv(fd, request, sizeof(request), 0) > 0)
		;
	close(fd);
	return NULL;
}

static int ask(const char *bytes, size_t len, struct agent *agent, struct error *err)
{
	struct fake fake = {.answer = bytes, .len = len};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int rc;

	snprintf(fake.path, sizeof(fake.path), "%s/agent", folder);
	unlink(fake.path);
	memcpy(address.sun_path, fake.path, strlen(fake.path));
	fake.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fake.fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fake.fd, 4), 0);
	pthread_create(&fake.thread, NULL, answer, &fake);
	rc = agent_open(agent, fake.path, clock_now_ms() + 5000, -1, err);
	if (rc == 0)
		shutdown(agent->fd, SHUT_WR);
	pthread_join(fake.thread, NULL);
	close(fake.fd);
	return rc;
}

#define BYTES(text) (text), sizeof(text) - 1

static void test_agent(void **state)
{
	struct agent agent;
	struct error err = {0};

	(void)state;
	assert_int_equal(ask(BYTES("\0\0\0\5\x0c\0\0\0\0"), &agent, &err), 0);
	assert_int_equal(agent.n, 0);
	agent_close(&agent);
	assert_int_equal(
	    ask(BYTES("\0\0\0\x16\x0c\0\0\0\1\0\0\0\5\0\0\0\1k\0\0\0\4name"), &agent, &err), 0);
	assert_int_equal(agent.n, 1);
	assert_string_equal(agent.keys[0].type, "k");
	assert_string_equal(agent.keys[0].comment, "name");
	agent_close(&agent);
	/* More keys announced than there are: those that are there. */
	assert_int_equal(
	    ask(BYTES("\0\0\0\x16\x0c\xff\xff\xff\xff\0\0\0\5\0\0\0\1k\0\0\0\4name"), &agent, &err),
	    0);
	assert_int_equal(agent.n, 1);
	agent_close(&agent);
	assert_int_equal(ask(BYTES("\0\0\0\1\5"), &agent, &err), -1);
	assert_int_equal(err.kind, ERROR_AUTH);
	assert_int_equal(ask(BYTES("\xff\xff\xff\xff\x0c"), &agent, &err), -1);
	assert_int_equal(err.kind, ERROR_PROTOCOL);
	assert_int_equal(ask(BYTES("\0\0\0\0"), &agent, &err), -1);
	assert_int_equal(err.kind, ERROR_PROTOCOL);
	assert_int_equal(ask(BYTES("\0\0\0\5\x0c"), &agent, &err), -1);
	assert_int_equal(err.kind, ERROR_PROTOCOL);
	assert_int_equal(ask(BYTES(""), &agent, &err), -1);
	assert_int_equal(agent_open(&agent, "/nowhere/agent", -1, -1, &err), -1);
	error_release(&err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_wire), cmocka_unit_test(test_blob),
	    cmocka_unit_test(test_keyfiles), cmocka_unit_test(test_agent)};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
