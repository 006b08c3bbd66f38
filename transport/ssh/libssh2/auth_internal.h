/* Shared by the ways to log in: auth.c, auth_key.c, auth_ask.c. */
#ifndef SHIPIT_TRANSPORT_SSH_AUTH_INTERNAL_H
#define SHIPIT_TRANSPORT_SSH_AUTH_INTERNAL_H

#include "base/buf.h"
#include "base/strv.h"
#include "transport/ssh/libssh2/auth.h"

enum auth_result {
	AUTH_ERROR = -1,  /* err is set; no use to go on */
	AUTH_IN = 0,	  /* logged in */
	AUTH_NO = 1,	  /* refused; the next way */
	AUTH_PARTIAL = 2, /* accepted, and the host wants another one as well */
};

struct auth {
	struct link *link;
	const struct ssh_config *config;
	const struct session_target *target;
	struct strv methods; /* that the host takes now */
	const char *list;    /* libssh2's own copy of them */
	struct buf tried;    /* "; "-separated, for the message */
	int asked;	     /* prompts so far */
	bool nobody;	     /* the last one was answered by nobody */
};

/* Ask the host for its methods, anew. AUTH_IN when none is needed. */
enum auth_result auth_list(struct auth *auth, struct error *err);
/* What a libssh2_userauth_* call that is over means. */
enum auth_result auth_outcome(struct auth *auth, int rc, struct error *err);
/* Append to `tried`; running out of room there loses only words. */
void auth_tried(struct auth *auth, const char *format, ...) PRINTF_LIKE(2, 3);
/* malloc'ed; NULL: nobody to ask. */
char *auth_ask(struct auth *auth, const char *text, bool echo);
void auth_forget(char *secret); /* wipe and free; takes NULL */

enum auth_result auth_public_keys(struct auth *auth, struct error *err);
enum auth_result auth_keyboard(struct auth *auth, struct error *err);
enum auth_result auth_password(struct auth *auth, struct error *err);

#endif
