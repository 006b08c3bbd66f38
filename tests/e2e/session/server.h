/* An sshd of our own on loopback, its keys, and sessions with it. Everything lives in one temporary
 * folder. */
#ifndef SHIPIT_TESTS_E2E_SESSION_SERVER_H
#define SHIPIT_TESTS_E2E_SESSION_SERVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
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

/* OpenSSH's own choice takes both sides 50 ms each, a hundred times in a suite. What it is does
 * matter to auto_test alone. */
#define CHEAP_EXCHANGE                                                                             \
	"KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256"
static UNUSED bool any_exchange;

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
	/* When several threads are the first, OpenSSL loads its provider for each and keeps one. */
	EVP_MD_free(EVP_MD_fetch(NULL, "SHA256", NULL));
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
	    "%s\n%s\nListenAddress 127.0.0.1:%d\nListenAddress [::1]:%d\nHostKey "
	    "%s/host_ed25519\nHostKey %s/host_ecdsa\n"
	    "AuthorizedKeysFile %s/authorized_keys\nStrictModes no\nUsePAM no\nPidFile none\n"
	    "PermitRootLogin yes\nPasswordAuthentication no\nLogLevel DEBUG1\n"
	    "MaxSessions 64\nMaxStartups 200\n"
	    "SetEnv HOME=%s\n", /* nobody's .bashrc has a say here */
	    extra, any_exchange ? "" : CHEAP_EXCHANGE, server->port, server->port, top, top, top,
	    top);
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

static UNUSED void use_identity(const struct server *server, const char *file, const char *agent)
{
	runf("cd %s && sed -i 's|^IdentityFile.*|IdentityFile %s/%s|; "
	     "s|^IdentityAgent.*|IdentityAgent %s|' ssh_config",
	    server->dir, top, file, agent);
}

static UNUSED int forward(struct session *session, const char *target)
{
	struct error err = {0};
	int port = 0;

	if (session_forward_remote(session, target, &port, &err) < 0)
		fail_msg("forward: %s", error_text(&err));
	assert_true(port > 0);
	return port;
}

static UNUSED void expect_login(const struct session_target *target)
{
	session_close(open_target(target));
}

#endif
