/* Sockets that are close-on-exec and non-blocking from the start. */
#ifndef SHIPIT_TRANSPORT_SOCKET_H
#define SHIPIT_TRANSPORT_SOCKET_H

#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"

/* All return the descriptor, or -1 with errno. */
int socket_open(int family, int protocol);
int socket_accept(int fd);
/* connect(2) to a Unix socket is finished at once or refused; EAGAIN: its queue is full. */
int socket_connect_unix(const char *path);

/* A name in the folder that nobody has yet, for a socket or a file. malloc'ed; NULL: no memory, or
 * too long for a socket. */
char *socket_name(const char *run_dir, struct error *err);
/* A listening socket there that only we may connect to; `ret_path` is malloc'ed. */
int socket_listen(const char *run_dir, char **ret_path, struct error *err);
/* "HOST:PORT", "[::1]:80"; `ret_host` is malloc'ed, without brackets. */
int socket_split(const char *target, char **ret_host, int *ret_port, struct error *err);

/* 0, or -1 with ENAMETOOLONG. */
int socket_unix_address(const char *path, struct sockaddr_un *ret);

#endif
