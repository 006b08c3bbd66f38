/* Where `registry serve` listens, and whom it lets in. */
#ifndef SHIPIT_CMD_SERVE_ADDRESS_H
#define SHIPIT_CMD_SERVE_ADDRESS_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct serve_address {
	char host[INET6_ADDRSTRLEN]; /* numeric, without brackets */
	uint16_t port;		     /* 0: a free one */
	bool v6;
	bool loopback; /* only programs on this machine reach it */
	bool any;      /* every address of the machine */
};

/* "127.0.0.1:5000", "[::1]:5000", "localhost:5000" (which is 127.0.0.1). ERROR_USAGE: it is none of
 * these. */
int serve_address_parse(const char *text, struct serve_address *ret, struct error *err);
/* "127.0.0.1:5000", "[::1]:5000" */
enum { SERVE_ADDRESS_SIZE = INET6_ADDRSTRLEN + sizeof("[]:65535") };
void serve_address_format(const struct serve_address *address, char out[SERVE_ADDRESS_SIZE]);

/* "USER:PASSWORD" (RFC 7617: no colon in the user, no control characters). `password` points into
 * `text`. An error does not say what `text` was. */
struct serve_account {
	char *user;
	const char *password;
};
int serve_account_parse(const char *text, struct serve_account *ret, struct error *err);
void serve_account_release(struct serve_account *account);

#endif
