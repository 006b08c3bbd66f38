#include "transport/dial.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "transport/socket.h"

enum { ATTEMPTS_MAX = 8, NEXT_ATTEMPT_MS = 300 };

struct race {
	const struct addrinfo *next;
	const struct addrinfo *from;	       /* NULL: the kernel chooses */
	struct pollfd slots[ATTEMPTS_MAX + 1]; /* the last one is cancel_fd */
	int running;
	int last_errno;
};

/* From an address of the family, if there is one. */
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

static int refused(int errnum, struct error *err)
{
	error_set(err, ERROR_UNREACHABLE, "cannot connect: %s", strerror(errnum));
	if (err != NULL && err->kind == ERROR_UNREACHABLE)
		err->code = errnum;
	return -1;
}

static int run(struct race *race, int64_t deadline_ms, int cancel_fd, struct error *err)
{
	for (;;) {
		int fd;

		if (race->next != NULL && race->running < ATTEMPTS_MAX && start_next(race) == 1)
			return race->slots[--race->running].fd;
		if (race->running == 0 && race->next == NULL)
			return refused(race->last_errno, err);
		if (race->running == 0)
			continue;
		if (wait_some(race, deadline_ms, cancel_fd, err) < 0)
			return -1;
		fd = collect(race);
		if (fd >= 0)
			return fd;
	}
}

int dial(const struct addrinfo *addresses, const struct addrinfo *from, int64_t deadline_ms,
    int cancel_fd, struct error *err)
{
	struct race race = {.next = addresses, .from = from};
	int fd = run(&race, deadline_ms, cancel_fd, err);

	for (int i = 0; i < race.running; i++)
		close(race.slots[i].fd);
	return fd;
}
