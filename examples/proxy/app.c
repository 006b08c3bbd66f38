/* A web application as one behind a proxy should be: it can be told to end without losing a
 * request.
 *
 *   GET  /healthz   200, or 503 once it was told to end: the proxy sends nothing new
 *   GET  /          which release this is
 *   POST /N         counts N: one line "N RELEASE" in /data/seen
 *
 * On TERM it goes on serving for DRAIN seconds (default 2), so that every proxy notices, then takes
 * what still waits in the listener's queue, finishes what it has begun, and ends. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

enum { PORT = 80, WAIT_S = 10 };

static atomic_bool draining;
static atomic_int working;
static const char *release;

static void on_term(int number)
{
	(void)number;
	atomic_store(&draining, true);
}

/* The head of a request, as much as fits; false: it did not come. */
static bool read_head(int fd, char *head, size_t size)
{
	size_t len = 0;

	while (len + 1 < size) {
		ssize_t n = read(fd, head + len, size - 1 - len);

		if (n <= 0)
			return false;
		len += (size_t)n;
		head[len] = '\0';
		if (strstr(head, "\r\n\r\n") != NULL)
			return true;
	}
	return false;
}

/* O_APPEND: one write is one line, whoever else writes. */
static bool count(const char *number)
{
	char line[128];
	int len = snprintf(line, sizeof(line), "%.60s %.40s\n", number, release);
	int fd = open("/data/seen", O_WRONLY | O_CREAT | O_APPEND, 0644);
	bool done = fd >= 0 && write(fd, line, (size_t)len) == len;

	if (fd >= 0)
		close(fd);
	return done;
}

/* Each answer ends its connection, so that none is left open to race with the end. */
static void answer(int fd, const char *status, const char *text)
{
	char out[512];
	int len = snprintf(out, sizeof(out),
	    "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: "
	    "close\r\n\r\n%s\n",
	    status, strlen(text) + 1, text);

	if (write(fd, out, (size_t)len) < 0)
		return;
	shutdown(fd, SHUT_WR);
	while (read(fd, out, sizeof(out)) > 0) /* a close with unread bytes would be a reset */
		continue;
}

static void handle(int fd, const char *head)
{
	char method[8], path[128];
	int n = sscanf(head, "%7s /%127[^ ?]", method, path);

	if (n == 1)
		answer(fd, "200 OK", release);
	else if (n == 2 && strcmp(path, "healthz") == 0 && atomic_load(&draining))
		answer(fd, "503 Ending", "ending");
	else if (n == 2 && strcmp(path, "healthz") == 0)
		answer(fd, "200 OK", "well");
	else if (n == 2 && strcmp(method, "POST") == 0)
		answer(fd, count(path) ? "200 OK" : "500 Not Counted", path);
	else
		answer(fd, "404 Not Found", "nothing here");
}

static void *serve(void *argument)
{
	const struct timeval limit = {.tv_sec = WAIT_S};
	int fd = (int)(long)argument;
	char head[8192];

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (read_head(fd, head, sizeof(head)))
		handle(fd, head);
	close(fd);
	atomic_fetch_sub(&working, 1);
	return NULL;
}

static void take(int fd)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	atomic_fetch_add(&working, 1);
	if (pthread_create(&thread, &attr, serve, (void *)(long)fd) != 0)
		serve((void *)(long)fd);
	pthread_attr_destroy(&attr);
}

static int listen_here(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 512) < 0) {
		perror("port 80");
		exit(1);
	}
	return fd;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(void)
{
	const char *drain = getenv("DRAIN");
	double end = 0;
	int listener = listen_here();

	release = getenv("RELEASE") != NULL ? getenv("RELEASE") : "?";
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, on_term);
	while (end == 0 || now() < end) {
		struct pollfd slot = {.fd = listener, .events = POLLIN};
		int fd;

		if (end == 0 && atomic_load(&draining))
			end = now() + (drain != NULL ? atof(drain) : 2);
		if (poll(&slot, 1, 50) > 0 && (fd = accept(listener, NULL, NULL)) >= 0)
			take(fd);
	}
	for (int fd; (fd = accept(listener, NULL, NULL)) >= 0;)
		take(fd);
	close(listener);
	while (atomic_load(&working) > 0)
		usleep(10000);
	return 0;
}
