/* The questions of the system's ssh: passphrases, passwords, a token's PIN.
 *
 * ssh runs the program that SSH_ASKPASS names, with the question as its argument, and reads the
 * answer from it. That program is this one again, started anew: it sees SHIPIT_ASKPASS, the path of
 * a socket, asks there and prints what it is told. So the answer is in no file, no argument and no
 * environment. */
#ifndef SHIPIT_TRANSPORT_SSH_OPENSSH_ASK_H
#define SHIPIT_TRANSPORT_SSH_OPENSSH_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strv.h"
#include "transport/ssh/session.h"
#include "transport/ssh/trace.h"

struct ask {
	int fd; /* listens; -1: nobody is to be asked */
	char *path;
};

/* `wanted`: false when there is nobody to ask; then every question is answered by nobody. */
int ask_open(struct ask *ask, const char *run_dir, bool wanted, struct error *err);
void ask_close(struct ask *ask);
/* ssh's environment: ours, and what makes it ask us. */
int ask_environment(const struct ask *ask, struct strv *env, struct error *err);

/* `fd` is readable: take one question to target->prompt (a notice to its log) and the answer back.
 * Blocks as long as the person takes; the question itself is there within 2 s or dropped. */
void ask_answer(const struct ask *ask, const struct session_target *target);

#endif
