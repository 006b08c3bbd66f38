/* Which algorithms are offered to a host: the sound ones that libssh2 has and ssh's configuration
 * allows. */
#ifndef SHIPIT_TRANSPORT_SSH_ALGORITHMS_H
#define SHIPIT_TRANSPORT_SSH_ALGORITHMS_H

#include <libssh2.h>

#include "transport/ssh/config.h"

/* Key exchanges, ciphers and MACs. -1: nothing is left of one of them. */
int algorithms_set(LIBSSH2_SESSION *ssh, const struct ssh_config *config);

/* The types of host keys to ask for, the best first, comma-separated. -1: none is left. */
int algorithms_set_host_keys(
    LIBSSH2_SESSION *ssh, const struct ssh_config *config, const char *types);

#endif
