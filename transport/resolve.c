#include "transport/resolve.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/proc.h"

/* Shared by the one who waits and the one who looks up; the last of both frees it. */
struct lookup {
	atomic_int users;
	char *host;
	char port[8];
	struct addrinfo hints;
	struct addrinfo *found;
	int rc;
	atomic_bool ready; /* `found` and `rc` are there */
	int done[2];	   /* the writer closes its end then */
};

static void lookup_drop(struct lookup *lookup)
{
	if (atomic_fetch_sub(&lookup->users, 1) > 1)
		return;
	if (lookup->found != NULL)
		freeaddrinfo(lookup->found);
	close(lookup->done[0]);
	free(lookup->host);
	free(lookup);
}

static void *look_up(void *argument)
{
	struct lookup *lookup = argument;
	int done = lookup->done[1];

	lookup->rc = getaddrinfo(lookup->host, lookup->port, &lookup->hints, &lookup->found);
	atomic_store(&lookup->ready, true);
	close(done);
	lookup_drop(lookup);
	return NULL;
}

static struct lookup *lookup_new(const char *host, int port, int family)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));

	if (lookup == NULL)
		return NULL;
	lookup->host = strdup(host);
	if (lookup->host == NULL || fd_pipe(lookup->done) < 0) {
		free(lookup->host);
		free(lookup);
		return NULL;
	}
	snprintf(lookup->port, sizeof(lookup->port), "%d", port);
	lookup->hints.ai_family = family;
	lookup->hints.ai_socktype = SOCK_STREAM;
	lookup->hints.ai_flags = AI_NUMERICSERV;
	atomic_init(&lookup->users, 1);
	atomic_init(&lookup->ready, false);
	return lookup;
}

/* Signals are for the main thread. */
static int start_detached(struct lookup *lookup)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;
	int rc;

	if (pthread_attr_init(&attr) != 0)
		return -1;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	atomic_store(&lookup->users, 2);
	rc = pthread_create(&thread, &attr, look_up, lookup);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (rc != 0)
		atomic_store(&lookup->users, 1);
	return rc == 0 ? 0 : -1;
}

static int lookup_wait(
    const struct lookup *lookup, int64_t deadline_ms, int cancel_fd, struct error *err)
{
	for (;;) {
		struct pollfd slots[2] = {
		    {.fd = lookup->done[0], .events = POLLIN},
		    {.fd = cancel_fd, .events = POLLIN},
		};
		int n = poll(slots, 2, clock_left_ms(deadline_ms));

		if (n < 0 && errno == EINTR)
			continue;
		if (slots[1].revents != 0)
			return error_set(err, ERROR_CANCELLED, "cancelled");
		if (!atomic_load(&lookup->ready))
			return error_set(
			    err, ERROR_TIMEOUT, "looking up %s took too long", lookup->host);
		return 0;
	}
}

/* An address needs no look-up, hence no thread. */
static int resolve_numeric(const char *host, int port, int family, struct addrinfo **ret)
{
	struct addrinfo hints = {.ai_family = family,
	    .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	char service[8];

	snprintf(service, sizeof(service), "%d", port);
	return getaddrinfo(host, service, &hints, ret);
}

int resolve_host(const char *host, int port, int family, int64_t deadline_ms, int cancel_fd,
    struct addrinfo **ret, struct error *err)
{
	struct lookup *lookup;
	int rc = 0;

	if (resolve_numeric(host, port, family, ret) == 0)
		return 0;
	lookup = lookup_new(host, port, family);
	if (lookup == NULL)
		return error_memory(err);
	if (start_detached(lookup) < 0) {
		close(lookup->done[1]);
		rc = error_set(err, ERROR_SYSTEM, "no thread to look up %s", host);
	} else if (lookup_wait(lookup, deadline_ms, cancel_fd, err) < 0) {
		rc = -1;
	} else if (lookup->rc != 0) {
		rc = error_set(err, ERROR_UNREACHABLE, "no address for %s: %s", host,
		    gai_strerror(lookup->rc));
		error_hint(err, "check the name in the inventory and in ~/.ssh/config");
	} else {
		*ret = lookup->found;
		lookup->found = NULL;
	}
	lookup_drop(lookup);
	return rc;
}
