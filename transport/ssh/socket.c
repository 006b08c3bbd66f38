#include "transport/ssh/socket.h"

#include <errno.h>
#include <string.h>

#include "base/proc.h"

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
