/* Sockets that listen. */
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "transport/registry/server_internal.h"

enum { BACKLOG = 128, PRIVATE = 0600 };

/* Is there a socket that nobody listens on any more? */
static bool is_left_over(const struct sockaddr_un *address)
{
	CLEANUP_CLOSE int fd = -1;
	struct stat st;

	if (lstat(address->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
	       errno == ECONNREFUSED;
}

static int bind_unix(int fd, const struct sockaddr_un *address)
{
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		return 0;
	if (errno != EADDRINUSE)
		return -1;
	if (!is_left_over(address)) {
		errno = EADDRINUSE;
		return -1;
	}
	unlink(address->sun_path);
	return bind(fd, (const struct sockaddr *)address, sizeof(*address));
}

int listen_unix(const char *path, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	CLEANUP_CLOSE int fd = -1;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, ERROR_SYSTEM, "%s: too long for a socket's path", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Linux makes the file with the mode of the socket; nobody connects before it listens. */
	if (fd < 0 || fchmod(fd, PRIVATE) < 0 || bind_unix(fd, &address) < 0 ||
	    chmod(path, PRIVATE) < 0 || listen(fd, BACKLOG) < 0)
		return error_errno(err, errno, "cannot listen on %s", path);
	return steal_fd(&fd);
}

/* "ADDRESS:PORT", "[ADDRESS]:PORT" */
static int find_address(const char *text, struct addrinfo **ret, struct error *err)
{
	static const struct addrinfo hints = {
	    .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	CLEANUP_FREE char *host = strdup(text);
	char *colon = host != NULL ? strrchr(host, ':') : NULL, *name = host;
	int rc;

	if (host == NULL)
		return error_memory(err);
	if (colon == NULL || colon == host || colon[1] == '\0')
		return error_set(err, ERROR_USAGE, "%s is not ADDRESS:PORT", text);
	*colon = '\0';
	if (*host == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		name++;
	}
	rc = getaddrinfo(name, colon + 1, &hints, ret);
	return rc == 0 ? 0
		       : error_set(
			     err, ERROR_SYSTEM, "cannot listen on %s: %s", text, gai_strerror(rc));
}

static int take_name(int fd, char **ret, struct error *err)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		return error_errno(err, errno, "getsockname");
	if (getnameinfo((struct sockaddr *)&address, len, host, sizeof(host), port, sizeof(port),
		NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return error_set(err, ERROR_SYSTEM, "the address that is listened on has no name");
	*ret = string_printf(strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
	return *ret != NULL ? 0 : error_memory(err);
}

int listen_tcp(const char *text, char **ret_address, struct error *err)
{
	CLEANUP_CLOSE int fd = -1;
	struct addrinfo *address = NULL;
	int one = 1, failed = 0;

	if (find_address(text, &address, err) < 0 || address == NULL)
		return -1;
	fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		failed = errno;
	freeaddrinfo(address);
	if (failed != 0)
		return error_errno(err, failed, "cannot listen on %s", text);
	if (take_name(fd, ret_address, err) < 0)
		return -1;
	return steal_fd(&fd);
}
