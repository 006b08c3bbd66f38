/* What a transport has to offer. A session begins with `struct session`, and each function of
 * session.h is one of these; session.h says what they do. Nothing outside of transport/ssh includes
 * this. */
#ifndef SHIPIT_TRANSPORT_SSH_BACKEND_H
#define SHIPIT_TRANSPORT_SSH_BACKEND_H

#include "transport/ssh/admission.h"
#include "transport/ssh/config.h"
#include "transport/ssh/session.h"

/* What an opening goes by. */
struct opening {
	const struct session_target *target;
	const struct ssh_config *config;
	struct admission *admission;
	int64_t deadline_ms;
};

struct backend {
	const char *name;
	int (*exec)(struct session *session, const char *command, struct session_exec *ret,
	    struct error *err);
	int (*exec_wait)(struct session *session, uint64_t id, int64_t deadline_ms, int *ret_status,
	    struct error *err);
	int (*exec_stop)(struct session *session, uint64_t id, struct error *err);
	int (*forward_remote)(
	    struct session *session, const char *target, int *ret_port, struct error *err);
	int (*forward_cancel)(struct session *session, int port, struct error *err);
	int (*forward_local)(struct session *session, const char *to, bool is_command,
	    char **ret_path, struct error *err);
	int (*forward_error)(struct session *session, const char *path, struct error *err);
	int (*connect)(
	    struct session *session, const char *to, int64_t deadline_ms, struct error *err);
	int (*lost)(struct session *session, struct error *err);
	int (*lost_fd)(const struct session *session);
	void (*set_cancel)(struct session *session, int cancel_fd);
	void (*close)(struct session *session);
};

struct session {
	const struct backend *backend;
	char *user;	/* whom we logged in as */
	char *describe; /* "deploy@10.0.0.9:2222" */
};

/* Fill in `user` and `describe`. */
int session_name(struct session *session, const struct ssh_config *config, struct error *err);
/* Free both. */
void session_unname(struct session *session);

/* The words of a host that refuses a remote forward. */
int session_refused_forward(struct error *err);

/* By libssh2. Where it failed for what the other transport may be able to do, `ret_why` says for
 * what ("no algorithm in common"; static), else it is NULL. */
int ssh2_open(
    const struct opening *opening, struct session **ret, const char **ret_why, struct error *err);

/* By the system's `ssh`. */
int openssh_open(const struct opening *opening, struct session **ret, struct error *err);

#endif
