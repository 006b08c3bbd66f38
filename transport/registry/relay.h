/* A window on another registry: reads of manifests and blobs pass, streamed, as they are. Whoever
 * asks has been let in before, and may see the repository. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_RELAY_H
#define SHIPIT_TRANSPORT_REGISTRY_RELAY_H

#include <curl/curl.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

/* One request to the registry at `base`, "http://HOST:PORT". */
struct relay;

enum { RELAY_HEADERS = 5 };
struct relay_answer {
	long status;
	curl_off_t length; /* of the body; -1: not known */
	struct {
		const char *name; /* as it is written */
		char value[256];  /* "": none */
	} headers[RELAY_HEADERS];
};

/* Once, before the first. */
int relay_start(struct error *err);
struct relay_request {
	const char *base, *path;
	bool head;
	const char *accept, *range; /* NULL: none */
	int cancel_fd;		    /* ends it, also while its body is read */
};
/* Send it, and wait for the head of the answer. ERROR_UNREACHABLE: there is no registry, or it says
 * nothing that makes sense. */
int relay_open(const struct relay_request *request, struct relay **ret,
    struct relay_answer *ret_answer, struct error *err);
/* At most `len` bytes of the body; 0: its end; -1: it broke, or nothing came for a minute. */
ssize_t relay_read(struct relay *relay, void *data, size_t len, struct error *err);
void relay_close(struct relay *relay); /* takes NULL */

#endif
