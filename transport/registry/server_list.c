/* Lists: tags, repositories, referrers (distribution-spec, "Content Discovery"). */
#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "transport/http.h"
#include "transport/registry/manifest.h"
#include "transport/registry/server_internal.h"

/* --- lists of names */

static json_t *array_of(const struct strv *names, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; array != NULL && i < n && i < names->n; i++)
		if (json_array_append_new(array, json_string(names->v[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

static struct MHD_Response *response_json(json_t *value, const char *type)
{
	char *text = value != NULL ? json_dumps(value, JSON_COMPACT) : NULL;

	json_decref(value);
	return response_text(text, type);
}

/* RFC 5988, as distribution-spec, "Listing Tags" wants it. */
static void add_link(struct MHD_Response *response, const char *path, size_t n, const char *last)
{
	response_header(response, "Link", "<%s?n=%zu&last=%s>; rel=\"next\"", path, n, last);
}

static enum MHD_Result reply_names(
    struct request *request, json_t *value, const struct strv *names, size_t n, bool more)
{
	struct MHD_Response *response = response_json(value, "application/json; charset=utf-8");

	if (response != NULL && more && n > 0 && names->n > 0)
		add_link(response, request->path, n, names->v[names->n - 1]);
	return reply(request, MHD_HTTP_OK, response);
}

static int want_count(struct request *request, size_t *ret)
{
	return route_count(request_argument(request, "n"), SERVER_LIST_MAX, ret);
}

static enum MHD_Result no_count(struct request *request)
{
	return reply_error_as(
	    request, MHD_HTTP_BAD_REQUEST, ROUTE_UNSUPPORTED, "n is not a number of names");
}

enum MHD_Result list_tags(struct request *request)
{
	const char *repository = request->route.repository;
	CLEANUP_STRV struct strv names = {0};
	struct error failure = {0};
	json_t *value;
	size_t n;
	bool more;

	if (want_count(request, &n) < 0)
		return no_count(request);
	/* Without names, too, we hear whether there is such a repository. */
	if (store_tags(request->server->store, repository, request_argument(request, "last"),
		n > 0 ? n : 1, &names, &more, &failure) < 0)
		return reply_failure(request, &failure, ROUTE_NAME_UNKNOWN, ROUTE_UNKNOWN);
	value = json_pack("{s:s,s:o}", "name", repository, "tags", array_of(&names, n));
	return reply_names(request, value, &names, n, more);
}

/* Those of one page that the account may see; `ret_last`: where the next begins. */
static int take_visible(const struct account *account, const struct strv *page, size_t n,
    struct strv *ret, bool *ret_more, struct error *err)
{
	for (size_t i = 0; i < page->n && !*ret_more; i++) {
		if (!account_may_see(account, page->v[i]))
			continue;
		if (ret->n == n)
			*ret_more = true;
		else if (strv_add(ret, page->v[i]) < 0)
			return error_memory(err);
	}
	return 0;
}

static int visible_repositories(
    struct request *request, size_t n, struct strv *ret, bool *ret_more, struct error *err)
{
	const char *start = request_argument(request, "last");
	CLEANUP_FREE char *last = strdup(start != NULL ? start : "");
	bool pages = true;

	*ret_more = false;
	while (pages && !*ret_more) {
		CLEANUP_STRV struct strv page = {0};

		if (last == NULL)
			return error_memory(err);
		if (store_repositories(
			request->server->store, last, SERVER_LIST_MAX, &page, &pages, err) < 0 ||
		    take_visible(request->account, &page, n, ret, ret_more, err) < 0)
			return -1;
		if (page.n > 0) {
			free(last);
			last = strdup(page.v[page.n - 1]);
		}
	}
	return 0;
}

enum MHD_Result list_catalog(struct request *request)
{
	CLEANUP_STRV struct strv names = {0};
	struct error failure = {0};
	size_t n;
	bool more;

	if (want_count(request, &n) < 0)
		return no_count(request);
	if (visible_repositories(request, n, &names, &more, &failure) < 0)
		return reply_failure(request, &failure, ROUTE_UNKNOWN, ROUTE_UNKNOWN);
	return reply_names(
	    request, json_pack("{s:o}", "repositories", array_of(&names, n)), &names, n, more);
}

/* --- referrers */

/* Its descriptor, as it is listed; NULL: it has gone meanwhile, or is of another type. */
static json_t *referrer(
    const struct stored_manifest *stored, const char *wanted_type, struct error *err)
{
	CLEANUP_MANIFEST struct manifest manifest = {0};
	json_t *value;

	if (manifest_parse(stored->data, stored->len, stored->media_type, &manifest, err) < 0)
		return NULL;
	if (wanted_type != NULL && strcmp(manifest.artifact_type, wanted_type) != 0)
		return NULL;
	value = json_pack("{s:s,s:s,s:I}", "mediaType", stored->media_type, "digest",
	    stored->digest, "size", (json_int_t)stored->len);
	if (value != NULL && *manifest.artifact_type != '\0')
		json_object_set_new(value, "artifactType", json_string(manifest.artifact_type));
	if (value != NULL && manifest.annotations != NULL)
		json_object_set_new(value, "annotations", json_deep_copy(manifest.annotations));
	if (value == NULL)
		error_memory(err);
	return value;
}

/* Annotations may be as long as a manifest: one answer has no more of them than one manifest may
 * have, and the next begins behind its last. */
struct referrers {
	json_t *list;
	size_t bytes;
	const char *last; /* borrowed: the last that was looked at */
	bool more;
};

static int add_referrer(struct request *request, const char *digest, const char *wanted_type,
    struct referrers *referrers, struct error *err)
{
	struct stored_manifest stored = {0};
	struct error failure = {0};
	json_t *value;

	if (store_manifest_get(
		request->server->store, request->route.repository, digest, &stored, &failure) < 0) {
		bool gone = failure.kind == ERROR_NOT_FOUND;

		error_move(err, &failure);
		if (gone)
			error_release(err);
		return gone ? 0 : -1;
	}
	referrers->more = referrers->bytes + stored.len > MANIFEST_MAX && referrers->bytes > 0;
	value = referrers->more ? NULL : referrer(&stored, wanted_type, &failure);
	if (value != NULL) {
		referrers->bytes += stored.len;
		json_array_append_new(referrers->list, value);
	}
	if (!referrers->more)
		referrers->last = digest;
	stored_manifest_release(&stored);
	if (failure.kind == ERROR_NONE)
		return 0;
	error_move(err, &failure);
	return -1;
}

static int collect(struct request *request, const struct strv *digests, const char *wanted_type,
    struct referrers *referrers, struct error *err)
{
	const char *after = request_argument(request, "last");
	size_t i = 0;

	while (after != NULL && i < digests->n)
		if (strcmp(digests->v[i++], after) == 0)
			break;
	for (; i < digests->n && !referrers->more; i++)
		if (add_referrer(request, digests->v[i], wanted_type, referrers, err) < 0)
			return -1;
	return 0;
}

static void add_referrers_link(struct request *request, struct MHD_Response *response,
    const char *wanted_type, const char *last)
{
	CLEANUP_BUF struct buf query = BUF_INIT(SERVER_HEADER_MAX);

	if (buf_addf(&query, "?last=%s", last) < 0 ||
	    (wanted_type != NULL && (buf_adds(&query, "&artifactType=") < 0 ||
					http_escape(&query, wanted_type, "/") < 0)))
		return;
	response_header(response, "Link", "<%s%s>; rel=\"next\"", request->path, query.data);
}

/* In media types there are pluses and no spaces, and not everybody escapes a plus. */
static char *copy_type(const char *text)
{
	char *type = strdup(text);

	for (char *c = type; c != NULL && *c != '\0'; c++)
		if (*c == ' ')
			*c = '+';
	return type;
}

static enum MHD_Result reply_referrers(
    struct request *request, const char *wanted_type, struct referrers *referrers)
{
	json_t *index = json_pack("{s:i,s:s,s:O}", "schemaVersion", 2, "mediaType", MEDIA_OCI_INDEX,
	    "manifests", referrers->list);
	struct MHD_Response *response = response_json(index, MEDIA_OCI_INDEX);

	if (wanted_type != NULL)
		response_header(response, "OCI-Filters-Applied", "artifactType");
	if (referrers->more)
		add_referrers_link(request, response, wanted_type, referrers->last);
	return reply(request, MHD_HTTP_OK, response);
}

enum MHD_Result list_referrers(struct request *request)
{
	const char *wanted = request_argument(request, "artifactType");
	CLEANUP_FREE char *wanted_type = wanted != NULL ? copy_type(wanted) : NULL;
	CLEANUP_STRV struct strv digests = {0};
	CLEANUP_JSON json_t *list = json_array();
	struct referrers referrers = {.list = list};
	struct error failure = {0};

	if (list == NULL || (wanted != NULL && wanted_type == NULL))
		return MHD_NO;
	if (store_referrers(request->server->store, request->route.repository,
		request->route.reference, &digests, &failure) < 0 ||
	    collect(request, &digests, wanted_type, &referrers, &failure) < 0)
		return reply_failure(request, &failure, ROUTE_UNKNOWN, ROUTE_UNKNOWN);
	return reply_referrers(request, wanted_type, &referrers);
}
