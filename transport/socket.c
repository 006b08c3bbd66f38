#include "transport/socket.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/proc.h"

enum { BACKLOG = 128, NAMES_TRIED = 1000, PATH_MAX_BYTES = 100 };

static int prepare(int fd)
{
	if (fd < 0 || (fd_cloexec(fd) == 0 && fd_nonblock(fd) == 0))
		return fd;
	close(fd);
	return -1;
}

int socket_open(int family, int protocol)
{
#ifdef SOCK_CLOEXEC
	(void)prepare;
	return socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
#else
	return prepare(socket(family, SOCK_STREAM, protocol));
#endif
}

int socket_accept(int fd)
{
#ifdef SOCK_CLOEXEC
	return accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
#else
	return prepare(accept(fd, NULL, NULL));
#endif
}

int socket_unix_address(const char *path, struct sockaddr_un *ret)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(path);

	if (len >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, len + 1);
	*ret = address;
	return 0;
}

int socket_connect_unix(const char *path)
{
	struct sockaddr_un address;
	int fd, why;

	if (socket_unix_address(path, &address) < 0)
		return -1;
	fd = socket_open(AF_UNIX, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	why = errno;
	close(fd);
	errno = why;
	return -1;
}

/* Sessions share a folder; the number is the process's. */
char *socket_name(const char *run_dir, struct error *err)
{
	static atomic_uint next;

	for (int i = 0; i < NAMES_TRIED; i++) {
		CLEANUP_FREE char *path =
		    string_printf("%s/f%u", run_dir, atomic_fetch_add(&next, 1));

		if (path == NULL) {
			error_memory(err);
			return NULL;
		}
		if (strlen(path) > PATH_MAX_BYTES) {
			error_errno(err, ENAMETOOLONG, "cannot make the socket %s", path);
			return NULL;
		}
		if (access(path, F_OK) < 0)
			return steal_ptr(path);
	}
	error_set(err, ERROR_SYSTEM, "%s is full of sockets", run_dir);
	return NULL;
}

/* On Linux the file that bind makes takes the socket's mode, so it never is open to others. */
int socket_listen(const char *run_dir, char **ret_path, struct error *err)
{
	CLEANUP_CLOSE int fd = socket_open(AF_UNIX, 0);
	CLEANUP_FREE char *path = NULL;
	struct sockaddr_un address;

	if (fd < 0)
		return error_errno(err, errno, "a socket for a forward");
	path = socket_name(run_dir, err);
	if (path == NULL)
		return -1;
	fchmod(fd, 0600);
	if (socket_unix_address(path, &address) < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return error_errno(err, errno, "cannot make the socket %s", path);
	if (chmod(path, 0600) < 0 || listen(fd, BACKLOG) < 0) {
		error_errno(err, errno, "cannot listen on %s", path);
		unlink(path);
		return -1;
	}
	*ret_path = steal_ptr(path);
	return steal_fd(&fd);
}

static int port_of(const char *text)
{
	char *end = NULL;
	long port = *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : 0;

	return port >= 1 && port <= 65535 && *end == '\0' ? (int)port : 0;
}

int socket_split(const char *target, char **ret_host, int *ret_port, struct error *err)
{
	const char *colon = strrchr(target, ':');
	bool bracket = target[0] == '[';
	size_t len = colon != NULL ? (size_t)(colon - target) : 0;
	int port = colon != NULL ? port_of(colon + 1) : 0;

	/* A bare IPv6 address has no port: its last part only looks like one. */
	if (port == 0 || len <= 2U * bracket || (bracket && colon[-1] != ']') ||
	    (!bracket && memchr(target, ':', len) != NULL))
		return error_set(err, ERROR_USAGE, "\"%s\" is not HOST:PORT", target);
	*ret_host = strndup(target + bracket, len - 2U * bracket);
	*ret_port = port;
	return *ret_host != NULL ? 0 : error_memory(err);
}
