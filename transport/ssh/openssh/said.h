/* What the system's ssh says on its standard error under LogLevel DEBUG1: how far it is, and why it
 * failed. No I/O: lines in, values out. */
#ifndef SHIPIT_TRANSPORT_SSH_OPENSSH_SAID_H
#define SHIPIT_TRANSPORT_SSH_OPENSSH_SAID_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

enum said_phase {
	SAID_CONNECT, /* TCP, or the way through a proxy */
	SAID_BANNER,
	SAID_KEX,
	SAID_LOGIN,
	SAID_READY, /* the control socket is there */
};

enum { SAID_CHANNELS = 16 };

struct said {
	enum said_phase phase;
	char *host_key;	  /* what the host offered, "ssh-ed25519 SHA256:..."; NULL: not yet */
	struct buf tried; /* "; "-separated: the keys that were offered */
	struct buf words; /* the lines that are for people, the last 4 KiB of them; '\n' between */
	/* Connections through local forwards, to tell which of them was refused. */
	char *wanted; /* where the one that was announced last leads to: a path or HOST:PORT */
	struct {
		long number;
		char *to;
	} channels[SAID_CHANNELS];
	unsigned n_channels;
	char *refused_to, *refused; /* the last that was refused, and why; NULL: none */
};

void said_init(struct said *said);
/* One line, without its end. Running out of memory loses only words. */
void said_line(struct said *said, const char *line);
/* "key exchange" */
const char *said_phase_name(const struct said *said);

/* The host hung up before anything was agreed upon: too many logins at once. It may take another.
 */
bool said_throttled(const struct said *said);
/* Why it ended before it was ready. ERROR_HOST_KEY, ERROR_AUTH, ERROR_TIMEOUT, ERROR_UNREACHABLE,
 * with ssh's own words and a hint; `name` is what ssh calls the host. `pinned`: its key is in the
 * inventory. */
int said_why(const struct said *said, const char *name, bool pinned, struct error *err);
/* The last lines for people, ";"-separated, malloc'ed; NULL when there are none. */
char *said_last(const struct said *said);

void said_release(struct said *said);

#endif
