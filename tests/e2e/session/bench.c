/* How fast is a remote forward, and what does it cost here? Against `ssh -R` with the same cipher
 * and with ssh's own choice. Source and sink are processes of their own, so the CPU time is the
 * client's.
 *
 *   bench [MEGABYTES [STREAMS]]      default 1000, 1; at most 64 */
#include "tests/e2e/session/peers.h"

struct result {
	double seconds, cpu;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A child that sends `bytes` to whoever connects to the Unix socket `path`. */
static pid_t source(const char *path, uint64_t bytes, int streams)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	pid_t pid;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 64) < 0)
		abort();
	pid = fork();
	if (pid > 0) {
		close(fd);
		return pid;
	}
	for (int i = 0; i < streams; i++) {
		int client = accept(fd, NULL, NULL);

		if (fork() == 0) {
			static char data[65536];

			for (uint64_t at = 0; at < bytes; at += sizeof(data))
				if (send(client, data, sizeof(data), MSG_NOSIGNAL) < 0)
					break;
			_exit(0);
		}
		close(client);
	}
	while (wait(NULL) > 0)
		;
	_exit(0);
}

/* Seconds until `streams` connections to `port` have read everything. */
static double sink(int port, uint64_t bytes, int streams)
{
	double start = now();
	pid_t pids[64];

	for (int i = 0; i < streams; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			static char data[262144];
			int fd = connect_port(port);
			uint64_t got = 0;
			ssize_t n;

			while ((n = recv(fd, data, sizeof(data), 0)) > 0)
				got += (uint64_t)n;
			_exit(got < bytes);
		}
	}
	for (int i = 0; i < streams; i++) {
		int status = 0;

		waitpid(pids[i], &status, 0);
		if (status != 0)
			fprintf(stderr, "a stream came short\n");
	}
	return now() - start;
}

static struct result ours(const struct server *server, uint64_t bytes, int streams)
{
	char path[128];
	struct result result;
	struct error err = {0};
	struct session *session;
	pid_t pid;
	int port = 0;

	snprintf(path, sizeof(path), "%s/source", top);
	pid = source(path, bytes, streams);
	session = open_session(server);
	if (session_forward_remote(session, path, &port, &err) < 0)
		fail_msg("%s", error_text(&err));
	result.cpu = cpu_seconds();
	result.seconds = sink(port, bytes, streams);
	result.cpu = cpu_seconds() - result.cpu;
	session_close(session);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return result;
}

static struct result theirs(
    const struct server *server, uint64_t bytes, int streams, const char *options)
{
	char path[128], command[1024];
	struct rusage usage;
	struct result result;
	int port = free_port();
	pid_t from, ssh;

	snprintf(path, sizeof(path), "%s/source", top);
	from = source(path, bytes, streams);
	snprintf(command, sizeof(command),
	    "exec ssh -F %s/ssh_config -p %d -N %s -R 127.0.0.1:%d:%s 127.0.0.1", server->dir,
	    server->port, options, port, path);
	ssh = fork();
	if (ssh == 0)
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	poll(NULL, 0, 1500);
	result.seconds = sink(port, bytes, streams);
	kill(ssh, SIGTERM);
	wait4(ssh, NULL, 0, &usage);
	result.cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	kill(from, SIGKILL);
	waitpid(from, NULL, 0);
	return result;
}

static void show(const char *what, struct result result, uint64_t bytes, int streams)
{
	double gb = (double)bytes * streams / 1e9;

	printf("%-36s %6.0f MB/s  %5.2f CPU s/GB\n", what, gb * 1000 / result.seconds,
	    result.cpu / gb);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	int streams = argc > 2 ? atoi(argv[2]) : 1;
	uint64_t bytes = (uint64_t)(argc > 1 ? atoi(argv[1]) : 1000) * 1000000 / (uint64_t)streams;
	struct server server;

	signal(SIGPIPE, SIG_IGN);
	make_keys(NULL);
	server_start(&server, "LogLevel ERROR");
	for (int i = 0; i < 3; i++)
		show("session_forward_remote", ours(&server, bytes, streams), bytes, streams);
	show("ssh -R, aes128-ctr + hmac-sha2-256",
	    theirs(&server, bytes, streams, "-c aes128-ctr -m hmac-sha2-256"), bytes, streams);
	show("ssh -R", theirs(&server, bytes, streams, ""), bytes, streams);
	server_stop(&server);
	remove_all(NULL);
	return 0;
}
