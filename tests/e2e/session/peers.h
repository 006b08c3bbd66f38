/* Small peers to talk to through a session, and what all that costs this process. */
#ifndef SHIPIT_TESTS_E2E_SESSION_PEERS_H
#define SHIPIT_TESTS_E2E_SESSION_PEERS_H

#include "tests/e2e/session/server.h"

/* The bytes at position `i` of a test stream: any shift, loss or doubling shows. */
static UNUSED unsigned char byte_at(uint64_t i, unsigned seed)
{
	return (unsigned char)((i * 2654435761U + seed) >> 13 ^ (i >> 16));
}

static UNUSED void fill(unsigned char *data, size_t len, uint64_t at, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		data[i] = byte_at(at + i, seed);
}

static UNUSED atomic_ullong wrong_bytes; /* over all flows of a test */

struct flow {
	int fd;
	uint64_t bytes;
	unsigned seed;
	uint64_t wrong; /* bytes that differ, or are missing or too many */
};

static UNUSED void *send_flow(void *argument)
{
	struct flow *flow = argument;
	unsigned char data[65536];

	for (uint64_t at = 0; at < flow->bytes;) {
		size_t len =
		    flow->bytes - at < sizeof(data) ? (size_t)(flow->bytes - at) : sizeof(data);
		size_t sent = 0;

		fill(data, len, at, flow->seed);
		while (sent < len) {
			ssize_t n = send(flow->fd, data + sent, len - sent, MSG_NOSIGNAL);

			if (n <= 0) {
				flow->wrong += flow->bytes - at - sent;
				return NULL;
			}
			sent += (size_t)n;
		}
		at += len;
	}
	shutdown(flow->fd, SHUT_WR);
	return NULL;
}

static UNUSED void *receive_flow(void *argument)
{
	struct flow *flow = argument;
	unsigned char data[65536], expected[65536];
	uint64_t at = 0;
	ssize_t n;

	while ((n = recv(flow->fd, data, sizeof(data), 0)) > 0) {
		fill(expected, (size_t)n, at, flow->seed);
		for (ssize_t i = 0; i < n; i++)
			flow->wrong += data[i] != expected[i];
		at += (uint64_t)n;
	}
	flow->wrong += at > flow->bytes ? at - flow->bytes : flow->bytes - at;
	return NULL;
}

/* Listens here, on a Unix socket or on TCP, and runs `serve` for each connection on its own thread.
 */
struct listener {
	int fd;
	int port;
	char path[128];
	void *(*serve)(void *fd);
	pthread_t thread;
	atomic_int accepted;
	int stop[2];
};

static UNUSED void *listen_loop(void *argument)
{
	struct listener *listener = argument;

	for (;;) {
		struct pollfd slots[2] = {{.fd = listener->fd, .events = POLLIN},
		    {.fd = listener->stop[0], .events = POLLIN}};
		pthread_t thread;
		int fd;

		poll(slots, 2, -1);
		if (slots[1].revents != 0)
			return NULL;
		fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		atomic_fetch_add(&listener->accepted, 1);
		pthread_create(&thread, NULL, listener->serve, (void *)(intptr_t)fd);
		pthread_detach(thread);
	}
}

static UNUSED void listener_start(
    struct listener *listener, const char *name, void *(*serve)(void *))
{
	memset(listener, 0, sizeof(*listener));
	listener->serve = serve;
	assert_int_equal(fd_pipe(listener->stop), 0);
	if (name != NULL) {
		struct sockaddr_un address = {.sun_family = AF_UNIX};

		snprintf(listener->path, sizeof(listener->path), "%s/%s", top, name);
		memcpy(address.sun_path, listener->path, strlen(listener->path));
		unlink(listener->path);
		listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(
		    bind(listener->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	} else {
		struct sockaddr_in address = {.sin_family = AF_INET};
		socklen_t len = sizeof(address);

		address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(
		    bind(listener->fd, (struct sockaddr *)&address, sizeof(address)), 0);
		getsockname(listener->fd, (struct sockaddr *)&address, &len);
		listener->port = ntohs(address.sin_port);
	}
	assert_int_equal(listen(listener->fd, 128), 0);
	pthread_create(&listener->thread, NULL, listen_loop, listener);
}

static UNUSED void listener_stop(struct listener *listener)
{
	close(listener->stop[1]);
	pthread_join(listener->thread, NULL);
	close(listener->stop[0]);
	close(listener->fd);
}

static UNUSED void *serve_echo(void *argument)
{
	int fd = (int)(intptr_t)argument;
	char data[65536];
	ssize_t n;

	while ((n = recv(fd, data, sizeof(data), 0)) > 0)
		if (send(fd, data, (size_t)n, MSG_NOSIGNAL) != n)
			break;
	close(fd);
	return NULL;
}

/* Sends without end, reads nothing. */
static UNUSED void *serve_flood(void *argument)
{
	int fd = (int)(intptr_t)argument;
	char data[65536] = "";

	while (send(fd, data, sizeof(data), MSG_NOSIGNAL) > 0)
		;
	close(fd);
	return NULL;
}

/* Both directions of one connection at the same time; `serve_both` is the other end. */
static UNUSED uint64_t both_bytes;
static UNUSED atomic_int served;

static UNUSED bool become(atomic_int *value, int wanted)
{
	for (int i = 0; i < 6000; i++) {
		if (atomic_load(value) == wanted)
			return true;
		poll(NULL, 0, 10);
	}
	return false;
}

/* This end of it: what goes out has one seed, what comes in the other. */
static UNUSED void run_both(int fd, unsigned out_seed, unsigned in_seed)
{
	struct flow out = {.fd = fd, .bytes = both_bytes, .seed = out_seed};
	struct flow in = {.fd = fd, .bytes = both_bytes, .seed = in_seed};
	pthread_t thread;

	pthread_create(&thread, NULL, send_flow, &out);
	receive_flow(&in);
	pthread_join(thread, NULL);
	atomic_fetch_add(&wrong_bytes, out.wrong + in.wrong);
	if (fd >= 0)
		close(fd);
}

static UNUSED void *serve_both(void *argument)
{
	run_both((int)(intptr_t)argument, 1, 2);
	atomic_fetch_add(&served, 1);
	return NULL;
}

/* Before any of them. */
static UNUSED void begin_both(uint64_t bytes)
{
	both_bytes = bytes;
	atomic_store(&wrong_bytes, 0);
	atomic_store(&served, 0);
}

/* After all of them. */
static UNUSED void expect_both(int streams)
{
	assert_true(become(&served, streams));
	assert_int_equal(atomic_load(&wrong_bytes), 0);
}

static UNUSED atomic_int floods;

static UNUSED void *serve_counted_flood(void *fd)
{
	atomic_fetch_add(&floods, 1);
	serve_flood(fd);
	atomic_fetch_sub(&floods, 1);
	return NULL;
}

static UNUSED double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Of a child that still runs, if it is called `ssh`. */
static UNUSED double ssh_cpu_seconds(pid_t pid)
{
	char path[64];
	CLEANUP_FREE char *stat = NULL;
	unsigned long user, system;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	stat = slurp(path);
	if (sscanf(stat, "%*d (ssh) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
		&system) != 2)
		return 0;
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* What the sessions of this process have taken: itself, and the system's ssh. */
static UNUSED double session_cpu_seconds(void)
{
	pid_t pids[256];
	int n = server_children(getpid(), pids, 256);
	double sum = cpu_seconds();

	for (int i = 0; i < n; i++)
		sum += ssh_cpu_seconds(pids[i]);
	return sum;
}

#endif
