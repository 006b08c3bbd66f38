/* What can be known about a private key file without its passphrase. */
#ifndef SHIPIT_TRANSPORT_SSH_KEYFILE_H
#define SHIPIT_TRANSPORT_SSH_KEYFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct keyfile {
	char *type;	     /* "ssh-ed25519"; NULL: cannot be told */
	unsigned char *blob; /* the public key; NULL: cannot be told */
	size_t len;
	bool encrypted;
};

/* Read FILE, and FILE.pub where FILE is no OpenSSH key. Also fine when there is FILE.pub alone (the
 * key is in an agent). ERROR_NOT_FOUND when there is neither; ERROR_AUTH for a file that others may
 * read, which ssh does not use either. */
int keyfile_read(const char *path, struct keyfile *ret, struct error *err);
void keyfile_release(struct keyfile *key);

#endif
