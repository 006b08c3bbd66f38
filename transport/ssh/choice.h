/* Which transport a host needs, as far as the configuration tells. */
#ifndef SHIPIT_TRANSPORT_SSH_CHOICE_H
#define SHIPIT_TRANSPORT_SSH_CHOICE_H

#include "transport/ssh/config.h"

/* Why it has to be the system's ssh (malloc'ed, for -v); NULL: libssh2 may try. */
int choice_reason(const struct ssh_config *config, char **ret_reason, struct error *err);

#endif
