#include "transport/ssh/libssh2/connect.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/clock.h"
#include "transport/dial.h"
#include "transport/resolve.h"

enum {
	SILENCE_MS = 15000,
	PROBE_S = 5,
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
	fd = dial(addresses, from, limit, cancel_fd, err);
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
