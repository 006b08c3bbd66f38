/* What a server has beside the store: manifests that were computed here, with their configs. Kept
 * in memory until it stops. */
#include <string.h>

#include "transport/registry/manifest.h"
#include "transport/registry/server_internal.h"

enum { OFFERS_MAX = 4096 };

struct offer {
	char *repository, *tag; /* tag NULL: a blob */
	char *media_type;
	char digest[DIGEST_TEXT_SIZE];
	char *data;
	size_t len;
};

static void offer_free(struct offer *offer)
{
	free(offer->repository);
	free(offer->tag);
	free(offer->media_type);
	free(offer->data);
	free(offer);
}

void offers_release(struct offers *offers)
{
	for (size_t i = 0; i < offers->n; i++)
		offer_free(offers->v[i]);
	free(offers->v);
	pthread_mutex_destroy(&offers->lock);
}

static struct offer *find(
    const struct offers *offers, const char *repository, const char *reference, bool is_blob)
{
	for (size_t i = 0; i < offers->n; i++) {
		struct offer *offer = offers->v[i];

		if (strcmp(offer->repository, repository) == 0 && is_blob == (offer->tag == NULL) &&
		    (strcmp(offer->digest, reference) == 0 ||
			(!is_blob && strcmp(offer->tag, reference) == 0)))
			return offer;
	}
	return NULL;
}

const struct offer *offers_find(
    struct offers *offers, const char *repository, const char *reference, bool is_blob)
{
	const struct offer *offer;

	pthread_mutex_lock(&offers->lock);
	offer = find(offers, repository, reference, is_blob);
	pthread_mutex_unlock(&offers->lock);
	return offer;
}

static struct offer *offer_new(const char *repository, const char *tag, const char *media_type,
    const char *data, struct error *err)
{
	struct offer *offer = calloc(1, sizeof(*offer));

	if (offer != NULL) {
		offer->repository = strdup(repository);
		offer->tag = tag != NULL ? strdup(tag) : NULL;
		offer->media_type = strdup(media_type);
		offer->data = strdup(data);
		offer->len = strlen(data);
		if (offer->repository != NULL && offer->media_type != NULL && offer->data != NULL &&
		    (tag == NULL || offer->tag != NULL) &&
		    digest_text(data, offer->len, offer->digest, err) == 0)
			return offer;
		offer_free(offer);
	}
	error_memory(err);
	return NULL;
}

static int add(struct offers *offers, const char *repository, const char *tag,
    const char *media_type, const char *data, struct error *err)
{
	struct offer *offer = offer_new(repository, tag, media_type, data, err);
	struct offer **v;

	if (offer == NULL)
		return -1;
	if (find(offers, repository, tag != NULL ? tag : offer->digest, tag == NULL) != NULL) {
		offer_free(offer);
		return 0;
	}
	v = offers->n < OFFERS_MAX ? realloc(offers->v, (offers->n + 1) * sizeof(struct offer *))
				   : NULL;
	if (v == NULL) {
		offer_free(offer);
		return error_memory(err);
	}
	offers->v = v;
	v[offers->n++] = offer;
	return 0;
}

int server_offer(struct server *server, const char *repository, const char *tag,
    const char *manifest, const char *config, struct error *err)
{
	CLEANUP_MANIFEST struct manifest parsed = {0};
	struct offers *offers = &server->offers;
	int rc;

	if (manifest_parse(manifest, strlen(manifest), NULL, &parsed, err) < 0)
		return -1;
	pthread_mutex_lock(&offers->lock);
	rc = add(offers, repository, NULL, MEDIA_OCI_CONFIG, config, err);
	if (rc == 0)
		rc = add(offers, repository, tag, parsed.media_type, manifest, err);
	pthread_mutex_unlock(&offers->lock);
	return rc;
}

enum MHD_Result reply_offer(struct request *request, const struct offer *offer)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
	    offer->len, (void *)(uintptr_t)offer->data, MHD_RESPMEM_MUST_COPY);

	if (response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "%s",
		offer->tag != NULL ? offer->media_type : "application/octet-stream") &&
	    response_header(response, "Docker-Content-Digest", "%s", offer->digest) &&
	    request->route.method == ROUTE_GET)
		request_sent(request, offer->len);
	return reply(request, MHD_HTTP_OK, response);
}
