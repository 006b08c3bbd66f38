/* Stopping, and things that end: by us, by the host, by nobody in particular. */
#include "tests/e2e/session/peers.h"
#include "tests/e2e/session/suite.h"

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

/* Enough for a key exchange on a busy machine. */
enum { LIMIT_MS = 4000, SLACK_MS = 20000 /* a slow machine's */, ENOUGH_MS = 60000 };

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
		stopping.target.connect_timeout_ms = limit ? LIMIT_MS : ENOUGH_MS;
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
		assert_true(stopping.took_ms - fired < (limit ? LIMIT_MS : 0) + SLACK_MS);
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
	snprintf(strrchr(driver, '/') + 1, 32, "driver");
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
		/* The system's ssh may let go of it a moment before its own end is seen. */
		if (send(beat.in, "beat\n", 5, MSG_NOSIGNAL) < 0) {
			slot =
			    (struct pollfd){.fd = session_lost_fd(sessions[0]), .events = POLLIN};
			assert_int_equal(poll(&slot, 1, 5000), 1);
		}
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
	assert_true(clock_now_ms() - start_ms < 30000);
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
	double cpu;
	int fd, slices;

	(void)state;
	server_start(&server, "RekeyLimit 1M");
	listener_start(&listener, "stall", serve_both);
	session = open_session(&server);
	begin_both(BYTES);
	fd = connect_port(forward(session, listener.path));
	assert_true(fd >= 0);
	poll(NULL, 0, 1000); /* until all that can be full is */
	cpu = session_cpu_seconds();
	poll(NULL, 0, STALL_MS);
	cpu = session_cpu_seconds() - cpu;
	slices = (int)(cpu * 100000 / STALL_MS);
	if (verbose)
		fprintf(stderr, "  %.2f CPU s in %d ms\n", cpu, STALL_MS);
	assert_in_range(slices, 0, SANITIZED ? 20 : 4); /* hundredths: less than 5 % */
	assert_int_equal(exec_status(session, "true", (char[SMALL]){0}), 0);
	run_both(fd, 2, 1);
	expect_both(1);
	session_close(session);
	listener_stop(&listener);
	server_stop(&server);
}

SUITE(TEST(test_stop_opening), TEST(test_stop_running), TEST(test_lost), TEST(test_killed),
    TEST(test_frozen), TEST(test_stalled), TEST(test_reader_stalls))
