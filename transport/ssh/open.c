/* From a name to a login, on the caller's thread. */
#include <openssl/rand.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "transport/ssh/auth.h"
#include "transport/ssh/hostkey.h"
#include "transport/ssh/internal.h"

enum { OPEN_MS = 30000, ATTEMPTS = 6, BACKOFF_MS = 250 };

static int dial(struct session *session, const struct session_target *target,
    const struct ssh_config *config, int64_t deadline_ms, struct error *err)
{
	int fd = -1;
	int rc;

	if (config->proxy_command != NULL || config->proxy_jump != NULL)
		rc = proxy_start(&session->proxy, config, &session->trace, &fd, err);
	else
		rc = connect_tcp(config, deadline_ms, target->cancel_fd, &session->trace, &fd, err);
	if (rc < 0 || link_init(&session->link, fd, err) < 0)
		return -1;
	session->link.deadline_ms = deadline_ms;
	session->link.cancel_fd = target->cancel_fd;
	session->link.trace = session->trace;
	return 0;
}

static void hang_up(struct session *session)
{
	link_close(&session->link, 0);
	proxy_stop(&session->proxy);
}

/* Between half of the step and all of it, so that a hundred sessions do not come back together. */
static int back_off(
    int attempt, const struct session_target *target, int64_t deadline_ms, struct error *err)
{
	int step = BACKOFF_MS << attempt, wait;
	unsigned short dice = 0;
	struct pollfd slot = {.fd = target->cancel_fd, .events = POLLIN};

	RAND_bytes((unsigned char *)&dice, sizeof(dice));
	wait = step / 2 + dice % (step / 2);
	if (clock_left_ms(deadline_ms) <= wait)
		return -1; /* with the error that is there */
	if (poll(&slot, 1, wait) > 0)
		return error_set(err, ERROR_CANCELLED, "cancelled");
	return 0;
}

/* Up to the end of the key exchange. A host that hangs up before its banner has too many logins at
 * once (MaxStartups), which passes. */
static int reach(struct session *session, const struct session_target *target,
    const struct ssh_config *config, const char *types, int64_t deadline_ms, struct error *err)
{
	for (int attempt = 0;; attempt++) {
		bool throttled = false;

		if (dial(session, target, config, deadline_ms, err) == 0 &&
		    link_handshake(&session->link, types, &throttled, err) == 0)
			return 0;
		if (err != NULL && err->kind != ERROR_CANCELLED)
			proxy_blame(&session->proxy, err);
		hang_up(session);
		if (!throttled)
			return -1;
		error_hint(err, "the host hung up before its banner: its sshd may be overloaded "
				"(MaxStartups), may have blocked this address, or is no sshd");
		if (attempt + 1 >= ATTEMPTS || back_off(attempt, target, deadline_ms, err) < 0)
			return -1;
		trace_line(&session->trace, TRACE_SHORT, "hung up before its banner; once more");
	}
}

static int find_keys(const struct session_target *target, const struct ssh_config *config,
    int64_t deadline_ms, struct known_keys *keys, struct error *err)
{
	if (target->host_key != NULL)
		return hostkey_pin(keys, target->host_key, err);
	return known_find(config, deadline_ms, target->cancel_fd, keys, err);
}

static int enter(struct session *session, const struct session_target *target,
    const struct ssh_config *config, struct error *err)
{
	struct link *link = &session->link;

	if (auth_login(link, config, target, err) < 0)
		return -1;
	session->user = strdup(config->user);
	session->describe =
	    strchr(config->host_name, ':') != NULL
		? string_printf("%s@[%s]:%d", config->user, config->host_name, config->port)
		: string_printf("%s@%s:%d", config->user, config->host_name, config->port);
	if (session->user == NULL || session->describe == NULL)
		return error_memory(err);
	trace_line(&session->trace, TRACE_SHORT, "logged in as %s (%s, %s, %s)", session->describe,
	    libssh2_session_banner_get(link->ssh),
	    libssh2_session_methods(link->ssh, LIBSSH2_METHOD_CRYPT_CS),
	    libssh2_session_methods(link->ssh, LIBSSH2_METHOD_MAC_CS));
	return 0;
}

static int open_with(struct session *session, const struct session_target *target,
    const struct ssh_config *config, int64_t deadline_ms, struct error *err)
{
	struct known_keys keys = {0};
	CLEANUP_FREE char *types = NULL;
	int rc = find_keys(target, config, deadline_ms, &keys, err);

	if (rc == 0) {
		types = hostkey_types(&keys);
		rc = types != NULL ? 0 : error_memory(err);
	}
	if (rc == 0)
		rc = reach(session, target, config, types, deadline_ms, err);
	if (rc == 0) {
		rc = hostkey_check(&session->link, config, &keys, target->host_key != NULL, err);
		if (rc == 0)
			rc = enter(session, target, config, err);
		if (rc < 0)
			hang_up(session);
	}
	known_release(&keys);
	return rc;
}

int open_link(struct session *session, const struct session_target *target, struct error *err)
{
	int timeout = target->connect_timeout_ms > 0 ? target->connect_timeout_ms : OPEN_MS;
	int64_t deadline_ms = clock_now_ms() + timeout;
	struct ssh_config config;
	int rc;

	if (ssh_config_load(target, deadline_ms, &config, err) < 0)
		return -1;
	rc = open_with(session, target, &config, deadline_ms, err);
	ssh_config_release(&config);
	return rc;
}
