/* Uploads under way: begun by a POST, gone on with by requests that know their id, one at a time.
 * They are in memory alone: with the server they end, and the store forgets what came. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_UPLOADS_H
#define SHIPIT_TRANSPORT_REGISTRY_UPLOADS_H

#include "transport/registry/server_internal.h"

enum { UPLOAD_ID_SIZE = 33 };

struct blob_upload {
	char id[UPLOAD_ID_SIZE];
	char repository[ROUTE_NAME_SIZE];
	const struct account *account;
	struct blob_writer *writer; /* NULL: nothing came yet */
	struct error failure;	    /* of the store: nothing more is taken */
	bool busy;		    /* a request is at it */
	int64_t used_ms;
};

/* A new one, busy. ERROR_LOCKED: there are too many. */
int uploads_begin(struct server *server, const struct account *account, const char *repository,
    struct blob_upload **ret, struct error *err);
/* That of `id` made busy, once it is idle. ERROR_NOT_FOUND; ERROR_LOCKED: another request is at it
 * for long. */
int uploads_take(struct server *server, const struct account *account, const char *repository,
    const char *id, struct blob_upload **ret, struct error *err);
/* It is idle again. */
void uploads_give_back(struct uploads *uploads, struct blob_upload *upload);
/* A busy one ends. */
void uploads_remove(struct uploads *uploads, struct blob_upload *upload);

uint64_t blob_upload_size(const struct blob_upload *upload);

#endif
