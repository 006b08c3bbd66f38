/*
 * app: what the fault suite deploys, and what it watches hosts with. Static: an image needs
 * nothing else.
 *
 *	app                  answer HTTP on port 80 with $VERSION; on SIGTERM go on for $STOP
 *seconds app --check          exit 0 from $SLOW seconds after the start on app --watch LOCK     on
 *a host, until the end of standard input: say what serves on port 8080 and what sessions left
 *there, a line whenever it changes: "SECONDS SERVES LOCKED PROCESSES SSHDS PORTS"
 *
 * SECONDS is CLOCK_MONOTONIC, which hosts and laptop share. SERVES is a version or "-". LOCKED: how
 * many processes have LOCK open; PROCESSES: how many belong to an SSH session; SSHDS: how many SSH
 * servers beside the one that listens; PORTS: what listens on 127.0.0.1, or "-".
 */

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { EVERY_MS = 250, PATIENCE_MS = 1500 };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static unsigned seconds(const char *name)
{
	const char *value = getenv(name);

	return value ? (unsigned)strtoul(value, NULL, 10) : 0;
}

/* --- the server */

static void stop(int sig)
{
	if (sig == SIGALRM || seconds("STOP") == 0)
		_exit(0);
	alarm(seconds("STOP"));
}

static int serve(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(80)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), mark;
	const char *version = getenv("VERSION");
	char request[4096];

	signal(SIGTERM, stop);
	signal(SIGALRM, stop);
	signal(SIGPIPE, SIG_IGN);
	mark = open("/started", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	dprintf(mark, "%f\n", now());
	close(mark);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, SOMAXCONN) < 0)
		return 1;
	for (;;) {
		int peer = accept(fd, NULL, NULL);

		if (peer < 0)
			continue;
		setsockopt(
		    peer, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){1, 0}, sizeof(struct timeval));
		if (read(peer, request, sizeof(request)) > 0)
			dprintf(peer, "HTTP/1.0 200 OK\r\n\r\n=%s\n", version);
		close(peer);
	}
}

static int check(void)
{
	FILE *file = fopen("/started", "r");
	double started = 0;

	return file && fscanf(file, "%lf", &started) == 1 && now() - started >= seconds("SLOW") ? 0
												: 1;
}

/* --- the watch */

/* What answers there; "-": nothing. */
static bool ask(uint32_t address, uint16_t port, char *out, size_t size)
{
	struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
	struct timeval patience = {PATIENCE_MS / 1000, PATIENCE_MS % 1000 * 1000};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char reply[512] = "", *version;
	size_t len = 0;
	ssize_t n = 1;

	snprintf(out, size, "-");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
	    dprintf(fd, "GET / HTTP/1.0\r\n\r\n") > 0)
		while (n > 0 && len < sizeof(reply) - 1) {
			n = read(fd, reply + len, sizeof(reply) - 1 - len);
			len += n > 0 ? (size_t)n : 0;
		}
	close(fd);
	version = strstr(reply, "\r\n\r\n=");
	if (version) {
		version[5 + strcspn(version + 5, "\n")] = '\0';
		snprintf(out, size, "%s", version + 5);
	}
	return version;
}

/* What publishes no port has an address on a network of the engine's: one of the first. */
static void ask_inside(char *out, size_t size)
{
	struct ifaddrs *all = NULL;
	bool found = false;

	snprintf(out, size, "-");
	if (getifaddrs(&all) < 0)
		return;
	for (struct ifaddrs *at = all; at && !found; at = at->ifa_next) {
		uint32_t gateway;

		if (strncmp(at->ifa_name, "br-", 3) != 0 || !at->ifa_addr ||
		    at->ifa_addr->sa_family != AF_INET)
			continue;
		gateway = ntohl(((struct sockaddr_in *)(void *)at->ifa_addr)->sin_addr.s_addr);
		for (uint32_t i = 1; i <= 4 && !found; i++)
			found = ask(gateway + i, 80, out, size);
	}
	freeifaddrs(all);
}

static size_t slurp(const char *pid, const char *name, char *buf, size_t size)
{
	char path[300];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, size - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static bool has_open(const char *pid, const char *file)
{
	char path[300], link[300];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

		link[n > 0 ? n : 0] = '\0';
		found = strcmp(link, file) == 0;
	}
	if (dir)
		closedir(dir);
	return found;
}

static void look(const char *lock, int *locked, int *processes, int *sshds)
{
	static const char mark[] = "SSH_CONNECTION=";
	char listener[16] = "", text[16384];
	FILE *file = fopen("/run/sshd.pid", "r");
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	if (file) {
		if (fscanf(file, "%15s", listener) != 1)
			*listener = '\0';
		fclose(file);
	}
	while ((entry = readdir(dir))) {
		const char *pid = entry->d_name;
		size_t n;

		if (!isdigit((unsigned char)*pid))
			continue;
		if (slurp(pid, "comm", text, sizeof(text)) && strncmp(text, "sshd", 4) == 0) {
			*sshds += strcmp(pid, listener) != 0;
			continue;
		}
		n = slurp(pid, "environ", text, sizeof(text));
		if (n == 0 || !memmem(text, n, mark, sizeof(mark) - 1))
			continue;
		++*processes;
		*locked += has_open(pid, lock);
	}
	closedir(dir);
}

static void ports(char *out, size_t size)
{
	FILE *file = fopen("/proc/net/tcp", "r");
	char line[300];
	unsigned address, port, state;
	size_t len = 0;

	snprintf(out, size, "-");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " %*d: %x:%x %*x:%*x %x", &address, &port, &state) == 3 &&
		    state == 10 && address == htonl(INADDR_LOOPBACK) && len + 8 < size)
			len +=
			    (size_t)snprintf(out + len, size - len, "%s%u", len ? "," : "", port);
	if (file)
		fclose(file);
}

static int watch(const char *lock, bool inside)
{
	char last[512] = "", line[512], version[64], listening[128];

	for (;;) {
		int locked = 0, processes = 0, sshds = 0;

		look(lock, &locked, &processes, &sshds);
		ports(listening, sizeof(listening));
		if (inside)
			ask_inside(version, sizeof(version));
		else
			ask(INADDR_LOOPBACK, 8080, version, sizeof(version));
		snprintf(line, sizeof(line), "%s %d %d %d %s", version, locked, processes, sshds,
		    listening);
		if (strcmp(line, last) != 0 && printf("%.2f %s\n", now(), line) < 0)
			return 1;
		memcpy(last, line, sizeof(last));
		if (fflush(stdout) != 0)
			return 1;
		if (poll(&(struct pollfd){.fd = STDIN_FILENO, .events = POLLIN}, 1, EVERY_MS) > 0)
			return 0;
	}
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--check") == 0)
		return check();
	if (argc == 3 && strcmp(argv[1], "--watch") == 0)
		return watch(argv[2], false);
	if (argc == 3 && strcmp(argv[1], "--watch-inside") == 0)
		return watch(argv[2], true);
	return serve();
}
