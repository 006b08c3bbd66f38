/* Keys that known_hosts files hold for a host.
 *
 * `ssh-keygen -F NAME -f FILE` reads the files, so hashed names, patterns and negation mean what
 * they mean to ssh (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). */
#ifndef SHIPIT_TRANSPORT_SSH_KNOWN_H
#define SHIPIT_TRANSPORT_SSH_KNOWN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "transport/ssh/config.h"

enum known_marker { KNOWN_PLAIN, KNOWN_REVOKED, KNOWN_AUTHORITY };

struct known_key {
	enum known_marker marker;
	bool any_port; /* known for the name without our port: good for a match, not for a change */
	char *type;    /* "ssh-ed25519" */
	char *base64;
	char *file;
};

struct known_keys {
	struct known_key *v;
	size_t n;
};

/* "host" or "[host]:port", in lower case; HostKeyAlias as it is. malloc'ed; NULL: no memory. */
char *known_name(const struct ssh_config *config);

/* What all files hold. ERROR_HOST_KEY when there are files but no ssh-keygen. */
int known_find(const struct ssh_config *config, int64_t deadline_ms, int cancel_fd,
    struct known_keys *ret, struct error *err);

/* The lines of one `ssh-keygen -F`. Lines that are no known_hosts lines are passed over. */
int known_parse(
    struct known_keys *keys, const char *text, const char *file, bool any_port, struct error *err);

/* Append "NAME TYPE BASE64" to the first UserKnownHostsFile as ssh does (hashed where
 * HashKnownHosts says so, ~/.ssh made when missing), under a lock. */
int known_add(
    const struct ssh_config *config, const char *type, const char *base64, struct error *err);

void known_release(struct known_keys *keys);

#endif
