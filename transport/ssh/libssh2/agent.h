/* A client of ssh-agent (draft-ietf-sshm-ssh-agent). libssh2 has one too, but it blocks for as long
 * as the agent likes (a key that waits for a touch) and cannot ask for SHA-2 signatures. */
#ifndef SHIPIT_TRANSPORT_SSH_AGENT_H
#define SHIPIT_TRANSPORT_SSH_AGENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct agent_key {
	unsigned char *blob;
	size_t len;
	char *type;
	char *comment;
};

struct agent {
	int fd;
	int64_t deadline_ms; /* of each answer */
	int cancel_fd;
	struct agent_key *keys;
	size_t n;
};

enum { AGENT_RSA_SHA2_512 = 4 };

/* Connect to the socket at `path` and list the keys. */
int agent_open(
    struct agent *agent, const char *path, int64_t deadline_ms, int cancel_fd, struct error *err);
/* The bare signature, without the type in front of it; malloc'ed. */
int agent_sign(struct agent *agent, const struct agent_key *key, const void *data, size_t len,
    uint32_t flags, unsigned char **ret, size_t *ret_len, struct error *err);
void agent_close(struct agent *agent);

#endif
