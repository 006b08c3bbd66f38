#include "transport/ssh/choice.h"

#include <libssh2.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "transport/ssh/keyfile.h"

static int say(char **ret_reason, char *reason, struct error *err)
{
	*ret_reason = reason;
	return reason != NULL ? 0 : error_memory(err);
}

/* As ssh: a certificate lies beside its key. */
static int has_certificate(const char *path)
{
	CLEANUP_FREE char *name = string_printf("%s-cert.pub", path);

	return name == NULL ? -1 : access(name, R_OK) == 0;
}

enum kind { KEY_NONE, KEY_PLAIN, KEY_RSA, KEY_TOKEN };

static enum kind kind_of(const char *path)
{
	struct keyfile key;
	enum kind kind = KEY_PLAIN;

	if (keyfile_read(path, &key, NULL) < 0)
		return KEY_NONE;
	if (key.type != NULL && strncmp(key.type, "sk-", 3) == 0)
		kind = KEY_TOKEN;
	else if (key.type != NULL && strcmp(key.type, "ssh-rsa") == 0)
		kind = KEY_RSA;
	keyfile_release(&key);
	return kind;
}

/* Where there are other keys as well, or an agent, they may do. */
static int look_at_keys(const struct ssh_config *config, char **ret_reason, struct error *err)
{
	size_t rsa = 0, others = 0;

	for (size_t i = 0; i < config->identity_files.n; i++) {
		const char *path = config->identity_files.v[i];
		int certificate = has_certificate(path);
		enum kind kind = kind_of(path);

		if (certificate < 0)
			return error_memory(err);
		if (certificate > 0)
			return say(ret_reason, string_printf("%s has a certificate", path), err);
		if (kind == KEY_TOKEN)
			return say(ret_reason, string_printf("%s is a FIDO key", path), err);
		rsa += kind == KEY_RSA;
		others += kind == KEY_PLAIN;
	}
	if (rsa > 0 && others == 0 && config->agent == NULL && LIBSSH2_VERSION_NUM < 0x010b00)
		return say(ret_reason, strdup("there are only RSA keys"), err);
	return 0;
}

int choice_reason(const struct ssh_config *config, char **ret_reason, struct error *err)
{
	const struct {
		bool is_set;
		const char *words;
	} beyond[] = {
	    {config->certificate_files.n > 0, "a CertificateFile is configured"},
	    {config->pkcs11 != NULL, "a PKCS11Provider is configured"},
	    {config->known_hosts_command != NULL, "a KnownHostsCommand is configured"},
	    {config->revoked_host_keys != NULL, "RevokedHostKeys is configured"},
	};

	*ret_reason = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(beyond); i++)
		if (beyond[i].is_set)
			return say(ret_reason, strdup(beyond[i].words), err);
	return look_at_keys(config, ret_reason, err);
}
