/* The values of secrets. They are had on this machine, when they are needed first, and go nowhere
 * but into the engine's call that makes a container; what is kept of them elsewhere is an HMAC,
 * whose key lies on the host beside the ledger. Safe for several threads; wiped when freed. */
#ifndef SHIPIT_DEPLOY_SECRETS_H
#define SHIPIT_DEPLOY_SECRETS_H

#include <jansson.h>
#include <stddef.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/strv.h"
#include "inventory/inventory.h"

enum {
	SECRET_MAX = 1024 * 1024,	    /* of a file */
	SECRET_ENV_MAX = 128 * 1024 - 1024, /* of a variable: what Linux passes on to a program */
	SECRET_COMMAND_MS = 120 * 1000,
};

struct secrets;

/* Borrowed from the secrets. */
struct secret_value {
	const char *data; /* any bytes; a NUL follows that is not counted */
	size_t len;
};

/* `cancel_fd`: ends a program that is waited for. Nothing is asked for yet. */
int secrets_new(
    const struct inventory *inventory, int cancel_fd, struct secrets **ret, struct error *err);
void secrets_free(struct secrets *secrets);

/* ERROR_INVENTORY says which one and why it cannot be had. */
int secrets_get(
    struct secrets *secrets, const char *name, struct secret_value *ret, struct error *err);
/* As a variable: without the newline at its end, and checked to be what a variable can be. */
int secrets_get_variable(
    struct secrets *secrets, const char *name, struct secret_value *ret, struct error *err);

/* Set the member `secrets` of run options: of each that they name its HMAC under `key`. `changed`
 * may be NULL, and gets the names of those that had another one. */
int secrets_seal(struct secrets *secrets, const char *key, json_t *options, struct strv *changed,
    struct error *err);

/* Put "****" wherever a value, or a line of it, stands in `text`; those shorter than 6 bytes are
 * left alone, they would hit words. Of secrets nobody asked for nothing is known. */
void secrets_mask(struct secrets *secrets, char *text);

#endif
