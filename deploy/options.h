/* The run options of a release: docs/formats.md, "Run options and the config hash". One JSON
 * object, in which what has its default is left out. It is what the ledger keeps, what the config
 * hash is made of, and what a container is created from, so the three cannot drift apart. */
#ifndef SHIPIT_DEPLOY_OPTIONS_H
#define SHIPIT_DEPLOY_OPTIONS_H

#include <jansson.h>

#include "base/digest.h"
#include "base/error.h"
#include "inventory/inventory.h"

#define RESTART_DEFAULT	   "always"
#define STOP_GRACE_DEFAULT 10000

/* "1:" and 64 hex digits */
enum { CONFIG_HASH_SIZE = 2 + DIGEST_HEX_SIZE };

/* What `service` is to run with on `host`. Environment: the service's, over it the environment's,
 * over it the host's; a variable without a value is taken from this process's environment, and left
 * out when it is not there. Secrets are named and not looked at (deploy/secrets.h). */
int options_make(const struct inventory *inv, const struct environment *env,
    const struct service *service, const struct host *host, json_t **ret, struct error *err);

/* Whose secrets they name: *ret gets the names, each once, sorted. */
int options_secrets(const json_t *options, struct strv *ret, struct error *err);

/* Are they of the form that docs/formats.md says? What a ledger has was written by others: nothing
 * of it is used before this said yes. ERROR_PROTOCOL names the member. What it does not know is
 * left alone. */
int options_check(const json_t *options, struct error *err);

/* "always", "no", "unless-stopped", "on-failure" or "on-failure:N". */
bool options_is_restart(const char *text);

int options_hash(
    const json_t *options, const char *image_config, char out[CONFIG_HASH_SIZE], struct error *err);

/* Members with their defaults; never NULL. */
const char *options_restart(const json_t *options);
int64_t options_stop_grace_ms(const json_t *options);

/* One entry of `secret_files` taken apart: "NAME:0444:UID:GID:/PATH". Borrowed from `text` but for
 * the name, whose length is told. -1 when it is not of that form. */
struct options_secret_file {
	size_t name_len;
	unsigned int mode, uid, gid;
	const char *target;
};
int options_secret_file(const char *text, struct options_secret_file *ret);

/* One entry of `ports` taken apart: "127.0.0.1:8080:80/tcp". -1 when it is not of that form.
 * `ret_ip` must hold 64 bytes; host port 0: any. */
enum { PORT_IP_SIZE = 64 };
int options_port(const char *text, char ret_ip[PORT_IP_SIZE], int *ret_host_port,
    int *ret_container_port, char ret_protocol[8]);

#endif
