#include "transport/ssh/libssh2/algorithms.h"

#include <string.h>

#include "base/buf.h"

enum { METHODS_MAX = 4096 };

#define CIPHERS "aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr"
#define MACS                                                                                       \
	"hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512," \
	"hmac-sha1"

/* The fast ones first. ChaCha20 stays out: without strict key exchange it is open to prefix
 * truncation (CVE-2023-48795). */
static const char key_exchanges[] =
    "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,"
    "ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,"
    "diffie-hellman-group18-sha512,diffie-hellman-group14-sha256";

static bool has_name(const char *const *names, int n, const char *name, size_t len)
{
	for (int i = 0; i < n; i++)
		if (strncmp(names[i], name, len) == 0 && names[i][len] == '\0')
			return true;
	return false;
}

/* `allowed`: comma-separated; NULL: all. */
static bool is_allowed(const char *allowed, const char *name, size_t len)
{
	if (allowed == NULL)
		return true;
	for (size_t n; *allowed != '\0'; allowed += n + (allowed[n] == ',')) {
		n = strcspn(allowed, ",");
		if (n == len && strncmp(allowed, name, len) == 0)
			return true;
	}
	return false;
}

/* What libssh2 lacks it would drop itself, but 1.10 does so with a memcpy over itself. */
static int set(LIBSSH2_SESSION *ssh, int method, const char *names, const char *allowed)
{
	CLEANUP_BUF struct buf chosen = BUF_INIT(METHODS_MAX);
	const char **supported = NULL;
	int n = libssh2_session_supported_algs(ssh, method, &supported);

	for (size_t len; *names != '\0'; names += len + (names[len] == ',')) {
		len = strcspn(names, ",");
		if (has_name(supported, n, names, len) && is_allowed(allowed, names, len))
			buf_addf(&chosen, "%s%.*s", chosen.len > 0 ? "," : "", (int)len, names);
	}
	if (n > 0)
		libssh2_free(ssh, supported);
	if (chosen.len == 0)
		return -1;
	return libssh2_session_method_pref(ssh, method, chosen.data);
}

int algorithms_set(LIBSSH2_SESSION *ssh, const struct ssh_config *config)
{
	return set(ssh, LIBSSH2_METHOD_KEX, key_exchanges, config->key_exchanges) < 0 ||
		       set(ssh, LIBSSH2_METHOD_CRYPT_CS, CIPHERS, config->ciphers) < 0 ||
		       set(ssh, LIBSSH2_METHOD_CRYPT_SC, CIPHERS, config->ciphers) < 0 ||
		       set(ssh, LIBSSH2_METHOD_MAC_CS, MACS, config->macs) < 0 ||
		       set(ssh, LIBSSH2_METHOD_MAC_SC, MACS, config->macs) < 0
		   ? -1
		   : 0;
}

int algorithms_set_host_keys(
    LIBSSH2_SESSION *ssh, const struct ssh_config *config, const char *types)
{
	return set(ssh, LIBSSH2_METHOD_HOSTKEY, types, config->host_key_types);
}
