/* From a name to a login, on the caller's thread. */
#include <string.h>

#include "base/clock.h"
#include "transport/ssh/libssh2/auth.h"
#include "transport/ssh/libssh2/hostkey.h"
#include "transport/ssh/libssh2/internal.h"
#include "transport/ssh/retry.h"

static int dial(struct ssh2_session *session, const struct session_target *target,
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

static void hang_up(struct ssh2_session *session)
{
	link_close(&session->link, 0);
	proxy_stop(&session->proxy);
}

/* Up to the end of the key exchange. A host that hangs up before its banner has too many logins at
 * once (MaxStartups), which passes. */
static int reach(struct ssh2_session *session, const struct session_target *target,
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
		if (retry_wait(attempt, target->cancel_fd, deadline_ms, err) < 0)
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

static int enter(struct ssh2_session *session, const struct session_target *target,
    const struct ssh_config *config, struct error *err)
{
	struct link *link = &session->link;

	if (auth_login(link, config, target, err) < 0)
		return -1;
	if (session_name(&session->base, config, err) < 0)
		return -1;
	trace_line(&session->trace, TRACE_SHORT, "logged in as %s (%s, %s, %s)",
	    session->base.describe, libssh2_session_banner_get(link->ssh),
	    libssh2_session_methods(link->ssh, LIBSSH2_METHOD_CRYPT_CS),
	    libssh2_session_methods(link->ssh, LIBSSH2_METHOD_MAC_CS));
	return 0;
}

int open_link(struct ssh2_session *session, const struct session_target *target,
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
