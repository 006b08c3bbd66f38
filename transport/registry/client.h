/* Reading a registry over its HTTP API (OCI distribution spec 1.1, plain HTTP: it is local). */
#ifndef SHIPIT_TRANSPORT_REGISTRY_CLIENT_H
#define SHIPIT_TRANSPORT_REGISTRY_CLIENT_H

#include <stdint.h>

#include "base/error.h"

struct registry_image {
	char *manifest; /* digest of the manifest for the platform: "sha256:..." */
	char *config;	/* digest of the image's config: its identity */
	uint64_t bytes; /* compressed size of config and layers together */
	int layers;
};

/* GET /v2/ answers? ERROR_UNREACHABLE with a hint how to start one. `host_port` is "localhost:5000"
 */
int registry_ping(const char *host_port, int cancel_fd, struct error *err);
/* Look `repository:reference` up (an index is followed to `os`/`arch`, verified against its digest
 * where it is asked for by digest). ERROR_NOT_FOUND when there is no such manifest. */
int registry_resolve(const char *host_port, const char *repository, const char *reference,
    const char *os, const char *arch, int cancel_fd, struct registry_image *ret, struct error *err);
void registry_image_release(struct registry_image *image);

#endif
