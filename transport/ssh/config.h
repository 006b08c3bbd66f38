/* What OpenSSH's configuration says about a host.
 *
 * `ssh -G` is asked, so Include, Match, Host patterns and tokens work as they do for `ssh`; nothing
 * here reads ssh_config. Without an `ssh` program ssh's own defaults hold. */
#ifndef SHIPIT_TRANSPORT_SSH_CONFIG_H
#define SHIPIT_TRANSPORT_SSH_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strv.h"
#include "transport/ssh/session.h"

struct ssh_config {
	char *name;	 /* as given to ssh */
	char *host_name; /* where to connect */
	char *user;
	int port;
	int family;		    /* AF_UNSPEC, AF_INET, AF_INET6 */
	struct strv identity_files; /* as configured, whether they exist or not */
	struct strv certificate_files;
	bool identities_only;	      /* of the agent's keys only those that have a file */
	char *agent;		      /* the agent's socket; NULL: none */
	struct strv user_known_hosts; /* new keys go into the first */
	struct strv global_known_hosts;
	char *host_key_alias; /* NULL: none */
	bool accept_new;      /* StrictHostKeyChecking accept-new or no */
	bool hash_known_hosts;
	int connect_timeout_ms; /* of the TCP connection alone; 0: none said */
	char *proxy_command;	/* tokens expanded; NULL: none */
	char *proxy_jump;	/* NULL: none */
	char *first_machine;	/* a name for whom the first connection goes to */
	char *file;		/* `ssh -F` for children; NULL: ssh's default */
	bool has_ssh;		/* there is an `ssh` program, and what follows is from it */
	/* Comma-separated, those that are allowed; NULL: not said. */
	char *ciphers, *macs, *key_exchanges, *host_key_types;
	char *bind_address;			       /* NULL: any */
	bool gssapi, hostbased;			       /* may be tried to log in */
	char *pkcs11;				       /* the provider's library; NULL: none */
	char *known_hosts_command, *revoked_host_keys; /* NULL: none */
	bool knows_fork;      /* ForkAfterAuthentication: OpenSSH 8.7 and later */
	int alive_interval_s; /* ServerAliveInterval; 0: none */
};

/* Resolve `target`. What the target itself says (address, user, port, accept_new) goes over the
 * files; its `name` is what ssh is asked about. Gives up at `deadline_ms`. */
int ssh_config_load(const struct session_target *target, int64_t deadline_ms,
    struct ssh_config *ret, struct error *err);

/* The parts, for tests: ssh's defaults, then the lines of `ssh -G` over them, then the tokens
 * (ssh_config(5), TOKENS) and "~" in file names and ProxyCommand. */
int ssh_config_defaults(struct ssh_config *config, const char *name, struct error *err);
int ssh_config_parse(struct ssh_config *config, const char *text, struct error *err);
int ssh_config_expand(struct ssh_config *config, struct error *err);

void ssh_config_release(struct ssh_config *config);

#endif
