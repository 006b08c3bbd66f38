#include "transport/registry/client.h"

#include <stdbool.h>
#include <string.h>

#include "base/digest.h"
#include "base/json.h"
#include "transport/http.h"

enum {
	MANIFEST_MAX =
	    4 * 1024 * 1024, /* distribution-spec 1.1, "Pushing Manifests": at least 4 MB */
	TARGET_MAX = 8 * 1024,
	PING_STALL_MS = 10 * 1000,
	INDEX_DEPTH = 3,
};

static const char *const accept_manifests[] = {
    "Accept: application/vnd.oci.image.manifest.v1+json",
    "Accept: application/vnd.docker.distribution.manifest.v2+json",
    "Accept: application/vnd.oci.image.index.v1+json",
    "Accept: application/vnd.docker.distribution.manifest.list.v2+json",
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

/* A manifest as it came. */
struct manifest {
	json_t *json;
	char digest[DIGEST_TEXT_SIZE]; /* of the bytes that came */
};

static void manifest_release(struct manifest *manifest)
{
	json_decref(manifest->json);
}
#define CLEANUP_MANIFEST __attribute__((cleanup(manifest_release)))

/* The digest is computed here; it has to be the one asked for, and the one that was announced. */
static int take_manifest(const struct http_response *response, const char *reference,
    struct manifest *ret, struct error *err)
{
	if (digest_text(response->body.data, response->body.len, ret->digest, err) < 0)
		return -1;
	if (strchr(reference, ':') != NULL && strcmp(reference, ret->digest) != 0)
		return error_set(
		    err, ERROR_PROTOCOL, "the manifest that came has the digest %s", ret->digest);
	if (digest_is_text(response->digest) && strcmp(response->digest, ret->digest) != 0)
		return error_set(err, ERROR_PROTOCOL,
		    "the manifest was announced as %s, and what came has %s", response->digest,
		    ret->digest);
	if (json_parse(response->body.data, response->body.len, "the manifest", &ret->json, err) <
	    0)
		return -1;
	if (json_is_object(ret->json))
		return 0;
	json_decref(steal_ptr(ret->json));
	return error_set(err, ERROR_PROTOCOL, "the manifest is no JSON object");
}

static int fetch_manifest(struct http *http, const char *repository, const char *reference,
    struct manifest *ret, struct error *err)
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
		rc = take_manifest(&response, reference, ret, err);
	http_response_release(&response);
	return rc;
}

static bool fits(const json_t *entry, const char *os, const char *arch)
{
	return strcmp(json_str(entry, "platform.os", ""), os) == 0 &&
	       strcmp(json_str(entry, "platform.architecture", ""), arch) == 0;
}

static int no_platform(const json_t *entries, const char *os, const char *arch, struct error *err)
{
	CLEANUP_BUF struct buf there = BUF_INIT(1024);
	const json_t *entry;
	size_t i;

	json_array_foreach(entries, i, entry)
	{
		const char *has = json_str(entry, "platform.os", "unknown");

		/* Attestations are listed as "unknown/unknown". What is too long is left out. */
		if (strcmp(has, "unknown") != 0)
			buf_addf(&there, "%s%s/%s", there.len > 0 ? ", " : "", has,
			    json_str(entry, "platform.architecture", "?"));
	}
	return error_set(err, ERROR_NOT_FOUND, "there is no image for %s/%s, only for %s", os, arch,
	    there.len > 0 ? there.data : "nothing");
}

/* The digest of the first entry for the platform. */
static int choose(const json_t *index, const char *os, const char *arch, char ret[DIGEST_TEXT_SIZE],
    struct error *err)
{
	const json_t *entries = json_object_get(index, "manifests"), *entry;
	const char *digest;
	size_t i;

	json_array_foreach(entries, i, entry)
	{
		if (!fits(entry, os, arch))
			continue;
		digest = json_str(entry, "digest", "");
		if (!digest_is_text(digest))
			return error_set(
			    err, ERROR_PROTOCOL, "the index names a manifest by \"%s\"", digest);
		memcpy(ret, digest, DIGEST_TEXT_SIZE);
		return 0;
	}
	return no_platform(entries, os, arch, err);
}

static int add_size(const json_t *descriptor, uint64_t *bytes)
{
	int64_t size = json_int(descriptor, "size", -1);

	if (size < 0 || (uint64_t)size > UINT64_MAX - *bytes)
		return -1;
	*bytes += (uint64_t)size;
	return 0;
}

static int read_image(
    const struct manifest *manifest, struct registry_image *ret, struct error *err)
{
	const json_t *layers = json_object_get(manifest->json, "layers"), *layer;
	const char *config = json_str(manifest->json, "config.digest", "");
	size_t i;

	if (json_int(manifest->json, "schemaVersion", 0) != 2)
		return error_set(err, ERROR_FAILED,
		    "the manifest is of an old kind (schema 1); push the image again");
	if (!digest_is_text(config) || !json_is_array(layers) ||
	    add_size(json_object_get(manifest->json, "config"), &ret->bytes) < 0)
		return error_set(err, ERROR_PROTOCOL, "the manifest is not one of an image");
	json_array_foreach(layers, i, layer)
	{
		if (add_size(layer, &ret->bytes) < 0)
			return error_set(err, ERROR_PROTOCOL, "a layer's size makes no sense");
	}
	ret->layers = (int)json_array_size(layers);
	ret->manifest = strdup(manifest->digest);
	ret->config = strdup(config);
	return ret->manifest != NULL && ret->config != NULL ? 0 : error_memory(err);
}

static int resolve(struct http *http, const char *repository, const char *reference, const char *os,
    const char *arch, struct registry_image *ret, struct error *err)
{
	char digest[DIGEST_TEXT_SIZE];

	for (int depth = 0; depth < INDEX_DEPTH; depth++) {
		CLEANUP_MANIFEST struct manifest manifest = {.json = NULL};

		if (fetch_manifest(http, repository, reference, &manifest, err) < 0)
			return -1;
		if (!json_is_array(json_object_get(manifest.json, "manifests")))
			return read_image(&manifest, ret, err);
		if (choose(manifest.json, os, arch, digest, err) < 0)
			return -1;
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
