#include "transport/ssh/libssh2/auth.h"

#include <stdarg.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "transport/ssh/libssh2/auth_internal.h"

enum { TRIED_MAX = 8 * 1024, ROUNDS_MAX = 6 };

static const struct way {
	const char *method;
	bool asks;
	enum auth_result (*run)(struct auth *auth, struct error *err);
} ways[] = {
    {"publickey", false, auth_public_keys},
    {"keyboard-interactive", true, auth_keyboard},
    {"password", true, auth_password},
};

void auth_tried(struct auth *auth, const char *format, ...)
{
	va_list args;

	if (auth->tried.len > 0 && buf_adds(&auth->tried, "; ") < 0)
		return;
	va_start(args, format);
	buf_vaddf(&auth->tried, format, args);
	va_end(args);
}

char *auth_ask(struct auth *auth, const char *text, bool echo)
{
	int64_t start = clock_now_ms();
	char *answer;

	if (auth->target->prompt == NULL)
		return NULL;
	auth->asked++;
	answer = auth->target->prompt(auth->target->context, auth->target->name, text, echo);
	/* A person thinks longer than a host may. */
	auth->link->deadline_ms += clock_now_ms() - start;
	auth->nobody = answer == NULL;
	return answer;
}

void auth_forget(char *secret)
{
	if (secret == NULL)
		return;
	explicit_bzero(secret, strlen(secret));
	free(secret);
}

/* Closed in order: it had enough of us. Otherwise it may have been the way there. */
static int hung_up(struct auth *auth, struct error *err)
{
	enum error_kind kind = auth->link->dead_errno == 0 ? ERROR_AUTH : ERROR_UNREACHABLE;

	error_set(err, kind, "the host ended the connection during the login as %s (%s)%s%s",
	    auth->config->user, link_death(auth->link), auth->tried.len > 0 ? "; tried: " : "",
	    auth->tried.data);
	return error_hint(err, "too many keys may have been offered (MaxAuthTries there): set "
			       "IdentitiesOnly and IdentityFile for this host in ~/.ssh/config");
}

/* libssh2 frees the list with the session; before 1.11 the next list leaks it. */
static void forget_list(struct auth *auth)
{
	if (LIBSSH2_VERSION_NUM < 0x010b00 && auth->list != NULL)
		libssh2_free(auth->link->ssh, (void *)(uintptr_t)auth->list);
	auth->list = NULL;
}

enum auth_result auth_list(struct auth *auth, struct error *err)
{
	LIBSSH2_SESSION *ssh = auth->link->ssh;
	const char *user = auth->config->user;

	strv_release(&auth->methods);
	forget_list(auth);
	while ((auth->list = libssh2_userauth_list(ssh, user, (unsigned)strlen(user))) == NULL) {
		if (libssh2_userauth_authenticated(ssh))
			return AUTH_IN;
		if (libssh2_session_last_errno(ssh) != LIBSSH2_ERROR_EAGAIN) {
			link_fatal(auth->link, libssh2_session_last_errno(ssh));
			return (enum auth_result)hung_up(auth, err);
		}
		if (link_wait(auth->link, err) < 0)
			return AUTH_ERROR;
	}
	trace_line(&auth->link->trace, TRACE_LONG, "the host takes: %s", auth->list);
	return strv_split(&auth->methods, auth->list, ",") < 0 ? (enum auth_result)error_memory(err)
							       : AUTH_NO;
}

static bool same_methods(const struct strv *a, const struct strv *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!strv_has(b, a->v[i]))
			return false;
	return true;
}

/* libssh2 reports "right, and now another one" like a failure; only the host's list tells. */
static enum auth_result tell_partial(struct auth *auth, struct error *err)
{
	CLEANUP_STRV struct strv before = auth->methods;
	enum auth_result result;

	memset(&auth->methods, 0, sizeof(auth->methods));
	result = auth_list(auth, err);
	if (result == AUTH_NO && !same_methods(&before, &auth->methods))
		return AUTH_PARTIAL;
	return result;
}

enum auth_result auth_outcome(struct auth *auth, int rc, struct error *err)
{
	if (rc == 0)
		return libssh2_userauth_authenticated(auth->link->ssh) ? AUTH_IN : AUTH_NO;
	if (link_fatal(auth->link, rc))
		return (enum auth_result)hung_up(auth, err);
	if (rc == LIBSSH2_ERROR_ALLOC)
		return (enum auth_result)error_memory(err);
	if (rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED)
		return tell_partial(auth, err);
	return AUTH_NO;
}

static bool may_leave(const struct auth *auth)
{
	return auth->link->beyond != NULL && auth->config->has_ssh &&
	       auth->target->transport == SESSION_AUTO;
}

/* Each way once: one that was accepted already is not asked for again. */
static enum auth_result run_round(struct auth *auth, bool *used, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		enum auth_result result;

		if (used[i] || !strv_has(&auth->methods, ways[i].method))
			continue;
		/* A person is not asked for a password where the system's ssh needs none. */
		if (ways[i].asks && may_leave(auth))
			break;
		used[i] = true;
		result = ways[i].run(auth, err);
		if (result == AUTH_PARTIAL)
			auth_tried(auth, "%s: accepted, but the host wants more", ways[i].method);
		if (result != AUTH_NO)
			return result;
	}
	return AUTH_NO;
}

static int refuse(struct auth *auth, struct error *err)
{
	CLEANUP_BUF struct buf methods = BUF_INIT(1024);

	for (size_t i = 0; i < auth->methods.n; i++)
		buf_addf(&methods, "%s%s", i > 0 ? ", " : "", auth->methods.v[i]);
	error_set(err, ERROR_AUTH, "login as %s was refused (the host takes: %s); tried: %s",
	    auth->config->user, methods.data,
	    auth->tried.len > 0 ? auth->tried.data : "nothing, as there was no key or password");
	return error_hint(err,
	    "does `ssh %s` work? put your public key there with ssh-copy-id, or "
	    "load the key into the agent with ssh-add",
	    auth->config->name);
}

static void note_others(struct auth *auth)
{
	if (auth->config->gssapi && strv_has(&auth->methods, "gssapi-with-mic"))
		auth->link->beyond = "the host takes Kerberos tickets";
	else if (auth->config->hostbased && strv_has(&auth->methods, "hostbased"))
		auth->link->beyond = "the host may know this machine's key";
}

static int log_in(struct auth *auth, struct error *err)
{
	bool used[ARRAY_SIZE(ways)] = {false};
	enum auth_result result = auth_list(auth, err);

	if (result != AUTH_NO)
		return result == AUTH_IN ? 0 : -1;
	note_others(auth);
	for (int i = 0; i < ROUNDS_MAX; i++) {
		result = run_round(auth, used, err);
		if (result == AUTH_IN)
			return 0;
		if (result == AUTH_ERROR)
			return -1;
		if (result == AUTH_NO)
			break;
	}
	return refuse(auth, err);
}

int auth_login(struct link *link, const struct ssh_config *config,
    const struct session_target *target, struct error *err)
{
	struct auth auth = {
	    .link = link, .config = config, .target = target, .tried = BUF_INIT(TRIED_MAX)};
	int rc;

	link->phase = "login";
	link->prompt = &auth;
	rc = log_in(&auth, err);
	link->prompt = NULL;
	strv_release(&auth.methods);
	buf_release(&auth.tried);
	return rc;
}
