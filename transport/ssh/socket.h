/* Sockets that are close-on-exec and non-blocking from the start. */
#ifndef SHIPIT_TRANSPORT_SSH_SOCKET_H
#define SHIPIT_TRANSPORT_SSH_SOCKET_H

#include <sys/socket.h>
#include <sys/un.h>

/* All return the descriptor, or -1 with errno. */
int socket_open(int family, int protocol);
int socket_accept(int fd);
/* connect(2) to a Unix socket is finished at once or refused; EAGAIN: its queue is full. */
int socket_connect_unix(const char *path);

/* 0, or -1 with ENAMETOOLONG. */
int socket_unix_address(const char *path, struct sockaddr_un *ret);

#endif
