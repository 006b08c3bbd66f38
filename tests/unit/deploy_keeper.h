/* A keeper that says what a script has it say: the session is a socket pair, and nothing of SSH is
 * in it. This file stands in for transport/ssh: include it once in a program. */
#ifndef SHIPIT_TESTS_UNIT_DEPLOY_KEEPER_H
#define SHIPIT_TESTS_UNIT_DEPLOY_KEEPER_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/proc.h"
#include "deploy/keeper.h"

struct session {
	const char *says; /* all of it at once, as soon as the keeper is started */
	size_t len;
	const char *complains; /* on stderr; NULL: nothing */
	bool hangs_up;	       /* and then the end */
	const char *lost;      /* why the session ended; NULL: it lives */
	int in, out, err;      /* the host's ends */
};

int session_exec(
    struct session *session, const char *command, struct session_exec *ret, struct error *err)
{
	int in[2], out[2], errs[2];

	(void)command;
	if (fd_socketpair(in) < 0 || fd_socketpair(out) < 0 || fd_socketpair(errs) < 0)
		return error_errno(err, errno, "socketpair");
	*ret = (struct session_exec){.in = in[0], .out = out[0], .err = errs[0]};
	session->in = in[1];
	session->out = out[1];
	session->err = errs[1];
	fd_nonblock(out[1]); /* what does not fit in is not said */
	if (session->len > 0 && write(out[1], session->says, session->len) < 0)
		session->len = 0;
	if (session->complains != NULL)
		fd_write_all(errs[1], session->complains, strlen(session->complains));
	if (session->hangs_up) {
		shutdown(out[1], SHUT_WR);
		shutdown(errs[1], SHUT_WR);
	}
	return 0;
}

int session_lost(struct session *session, struct error *err)
{
	return session->lost == NULL ? 0 : error_set(err, ERROR_UNREACHABLE, "%s", session->lost);
}

static inline void session_hang_up(struct session *session)
{
	close(session->in);
	close(session->out);
	close(session->err);
}

/* Beats are not of interest here. */
int heart_add(struct heart *heart, int fd, pthread_mutex_t *lock, struct error *err)
{
	(void)heart, (void)fd, (void)lock, (void)err;
	return 0;
}

void heart_remove(struct heart *heart, int fd)
{
	(void)heart, (void)fd;
}

#endif
