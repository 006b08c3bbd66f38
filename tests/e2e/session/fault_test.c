/* A link that goes bad: at every phase of opening a session, and with one that is open. Three ways:
 *
 *	frozen	nothing comes any more, the kernel there still answers
 *	dropped	packets vanish both ways, nobody says so
 *	reset	RST
 *
 * Between us and sshd stands a relay that harms the connection after so many bytes of the server.
 *To be run in a network namespace of its own (session_test.sh): packets are dropped by a firewall.
 */
#include "tests/e2e/session/peers.h"
#include "tests/e2e/session/suite.h"

enum {
	OPEN_MS = 5000,
	SLACK_MS = 20000, /* a slow machine's */
	LOST_MS = 30000,
	POSITIONS = 10,
};

enum harm { FROZEN, DROPPED, RESET, HARMS };

static const char *const harm_names[] = {"frozen", "dropped", "reset"};

struct relay {
	int fd, port, to_port;
	enum harm harm;
	uint64_t cut; /* bytes from the server to let pass */
	_Atomic uint64_t passed;
	struct cancel harmed, stop; /* `harmed` may be fired to do it now */
	pthread_t thread;
};

static void drop_packets(int port)
{
	assert_non_null(getenv("OWN_NETWORK")); /* whose firewall would it be? */
	runf("iptables -w -I INPUT -p tcp --dport %d -j DROP && "
	     "iptables -w -I INPUT -p tcp --sport %d -j DROP",
	    port, port);
}

static void reset(int fd)
{
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

static void do_harm(struct relay *relay, int client)
{
	if (relay->harm == DROPPED)
		drop_packets(relay->port);
	if (relay->harm == RESET) {
		/* What came before is lost with it, unless it was read: mostly it is. */
		poll(NULL, 0, 100);
		reset(client);
	} else {
		poll(&(struct pollfd){.fd = relay->stop.fd, .events = POLLIN}, 1, -1);
	}
}

/* False: the connection is over. */
static bool pass_on(int from, int to, size_t most, _Atomic uint64_t *count)
{
	char data[16384];
	ssize_t n = recv(from, data, most < sizeof(data) ? most : sizeof(data), 0);

	if (n <= 0)
		return false;
	/* Both ends take what comes; one that does not ends the test by its own limit. */
	if (send(to, data, (size_t)n, MSG_NOSIGNAL) != n)
		return false;
	if (count != NULL)
		atomic_fetch_add(count, (uint64_t)n);
	return true;
}

static void relay_one(struct relay *relay, int client, int server)
{
	uint64_t from = atomic_load(&relay->passed);

	for (;;) {
		struct pollfd slots[4] = {{.fd = client, .events = POLLIN},
		    {.fd = server, .events = POLLIN}, {.fd = relay->harmed.fd, .events = POLLIN},
		    {.fd = relay->stop.fd, .events = POLLIN}};
		uint64_t left = relay->cut - (atomic_load(&relay->passed) - from);

		poll(slots, 4, -1);
		if (slots[3].revents != 0)
			return;
		if (slots[2].revents != 0 || (left == 0 && slots[1].revents != 0)) {
			do_harm(relay, client);
			return;
		}
		if (slots[0].revents != 0 && !pass_on(client, server, SIZE_MAX, NULL))
			return;
		if (slots[1].revents != 0 && !pass_on(server, client, left, &relay->passed))
			return;
	}
}

static void *relay_run(void *context)
{
	struct relay *relay = context;

	for (;;) {
		struct pollfd slots[2] = {
		    {.fd = relay->fd, .events = POLLIN}, {.fd = relay->stop.fd, .events = POLLIN}};
		int client, server;

		poll(slots, 2, -1);
		if (slots[1].revents != 0)
			return NULL;
		client = accept4(relay->fd, NULL, NULL, SOCK_CLOEXEC);
		if (client < 0)
			continue;
		server = connect_port(relay->to_port);
		if (server >= 0) {
			relay_one(relay, client, server);
			close(server);
		}
		close(client);
	}
}

static void relay_start(struct relay *relay, int to_port, enum harm harm, uint64_t cut)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);

	*relay = (struct relay){.to_port = to_port,
	    .harm = harm,
	    .cut = cut,
	    .harmed = CANCEL_INIT,
	    .stop = CANCEL_INIT};
	assert_int_equal(cancel_init(&relay->harmed, NULL), 0);
	assert_int_equal(cancel_init(&relay->stop, NULL), 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	relay->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(relay->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	getsockname(relay->fd, (struct sockaddr *)&address, &len);
	relay->port = ntohs(address.sin_port);
	assert_int_equal(listen(relay->fd, 16), 0);
	pthread_create(&relay->thread, NULL, relay_run, relay);
}

static void relay_stop(struct relay *relay)
{
	cancel_fire(&relay->stop);
	pthread_join(relay->thread, NULL);
	close(relay->fd);
	cancel_release(&relay->stop);
	cancel_release(&relay->harmed);
}

/* Whatever port it is reached at. */
static void use_alias(const struct server *server)
{
	runf("cd %s && { printf 'far '; cut -d' ' -f1,2 ../host_ed25519.pub; } > known_hosts && "
	     "echo HostKeyAlias far >> ssh_config",
	    server->dir);
}

struct attempt {
	struct relay relay;
	struct session_target target;
	struct session *session;
	struct error err;
	int64_t took_ms;
	pthread_t thread;
};

static void *attempt_run(void *context)
{
	struct attempt *attempt = context;
	int64_t begun_ms = clock_now_ms();

	session_open(&attempt->target, &attempt->session, &attempt->err);
	attempt->took_ms = clock_now_ms() - begun_ms;
	return NULL;
}

static void attempt_start(
    struct attempt *attempt, const struct server *server, enum harm harm, uint64_t cut)
{
	*attempt = (struct attempt){.target = target_of(server)};
	relay_start(&attempt->relay, server->port, harm, cut);
	attempt->target.port = attempt->relay.port;
	attempt->target.connect_timeout_ms = OPEN_MS;
	pthread_create(&attempt->thread, NULL, attempt_run, attempt);
}

static bool is_lost(struct session *session, int limit_ms)
{
	struct pollfd slot = {.fd = session_lost_fd(session), .events = POLLIN};

	return poll(&slot, 1, limit_ms) == 1;
}

/* What the server says until we are in. */
static uint64_t opening_bytes(const struct server *server)
{
	struct attempt attempt;
	uint64_t bytes;

	attempt_start(&attempt, server, FROZEN, UINT64_MAX);
	pthread_join(attempt.thread, NULL);
	if (attempt.session == NULL)
		fail_msg("%s", error_text(&attempt.err));
	bytes = atomic_load(&attempt.relay.passed);
	session_close(attempt.session);
	relay_stop(&attempt.relay);
	return bytes;
}

static const char *const phases[] = {"banner", "key exchange", "login"};

/* The error of an opening tells the phase; the bits of those that were seen are collected. */
static unsigned expect_failed(struct attempt *attempt, enum harm harm, int position)
{
	const char *text = error_text(&attempt->err);
	unsigned seen = 0;

	if (verbose)
		fprintf(stderr, "  %s, %d: %s (%lld ms)\n", harm_names[harm], position, text,
		    (long long)attempt->took_ms);
	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
		if (strstr(text, phases[i]) != NULL)
			seen |= 1U << i;
	if (seen == 0)
		fail_msg("%s, %d: no phase in: %s", harm_names[harm], position, text);
	if (attempt->err.kind != (harm == RESET ? ERROR_UNREACHABLE : ERROR_TIMEOUT))
		fail_msg(
		    "%s, %d: kind %d: %s", harm_names[harm], position, attempt->err.kind, text);
	if (attempt->took_ms > OPEN_MS + SLACK_MS)
		fail_msg("%s, %d: after %lld ms: %s", harm_names[harm], position,
		    (long long)attempt->took_ms, text);
	error_release(&attempt->err);
	return seen;
}

/* After a tenth, two tenths, ... of what the server says until we are in, all at once. */
static void sweep(enum harm harm)
{
	struct server server;
	struct attempt attempts[POSITIONS];
	uint64_t bytes;
	unsigned seen = 0;

	server_start(&server, "");
	use_alias(&server);
	bytes = opening_bytes(&server);
	for (int i = 0; i < POSITIONS; i++)
		attempt_start(&attempts[i], &server, harm, bytes * (uint64_t)i / POSITIONS);
	for (int i = 0; i < POSITIONS; i++) {
		pthread_join(attempts[i].thread, NULL);
		/* What came after the login's end, nobody waits for. */
		if (attempts[i].session == NULL)
			seen |= expect_failed(&attempts[i], harm, i);
		else if (!is_lost(attempts[i].session, LOST_MS))
			fail_msg("%s, %d: open, and never lost", harm_names[harm], i);
		session_close(attempts[i].session);
	}
	for (int i = 0; i < POSITIONS; i++)
		relay_stop(&attempts[i].relay);
	/* All of them; a reset may overtake the last of what was said. */
	assert_int_equal(seen | (harm == RESET ? 4U : 0U), 7);
	server_stop(&server);
}

static void opening_freezes(void **state UNUSED)
{
	sweep(FROZEN);
}

static void opening_is_dropped(void **state UNUSED)
{
	sweep(DROPPED);
}

static void opening_is_reset(void **state UNUSED)
{
	sweep(RESET);
}

/* Before there is a connection. */
static void nobody_is_there(void **state UNUSED)
{
	struct server server;
	struct session_target target;
	int64_t begun_ms;

	server_start(&server, "");
	use_alias(&server);
	target = target_of(&server);
	target.connect_timeout_ms = OPEN_MS;
	target.port = free_port();
	begun_ms = clock_now_ms();
	REFUSED(&target, ERROR_UNREACHABLE, "connect", "refused");
	drop_packets(target.port);
	REFUSED(&target, ERROR_TIMEOUT, "connect");
	assert_true(clock_now_ms() - begun_ms < OPEN_MS + 2 * SLACK_MS);
	server_stop(&server);
}

enum use { IDLE, EXEC, PULL, USES };

static void *serve_pull(void *fd)
{
	return serve_flood(fd);
}

static void *drain(void *fd)
{
	char data[65536];

	while (recv((int)(intptr_t)fd, data, sizeof(data), 0) > 0)
		;
	return NULL;
}

/* An open one: idle, with a program, with a pull through a forward. */
static void open_ones(void **state UNUSED)
{
	struct server server;
	struct attempt attempts[HARMS][USES];
	struct session_exec exec[HARMS];
	struct listener listener;
	struct error err = {0};
	pthread_t readers[HARMS];
	int pulls[HARMS], status, port;
	int64_t begun_ms;

	server_start(&server, "");
	use_alias(&server);
	listener_start(&listener, "pull", serve_pull);
	for (int harm = 0; harm < HARMS; harm++)
		for (int use = 0; use < USES; use++) {
			struct attempt *attempt = &attempts[harm][use];

			attempt_start(attempt, &server, (enum harm)harm, UINT64_MAX);
			pthread_join(attempt->thread, NULL);
			if (attempt->session == NULL)
				fail_msg("%s", error_text(&attempt->err));
		}
	for (int harm = 0; harm < HARMS; harm++) {
		char byte;

		exec[harm] = start(attempts[harm][EXEC].session, "echo; exec cat");
		assert_int_equal(read(exec[harm].out, &byte, 1), 1);
		assert_int_equal(session_forward_remote(
				     attempts[harm][PULL].session, listener.path, &port, NULL),
		    0);
		pulls[harm] = connect_port(port);
		assert_int_equal(recv(pulls[harm], &byte, 1, 0), 1);
		pthread_create(&readers[harm], NULL, drain, (void *)(intptr_t)pulls[harm]);
	}
	begun_ms = clock_now_ms();
	for (int harm = 0; harm < HARMS; harm++)
		for (int use = 0; use < USES; use++)
			cancel_fire(&attempts[harm][use].relay.harmed);
	for (int harm = 0; harm < HARMS; harm++)
		for (int use = 0; use < USES; use++) {
			struct session *session = attempts[harm][use].session;
			int64_t limit_ms = begun_ms + LOST_MS;

			if (!is_lost(session, clock_left_ms(limit_ms)))
				fail_msg("%s, %d: not noticed within 30 s", harm_names[harm], use);
			assert_int_equal(session_lost(session, &err), -1);
			if (verbose)
				fprintf(stderr, "  %s, %d: %s (%lld ms)\n", harm_names[harm], use,
				    error_text(&err), (long long)(clock_now_ms() - begun_ms));
			assert_int_equal(err.kind, ERROR_UNREACHABLE);
			assert_non_null(strstr(error_text(&err), session_describe(session)));
			error_release(&err);
		}
	for (int harm = 0; harm < HARMS; harm++) {
		assert_int_equal(session_exec_wait(attempts[harm][EXEC].session, exec[harm].id,
				     clock_now_ms() + 1000, &status, &err),
		    -1);
		assert_int_equal(err.kind, ERROR_UNREACHABLE);
		error_release(&err);
		close(exec[harm].in);
		close(exec[harm].out);
		close(exec[harm].err);
		shutdown(pulls[harm], SHUT_RDWR);
		pthread_join(readers[harm], NULL);
		close(pulls[harm]);
		for (int use = 0; use < USES; use++) {
			session_close(attempts[harm][use].session);
			relay_stop(&attempts[harm][use].relay);
		}
	}
	listener_stop(&listener);
	server_stop(&server);
}

SUITE(TEST(nobody_is_there), TEST(opening_freezes), TEST(opening_is_dropped),
    TEST(opening_is_reset), TEST(open_ones))
