/*
 * hello: the smallest server that is worth deploying.
 *
 *	hello           answer HTTP on $PORT (80) until SIGTERM
 *	hello --check   ask the one that runs here how it is: exit 0 or 1
 *
 * GET /healthz tells "ok", any other path "hello from $VERSION". With HEALTHY=no
 * it says 503 to /healthz: to see what a deploy does with a release like that.
 * A static program, so that an image needs nothing else.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	REQUEST_MAX = 8192,
	PATIENCE = 5, /* seconds for one request, or one check */
};

static const char *env_or(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

static struct sockaddr_in address(in_addr_t ip)
{
	char *end;
	const char *text = env_or("PORT", "80");
	unsigned long port = strtoul(text, &end, 10);

	if (*end || port < 1 || port > 65535) {
		fprintf(stderr, "hello: PORT=%s is no port\n", text);
		exit(2);
	}
	return (struct sockaddr_in){
	    .sin_family = AF_INET,
	    .sin_port = htons((in_port_t)port),
	    .sin_addr.s_addr = htonl(ip),
	};
}

/* Read until `end` was seen, the peer is done or the buffer is full. */
static void read_until(int fd, const char *end, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	buf[0] = '\0';
	while (len < size - 1 && !strstr(buf, end)) {
		n = read(fd, buf + len, size - 1 - len);
		if (n <= 0)
			return;
		len += (size_t)n;
		buf[len] = '\0';
	}
}

static void answer(int fd, const char *status, const char *body)
{
	dprintf(fd,
	    "HTTP/1.1 %s\r\nContent-Type: text/plain\r\n"
	    "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
	    status, strlen(body), body);
}

static void serve(int fd)
{
	char request[REQUEST_MAX], body[256];

	read_until(fd, "\r\n\r\n", request, sizeof(request));
	if (strncmp(request, "GET ", 4) != 0) {
		answer(fd, "405 Method Not Allowed", "only GET\n");
	} else if (strncmp(request, "GET /healthz ", 13) != 0) {
		snprintf(body, sizeof(body), "hello from %s\n", env_or("VERSION", "nowhere"));
		answer(fd, "200 OK", body);
	} else if (strcmp(env_or("HEALTHY", "yes"), "no") == 0) {
		answer(fd, "503 Service Unavailable", "not well\n");
	} else {
		answer(fd, "200 OK", "ok\n");
	}
}

static int check(void)
{
	struct sockaddr_in to = address(INADDR_LOOPBACK);
	char reply[REQUEST_MAX];
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	alarm(PATIENCE);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		perror("hello: connect");
		return 1;
	}
	dprintf(fd, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
	read_until(fd, "\r\n", reply, sizeof(reply));
	reply[strcspn(reply, "\r")] = '\0';
	puts(reply);
	return strcmp(reply, "HTTP/1.1 200 OK") == 0 ? 0 : 1;
}

/* The first process of a container gets no default action for signals. */
static void stop(int signal)
{
	(void)signal;
	_exit(0);
}

static int listen_on_port(void)
{
	struct sockaddr_in at = address(INADDR_ANY);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, SOMAXCONN) < 0) {
		perror("hello");
		exit(1);
	}
	printf("hello %s listens on port %d\n", env_or("VERSION", "nowhere"), ntohs(at.sin_port));
	fflush(stdout);
	return fd;
}

/* One child per request: a slow client delays nobody else. */
static void serve_forever(int listener)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0) {
			if (errno != EINTR && errno != ECONNABORTED)
				sleep(1); /* out of descriptors, most likely */
			continue;
		}
		if (fork() == 0) {
			alarm(PATIENCE);
			close(listener);
			serve(fd);
			_exit(0);
		}
		close(fd);
	}
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--check") == 0)
		return check();
	if (argc > 1) {
		fprintf(stderr, "usage: hello [--check]\n");
		return 2;
	}
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	serve_forever(listen_on_port());
}
