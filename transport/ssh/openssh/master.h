/* The system's `ssh` as a control master: the child, and what its command line says. */
#ifndef SHIPIT_TRANSPORT_SSH_OPENSSH_MASTER_H
#define SHIPIT_TRANSPORT_SSH_OPENSSH_MASTER_H

#include <stdint.h>
#include <sys/types.h>

#include "transport/ssh/backend.h"
#include "transport/ssh/openssh/ask.h"
#include "transport/ssh/openssh/said.h"

struct master {
	pid_t pid;     /* of its guard, which leads a group of its own; 0: none */
	int life;      /* while this end of a pipe is open, the guard lets it live */
	int errors;    /* its standard error, non-blocking */
	char *control; /* the path of its socket */
	bool accept_new;
	char *known; /* a known_hosts file with the pinned key; NULL: none is pinned */
	struct said said;
	struct buf line; /* of its standard error, not yet whole */
};

/* The command line; for tests. `seconds`: ConnectTimeout. */
int master_argv(const struct master *master, const struct session_target *target,
    const struct ssh_config *config, int seconds, struct strv *argv, struct error *err);

/* Start it, and wait until its control socket is there; questions are answered meanwhile, and the
 * time that a person takes is added to the deadline. Tried again, with jitter, where the host has
 * too many logins at once. Errors as session_open's. */
int master_start(struct master *master, const struct opening *opening, struct error *err);

/* Take what it has said, to the log too. False: it will say no more. */
bool master_listen(struct master *master, const struct session_target *target);

/* From now on it ends by itself. */
void master_let_go(struct master *master);
/* End the child; its files and words stay. */
void master_kill(struct master *master, int grace_ms);
/* End it, given `grace_ms` to do so by itself; remove its files. */
void master_stop(struct master *master, int grace_ms);

#endif
