#include "transport/ssh/libssh2/connect.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "transport/resolve.h"
#include "transport/socket.h"

enum {
	ATTEMPTS_MAX = 8,
	NEXT_ATTEMPT_MS = 300,
	SILENCE_MS = 15000,
	PROBE_S = 5,
};

struct race {
	const struct addrinfo *next;
	const struct addrinfo *from;	       /* NULL: the kernel chooses */
	struct pollfd slots[ATTEMPTS_MAX + 1]; /* the last one is cancel_fd */
	int running;
	int last_errno;
};

static void set_option(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof(value));
}

/* Nothing here is vital: what a system lacks, the ping of the I/O thread makes up for. */
static void set_options(int fd)
{
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef TCP_KEEPIDLE
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, PROBE_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, PROBE_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, SILENCE_MS / 1000 / PROBE_S);
#endif
#ifdef TCP_USER_TIMEOUT
	set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, SILENCE_MS);
#endif
}

/* BindAddress: from an address of the family, if there is one. */
static int bind_to(int fd, const struct addrinfo *from, int family)
{
	while (from != NULL && from->ai_family != family)
		from = from->ai_next;
	if (from == NULL) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	return bind(fd, from->ai_addr, from->ai_addrlen);
}

/* Start the next address. 1: it connected at once. */
static int start_next(struct race *race)
{
	const struct addrinfo *address = race->next;
	int fd;

	race->next = address->ai_next;
	fd = socket_open(address->ai_family, address->ai_protocol);
	if (fd < 0) {
		race->last_errno = errno;
		return 0;
	}
	if (race->from != NULL && bind_to(fd, race->from, address->ai_family) < 0) {
		race->last_errno = errno;
		close(fd);
		return 0;
	}
	race->slots[race->running].fd = fd;
	race->slots[race->running].events = POLLOUT;
	race->slots[race->running].revents = 0;
	race->running++;
	if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
		return 1;
	if (errno != EINPROGRESS) {
		race->last_errno = errno;
		close(fd);
		race->running--;
	}
	return 0;
}

/* The first that is connected, or -1; those that failed are closed. */
static int collect(struct race *race)
{
	for (int i = 0; i < race->running; i++) {
		int fd = race->slots[i].fd, why = 0;
		socklen_t len = sizeof(why);

		if (race->slots[i].revents == 0)
			continue;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0)
			why = errno;
		race->slots[i--] = race->slots[--race->running];
		if (why == 0)
			return fd;
		race->last_errno = why;
		close(fd);
	}
	return -1;
}

static int wait_some(struct race *race, int64_t deadline_ms, int cancel_fd, struct error *err)
{
	bool more = race->next != NULL && race->running < ATTEMPTS_MAX;
	int left = clock_left_ms(deadline_ms);
	int n;

	race->slots[race->running].fd = cancel_fd;
	race->slots[race->running].events = POLLIN;
	race->slots[race->running].revents = 0;
	n = poll(race->slots, (nfds_t)race->running + 1,
	    more && (left < 0 || left > NEXT_ATTEMPT_MS) ? NEXT_ATTEMPT_MS : left);
	if (n < 0 && errno != EINTR)
		return error_errno(err, errno, "waiting for a connection");
	if (n > 0 && race->slots[race->running].revents != 0)
		return error_set(err, ERROR_CANCELLED, "cancelled");
	if (clock_left_ms(deadline_ms) == 0)
		return error_set(err, ERROR_TIMEOUT, "no answer to the TCP connection in time");
	return 0;
}

static int run(struct race *race, int64_t deadline_ms, int cancel_fd, struct error *err)
{
	for (;;) {
		int fd;

		if (race->next != NULL && race->running < ATTEMPTS_MAX && start_next(race) == 1)
			return race->slots[--race->running].fd;
		if (race->running == 0 && race->next == NULL)
			return error_set(err, ERROR_UNREACHABLE, "cannot connect: %s",
			    strerror(race->last_errno));
		if (race->running == 0)
			continue;
		if (wait_some(race, deadline_ms, cancel_fd, err) < 0)
			return -1;
		fd = collect(race);
		if (fd >= 0)
			return fd;
	}
}

static int explain(
    struct error *err, const struct ssh_config *config, const struct addrinfo *addresses)
{
	if (err->kind == ERROR_CANCELLED)
		return -1;
	error_wrap(err, "connect to %s port %d%s", config->host_name, config->port,
	    addresses != NULL && addresses->ai_next != NULL ? " (all its addresses)" : "");
	if (err->hint == NULL)
		error_hint(err,
		    "is the host up, its sshd running and no firewall between? try: "
		    "ssh -v %s",
		    config->name);
	return -1;
}

int connect_tcp(const struct ssh_config *config, int64_t deadline_ms, int cancel_fd,
    const struct trace *trace, int *ret_fd, struct error *err)
{
	struct addrinfo *addresses = NULL, *from = NULL;
	struct race race = {0};
	int64_t limit = deadline_ms;
	int fd;

	if (config->connect_timeout_ms > 0 &&
	    clock_left_ms(deadline_ms) > config->connect_timeout_ms)
		limit = clock_now_ms() + config->connect_timeout_ms;
	if (resolve_host(config->host_name, config->port, config->family, limit, cancel_fd,
		&addresses, err) < 0)
		return explain(err, config, NULL);
	if (config->bind_address != NULL && resolve_host(config->bind_address, 0, config->family,
						limit, cancel_fd, &from, err) < 0) {
		freeaddrinfo(addresses);
		return error_wrap(err, "BindAddress %s", config->bind_address);
	}
	race.next = addresses;
	race.from = from;
	fd = run(&race, limit, cancel_fd, err);
	for (int i = 0; i < race.running; i++)
		close(race.slots[i].fd);
	if (fd < 0)
		explain(err, config, addresses);
	freeaddrinfo(addresses);
	if (from != NULL)
		freeaddrinfo(from);
	if (fd < 0)
		return -1;
	set_options(fd);
	trace_line(trace, TRACE_LONG, "connected to %s port %d", config->host_name, config->port);
	*ret_fd = fd;
	return 0;
}
