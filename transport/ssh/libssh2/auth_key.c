/* Public keys: from the agent, then from files. */
#include <string.h>

#include "transport/ssh/libssh2/agent.h"
#include "transport/ssh/libssh2/auth_internal.h"
#include "transport/ssh/keyfile.h"
#include "transport/ssh/wire.h"

enum { PASSPHRASE_TRIES = 3, BLOB_MAX = 16 * 1024 };

/* A key that is being offered, for the sign callback. */
struct offer {
	struct agent *agent;
	const struct agent_key *key;
	uint32_t flags;
	bool accepted; /* the host would take the key: it asked for a signature */
	struct error err;
};

static const char rsa[] = "ssh-rsa";
static const char rsa_sha2[] = "rsa-sha2-512";

/* What libssh2 sends right: certificates and FIDO keys have signatures of another shape. */
static bool can_sign(const char *type)
{
	return strcmp(type, "ssh-ed25519") == 0 || strncmp(type, "ecdsa-sha2-", 11) == 0
		   ? strstr(type, "-cert-v01@") == NULL
		   : strcmp(type, rsa) == 0;
}

static int sign_with_agent(LIBSSH2_SESSION *ssh UNUSED, unsigned char **signature, size_t *len,
    const unsigned char *data, size_t data_len, void **abstract)
{
	struct offer *offer = *abstract;

	offer->accepted = true;
	if (offer->agent == NULL)
		return -1; /* it was only a question */
	return agent_sign(
	    offer->agent, offer->key, data, data_len, offer->flags, signature, len, &offer->err);
}

static int offer_blob(
    struct auth *auth, const void *blob, size_t len, struct offer *offer, struct error *err)
{
	const char *user = auth->config->user;
	void *abstract = offer;
	int rc;

	while ((rc = libssh2_userauth_publickey(auth->link->ssh, user, blob, len, sign_with_agent,
		    &abstract)) == LIBSSH2_ERROR_EAGAIN)
		if (link_wait(auth->link, err) < 0)
			return LIBSSH2_ERROR_EAGAIN;
	return rc;
}

/* RFC 8332: the algorithm is named rsa-sha2-512 while the key's type stays ssh-rsa. libssh2 takes
 * the one from the other, so the blob says rsa-sha2-512 too; OpenSSH reads that as an RSA key. */
static int rsa_blob(struct buf *out, const struct agent_key *key)
{
	struct wire wire = {.data = key->blob, .len = key->len};
	size_t len;

	wire_string(&wire, &len);
	if (wire.failed || wire_add_string(out, rsa_sha2, sizeof(rsa_sha2) - 1) < 0)
		return -1;
	return buf_add(out, wire.data, wire.len);
}

static enum auth_result offer_agent_key(
    struct auth *auth, struct agent *agent, const struct agent_key *key, struct error *err)
{
	CLEANUP_BUF struct buf blob = BUF_INIT(BLOB_MAX);
	CLEANUP_ERROR struct error why = {0};
	struct offer offer = {.agent = agent, .key = key};
	enum auth_result result;
	int rc;

	rc = strcmp(key->type, rsa) == 0 ? rsa_blob(&blob, key)
					 : buf_add(&blob, key->blob, key->len);
	if (rc < 0)
		return (enum auth_result)buf_error(&blob, err, "an agent's key");
	offer.flags = strcmp(key->type, rsa) == 0 ? AGENT_RSA_SHA2_512 : 0;
	agent->deadline_ms = auth->link->deadline_ms;
	rc = offer_blob(auth, blob.data, blob.len, &offer, err);
	error_move(&why, &offer.err);
	if (rc == LIBSSH2_ERROR_EAGAIN)
		return AUTH_ERROR;
	if (why.kind == ERROR_CANCELLED || why.kind == ERROR_TIMEOUT) {
		error_move(err, &why);
		return AUTH_ERROR;
	}
	result = auth_outcome(auth, rc, err);
	if (result == AUTH_NO && offer.flags != 0)
		auth->link->beyond = "an RSA key that the host may take from ssh";
	if (result == AUTH_NO)
		auth_tried(auth, "%s from the agent (%s)%s%s", key->type, key->comment,
		    why.kind != ERROR_NONE ? ": " : "",
		    why.kind != ERROR_NONE ? error_text(&why) : "");
	return result;
}

struct files {
	struct keyfile *v; /* as many as config->identity_files */
	bool *offered;
};

static bool in_files(const struct auth *auth, struct files *files, const struct agent_key *key)
{
	for (size_t i = 0; i < auth->config->identity_files.n; i++)
		if (files->v[i].len == key->len &&
		    memcmp(files->v[i].blob, key->blob, key->len) == 0) {
			files->offered[i] = true;
			return true;
		}
	return false;
}

/* As ssh: those that are configured first, the others after them unless IdentitiesOnly. */
static enum auth_result try_agent(
    struct auth *auth, struct agent *agent, struct files *files, struct error *err)
{
	for (int configured = 1; configured >= 0; configured--) {
		for (size_t i = 0; i < agent->n; i++) {
			const struct agent_key *key = &agent->keys[i];
			enum auth_result result;

			if (in_files(auth, files, key) != (configured == 1))
				continue;
			if (!can_sign(key->type)) {
				auth->link->beyond = "the agent has a key that libssh2 cannot use";
				auth_tried(auth, "%s from the agent (%s): not on this transport",
				    key->type, key->comment);
				continue;
			}
			result = offer_agent_key(auth, agent, key, err);
			if (result != AUTH_NO)
				return result;
		}
		if (auth->config->identities_only)
			break;
	}
	return AUTH_NO;
}

static enum auth_result agent_keys(struct auth *auth, struct files *files, struct error *err)
{
	CLEANUP_ERROR struct error why = {0};
	struct agent agent;
	enum auth_result result;

	if (auth->config->agent == NULL)
		return AUTH_NO;
	if (agent_open(&agent, auth->config->agent, auth->link->deadline_ms, auth->link->cancel_fd,
		&why) < 0) {
		if (why.kind == ERROR_CANCELLED || why.kind == ERROR_TIMEOUT ||
		    why.kind == ERROR_MEMORY) {
			error_move(err, &why);
			return AUTH_ERROR;
		}
		auth_tried(auth, "%s", error_text(&why));
		return AUTH_NO;
	}
	trace_line(&auth->link->trace, TRACE_LONG, "the agent holds %zu keys", agent.n);
	result = try_agent(auth, &agent, files, err);
	agent_close(&agent);
	return result;
}

/* Would the host take it? Asked before a person is asked for the passphrase, as ssh does. Where
 * nobody has to be asked libssh2's own question is enough. */
static enum auth_result probe(
    struct auth *auth, const struct keyfile *key, bool *ret_accepted, struct error *err)
{
	struct offer offer = {0};
	int rc;

	*ret_accepted = true;
	if (key->blob == NULL)
		return AUTH_NO;
	rc = offer_blob(auth, key->blob, key->len, &offer, err);
	if (rc == LIBSSH2_ERROR_EAGAIN)
		return AUTH_ERROR;
	if (offer.accepted)
		return AUTH_NO;
	*ret_accepted = false;
	return auth_outcome(auth, rc, err);
}

static enum auth_result sign_with_file(
    struct auth *auth, const char *path, const char *passphrase, int *ret_rc, struct error *err)
{
	const char *user = auth->config->user;
	int rc;

	while ((rc = libssh2_userauth_publickey_fromfile_ex(auth->link->ssh, user,
		    (unsigned)strlen(user), NULL, path, passphrase)) == LIBSSH2_ERROR_EAGAIN)
		if (link_wait(auth->link, err) < 0)
			return AUTH_ERROR;
	*ret_rc = rc;
	return auth_outcome(auth, rc, err);
}

static enum auth_result open_with_passphrase(struct auth *auth, const char *path, struct error *err)
{
	CLEANUP_FREE char *text = string_printf("Passphrase for %s: ", path);

	for (int i = 0; text != NULL && i < PASSPHRASE_TRIES; i++) {
		char *passphrase = auth_ask(auth, text, false);
		enum auth_result result;
		int rc = 0;

		if (passphrase == NULL) {
			auth_tried(auth, "%s: has a passphrase, and nobody could be asked", path);
			return AUTH_NO;
		}
		result = sign_with_file(auth, path, passphrase, &rc, err);
		auth_forget(passphrase);
		if (result != AUTH_NO || rc != LIBSSH2_ERROR_FILE)
			return result;
	}
	auth_tried(auth, "%s: wrong passphrase", path);
	return AUTH_NO;
}

static bool file_is_usable(struct auth *auth, const char *path, const struct keyfile *key)
{
	if (key->type == NULL)
		return true;
	if (strcmp(key->type, rsa) == 0 && LIBSSH2_VERSION_NUM < 0x010b00) {
		auth->link->beyond = "an RSA key file, which this libssh2 signs with SHA-1";
		auth_tried(auth,
		    "%s: an RSA key file, which libssh2 %s can only sign with SHA-1, and hosts "
		    "refuse that (load it with ssh-add, or use an ed25519 key)",
		    path, libssh2_version(0));
		return false;
	}
	if (can_sign(key->type))
		return true;
	auth->link->beyond = "a key file that libssh2 cannot use";
	auth_tried(auth, "%s: %s keys are not for this transport", path, key->type);
	return false;
}

static enum auth_result offer_file(
    struct auth *auth, const char *path, const struct keyfile *key, struct error *err)
{
	enum auth_result result;
	bool accepted = false;
	int rc = 0;

	if (!file_is_usable(auth, path, key))
		return AUTH_NO;
	if (!key->encrypted)
		result = sign_with_file(auth, path, NULL, &rc, err);
	else
		result = probe(auth, key, &accepted, err);
	if (result == AUTH_NO && accepted)
		result = open_with_passphrase(auth, path, err);
	if (result == AUTH_NO && !accepted)
		auth_tried(auth, "%s%s%s", path, rc == LIBSSH2_ERROR_FILE ? ": " : "",
		    rc == LIBSSH2_ERROR_FILE ? link_last_error(auth->link) : "");
	return result;
}

static enum auth_result key_files(struct auth *auth, struct files *files, struct error *err)
{
	const struct strv *paths = &auth->config->identity_files;

	for (size_t i = 0; i < paths->n; i++) {
		CLEANUP_ERROR struct error why = {0};
		struct keyfile fresh;
		enum auth_result result;

		if (files->offered[i])
			continue;
		if (keyfile_read(paths->v[i], &fresh, &why) < 0) {
			if (why.kind != ERROR_NOT_FOUND)
				auth_tried(auth, "%s", error_text(&why));
			continue;
		}
		result = offer_file(auth, paths->v[i], &fresh, err);
		keyfile_release(&fresh);
		if (result != AUTH_NO)
			return result;
	}
	return AUTH_NO;
}

enum auth_result auth_public_keys(struct auth *auth, struct error *err)
{
	size_t n = auth->config->identity_files.n;
	struct files files = {
	    .v = calloc(n + 1, sizeof(*files.v)), .offered = calloc(n + 1, sizeof(bool))};
	enum auth_result result = AUTH_ERROR;

	if (files.v == NULL || files.offered == NULL) {
		error_memory(err);
	} else {
		for (size_t i = 0; i < n; i++)
			keyfile_read(auth->config->identity_files.v[i], &files.v[i], NULL);
		result = agent_keys(auth, &files, err);
		if (result == AUTH_NO)
			result = key_files(auth, &files, err);
		for (size_t i = 0; i < n; i++)
			keyfile_release(&files.v[i]);
	}
	free(files.v);
	free(files.offered);
	return result;
}
