/* What a request to a registry is about: its method and path, by the endpoints of the OCI
 * distribution-spec 1.1 ("Endpoints", end-1 to end-13) and the grammars of its names. Pure. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_ROUTE_H
#define SHIPIT_TRANSPORT_REGISTRY_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

enum {
	ROUTE_NAME_SIZE = 256,	    /* a repository's name has at most 255 characters */
	ROUTE_REFERENCE_SIZE = 256, /* a tag (at most 128), a digest or the id of an upload */
};

/* The codes of distribution-spec, "Error Codes", and what it has none for. */
enum route_error {
	ROUTE_OK = 0,
	ROUTE_BLOB_UNKNOWN,
	ROUTE_BLOB_UPLOAD_INVALID,
	ROUTE_BLOB_UPLOAD_UNKNOWN,
	ROUTE_DIGEST_INVALID,
	ROUTE_MANIFEST_BLOB_UNKNOWN,
	ROUTE_MANIFEST_INVALID,
	ROUTE_MANIFEST_UNKNOWN,
	ROUTE_NAME_INVALID,
	ROUTE_NAME_UNKNOWN,
	ROUTE_SIZE_INVALID,
	ROUTE_UNAUTHORIZED,
	ROUTE_DENIED,
	ROUTE_UNSUPPORTED,
	ROUTE_TOOMANYREQUESTS,
	ROUTE_TOO_LARGE,
	ROUTE_NO_ENDPOINT,
	ROUTE_UNKNOWN, /* what went wrong here is none of the spec's */
};

enum route_what {
	ROUTE_BASE,	 /* /v2/ */
	ROUTE_CATALOG,	 /* /v2/_catalog */
	ROUTE_BLOB,	 /* /v2/NAME/blobs/DIGEST */
	ROUTE_UPLOADS,	 /* /v2/NAME/blobs/uploads/ */
	ROUTE_UPLOAD,	 /* /v2/NAME/blobs/uploads/ID */
	ROUTE_MANIFEST,	 /* /v2/NAME/manifests/REFERENCE */
	ROUTE_TAGS,	 /* /v2/NAME/tags/list */
	ROUTE_REFERRERS, /* /v2/NAME/referrers/DIGEST */
};

enum route_method {
	ROUTE_GET = 1 << 0,
	ROUTE_HEAD = 1 << 1,
	ROUTE_POST = 1 << 2,
	ROUTE_PUT = 1 << 3,
	ROUTE_PATCH = 1 << 4,
	ROUTE_DELETE = 1 << 5,
};

struct route {
	enum route_what what;
	enum route_method method;
	bool is_write; /* not GET, HEAD: the status of an upload is read, too */
	bool is_digest;
	char repository[ROUTE_NAME_SIZE];     /* "": none */
	char reference[ROUTE_REFERENCE_SIZE]; /* tag, digest or upload; "": none */
};

/* `path` is decoded already, without its query. What is no endpoint at all is
 * ROUTE_NO_ENDPOINT (404).
 * A method that no such endpoint has is ROUTE_UNSUPPORTED, with `ret_allowed` those that it has. */
enum route_error route_parse(
    const char *method, const char *path, struct route *ret, unsigned int *ret_allowed);

bool route_is_name(const char *name, size_t len);
bool route_is_tag(const char *tag);

/* "GET, HEAD" of a set of methods; true to its size, NUL included. */
enum { ROUTE_METHODS_SIZE = 48 };
void route_methods(unsigned int methods, char out[ROUTE_METHODS_SIZE]);

/* What a query says of paging: `n` as it is there (text; NULL: not there) to a number of at most
 * `most`. 0 for zero; -1 when it is no number. */
int route_count(const char *n, size_t most, size_t *ret);

#endif
