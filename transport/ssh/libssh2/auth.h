/* Log in (RFC 4252): the agent's keys, key files, keyboard-interactive, password; what the host
 * does not offer is not tried, and when one way is only half of what it wants
 * (AuthenticationMethods), the list of methods is read again and the next one follows. */
#ifndef SHIPIT_TRANSPORT_SSH_AUTH_H
#define SHIPIT_TRANSPORT_SSH_AUTH_H

#include "transport/ssh/config.h"
#include "transport/ssh/libssh2/link.h"
#include "transport/ssh/session.h"

/* Only after the host key was found right. `target` gives the prompt; the time that a person takes
 * to answer is added to the link's deadline. ERROR_AUTH lists what was tried. */
int auth_login(struct link *link, const struct ssh_config *config,
    const struct session_target *target, struct error *err);

#endif
