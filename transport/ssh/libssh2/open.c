/* From a name to a login, on the caller's thread. */
#include <string.h>

#include "base/clock.h"
#include "transport/ssh/libssh2/auth.h"
#include "transport/ssh/libssh2/hostkey.h"
#include "transport/ssh/libssh2/internal.h"

static int dial(struct ssh2_session *session, const struct opening *opening, struct error *err)
{
	const struct ssh_config *config = opening->config;
	int cancel_fd = opening->target->cancel_fd;
	int fd = -1;
	int rc;

	if (config->proxy_command != NULL || config->proxy_jump != NULL)
		rc = proxy_start(&session->proxy, config, &session->trace, &fd, err);
	else
		rc =
		    connect_tcp(config, opening->deadline_ms, cancel_fd, &session->trace, &fd, err);
	if (rc < 0 || link_init(&session->link, fd, err) < 0)
		return -1;
	session->link.deadline_ms = opening->deadline_ms;
	session->link.cancel_fd = cancel_fd;
	session->link.trace = session->trace;
	return 0;
}

static void hang_up(struct ssh2_session *session)
{
	link_close(&session->link, 0);
	proxy_stop(&session->proxy);
}

/* A jump that asks questions gets no answer here: it is started as one that must not ask any. */
static bool jump_asked(const struct opening *opening, const struct error *err)
{
	return opening->config->proxy_jump != NULL && opening->target->prompt != NULL &&
	       strstr(error_text(err), "Permission denied") != NULL;
}

/* Up to the end of the key exchange. A host that hangs up before its banner has too many logins at
 * once (MaxStartups), which passes; so has a jump host. */
static int reach(struct ssh2_session *session, const struct opening *opening, const char *types,
    struct error *err)
{
	for (;;) {
		bool throttled = false;

		if (dial(session, opening, err) == 0 &&
		    link_handshake(&session->link, opening->config, types, &throttled, err) == 0)
			return 0;
		if (err->kind != ERROR_CANCELLED && proxy_blame(&session->proxy, err)) {
			throttled &= !admission_hopeless(error_text(err));
			if (jump_asked(opening, err))
				session->link.beyond = "the jump host wants more than a key";
		}
		hang_up(session);
		if (!throttled)
			return -1;
		error_hint(err, "the host hung up before its banner: its sshd may be overloaded "
				"(MaxStartups), may have blocked this address, or is no sshd");
		if (admission_retry(opening->admission, opening->deadline_ms, err) < 0)
			return -1;
		trace_line(&session->trace, TRACE_SHORT, "hung up before its banner; once more");
	}
}

static int find_keys(const struct opening *opening, struct known_keys *keys, struct error *err)
{
	const struct session_target *target = opening->target;

	if (target->host_key != NULL)
		return hostkey_pin(keys, target->host_key, err);
	return known_find(opening->config, opening->deadline_ms, target->cancel_fd, keys, err);
}

static int enter(struct ssh2_session *session, const struct opening *opening, struct error *err)
{
	struct link *link = &session->link;

	if (auth_login(link, opening->config, opening->target, err) < 0 ||
	    session_name(&session->base, opening->config, err) < 0)
		return -1;
	trace_line(&session->trace, TRACE_SHORT, "logged in as %s (%s, %s, %s)",
	    session->base.describe, libssh2_session_banner_get(link->ssh),
	    libssh2_session_methods(link->ssh, LIBSSH2_METHOD_CRYPT_CS),
	    libssh2_session_methods(link->ssh, LIBSSH2_METHOD_MAC_CS));
	return 0;
}

int open_link(struct ssh2_session *session, const struct opening *opening, struct error *err)
{
	struct known_keys keys = {0};
	CLEANUP_FREE char *types = NULL;
	int rc = find_keys(opening, &keys, err);

	if (rc == 0) {
		types = hostkey_types(&keys);
		rc = types != NULL ? 0 : error_memory(err);
	}
	if (rc == 0)
		rc = reach(session, opening, types, err);
	if (rc == 0) {
		rc = hostkey_check(
		    &session->link, opening->config, &keys, opening->target->host_key != NULL, err);
		if (rc == 0)
			rc = enter(session, opening, err);
		if (rc < 0)
			hang_up(session);
	}
	known_release(&keys);
	return rc;
}
