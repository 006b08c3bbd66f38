#include "transport/ssh/libssh2/hostkey.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/buf.h"

enum { BLOB_MAX = 16 * 1024, TYPES_MAX = 1024, DIGEST_SIZE = 32, DIGEST_TEXT_SIZE = 48 };

/* ssh-rsa comes last: libssh2 before 1.11 knows it with SHA-1 only. */
static const char *const all_types[] = {"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521", "rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"};

struct offered {
	char *type;
	char *base64;
	char print[HOSTKEY_PRINT_SIZE];
};

void hostkey_print(const char *base64, char out[HOSTKEY_PRINT_SIZE])
{
	unsigned char blob[BLOB_MAX], digest[EVP_MAX_MD_SIZE], text[DIGEST_TEXT_SIZE];
	size_t len = strlen(base64);
	unsigned int digest_len = 0;
	int n;

	memcpy(out, "?", 2);
	if (len / 4 * 3 > sizeof(blob))
		return;
	n = EVP_DecodeBlock(blob, (const unsigned char *)base64, (int)len);
	while (n > 0 && len > 0 && base64[--len] == '=')
		n--;
	if (n <= 0 || EVP_Digest(blob, (size_t)n, digest, &digest_len, EVP_sha256(), NULL) != 1)
		return;
	EVP_EncodeBlock(text, digest, DIGEST_SIZE);
	text[strcspn((char *)text, "=")] = '\0';
	snprintf(out, HOSTKEY_PRINT_SIZE, "SHA256:%s", (char *)text);
}

enum hostkey_verdict hostkey_judge(const struct known_keys *keys, const char *type,
    const char *base64, const struct known_key **ret_known)
{
	enum hostkey_verdict verdict = HOSTKEY_UNKNOWN;

	*ret_known = NULL;
	for (size_t i = 0; i < keys->n; i++) {
		const struct known_key *key = &keys->v[i];
		bool same = strcmp(key->type, type) == 0 && strcmp(key->base64, base64) == 0;
		enum hostkey_verdict says;

		if (key->marker == KNOWN_AUTHORITY)
			continue;
		if (key->marker == KNOWN_REVOKED && same) {
			*ret_known = key;
			return HOSTKEY_REVOKED;
		}
		if (key->marker == KNOWN_REVOKED || (key->any_port && !same))
			continue;
		if (same)
			says = HOSTKEY_GOOD;
		else
			says = strcmp(key->type, type) == 0 ? HOSTKEY_CHANGED : HOSTKEY_OTHER_TYPE;
		if (verdict == HOSTKEY_GOOD ||
		    (verdict == HOSTKEY_CHANGED && says == HOSTKEY_OTHER_TYPE))
			continue;
		verdict = says;
		*ret_known = key;
	}
	return verdict;
}

static bool names_type(const struct known_key *key, const char *type)
{
	/* A known RSA key is good for all three signature schemes. */
	if (strcmp(key->type, "ssh-rsa") == 0)
		return strncmp(type, "rsa-sha2-", 9) == 0 || strcmp(type, "ssh-rsa") == 0;
	return strcmp(key->type, type) == 0;
}

static bool type_is_known(const struct known_keys *keys, const char *type)
{
	for (size_t i = 0; i < keys->n; i++)
		if (keys->v[i].marker == KNOWN_PLAIN && names_type(&keys->v[i], type))
			return true;
	return false;
}

char *hostkey_types(const struct known_keys *keys)
{
	CLEANUP_BUF struct buf types = BUF_INIT(TYPES_MAX);

	for (int known = 1; known >= 0; known--)
		for (size_t i = 0; i < ARRAY_SIZE(all_types); i++)
			if (type_is_known(keys, all_types[i]) == (known == 1) &&
			    buf_addf(&types, "%s%s", types.len > 0 ? "," : "", all_types[i]) < 0)
				return NULL;
	return buf_steal(&types);
}

int hostkey_pin(struct known_keys *keys, const char *pinned, struct error *err)
{
	CLEANUP_FREE char *line = string_printf("pinned %s", pinned);
	char print[HOSTKEY_PRINT_SIZE] = "?";

	if (line == NULL)
		return error_memory(err);
	if (known_parse(keys, line, "the inventory", false, err) < 0)
		return -1;
	if (keys->n == 1)
		hostkey_print(keys->v[0].base64, print);
	if (keys->n != 1 || print[0] == '?')
		return error_set(err, ERROR_INVENTORY,
		    "host_key must be \"TYPE BASE64\", as `ssh-keyscan HOST` prints it after the "
		    "name");
	return 0;
}

static int offered_init(struct offered *offered, const struct link *link, struct error *err)
{
	size_t len = 0;
	int kind = 0;
	const char *blob = libssh2_session_hostkey(link->ssh, &len, &kind);
	size_t type_len = 0;

	if (blob != NULL && len >= 4 && len <= BLOB_MAX)
		type_len = (size_t)(unsigned char)blob[2] << 8 | (unsigned char)blob[3];
	if (type_len == 0 || type_len > len - 4) {
		error_set(err, ERROR_PROTOCOL, "the host sent no host key");
		return -1;
	}
	offered->type = strndup(blob + 4, type_len);
	offered->base64 = malloc(len * 4 / 3 + 8);
	if (offered->type == NULL || offered->base64 == NULL) {
		error_memory(err);
		return -1;
	}
	EVP_EncodeBlock((unsigned char *)offered->base64, (const unsigned char *)blob, (int)len);
	hostkey_print(offered->base64, offered->print);
	return 0;
}

static void offered_release(struct offered *offered)
{
	free(offered->type);
	free(offered->base64);
}

static int refuse_unknown(const struct ssh_config *config, const struct known_keys *keys,
    const struct offered *offered, const char *name, struct error *err)
{
	error_set(err, ERROR_HOST_KEY, "the host key of %s is not known; it offers %s %s", name,
	    offered->type, offered->print);
	for (size_t i = 0; i < keys->n; i++)
		if (keys->v[i].marker == KNOWN_AUTHORITY)
			return error_hint(err,
			    "%s names a certificate authority for it, which this transport cannot "
			    "check: pin the key in the inventory, or use the openssh transport",
			    keys->v[i].file);
	return error_hint(err,
	    "compare the fingerprint with the host's own (there: ssh-keygen -lf "
	    "/etc/ssh/ssh_host_ed25519_key.pub), then connect once with `ssh %s` and accept it, "
	    "or pin it in the inventory: host_key: \"%s %s\"",
	    config->name, offered->type, offered->base64);
}

static int refuse_changed(const struct known_key *known, const struct offered *offered,
    const char *name, bool pinned, struct error *err)
{
	char print[HOSTKEY_PRINT_SIZE];

	hostkey_print(known->base64, print);
	error_set(err, ERROR_HOST_KEY,
	    "the host key of %s has CHANGED: known is %s %s (%s), offered is %s %s", name,
	    known->type, print, known->file, offered->type, offered->print);
	if (pinned)
		return error_hint(err, "somebody may be between you and the host; if the change is "
				       "wanted, set host_key in the inventory to the new key");
	return error_hint(err,
	    "somebody may be between you and the host; if the change is wanted, forget the old "
	    "key: ssh-keygen -R '%s' -f %s",
	    name, known->file);
}

static int refuse_type(const struct ssh_config *config, const struct known_key *known,
    const struct offered *offered, const char *name, bool pinned, struct error *err)
{
	char print[HOSTKEY_PRINT_SIZE];
	bool rsa = strcmp(known->type, "ssh-rsa") == 0 && LIBSSH2_VERSION_NUM < 0x010b00;

	hostkey_print(known->base64, print);
	error_set(err, ERROR_HOST_KEY,
	    "the host key of %s is of another type than the known one: known is %s %s (%s), "
	    "offered is %s %s%s",
	    name, known->type, print, known->file, offered->type, offered->print,
	    rsa ? " (RSA host keys of today's servers cannot be checked with libssh2 before 1.11)"
		: "");
	if (pinned)
		return error_hint(err,
		    "if the host has this key too, pin it instead: host_key: \"%s %s\"",
		    offered->type, offered->base64);
	return error_hint(err,
	    "if the host has this key too, let ssh learn it: ssh -o HostKeyAlgorithms=%s %s",
	    offered->type, config->name);
}

static int refuse_revoked(const struct known_key *known, const struct offered *offered,
    const char *name, struct error *err)
{
	error_set(err, ERROR_HOST_KEY, "the host key of %s, %s %s, is marked as revoked in %s",
	    name, offered->type, offered->print, known->file);
	return error_hint(err,
	    "whoever holds it may not be the host: give the host a new key and remove the "
	    "line only if you know why it is there");
}

static bool has_authority(const struct known_keys *keys)
{
	for (size_t i = 0; i < keys->n; i++)
		if (keys->v[i].marker == KNOWN_AUTHORITY)
			return true;
	return false;
}

static int decide(struct link *link, const struct ssh_config *config, const struct known_keys *keys,
    bool pinned, const struct offered *offered, struct error *err)
{
	CLEANUP_FREE char *name = known_name(config);
	const struct known_key *known;

	if (name == NULL)
		return error_memory(err);
	switch (hostkey_judge(keys, offered->type, offered->base64, &known)) {
	case HOSTKEY_GOOD:
		trace_line(&link->trace, TRACE_LONG, "host key %s %s is known (%s)", offered->type,
		    offered->print, known->file);
		return 0;
	case HOSTKEY_REVOKED:
		return refuse_revoked(known, offered, name, err);
	case HOSTKEY_CHANGED:
		return refuse_changed(known, offered, name, pinned, err);
	case HOSTKEY_OTHER_TYPE:
		link->beyond = "the host's known key is of a type that libssh2 did not get";
		return refuse_type(config, known, offered, name, pinned, err);
	default:
		break;
	}
	if (has_authority(keys))
		link->beyond = "a certificate authority is known for the host";
	if (!config->accept_new || has_authority(keys))
		return refuse_unknown(config, keys, offered, name, err);
	trace_line(
	    &link->trace, TRACE_SHORT, "adding its host key %s %s", offered->type, offered->print);
	return known_add(config, offered->type, offered->base64, err);
}

int hostkey_check(struct link *link, const struct ssh_config *config, const struct known_keys *keys,
    bool pinned, struct error *err)
{
	struct offered offered = {0};
	int rc = offered_init(&offered, link, err);

	if (rc == 0)
		rc = decide(link, config, keys, pinned, &offered, err);
	offered_release(&offered);
	return rc;
}
