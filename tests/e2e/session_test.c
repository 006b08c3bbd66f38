/* Sessions against a real sshd on loopback. VERBOSE=1 shows what they log; an argument runs only
 * the tests whose names contain it. */
#include "session_help.h"

/* libssh2 1.10 leaks 51 bytes with each new key exchange and 24 with each ECDSA key. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libssh2.so\nleak:CRYPTO_zalloc";
}

/* ---- programs ---- */

static void test_exec(void **state)
{
	struct server server;
	struct session *session;
	struct session_exec exec;
	char text[SMALL];

	(void)state;
	server_start(&server, "");
	session = open_session(&server);
	exec = start(session, "cat; echo oops >&2; exit 7");
	assert_int_equal(write(exec.in, "hello\n", 6), 6);
	close(exec.in);
	exec.in = -1;
	read_all(exec.out, text);
	assert_string_equal(text, "hello\n");
	read_all(exec.err, text);
	assert_string_equal(text, "oops\n");
	assert_int_equal(finish(session, &exec), 7);
	/* The master tells of no signals. */
	assert_int_equal(
	    exec_status(session, "kill -TERM $$", text), by_openssh() ? 255 : 128 + SIGTERM);
	assert_int_equal(exec_status(session, "true", text), 0);
	assert_non_null(strstr(session_describe(session), "@127.0.0.1:"));
	session_close(session);
	server_stop(&server);
}

static void test_exec_big(void **state)
{
	struct server server;
	struct session *session;
	struct session_exec exec;
	struct flow there = {.bytes = 20000000, .seed = 5}, back = there;
	pthread_t thread;

	(void)state;
	server_start(&server, "");
	session = open_session(&server);
	exec = start(session, "cat");
	there.fd = exec.in;
	back.fd = exec.out;
	pthread_create(&thread, NULL, send_flow, &there);
	receive_flow(&back);
	pthread_join(thread, NULL);
	assert_int_equal(there.wrong, 0);
	assert_int_equal(back.wrong, 0);
	assert_int_equal(finish(session, &exec), 0);
	session_close(session);
	server_stop(&server);
}

static void test_exec_stop(void **state)
{
	struct server server;
	struct session *session;
	struct session_exec exec;
	struct error err = {0};
	char text[SMALL];

	(void)state;
	server_start(&server, "");
	session = open_session(&server);
	exec = start(session, "echo on; sleep 1000");
	assert_int_equal(read(exec.out, text, 3), 3);
	assert_int_equal(session_exec_stop(session, exec.id, &err), 0);
	read_all(exec.out, text);
	assert_string_equal(text, "");
	assert_int_equal(finish(session, &exec), 129);
	/* Output that nobody reads is dropped, and the program ends as it likes. */
	exec = start(session, "head -c 3000000 /dev/zero; exit 3");
	shutdown(exec.out, SHUT_RDWR);
	assert_int_equal(finish(session, &exec), 3);
	session_close(session);
	server_stop(&server);
}

static void test_exec_refused(void **state)
{
	struct server server;
	struct session *session;
	struct session_exec exec, more;
	struct error err = {0};
	int status;

	(void)state;
	server_start(&server, "MaxSessions 1");
	session = open_session(&server);
	exec = start(session, "cat");
	assert_int_equal(session_exec(session, "cat", &more, &err), -1);
	assert_non_null(strstr(err.hint, "MaxSessions"));
	assert_int_equal(
	    session_exec_wait(session, exec.id, clock_now_ms() + 50, &status, &err), -1);
	assert_int_equal(err.kind, ERROR_TIMEOUT);
	assert_int_equal(session_exec_wait(session, 999, -1, &status, &err), -1);
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
	close(exec.in);
	exec.in = -1;
	assert_int_equal(finish(session, &exec), 0);
	error_release(&err);
	session_close(session);
	server_stop(&server);
}

/* ---- remote forwards ---- */

static int forward(struct session *session, const char *target)
{
	struct error err = {0};
	int port = 0;

	if (session_forward_remote(session, target, &port, &err) < 0)
		fail_msg("forward: %s", error_text(&err));
	assert_true(port > 0);
	return port;
}

/* Both directions of one connection at the same time; `serve_both` is the other end. */
static uint64_t both_bytes;
static atomic_int served;

static bool become(atomic_int *value, int wanted)
{
	for (int i = 0; i < 6000; i++) {
		if (atomic_load(value) == wanted)
			return true;
		poll(NULL, 0, 10);
	}
	return false;
}

static void *serve_both(void *argument)
{
	int fd = (int)(intptr_t)argument;
	struct flow out = {.fd = fd, .bytes = both_bytes, .seed = 1};
	struct flow in = {.fd = fd, .bytes = both_bytes, .seed = 2};
	pthread_t thread;

	pthread_create(&thread, NULL, send_flow, &out);
	receive_flow(&in);
	pthread_join(thread, NULL);
	atomic_fetch_add(&wrong_bytes, out.wrong + in.wrong);
	close(fd);
	atomic_fetch_add(&served, 1);
	return NULL;
}

static void *use_both(void *argument)
{
	int fd = connect_port((int)(intptr_t)argument);
	struct flow out = {.fd = fd, .bytes = both_bytes, .seed = 2};
	struct flow in = {.fd = fd, .bytes = both_bytes, .seed = 1};
	pthread_t thread;

	pthread_create(&thread, NULL, send_flow, &out);
	receive_flow(&in);
	pthread_join(thread, NULL);
	atomic_fetch_add(&wrong_bytes, out.wrong + in.wrong);
	if (fd >= 0)
		close(fd);
	return NULL;
}

static void through_forward(const char *config, int streams, uint64_t bytes)
{
	struct server server;
	struct session *session;
	struct listener listener;
	pthread_t threads[32];
	int port;

	server_start(&server, config);
	listener_start(&listener, "both", serve_both);
	session = open_session(&server);
	port = forward(session, listener.path);
	both_bytes = bytes;
	atomic_store(&wrong_bytes, 0);
	atomic_store(&served, 0);
	for (int i = 0; i < streams; i++)
		pthread_create(&threads[i], NULL, use_both, (void *)(intptr_t)port);
	for (int i = 0; i < streams; i++)
		pthread_join(threads[i], NULL);
	assert_true(become(&served, streams));
	assert_int_equal(atomic_load(&wrong_bytes), 0);
	assert_int_equal(atomic_load(&listener.accepted), streams);
	session_close(session);
	listener_stop(&listener);
	server_stop(&server);
}

static void test_remote_twenty(void **state)
{
	(void)state;
	through_forward("", 20, 1000000);
}

/* With the cheapest exchange: there are hundreds of them. */
static const char rekeying[] = "RekeyLimit 1M\nKexAlgorithms curve25519-sha256";

static void test_remote_rekey(void **state)
{
	const char *megabytes = getenv("SESSION_MB");

	(void)state;
	through_forward(
	    rekeying, 1, (megabytes != NULL ? strtoull(megabytes, NULL, 10) : 200) * 1000000);
}

static void test_remote_rekey_many(void **state)
{
	(void)state;
	through_forward(rekeying, 20, 3000000);
}

static void test_remote_tcp(void **state)
{
	struct server server;
	struct session *session;
	struct listener listener;
	char to[64], text[SMALL];
	int port, fd;

	(void)state;
	server_start(&server, "");
	listener_start(&listener, NULL, serve_echo);
	session = open_session(&server);
	snprintf(to, sizeof(to), "localhost:%d", listener.port);
	port = forward(session, to);
	fd = connect_port(port);
	assert_int_equal(write(fd, "through", 7), 7);
	shutdown(fd, SHUT_WR);
	read_all(fd, text);
	assert_string_equal(text, "through");
	close(fd);
	/* The target is gone: what arrives is closed. */
	listener_stop(&listener);
	fd = connect_port(port);
	read_all(fd, text);
	assert_string_equal(text, "");
	close(fd);
	session_close(session);
	server_stop(&server);
}

/* Somebody on the host who opens connections and leaves them gets no more than these; another one
 * waits, and comes through when one ends; a second forward is not touched by it. */
/* The master has no such limit: there the registry's own holds alone. */
static void test_remote_crowd(void **state)
{
	enum { CROWD = 32 };
	struct server server;
	struct session *session;
	struct listener listener;
	char text[SMALL];
	int fds[CROWD], first, second, fd, other;

	(void)state;
	if (by_openssh())
		return;
	server_start(&server, "");
	listener_start(&listener, "echo", serve_echo);
	session = open_session(&server);
	first = forward(session, listener.path);
	second = forward(session, listener.path);
	for (int i = 0; i < CROWD; i++)
		fds[i] = connect_port(first);
	assert_true(become(&listener.accepted, CROWD));
	fd = connect_port(first);
	assert_int_equal(write(fd, "late", 4), 4);
	other = connect_port(second);
	assert_int_equal(write(other, "aside", 5), 5);
	shutdown(other, SHUT_WR);
	read_all(other, text);
	assert_string_equal(text, "aside");
	assert_int_equal(atomic_load(&listener.accepted), CROWD + 1);
	close(fds[0]);
	shutdown(fd, SHUT_WR);
	read_all(fd, text);
	assert_string_equal(text, "late");
	for (int i = 1; i < CROWD; i++)
		close(fds[i]);
	close(fd);
	close(other);
	session_close(session);
	listener_stop(&listener);
	server_stop(&server);
}

static void test_remote_cancel(void **state)
{
	struct server server;
	struct session *session;
	struct listener listener;
	struct error err = {0};
	int first, second;

	(void)state;
	server_start(&server, "");
	listener_start(&listener, "echo", serve_echo);
	session = open_session(&server);
	first = forward(session, listener.path);
	second = forward(session, "127.0.0.1:1");
	assert_int_not_equal(first, second);
	assert_int_equal(session_forward_cancel(session, first, &err), 0);
	assert_int_equal(session_forward_cancel(session, first, &err), -1);
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
	/* The order of messages makes this certain: the host has heard of it before the exec. */
	assert_int_equal(exec_status(session, "true", (char[SMALL]){0}), 0);
	assert_int_equal(connect_port(first), -1);
	assert_int_equal(session_forward_remote(session, "nonsense", &first, &err), -1);
	assert_int_equal(err.kind, ERROR_USAGE);
	error_release(&err);
	session_close(session);
	listener_stop(&listener);
	server_stop(&server);
}

static void test_remote_refused(void **state)
{
	struct server server;
	struct session *session;
	struct error err = {0};
	int port;

	(void)state;
	server_start(&server, "AllowTcpForwarding no");
	session = open_session(&server);
	assert_int_equal(session_forward_remote(session, "/nowhere", &port, &err), -1);
	assert_non_null(strstr(err.hint, "AllowTcpForwarding"));
	assert_int_equal(exec_status(session, "true", (char[SMALL]){0}), 0);
	error_release(&err);
	session_close(session);
	server_stop(&server);
}

static atomic_int floods;

static void *serve_counted_flood(void *fd)
{
	atomic_fetch_add(&floods, 1);
	serve_flood(fd);
	atomic_fetch_sub(&floods, 1);
	return NULL;
}

/* The host's reader goes away in the middle: the sender here must hear of it. */
static void test_remote_reader_gone(void **state)
{
	struct server server;
	struct session *session;
	struct listener listener;
	char data[65536];
	int fd;

	(void)state;
	server_start(&server, "");
	listener_start(&listener, "flood", serve_counted_flood);
	session = open_session(&server);
	fd = connect_port(forward(session, listener.path));
	for (int i = 0; i < 100; i++)
		assert_true(recv(fd, data, sizeof(data), 0) > 0);
	poll(NULL, 0, 300); /* the window fills up */
	close(fd);
	assert_true(become(&floods, 0));
	session_close(session);
	listener_stop(&listener);
	server_stop(&server);
}

/* ---- local forwards ---- */

static char *connectable(struct session *session, const char *to, bool is_command)
{
	struct error err = {0};
	char *path = NULL;

	if (session_forward_local(session, to, is_command, &path, &err) < 0)
		fail_msg("local forward: %s", error_text(&err));
	return path;
}

static void expect_echo(const char *path, const char *end)
{
	char text[SMALL], expected[64];
	int fd = connect_path(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "through", 7), 7);
	shutdown(fd, SHUT_WR);
	read_all(fd, text);
	snprintf(expected, sizeof(expected), "through%s", end);
	assert_string_equal(text, expected);
	close(fd);
}

static void test_local(void **state)
{
	struct server server;
	struct session *session;
	struct listener tcp, local;
	struct stat st;
	char to[64];
	char *paths[3];
	int fds[10];

	(void)state;
	server_start(&server, "");
	listener_start(&tcp, NULL, serve_echo);
	listener_start(&local, "echo", serve_echo);
	session = open_session(&server);
	snprintf(to, sizeof(to), "127.0.0.1:%d", tcp.port);
	paths[0] = connectable(session, to, false);
	paths[1] = connectable(session, local.path, false);
	paths[2] = connectable(session, "cat; echo end; echo said >&2", true);
	assert_int_equal(stat(paths[0], &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	expect_echo(paths[0], "");
	expect_echo(paths[1], "");
	expect_echo(paths[2], "end\n");
	for (int i = 0; i < 10; i++)
		fds[i] = connect_path(paths[i % 3]);
	for (int i = 9; i >= 0; i--) {
		char c;

		assert_int_equal(write(fds[i], "x", 1), 1);
		assert_int_equal(read(fds[i], &c, 1), 1);
		close(fds[i]);
	}
	session_close(session);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(stat(paths[i], &st), -1);
		free(paths[i]);
	}
	listener_stop(&tcp);
	listener_stop(&local);
	server_stop(&server);
}

static void test_local_refused(void **state)
{
	struct server server;
	struct session *session;
	struct error err = {0};
	char text[SMALL], to[64];
	char *path;
	int fd;

	(void)state;
	server_start(&server, "");
	session = open_session(&server);
	path = connectable(session, "/nowhere/docker.sock", false);
	assert_int_equal(session_forward_error(session, path, &err), 0);
	fd = connect_path(path);
	read_all(fd, text);
	assert_string_equal(text, "");
	close(fd);
	assert_int_equal(session_forward_error(session, path, &err), -1);
	assert_non_null(strstr(err.message, "/nowhere/docker.sock"));
	free(path);
	snprintf(to, sizeof(to), "127.0.0.1:%d", free_port());
	path = connectable(session, to, false);
	fd = connect_path(path);
	read_all(fd, text);
	close(fd);
	assert_int_equal(session_forward_error(session, path, &err), -1);
	assert_non_null(strstr(err.message, to));
	free(path);
	error_release(&err);
	session_close(session);
	server_stop(&server);
}

/* Whoever closes the local socket lets go of what runs there. */
static void test_local_closed(void **state)
{
	struct server server;
	struct session *session;
	char *path, mark[128], command[256];
	int fd;

	(void)state;
	server_start(&server, "");
	session = open_session(&server);
	snprintf(mark, sizeof(mark), "%s/mark", top);
	snprintf(command, sizeof(command), "echo up; cat >/dev/null; echo done >%s", mark);
	path = connectable(session, command, true);
	fd = connect_path(path);
	assert_int_equal(read(fd, command, 3), 3);
	close(fd);
	for (int i = 0; i < 500 && access(mark, F_OK) < 0; i++)
		poll(NULL, 0, 10);
	assert_int_equal(access(mark, F_OK), 0);
	free(path);
	session_close(session);
	server_stop(&server);
}

/* ---- host keys ---- */

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

static void expect_login(const struct session_target *target)
{
	session_close(open_target(target));
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

/* ---- logging in ---- */

static void use_identity(const struct server *server, const char *file, const char *agent)
{
	runf("cd %s && sed -i 's|^IdentityFile.*|IdentityFile %s/%s|; "
	     "s|^IdentityAgent.*|IdentityAgent %s|' ssh_config",
	    server->dir, top, file, agent);
}

struct answers {
	const char *const *v;
	int asked;
};

static char *answer(void *context, const char *host, const char *text, bool echo)
{
	struct answers *answers = context;
	const char *next = answers->v[answers->asked];

	assert_string_equal(host, "127.0.0.1");
	assert_non_null(text);
	assert_false(echo);
	answers->asked++;
	return next != NULL ? strdup(next) : NULL;
}

static void test_login_passphrase(void **state)
{
	const char *const wrong_right[] = {"wrong", "open sesame", NULL};
	const char *const nobody[] = {NULL};
	const char *const wrong[] = {"a", "b", "c", NULL};
	struct answers answers = {.v = wrong_right};
	struct server server;
	struct session_target target;

	(void)state;
	server_start(&server, "");
	use_identity(&server, "id_locked", "none");
	target = target_of(&server);
	REFUSED(&target, ERROR_AUTH, "id_locked", by_openssh() ? "" : "nobody could be asked");
	target.prompt = answer;
	target.log = NULL;
	target.context = &answers;
	expect_login(&target);
	assert_int_equal(answers.asked, 2);
	answers = (struct answers){.v = nobody};
	REFUSED(&target, ERROR_AUTH, by_openssh() ? "id_locked" : "nobody could be asked");
	answers = (struct answers){.v = wrong};
	REFUSED(&target, ERROR_AUTH, by_openssh() ? "id_locked" : "wrong passphrase");
	assert_int_equal(answers.asked, 3);
	/* A key that the host does not want: nobody is asked. */
	runf("cp %s/id_locked %s/id_unwanted && cp %s/id_locked.pub %s/id_unwanted.pub && "
	     "ssh-keygen -q -t ed25519 -N secret -f %s/id_unknown",
	    top, top, top, top, top);
	use_identity(&server, "id_unknown", "none");
	answers = (struct answers){.v = wrong};
	REFUSED(&target, ERROR_AUTH, "id_unknown");
	assert_int_equal(answers.asked, 0);
	server_stop(&server);
}

static void test_login_refused(void **state)
{
	const char *const wrong[] = {"wrong", "wrong", "wrong", NULL};
	struct answers answers = {.v = wrong};
	struct server server;
	struct session_target target;

	(void)state;
	server_start(&server, "");
	use_identity(&server, "id_stranger", "none");
	target = target_of(&server);
	REFUSED(&target, ERROR_AUTH, "id_stranger", "publickey", "ssh-copy-id");
	use_identity(&server, "id_rsa", "none");
	if (by_openssh())
		expect_login(&target);
	else
		REFUSED(&target, ERROR_AUTH, "id_rsa", "RSA", "ssh-add");
	use_identity(&server, "missing", "/nowhere/agent");
	REFUSED(&target, ERROR_AUTH, by_openssh() ? "" : "no ssh agent at /nowhere/agent");
	runf("cp %s/id_ed25519 %s/id_open && chmod 644 %s/id_open", top, top, top);
	use_identity(&server, "id_open", "none");
	REFUSED(&target, ERROR_AUTH, by_openssh() ? "" : "others may read it");
	server_stop(&server);
	/* The key is right and only half of it. */
	server_start(&server, "PasswordAuthentication yes\nKbdInteractiveAuthentication no\n"
			      "AuthenticationMethods publickey,password");
	target = target_of(&server);
	REFUSED(&target, ERROR_AUTH, by_openssh() ? "" : "accepted, but the host wants more",
	    "password");
	target.prompt = answer;
	target.log = NULL;
	target.context = &answers;
	REFUSED(&target, ERROR_AUTH, by_openssh() ? "" : "accepted, but the host wants more",
	    "password");
	assert_int_equal(answers.asked, 3);
	server_stop(&server);
}

static void test_login_two_keys(void **state)
{
	struct server server;
	struct session_target target;

	(void)state;
	server_start(&server, "AuthenticationMethods publickey,publickey");
	runf("echo 'IdentityFile %s/id_ecdsa' >> %s/ssh_config", top, server.dir);
	target = target_of(&server);
	expect_login(&target);
	server_stop(&server);
}

static void test_login_agent(void **state)
{
	char agent[128], log[256];
	const char *argv[] = {"ssh-agent", "-D", "-a", agent, NULL};
	struct proc_options options = {.argv = argv, .fds = {-1, -1, -1}};
	struct server server;
	struct session_target target;
	struct error err = {0};
	pid_t pid;

	(void)state;
	snprintf(agent, sizeof(agent), "%s/agent", top);
	snprintf(log, sizeof(log), "SSH_AUTH_SOCK=%s ssh-add -q", agent);
	assert_int_equal(proc_spawn(&options, &pid, &err), 0);
	for (int i = 0; i < 500 && access(agent, F_OK) < 0; i++)
		poll(NULL, 0, 10);
	server_start(&server, "");
	target = target_of(&server);
	/* The public key alone says which of the agent's keys is meant. */
	runf("cd %s && mkdir agentkeys && cp id_ed25519.pub agentkeys/", top);
	use_identity(&server, "agentkeys/id_ed25519", agent);
	runf("cd %s && %s id_stranger id_ed25519 2>/dev/null", top, log);
	expect_login(&target);
	runf("%s -D 2>/dev/null; cd %s && %s id_rsa 2>/dev/null", log, top, log);
	REFUSED(&target, ERROR_AUTH, "refused"); /* IdentitiesOnly */
	runf("sed -i '/IdentitiesOnly/d' %s/ssh_config", server.dir);
	expect_login(&target); /* an RSA key, with SHA-2 */
	runf("%s -D 2>/dev/null; cd %s && %s id_ecdsa id_stranger 2>/dev/null", log, top, log);
	expect_login(&target);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	REFUSED(&target, ERROR_AUTH, by_openssh() ? "" : "no ssh agent");
	server_stop(&server);
}

/* ---- ways to the host ---- */

static void test_proxy(void **state)
{
	struct server server;
	struct session_target target;
	char text[SMALL];
	struct session *session;

	(void)state;
	server_start(&server, "");
	runf("cd %s && printf 'Host jump\\nHostName 127.0.0.1\\nPort %d\\n"
	     "Host inner\\nHostName 127.0.0.1\\nProxyJump jump\\n' "
	     "> first && cat ssh_config >> first && mv first ssh_config && "
	     "echo 'StrictHostKeyChecking yes' >> ssh_config",
	    server.dir, server.port);
	target = target_of(&server);
	target.name = "inner";
	session = open_target(&target);
	assert_int_equal(exec_status(session, "echo there", text), 0);
	assert_string_equal(text, "there\n");
	session_close(session);
	runf("sed -i 's|^ProxyJump.*|ProxyCommand echo bad luck with %%h port %%p >\\&2; exit 1|' "
	     "%s/ssh_config",
	    server.dir);
	REFUSED(&target, ERROR_UNREACHABLE, by_openssh() ? "" : "bad luck with 127.0.0.1 port");
	server_stop(&server);
}

static void *open_thread(void *argument)
{
	struct session_target *target = argument;
	struct session *session = NULL;
	struct error err = {0};
	char text[SMALL];
	struct session_exec exec;
	int status = -1;

	if (session_open(target, &session, &err) < 0) {
		fprintf(stderr, "  %s\n", error_text(&err));
		error_release(&err);
		return NULL;
	}
	if (session_exec(session, "echo me", &exec, &err) == 0) {
		read_all(exec.out, text);
		session_exec_wait(session, exec.id, clock_now_ms() + 20000, &status, &err);
		close(exec.in);
		close(exec.out);
		close(exec.err);
	}
	return status == 0 && strcmp(text, "me\n") == 0 ? session : NULL;
}

/* As many as a rollout may have, to one machine with sshd's own limit: each gets in within the
 * usual time after its turn has come, and all together take little memory. */
static void test_many(void **state)
{
	enum { MOST = 200, MEMORY_KB = 60000 };
	/* `tests/run bench many` has as many masters, too. */
	int many = SANITIZED || by_openssh() ? 50 : MOST;
	struct rusage usage;
	struct server server;
	struct session_target target;
	pthread_t threads[MOST];
	struct session *sessions[MOST];

	(void)state;
	server_start(&server, "MaxStartups 10:30:100");
	target = target_of(&server);
	for (int i = 0; i < many; i++)
		pthread_create(&threads[i], NULL, open_thread, &target);
	for (int i = 0; i < many; i++)
		pthread_join(threads[i], (void **)&sessions[i]);
	getrusage(RUSAGE_SELF, &usage);
	if (!SANITIZED)
		assert_in_range(usage.ru_maxrss, 1, MEMORY_KB);
	for (int i = 0; i < many; i++) {
		assert_non_null(sessions[i]);
		session_close(sessions[i]);
	}
	server_stop(&server);
}

/* sshd hangs up on those that are too many at once; they come again. */
static void test_throttled(void **state)
{
	enum { MANY = 8 };
	struct server server;
	struct session_target target;
	pthread_t threads[MANY];
	struct session *session;

	(void)state;
	server_start(&server, "MaxStartups 3:100:3");
	target = target_of(&server);
	target.connect_timeout_ms = 120000;
	for (int i = 0; i < MANY; i++)
		pthread_create(&threads[i], NULL, open_thread, &target);
	for (int i = 0; i < MANY; i++) {
		pthread_join(threads[i], (void **)&session);
		assert_non_null(session);
		session_close(session);
	}
	server_stop(&server);
}

/* ---- stopping, and things that end ---- */

/* A host that never gets as far as a login: it says `banner` (or nothing), then no more. */
struct mute {
	int fd, port;
	int clients[8];
	int n;
};

static void mute_start(struct mute *mute, int backlog)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);

	memset(mute, 0, sizeof(*mute));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	mute->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(mute->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	getsockname(mute->fd, (struct sockaddr *)&address, &len);
	mute->port = ntohs(address.sin_port);
	assert_int_equal(listen(mute->fd, backlog), 0);
}

static void mute_stop(struct mute *mute)
{
	for (int i = 0; i < mute->n; i++)
		close(mute->clients[i]);
	close(mute->fd);
}

struct stopping {
	struct session_target target;
	struct cancel cancel;
	struct error err;
	int64_t took_ms;
};

static void *open_and_fail(void *argument)
{
	struct stopping *stopping = argument;
	struct session *session = NULL;

	if (session_open(&stopping->target, &session, &stopping->err) == 0)
		session_close(session);
	stopping->took_ms = clock_now_ms();
	return NULL;
}

/* Once by cancel_fd, once by the time limit, which names the phase. */
static void expect_stop(
    struct session_target target, int accept_fd, const char *say, const char *phase)
{
	struct stopping stopping = {.target = target};
	pthread_t thread;
	int64_t fired;

	for (int limit = 0; limit <= 1; limit++) {
		int fd = -1;

		assert_int_equal(cancel_init(&stopping.cancel, NULL), 0);
		stopping.target.cancel_fd = stopping.cancel.fd;
		stopping.target.connect_timeout_ms = limit ? 1500 : 20000;
		pthread_create(&thread, NULL, open_and_fail, &stopping);
		if (accept_fd >= 0) {
			fd = accept(accept_fd, NULL, NULL);
			if (say != NULL)
				assert_int_equal(write(fd, say, strlen(say)), (ssize_t)strlen(say));
		}
		if (!limit) {
			poll(NULL, 0, 400);
			cancel_fire(&stopping.cancel);
		}
		fired = clock_now_ms();
		pthread_join(thread, NULL);
		if (limit && (stopping.err.kind != ERROR_TIMEOUT ||
				 strstr(stopping.err.message, phase) == NULL))
			fail_msg("%s: %s", phase, error_text(&stopping.err));
		if (!limit && stopping.err.kind != ERROR_CANCELLED)
			fail_msg("%s: %s", phase, error_text(&stopping.err));
		assert_true(stopping.took_ms - fired < (limit ? 3000 : 700));
		error_release(&stopping.err);
		cancel_release(&stopping.cancel);
		if (fd >= 0)
			close(fd);
	}
}

static void test_stop_opening(void **state)
{
	struct server server;
	struct session_target target;
	struct mute mute, agent = {0};
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)state;
	server_start(&server, "");
	target = target_of(&server);
	/* Nobody answers the SYN: the queue of the listening socket is full. */
	mute_start(&mute, 0);
	for (; mute.n < 4; mute.n++) {
		struct sockaddr_in to = {.sin_family = AF_INET,
		    .sin_port = htons((uint16_t)mute.port),
		    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

		mute.clients[mute.n] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(mute.clients[mute.n], (struct sockaddr *)&to, sizeof(to));
	}
	target.port = mute.port;
	expect_stop(target, -1, NULL, "connect");
	mute_stop(&mute);
	mute_start(&mute, 8);
	target.port = mute.port;
	expect_stop(target, mute.fd, NULL, "banner");
	expect_stop(target, mute.fd, "SSH-2.0-Mute\r\n", "key exchange");
	mute_stop(&mute);
	/* An agent that never answers. */
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/mute-agent", top);
	agent.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(agent.fd, (struct sockaddr *)&address, sizeof(address)), 0);
	listen(agent.fd, 8);
	target = target_of(&server);
	use_identity(&server, "missing", address.sun_path);
	expect_stop(target, -1, NULL, "login");
	close(agent.fd);
	server_stop(&server);
}

static void test_stop_running(void **state)
{
	struct server server;
	struct session_target target;
	struct session *session;
	struct session_exec exec;
	struct cancel soft, hard;
	struct error err = {0};
	char text[SMALL];
	int status;

	(void)state;
	server_start(&server, "");
	cancel_init(&soft, NULL);
	cancel_init(&hard, NULL);
	target = target_of(&server);
	target.cancel_fd = soft.fd;
	session = open_target(&target);
	session_set_cancel(session, hard.fd);
	cancel_fire(&soft);
	assert_int_equal(exec_status(session, "echo still", text), 0);
	exec = start(session, "sleep 1000");
	cancel_fire(&hard);
	assert_int_equal(session_exec_wait(session, exec.id, -1, &status, &err), -1);
	assert_int_equal(err.kind, ERROR_CANCELLED);
	assert_int_equal(session_exec(session, "true", &exec, &err), -1);
	assert_int_equal(err.kind, ERROR_CANCELLED);
	assert_int_equal(session_lost(session, &err), -1);
	close(exec.in);
	close(exec.out);
	close(exec.err);
	error_release(&err);
	session_close(session);
	cancel_release(&soft);
	cancel_release(&hard);
	server_stop(&server);
}

static void test_lost(void **state)
{
	struct server server;
	struct session *session;
	struct session_exec exec, more;
	struct pollfd slot;
	struct error err = {0};
	char text[SMALL];
	int status, port;

	(void)state;
	server_start(&server, "");
	session = open_session(&server);
	exec = start(session, "echo first; sleep 1000");
	assert_int_equal(read(exec.out, text, 6), 6);
	slot = (struct pollfd){.fd = session_lost_fd(session), .events = POLLIN};
	assert_int_equal(poll(&slot, 1, 0), 0);
	assert_int_equal(session_lost(session, NULL), 0);
	server_signal(&server, SIGKILL);
	assert_int_equal(poll(&slot, 1, 5000), 1);
	read_all(exec.out, text);
	assert_string_equal(text, "");
	assert_int_equal(session_exec_wait(session, exec.id, -1, &status, &err), -1);
	assert_int_equal(err.kind, ERROR_UNREACHABLE);
	assert_int_equal(session_lost(session, &err), -1);
	assert_non_null(strstr(err.message, "was lost at"));
	assert_int_equal(session_exec(session, "true", &more, &err), -1);
	assert_int_equal(session_forward_remote(session, "/x", &port, &err), -1);
	assert_int_equal(err.kind, ERROR_UNREACHABLE);
	close(exec.in);
	close(exec.out);
	close(exec.err);
	error_release(&err);
	session_close(session);
	server_stop(&server);
}

static bool closes(int port)
{
	for (int i = 0; i < 1000; i++) {
		int fd = connect_port(port);

		if (fd < 0)
			return true;
		close(fd);
		poll(NULL, 0, 10);
	}
	return false;
}

/* A program that is killed leaves nobody: neither here nor on the host. */
static void test_killed(void **state)
{
	struct server server;
	pid_t pid, left[64];
	char driver[PATH_MAX], port[16] = "", dir[256];
	const char *argv[] = {driver, "127.0.0.1", "forward", "/nowhere", NULL};
	struct proc_options options = {.argv = argv, .own_group = 1, .fds = {-1, -1, -1}};
	struct error err = {0};
	ssize_t len = readlink("/proc/self/exe", driver, sizeof(driver) - 1);
	int in[2], out[2];

	(void)state;
	assert_true(len > 0);
	driver[len] = '\0';
	snprintf(strrchr(driver, '/') + 1, 32, "session_driver");
	server_start(&server, "");
	runf("cd %s && printf 'Port %d\n' >> ssh_config", server.dir, server.port);
	snprintf(dir, sizeof(dir), "%s/ssh_config", server.dir);
	setenv("SSH_CONFIG", dir, 1);
	assert_int_equal(fd_pipe(in), 0);
	assert_int_equal(fd_pipe(out), 0);
	options.fds[0] = in[0];
	options.fds[1] = out[1];
	assert_int_equal(proc_spawn(&options, &pid, &err), 0);
	close(in[0]);
	close(out[1]);
	assert_true(read(out[0], port, sizeof(port) - 1) > 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_true(closes(atoi(port)));
	for (int i = 0; i < 1000 && server_children(server.pid, left, 64) > 0; i++)
		poll(NULL, 0, 10);
	assert_int_equal(server_children(server.pid, left, 64), 0);
	close(in[1]);
	close(out[0]);
	unsetenv("SSH_CONFIG");
	server_stop(&server);
}

/* A frozen sshd: its kernel still answers. With an open channel and without, idle and in the middle
 * of a transfer. At the same time the sessions with a live one must not be given up, although
 * nothing but questions goes over them, from both sides. */
static void test_frozen(void **state)
{
	struct server frozen, asking, quiet;
	struct session *sessions[3], *idle[4];
	struct session_exec beat, sleeper;
	struct pollfd slot;
	struct error err = {0};
	struct listener listener;
	int64_t start_ms;
	double cpu;
	int fd, left = 3;
	char data[65536];

	(void)state;
	server_start(&frozen, "");
	server_start(&asking, "ClientAliveInterval 1\nClientAliveCountMax 3");
	server_start(&quiet, "");
	listener_start(&listener, "flood", serve_counted_flood);
	for (int i = 0; i < 3; i++)
		sessions[i] = open_session(&frozen);
	for (int i = 0; i < 4; i++)
		idle[i] = open_session(i % 2 == 0 ? &quiet : &asking);
	beat = start(sessions[0], "cat");
	sleeper = start(idle[0], "cat");
	fd = connect_port(forward(sessions[2], listener.path));
	assert_true(recv(fd, data, sizeof(data), 0) > 0);
	server_signal(&frozen, SIGSTOP);
	start_ms = clock_now_ms();
	poll(NULL, 0, 500);
	cpu = cpu_seconds();
	while (left > 0 && clock_now_ms() - start_ms < 30000) {
		if (send(beat.in, "beat\n", 5, MSG_NOSIGNAL) < 0)
			assert_int_equal(session_lost(sessions[0], NULL), -1);
		poll(NULL, 0, 500);
		left = 0;
		for (int i = 0; i < 3; i++) {
			slot =
			    (struct pollfd){.fd = session_lost_fd(sessions[i]), .events = POLLIN};
			left += poll(&slot, 1, 0) == 0;
		}
	}
	if (verbose)
		fprintf(stderr, "  noticed after %lld ms, %.2f CPU s\n",
		    (long long)(clock_now_ms() - start_ms), cpu_seconds() - cpu);
	assert_int_equal(left, 0);
	/* Hardly any of that time was spent thinking. */
	assert_true(cpu_seconds() - cpu < 1.5);
	assert_int_equal(session_lost(sessions[1], &err), -1);
	assert_non_null(strstr(err.message, by_openssh() ? "not responding" : "stopped answering"));
	error_release(&err);
	close(beat.in);
	close(beat.out);
	close(beat.err);
	for (int i = 0; i < 3; i++)
		session_close(sessions[i]);
	assert_int_equal(write(sleeper.in, "on", 2), 2);
	assert_int_equal(read(sleeper.out, data, 2), 2);
	close(sleeper.in);
	sleeper.in = -1;
	assert_int_equal(finish(idle[0], &sleeper), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(exec_status(idle[i], "true", (char[SMALL]){0}), 0);
		session_close(idle[i]);
	}
	server_signal(&frozen, SIGCONT);
	close(fd);
	assert_true(become(&floods, 0));
	listener_stop(&listener);
	server_stop(&frozen);
	server_stop(&asking);
	server_stop(&quiet);
}

/* Stalls of every kind cost no CPU, and closing takes no longer than 2 s. */
static void test_stalled(void **state)
{
	struct server server;
	struct session *session;
	struct session_exec exec;
	struct listener listener;
	int64_t start_ms;
	double cpu;
	int fd;

	(void)state;
	server_start(&server, "");
	listener_start(&listener, "flood", serve_counted_flood);
	session = open_session(&server);
	fd = connect_port(forward(session, listener.path)); /* nobody reads there */
	exec = start(session, "yes & yes >&2");		    /* nobody reads here */
	poll(NULL, 0, 1500);
	cpu = cpu_seconds();
	poll(NULL, 0, 2000);
	assert_true(cpu_seconds() - cpu < 0.2);
	/* The session itself is well. */
	assert_int_equal(exec_status(session, "true", (char[SMALL]){0}), 0);
	server_signal(&server, SIGSTOP);
	poll(NULL, 0, 500);
	cpu = cpu_seconds();
	poll(NULL, 0, 2000);
	assert_true(cpu_seconds() - cpu < 0.2);
	start_ms = clock_now_ms();
	session_close(session);
	assert_true(clock_now_ms() - start_ms < 2000);
	assert_true(become(&floods, 0));
	server_signal(&server, SIGCONT);
	close(exec.in);
	close(exec.out);
	close(exec.err);
	close(fd);
	listener_stop(&listener);
	server_stop(&server);
}

/* A reader that stops for a while in the middle of a layer: nobody spins meanwhile, the session
 * stays, and then everything comes. */
static void test_reader_stalls(void **state)
{
	enum { STALL_MS = SANITIZED ? 5000 : 20000, BYTES = 20000000 };
	struct server server;
	struct session *session;
	struct listener listener;
	struct flow in = {.bytes = BYTES, .seed = 1};
	double cpu;
	int slices = 0;

	(void)state;
	server_start(&server, "RekeyLimit 1M");
	listener_start(&listener, "stall", serve_both);
	session = open_session(&server);
	both_bytes = BYTES;
	atomic_store(&wrong_bytes, 0);
	atomic_store(&served, 0);
	in.fd = connect_port(forward(session, listener.path));
	assert_true(in.fd >= 0);
	poll(NULL, 0, 1000); /* until all that can be full is */
	cpu = session_cpu_seconds();
	poll(NULL, 0, STALL_MS);
	cpu = session_cpu_seconds() - cpu;
	slices = (int)(cpu * 100000 / STALL_MS);
	if (verbose)
		fprintf(stderr, "  %.2f CPU s in %d ms\n", cpu, STALL_MS);
	assert_in_range(slices, 0, SANITIZED ? 20 : 4); /* hundredths: less than 5 % */
	assert_int_equal(exec_status(session, "true", (char[SMALL]){0}), 0);
	{
		struct flow out = {.fd = in.fd, .bytes = BYTES, .seed = 2};
		pthread_t thread;

		pthread_create(&thread, NULL, send_flow, &out);
		receive_flow(&in);
		pthread_join(thread, NULL);
		assert_int_equal(in.wrong + out.wrong, 0);
	}
	assert_true(become(&served, 1));
	assert_int_equal(atomic_load(&wrong_bytes), 0);
	close(in.fd);
	session_close(session);
	listener_stop(&listener);
	server_stop(&server);
}

/* ---- running them ---- */

struct held {
	int fds, threads;
};
static struct held before;

static int count_before(void **state)
{
	(void)state;
	before.fds = count_fds();
	before.threads = count_entries("/proc/self/task");
	return 0;
}

static int count_after(void **state)
{
	(void)state;
	if (!threads_become(before.threads) || count_fds() != before.fds) {
		print_error("threads %d -> %d, descriptors %d -> %d\n", before.threads,
		    count_entries("/proc/self/task"), before.fds, count_fds());
		return -1;
	}
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, count_before, count_after)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_exec),
	    TEST(test_exec_big),
	    TEST(test_exec_stop),
	    TEST(test_exec_refused),
	    TEST(test_remote_twenty),
	    TEST(test_remote_rekey),
	    TEST(test_remote_rekey_many),
	    TEST(test_remote_tcp),
	    TEST(test_remote_crowd),
	    TEST(test_remote_cancel),
	    TEST(test_remote_refused),
	    TEST(test_remote_reader_gone),
	    TEST(test_local),
	    TEST(test_local_refused),
	    TEST(test_local_closed),
	    TEST(test_hostkey_refused),
	    TEST(test_hostkey_known),
	    TEST(test_hostkey_accept_new),
	    TEST(test_login_passphrase),
	    TEST(test_login_refused),
	    TEST(test_login_two_keys),
	    TEST(test_login_agent),
	    TEST(test_proxy),
	    TEST(test_many),
	    TEST(test_throttled),
	    TEST(test_stop_opening),
	    TEST(test_stop_running),
	    TEST(test_lost),
	    TEST(test_killed),
	    TEST(test_frozen),
	    TEST(test_stalled),
	    TEST(test_reader_stalls),
	};
	char pattern[128];

	if (askpass_wanted())
		return askpass_run(argc, argv);
	snprintf(pattern, sizeof(pattern), "*%s*", argc > 1 ? argv[1] : "");
	cmocka_set_test_filter(pattern);
	verbose = getenv("VERBOSE") != NULL;
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, make_keys, remove_all);
}
