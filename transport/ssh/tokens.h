/* The %-tokens, "~" and ${VARIABLES} of ssh_config(5), which `ssh -G` prints unexpanded. */
#ifndef SHIPIT_TRANSPORT_SSH_TOKENS_H
#define SHIPIT_TRANSPORT_SSH_TOKENS_H

#include "transport/ssh/config.h"

/* %% %d %h %i %j %k %L %l %n %p %r %u; what is unknown stays as it is. malloc'ed; NULL when out of
 * memory or longer than 16 KiB. */
char *tokens_expand(const char *text, const struct ssh_config *config);
/* The same and "~/", "~USER/" at the start, ${VARIABLE} anywhere. */
char *tokens_expand_path(const char *text, const struct ssh_config *config);

/* From the passwd database (where ssh looks too, not in $HOME), for `user` or, when NULL, for us.
 * malloc'ed; NULL when there is no such user or no memory. */
char *tokens_home(const char *user);
char *tokens_user(void);

#endif
