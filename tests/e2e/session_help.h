/* Fixtures of session_test.c: an sshd of our own on loopback, its keys, and small peers to talk to
 * through a session. Everything lives in one temporary folder. */
#ifndef SHIPIT_TESTS_E2E_SESSION_HELP_H
#define SHIPIT_TESTS_E2E_SESSION_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/proc.h"
#include "transport/ssh/askpass.h"
#include "transport/ssh/session.h"

enum { READY_MS = 10000, SMALL = 4096 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static char top[] = "/tmp/shipit-session.XXXXXX";
static int servers;
static pid_t running[256]; /* by number; what a failed test leaves is ended with the group */

struct server {
	char dir[128];
	int number;
	pid_t pid;
	int port;
};

/* ---- files and children ---- */

static UNUSED void run(const char *command)
{
	const char *argv[] = {"/bin/sh", "-c", command, NULL};
	struct proc_result result = {0};
	struct error err = {0};

	if (proc_run(argv, 1 << 16, clock_now_ms() + 60000, -1, &result, &err) < 0 ||
	    result.status != 0)
		fail_msg("%s: %s%s", command, error_text(&err), result.err.data);
	proc_result_release(&result);
	error_release(&err);
}

static void runf(const char *format, ...) PRINTF_LIKE(1, 2);
static UNUSED void runf(const char *format, ...)
{
	char command[SMALL];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	run(command);
}

static UNUSED char *slurp(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = calloc(1, 1 << 20);

	if (file != NULL) {
		text[fread(text, 1, (1 << 20) - 1, file)] = '\0';
		fclose(file);
	}
	return text;
}

static UNUSED void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

/* ---- sshd ---- */

static UNUSED void *do_nothing(void *argument)
{
	return argument;
}

static UNUSED int make_keys(void **state)
{
	pthread_t thread;

	(void)state;
	/* A sanitizer's own threads start with the first of ours. */
	pthread_create(&thread, NULL, do_nothing, NULL);
	pthread_join(thread, NULL);
	assert_non_null(mkdtemp(top));
	runf("cd %s && mkdir run && chmod 700 run && "
	     "for t in ed25519 ecdsa; do ssh-keygen -q -t $t -N '' -f host_$t && "
	     "ssh-keygen -q -t $t -N '' -f id_$t; done && "
	     "ssh-keygen -q -t rsa -b 2048 -N '' -f id_rsa && "
	     "ssh-keygen -q -t ed25519 -N 'open sesame' -f id_locked && "
	     "ssh-keygen -q -t ed25519 -N '' -f id_stranger && "
	     "cat id_ed25519.pub id_ecdsa.pub id_rsa.pub id_locked.pub > authorized_keys && "
	     "chmod 600 authorized_keys",
	    top);
	if (getuid() == 0)
		mkdir("/run/sshd", 0755);
	return 0;
}

static UNUSED int free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static UNUSED int connect_port(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static UNUSED int connect_path(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static UNUSED bool answers(int port)
{
	int fd = connect_port(port);
	char banner[4] = "";
	ssize_t n = -1;

	if (fd >= 0) {
		struct pollfd slot = {.fd = fd, .events = POLLIN};

		if (poll(&slot, 1, 2000) == 1)
			n = recv(fd, banner, sizeof(banner), 0);
		close(fd);
	}
	return n == 4 && memcmp(banner, "SSH-", 4) == 0;
}

static UNUSED void spawn_sshd(struct server *server)
{
	char config[256], log[256];
	const char *argv[] = {"/usr/sbin/sshd", "-D", "-f", config, "-E", log, NULL};
	struct proc_options options = {.argv = argv, .fds = {-1, -1, -1}, .own_group = 1};
	struct error err = {0};

	snprintf(config, sizeof(config), "%s/sshd_config", server->dir);
	snprintf(log, sizeof(log), "%s/log", server->dir);
	if (proc_spawn(&options, &server->pid, &err) < 0)
		fail_msg("sshd: %s", error_text(&err));
}

/* `extra`: more lines of sshd_config, which come first and so win. */
static UNUSED void server_start(struct server *server, const char *extra)
{
	char path[256], text[SMALL];
	int64_t limit = clock_now_ms() + READY_MS;

	snprintf(server->dir, sizeof(server->dir), "%s/s%d", top, servers);
	server->number = servers++;
	mkdir(server->dir, 0700);
	server->port = free_port();
	snprintf(path, sizeof(path), "%s/sshd_config", server->dir);
	snprintf(text, sizeof(text),
	    "%s\nListenAddress 127.0.0.1:%d\nListenAddress [::1]:%d\nHostKey "
	    "%s/host_ed25519\nHostKey %s/host_ecdsa\n"
	    "AuthorizedKeysFile %s/authorized_keys\nStrictModes no\nUsePAM no\nPidFile none\n"
	    "PermitRootLogin yes\nPasswordAuthentication no\nLogLevel DEBUG1\n"
	    "MaxSessions 64\nMaxStartups 200\n"
	    "SetEnv HOME=%s\n", /* nobody's .bashrc has a say here */
	    extra, server->port, server->port, top, top, top, top);
	write_file(path, text);
	spawn_sshd(server);
	running[server->number] = server->pid;
	while (!answers(server->port)) {
		assert_true(clock_now_ms() < limit);
		poll(NULL, 0, 20);
	}
	runf("cd %s && { printf '[127.0.0.1]:%d '; cut -d' ' -f1,2 ../host_ed25519.pub; } "
	     "> known_hosts && printf 'Host *\\nUserKnownHostsFile %s/known_hosts\\n"
	     "GlobalKnownHostsFile none\\nHashKnownHosts no\\nIdentityAgent none\\n"
	     "IdentityFile %s/id_ed25519\\nIdentitiesOnly yes\\n' > ssh_config",
	    server->dir, server->port, server->dir, top);
}

/* Which processes serve connections (sshd's children and theirs). */
static UNUSED int server_children(pid_t parent, pid_t *pids, int max)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int n = 0;

	while ((entry = readdir(proc)) != NULL && n < max) {
		char path[300], line[512] = "";
		const char *after;
		FILE *file;
		int ppid = 0;

		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		file = fopen(path, "r");
		if (file == NULL)
			continue;
		after = fgets(line, sizeof(line), file) != NULL ? strrchr(line, ')') : NULL;
		fclose(file);
		if (after == NULL || sscanf(after + 1, " %*c %d", &ppid) != 1 || ppid != parent)
			continue;
		pids[n++] = atoi(entry->d_name);
		n += server_children(pids[n - 1], pids + n, max - n);
	}
	closedir(proc);
	return n;
}

static UNUSED void server_signal(const struct server *server, int signal)
{
	pid_t pids[256];
	int n = server_children(server->pid, pids, 256);

	assert_true(n > 0);
	for (int i = 0; i < n; i++)
		kill(pids[i], signal);
}

static UNUSED void stop_sshd(pid_t pid)
{
	pid_t pids[256];
	int n = server_children(pid, pids, 256);

	for (int i = 0; i < n; i++)
		kill(pids[i], SIGKILL);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static UNUSED void server_stop(struct server *server)
{
	stop_sshd(server->pid);
	running[server->number] = 0;
}

static UNUSED int remove_all(void **state)
{
	(void)state;
	for (int i = 0; i < servers; i++)
		if (running[i] > 0)
			stop_sshd(running[i]);
	runf("rm -rf %s", top);
	return 0;
}

static UNUSED char *server_log(const struct server *server)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/log", server->dir);
	return slurp(path);
}

/* ---- sessions ---- */

static bool verbose;

static UNUSED void log_line(void *context, int level, const char *text)
{
	(void)context;
	if (verbose)
		fprintf(stderr, "  [%d] %s\n", level, text);
}

/* $TRANSPORT: libssh2 (the default) or openssh; what is tried is one of them, and not what `auto`
 * makes of it. */
static UNUSED enum session_transport transport_wanted(void)
{
	const char *name = getenv("TRANSPORT");

	if (name != NULL && strcmp(name, "auto") == 0)
		return SESSION_AUTO;
	return name != NULL && strcmp(name, "openssh") == 0 ? SESSION_OPENSSH : SESSION_LIBSSH2;
}

/* Some things are ssh's own: its words, its limits. */
static UNUSED bool by_openssh(void)
{
	return transport_wanted() == SESSION_OPENSSH;
}

static UNUSED struct session_target target_of(const struct server *server)
{
	static char run_dir[64], config[256];
	struct session_target target = {.transport = transport_wanted(),
	    .name = "127.0.0.1",
	    .port = server->port,
	    .cancel_fd = -1,
	    .log = log_line};

	snprintf(run_dir, sizeof(run_dir), "%s/run", top);
	snprintf(config, sizeof(config), "%s/ssh_config", server->dir);
	target.run_dir = run_dir;
	target.config = config;
	return target;
}

static UNUSED struct session *open_target(const struct session_target *target)
{
	struct session *session = NULL;
	struct error err = {0};

	if (session_open(target, &session, &err) < 0)
		fail_msg("session_open: %s (%s)", error_text(&err), err.hint ? err.hint : "");
	return session;
}

static UNUSED struct session *open_session(const struct server *server)
{
	struct session_target target = target_of(server);

	return open_target(&target);
}

static UNUSED void expect_refusal(
    const struct session_target *target, enum error_kind kind, const char *const *words)
{
	struct session *session = NULL;
	struct error err = {0};

	if (session_open(target, &session, &err) == 0)
		fail_msg("session_open should have failed");
	if (verbose)
		fprintf(stderr, "  %s\n    hint: %s\n", err.message, err.hint ? err.hint : "-");
	if (err.kind != kind)
		fail_msg("kind %d: %s", err.kind, error_text(&err));
	for (; *words != NULL; words++)
		if (strstr(err.message, *words) == NULL &&
		    (err.hint == NULL || strstr(err.hint, *words) == NULL))
			fail_msg("\"%s\" is not in: %s (%s)", *words, err.message,
			    err.hint != NULL ? err.hint : "");
	error_release(&err);
}

#define REFUSED(target, kind, ...)                                                                 \
	expect_refusal((target), (kind), (const char *const[]){__VA_ARGS__, NULL})

static UNUSED struct session_exec start(struct session *session, const char *command)
{
	struct session_exec exec;
	struct error err = {0};

	if (session_exec(session, command, &exec, &err) < 0)
		fail_msg("exec %s: %s", command, error_text(&err));
	return exec;
}

static UNUSED int finish(struct session *session, struct session_exec *exec)
{
	struct error err = {0};
	int status = -1;

	if (session_exec_wait(session, exec->id, clock_now_ms() + 20000, &status, &err) < 0)
		fail_msg("wait: %s", error_text(&err));
	if (exec->in >= 0)
		close(exec->in);
	close(exec->out);
	close(exec->err);
	return status;
}

/* Everything up to EOF, at most SMALL - 1 bytes, as a string. */
static UNUSED void read_all(int fd, char text[SMALL])
{
	size_t len = 0;
	ssize_t n;

	while (len < SMALL - 1 && (n = read(fd, text + len, SMALL - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
}

static UNUSED int exec_status(struct session *session, const char *command, char out[SMALL])
{
	struct session_exec exec = start(session, command);

	close(exec.in);
	exec.in = -1;
	read_all(exec.out, out);
	return finish(session, &exec);
}

/* ---- peers ---- */

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

/* ---- what this process holds ---- */

static UNUSED int count_entries(const char *folder)
{
	DIR *dir = opendir(folder);
	int n = 0;

	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static UNUSED int count_fds(void)
{
	return count_entries("/proc/self/fd");
}

/* Detached threads need a moment to be gone. */
static UNUSED bool threads_become(int n)
{
	for (int i = 0; i < 200; i++) {
		if (count_entries("/proc/self/task") <= n)
			return true;
		poll(NULL, 0, 10);
	}
	return false;
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
