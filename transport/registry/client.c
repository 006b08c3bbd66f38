#include "transport/registry/client.h"

#include <string.h>

#include "transport/http.h"
#include "transport/registry/manifest.h"

enum {
	TARGET_MAX = 8 * 1024,
	PING_STALL_MS = 10 * 1000,
	INDEX_DEPTH = 3,
};

static const char *const accept_manifests[] = {
    "Accept: " MEDIA_OCI_MANIFEST,
    "Accept: " MEDIA_DOCKER_MANIFEST,
    "Accept: " MEDIA_OCI_INDEX,
    "Accept: " MEDIA_DOCKER_LIST,
    NULL,
};

/* "localhost:5000" or a Unix socket's path. libcurl tries both families of "localhost". */
static int open_registry(const char *host_port, int cancel_fd, struct http **ret, struct error *err)
{
	CLEANUP_FREE char *address =
	    host_port[0] == '/' ? strdup(host_port) : string_printf("http://%s", host_port);

	if (address == NULL)
		return error_memory(err);
	return http_open(address, cancel_fd, ret, err);
}

static int check_pong(const struct http_response *response, struct error *err)
{
	if (response->status == 200)
		return 0;
	if (response->status == 401)
		return error_set(err, ERROR_FAILED, "it asks for a login");
	return error_set(err, ERROR_UNREACHABLE, "what answers there is no registry (%d for /v2/)",
	    response->status);
}

int registry_ping(const char *host_port, int cancel_fd, struct error *err)
{
	struct http_request request = {
	    .method = "GET", .target = "/v2/", .stall_ms = PING_STALL_MS, .max_body = 64 * 1024};
	struct http_response response;
	struct http *http = NULL;
	int rc;

	if (open_registry(host_port, cancel_fd, &http, err) < 0)
		return error_wrap(err, "the registry %s", host_port);
	rc = http_perform(http, &request, &response, err);
	if (rc == 0)
		rc = check_pong(&response, err);
	http_response_release(&response);
	http_close(http);
	if (rc == 0)
		return 0;
	error_wrap(err, "the registry %s", host_port);
	if (err != NULL && (err->kind == ERROR_UNREACHABLE || err->kind == ERROR_TIMEOUT))
		error_hint(err,
		    "start it, or leave `registry` out of shipit.yml: shipit has one of its own");
	return -1;
}

/* The digest is computed here; it has to be the one asked for, and the one that was announced. */
static int take_manifest(const struct http_response *response, const char *reference,
    struct manifest *ret, char ret_digest[DIGEST_TEXT_SIZE], struct error *err)
{
	char digest[DIGEST_TEXT_SIZE];

	if (digest_text(response->body.data, response->body.len, digest, err) < 0)
		return -1;
	if (strchr(reference, ':') != NULL && strcmp(reference, digest) != 0)
		return error_set(
		    err, ERROR_PROTOCOL, "the manifest that came has the digest %s", digest);
	if (digest_is_text(response->digest) && strcmp(response->digest, digest) != 0)
		return error_set(err, ERROR_PROTOCOL,
		    "the manifest was announced as %s, and what came has %s", response->digest,
		    digest);
	if (manifest_parse(response->body.data, response->body.len, NULL, ret, err) < 0)
		return -1;
	memcpy(ret_digest, digest, sizeof(digest));
	return 0;
}

static int fetch_manifest(struct http *http, const char *repository, const char *reference,
    struct manifest *ret, char ret_digest[DIGEST_TEXT_SIZE], struct error *err)
{
	CLEANUP_BUF struct buf target = BUF_INIT(TARGET_MAX);
	struct http_request request = {
	    .method = "GET", .headers = accept_manifests, .max_body = MANIFEST_MAX};
	struct http_response response;
	int rc;

	if (strchr(reference, ':') != NULL && !digest_is_text(reference))
		return error_set(err, ERROR_NOT_FOUND, "\"%s\" is no sha256 digest", reference);
	if (buf_adds(&target, "/v2/") < 0 || http_escape(&target, repository, "/") < 0 ||
	    buf_adds(&target, "/manifests/") < 0 || http_escape(&target, reference, ":") < 0)
		return buf_error(&target, err, "the image's name");
	request.target = target.data;
	rc = http_perform(http, &request, &response, err);
	if (rc == 0 && response.status != 200)
		rc = http_status_error(&response, err);
	if (rc == 0)
		rc = take_manifest(&response, reference, ret, ret_digest, err);
	http_response_release(&response);
	return rc;
}

static int no_platform(
    const struct manifest *index, const char *os, const char *arch, struct error *err)
{
	CLEANUP_BUF struct buf there = BUF_INIT(1024);

	for (size_t i = 0; i < index->n; i++) {
		const struct descriptor *entry = &index->entries[i];

		/* Attestations are listed as "unknown/unknown". What is too long is left out. */
		if (*entry->os != '\0' && strcmp(entry->os, "unknown") != 0)
			buf_addf(&there, "%s%s/%s", there.len > 0 ? ", " : "", entry->os,
			    *entry->arch != '\0' ? entry->arch : "?");
	}
	return error_set(err, ERROR_NOT_FOUND, "there is no image for %s/%s, only for %s", os, arch,
	    there.len > 0 ? there.data : "nothing");
}

static int read_image(const struct manifest *manifest, const char *digest,
    struct registry_image *ret, struct error *err)
{
	ret->bytes = manifest->config.size;
	for (size_t i = 0; i < manifest->n; i++) {
		if (manifest->entries[i].size > UINT64_MAX - ret->bytes)
			return error_set(err, ERROR_PROTOCOL, "the image's size makes no sense");
		ret->bytes += manifest->entries[i].size;
	}
	ret->layers = (int)manifest->n;
	ret->manifest = strdup(digest);
	ret->config = strdup(manifest->config.digest);
	return ret->manifest != NULL && ret->config != NULL ? 0 : error_memory(err);
}

static int resolve(struct http *http, const char *repository, const char *reference, const char *os,
    const char *arch, struct registry_image *ret, struct error *err)
{
	char digest[DIGEST_TEXT_SIZE];

	for (int depth = 0; depth < INDEX_DEPTH; depth++) {
		CLEANUP_MANIFEST struct manifest manifest = {.config = {.digest = ""}};
		const struct descriptor *chosen;

		if (fetch_manifest(http, repository, reference, &manifest, digest, err) < 0)
			return -1;
		if (!manifest.is_index)
			return read_image(&manifest, digest, ret, err);
		chosen = manifest_choose(&manifest, os, arch);
		if (chosen == NULL)
			return no_platform(&manifest, os, arch, err);
		memcpy(digest, chosen->digest, sizeof(digest));
		reference = digest;
	}
	return error_set(err, ERROR_PROTOCOL, "indexes of indexes, too deep");
}

int registry_resolve(const char *host_port, const char *repository, const char *reference,
    const char *os, const char *arch, int cancel_fd, struct registry_image *ret, struct error *err)
{
	struct registry_image image = {0};
	struct http *http = NULL;
	int rc = open_registry(host_port, cancel_fd, &http, err);

	if (rc == 0)
		rc = resolve(http, repository, reference, os, arch, &image, err);
	http_close(http);
	if (rc == 0) {
		*ret = image;
		return 0;
	}
	registry_image_release(&image);
	return error_wrap(err, "%s/%s%c%s", host_port, repository,
	    strchr(reference, ':') != NULL ? '@' : ':', reference);
}

void registry_image_release(struct registry_image *image)
{
	free(image->manifest);
	free(image->config);
	*image = (struct registry_image){0};
}
