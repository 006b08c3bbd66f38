/* Is the host the one we know? Decided after the key exchange and before anything else is sent.
 *
 * A key pinned in the inventory wins over every file. A revoked key is refused, a changed one too,
 * whatever accept_new says; so is a key of a type that is not known where another type is, or an
 * attacker could choose a type that was never seen. */
#ifndef SHIPIT_TRANSPORT_SSH_HOSTKEY_H
#define SHIPIT_TRANSPORT_SSH_HOSTKEY_H

#include "transport/ssh/known.h"
#include "transport/ssh/libssh2/link.h"

enum hostkey_verdict {
	HOSTKEY_GOOD,
	HOSTKEY_UNKNOWN,
	HOSTKEY_OTHER_TYPE, /* only keys of other types are known */
	HOSTKEY_CHANGED,
	HOSTKEY_REVOKED,
};

/* `ret_known`: the entry that decided, NULL for HOSTKEY_UNKNOWN. */
enum hostkey_verdict hostkey_judge(const struct known_keys *keys, const char *type,
    const char *base64, const struct known_key **ret_known);

/* For link_handshake: the types of the known keys first, then the others. malloc'ed. */
char *hostkey_types(const struct known_keys *keys);

/* "TYPE BASE64 [COMMENT]" as the only known key. */
int hostkey_pin(struct known_keys *keys, const char *pinned, struct error *err);

/* "SHA256:..." as `ssh-keygen -l` prints it, of a key in base64; "?" when it is none. */
enum { HOSTKEY_PRINT_SIZE = 64 };
void hostkey_print(const char *base64, char out[HOSTKEY_PRINT_SIZE]);

/* Judge the key that the handshake brought; ERROR_HOST_KEY with fingerprints and the way to mend
 * it. `pinned`: `keys` come from the inventory. */
int hostkey_check(struct link *link, const struct ssh_config *config, const struct known_keys *keys,
    bool pinned, struct error *err);

#endif
