#include "transport/registry/receive.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "transport/engine.h"
#include "transport/registry/manifest.h"
#include "transport/registry/receive_upload.h"

enum {
	UPLOADS_MAX = 32, /* layers of which a push is worth while, and the config */
	IDLE_S = 120,
	CONNECTIONS_MAX = 64,
	SECRET_BYTES = 24,
	STALL_MS = 30 * 1000,
};

struct receiver {
	struct store *store;
	const json_t *diff_ids;
	const char *id; /* the image's: its config's digest */
	uint64_t most;	/* bytes of a layer, unpacked */
	struct buf *config;
	char secret[2 * SECRET_BYTES + 1];
	char authorization[128]; /* what the engine has to say */
	pthread_mutex_t lock;
	struct upload *uploads[UPLOADS_MAX];
	size_t n, expected;
	bool refused; /* not like this */
	bool whole;
	struct error failure; /* would fail another way too */
};

/* --- what is there */

static size_t missing_layers(struct store *store, const json_t *diff_ids)
{
	const json_t *diff_id;
	struct blob_info info;
	size_t i, missing = 0;

	json_array_foreach(diff_ids, i, diff_id)
	{
		if (store_layer_find(store, json_string_value(diff_id), &info, NULL) < 0)
			missing++;
	}
	return missing;
}

static bool are_digests(const json_t *diff_ids)
{
	const json_t *diff_id;
	size_t i;

	json_array_foreach(diff_ids, i, diff_id)
	{
		if (!json_is_string(diff_id) || !digest_is_text(json_string_value(diff_id)))
			return false;
	}
	return json_array_size(diff_ids) > 0;
}

/* Docker's graph drivers; with the containerd store the name is a snapshotter's, "overlayfs", and
 * an image's id is not its config's digest. */
static bool is_classic(const json_t *inspect)
{
	static const char *const drivers[] = {
	    "overlay2", "fuse-overlayfs", "btrfs", "zfs", "vfs", "aufs", "devicemapper"};
	const char *driver = json_str(inspect, "GraphDriver.Name", "");

	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (strcmp(driver, drivers[i]) == 0)
			return true;
	return false;
}

int receive_worth(struct store *store, struct engine *engine, const json_t *inspect)
{
	const json_t *diff_ids = json_at(inspect, "RootFS.Layers");
	size_t missing;

	if (engine_is_podman(engine) || !engine_is_here(engine) || !is_classic(inspect) ||
	    !digest_is_text(json_str(inspect, "Id", "")) || !are_digests(diff_ids))
		return -1;
	missing = missing_layers(store, diff_ids);
	return missing < json_array_size(diff_ids) && missing < UPLOADS_MAX ? (int)missing : -1;
}

/* --- answers */

static enum MHD_Result answer(
    struct MHD_Connection *connection, unsigned int status, const char *header, const char *value)
{
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result rc = MHD_NO;

	if (response == NULL)
		return MHD_NO;
	if ((header == NULL || MHD_add_response_header(response, header, value) == MHD_YES) &&
	    MHD_add_response_header(response, "Docker-Distribution-Api-Version", "registry/2.0") ==
		MHD_YES)
		rc = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return rc;
}

static enum MHD_Result refuse(struct receiver *receiver, struct MHD_Connection *connection)
{
	pthread_mutex_lock(&receiver->lock);
	receiver->refused = true;
	pthread_mutex_unlock(&receiver->lock);
	return answer(connection, MHD_HTTP_FORBIDDEN, NULL, NULL);
}

static bool is_authorized(const struct receiver *receiver, struct MHD_Connection *connection)
{
	const char *said =
	    MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
	size_t len = strlen(receiver->authorization);

	return said != NULL && strlen(said) == len &&
	       CRYPTO_memcmp(said, receiver->authorization, len) == 0;
}

static bool has_config(struct receiver *receiver)
{
	bool has;

	pthread_mutex_lock(&receiver->lock);
	has = receiver->config->len > 0;
	pthread_mutex_unlock(&receiver->lock);
	return has;
}

/* Everything is there, but for a config that has not come yet. */
static enum MHD_Result has_blob(
    struct receiver *receiver, struct MHD_Connection *connection, const char *digest)
{
	bool there = strcmp(digest, receiver->id) != 0 || has_config(receiver);

	return answer(
	    connection, there ? MHD_HTTP_OK : MHD_HTTP_NOT_FOUND, "Docker-Content-Digest", digest);
}

static enum MHD_Result answer_at(struct MHD_Connection *connection, unsigned int status, size_t at)
{
	char location[64];

	snprintf(location, sizeof(location), "/v2/import/blobs/uploads/%zu", at);
	return answer(connection, status, "Location", location);
}

/* More uploads than layers that the store lacks: the engine knows no digest of one of the others.
 */
static enum MHD_Result begin_upload(struct receiver *receiver, struct MHD_Connection *connection)
{
	struct upload *upload = NULL;
	size_t at;

	pthread_mutex_lock(&receiver->lock);
	at = receiver->n;
	if (at < receiver->expected)
		upload = upload_new(receiver->store, receiver->most);
	if (upload != NULL)
		receiver->uploads[receiver->n++] = upload;
	pthread_mutex_unlock(&receiver->lock);
	return upload != NULL ? answer_at(connection, MHD_HTTP_ACCEPTED, at)
			      : refuse(receiver, connection);
}

static struct upload *find_upload(struct receiver *receiver, const char *id, size_t *ret_at)
{
	struct upload *upload = NULL;
	char *end;
	unsigned long at = strtoul(id, &end, 10);

	pthread_mutex_lock(&receiver->lock);
	if (*id >= '0' && *id <= '9' && *end == '\0' && at < receiver->n)
		upload = receiver->uploads[at];
	pthread_mutex_unlock(&receiver->lock);
	*ret_at = at;
	return upload;
}

static bool is_of_image(const struct receiver *receiver, const char *wanted)
{
	const json_t *diff_id;
	size_t i;

	json_array_foreach(receiver->diff_ids, i, diff_id)
	{
		if (strcmp(json_string_value(diff_id), wanted) == 0)
			return true;
	}
	return false;
}

/* A layer has to be one of the image's, anything else its config. */
static int end_upload(struct receiver *receiver, struct upload *upload, struct error *err)
{
	char digest[DIGEST_TEXT_SIZE];
	const struct buf *text;
	int rc;

	if (upload_end(upload, digest, &text, err) < 0)
		return -1;
	if (text == NULL)
		return is_of_image(receiver, digest)
			   ? 0
			   : error_set(err, ERROR_PROTOCOL, "a layer of another image came");
	if (strcmp(digest, receiver->id) != 0)
		return error_set(err, ERROR_PROTOCOL, "what came is not the image's config");
	pthread_mutex_lock(&receiver->lock);
	buf_clear(receiver->config);
	rc = buf_add(receiver->config, text->data, text->len);
	pthread_mutex_unlock(&receiver->lock);
	return rc == 0 ? 0 : error_memory(err);
}

/* What is wrong with what came is for an export to do better; a full disk is one for that, too. */
static enum MHD_Result broken(
    struct receiver *receiver, struct MHD_Connection *connection, struct error *failure)
{
	pthread_mutex_lock(&receiver->lock);
	if (failure->kind != ERROR_PROTOCOL && receiver->failure.kind == ERROR_NONE)
		error_move(&receiver->failure, failure);
	pthread_mutex_unlock(&receiver->lock);
	error_release(failure);
	return refuse(receiver, connection);
}

static enum MHD_Result take_upload(struct receiver *receiver, struct MHD_Connection *connection,
    const char *id, const char *data, size_t *len, bool last)
{
	struct error failure = {0};
	size_t at;
	struct upload *upload = find_upload(receiver, id, &at);
	char range[64];

	if (upload == NULL)
		return refuse(receiver, connection);
	if (*len > 0) {
		/* An answer before the end of the body would be the end of the connection; what is
		 * wrong is remembered by the upload and told at its end. */
		upload_add(upload, data, *len);
		*len = 0;
		return MHD_YES;
	}
	if (upload_failed(upload, &failure) || (last && end_upload(receiver, upload, &failure) < 0))
		return broken(receiver, connection, &failure);
	if (last)
		return answer(connection, MHD_HTTP_CREATED, "Location", "/v2/import/blobs/it");
	snprintf(range, sizeof(range), "0-%llu", (unsigned long long)upload_received(upload) - 1);
	return answer(connection, MHD_HTTP_ACCEPTED, "Range", range);
}

static enum MHD_Result end_push(struct receiver *receiver, struct MHD_Connection *connection)
{
	if (!has_config(receiver) || missing_layers(receiver->store, receiver->diff_ids) > 0)
		return refuse(receiver, connection);
	receiver->whole = true;
	/* Of the engine's manifest nothing is kept, and of its digest only the form matters. */
	return answer(connection, MHD_HTTP_CREATED, "Docker-Content-Digest", receiver->id);
}

static const char *last_part(const char *url)
{
	const char *slash = strrchr(url, '/');

	return slash != NULL ? slash + 1 : url;
}

static enum MHD_Result respond(struct receiver *receiver, struct MHD_Connection *connection,
    const char *url, const char *method, const char *data, size_t *len)
{
	bool put = strcmp(method, MHD_HTTP_METHOD_PUT) == 0;
	bool upload = strstr(url, "/blobs/uploads/") != NULL;

	if (upload && (put || strcmp(method, MHD_HTTP_METHOD_PATCH) == 0))
		return take_upload(receiver, connection, last_part(url), data, len, put);
	if (*len > 0) { /* of a manifest, or nobody's: read on to its end */
		*len = 0;
		return MHD_YES;
	}
	if (strcmp(url, "/v2/") == 0)
		return answer(connection, MHD_HTTP_OK, NULL, NULL);
	if (upload && strcmp(method, MHD_HTTP_METHOD_POST) == 0)
		return begin_upload(receiver, connection);
	if (strcmp(method, MHD_HTTP_METHOD_HEAD) == 0 && strstr(url, "/blobs/") != NULL)
		return has_blob(receiver, connection, last_part(url));
	if (put && strstr(url, "/manifests/") != NULL)
		return end_push(receiver, connection);
	return answer(connection, MHD_HTTP_NOT_FOUND, NULL, NULL);
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version UNUSED, const char *data, size_t *len, void **state)
{
	static char begun;

	/* Before any body is read: the first call of each request has none yet. */
	if (*state == NULL && !is_authorized(context, connection))
		return answer(connection, MHD_HTTP_UNAUTHORIZED, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
		    "Basic realm=\"shipit\"");
	if (*state == NULL) {
		*state = &begun;
		return MHD_YES;
	}
	return respond(context, connection, url, method, data, len);
}

/* --- the push */

static const char user[] = "import";

static int make_secret(struct receiver *receiver, struct error *err)
{
	char plain[sizeof(user) + sizeof(receiver->secret) + 1];
	int len;

	if (digest_random_hex(SECRET_BYTES, receiver->secret, err) < 0)
		return -1;
	len = snprintf(plain, sizeof(plain), "%s:%s", user, receiver->secret);
	memcpy(receiver->authorization, "Basic ", 6);
	EVP_EncodeBlock(
	    (unsigned char *)receiver->authorization + 6, (const unsigned char *)plain, len);
	explicit_bzero(plain, sizeof(plain));
	return 0;
}

static int listen_here(
    struct receiver *receiver, struct MHD_Daemon **ret, int *ret_port, struct error *err)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const union MHD_DaemonInfo *info;

	*ret = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD, 0,
	    NULL, NULL, handle, receiver, MHD_OPTION_SOCK_ADDR, &address,
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_S, MHD_OPTION_CONNECTION_LIMIT,
	    (unsigned int)CONNECTIONS_MAX, MHD_OPTION_END);
	if (*ret == NULL)
		return error_set(err, ERROR_SYSTEM, "cannot listen on 127.0.0.1");
	info = MHD_get_daemon_info(*ret, MHD_DAEMON_INFO_BIND_PORT);
	*ret_port = info != NULL ? info->port : 0;
	return 0;
}

static bool has_enough(void *context)
{
	struct receiver *receiver = context;
	bool refused;

	pthread_mutex_lock(&receiver->lock);
	refused = receiver->refused;
	pthread_mutex_unlock(&receiver->lock);
	return refused;
}

/* The tag is for the push alone. */
static int push_to(
    struct receiver *receiver, struct engine *engine, const char *name, int port, struct error *err)
{
	const struct engine_transfer transfer = {.username = user,
	    .password = receiver->secret,
	    .stall_ms = STALL_MS,
	    .enough = has_enough,
	    .context = receiver};
	char repository[64], reference[128];
	int rc, cancel_fd;

	snprintf(repository, sizeof(repository), "127.0.0.1:%d/import", port);
	snprintf(reference, sizeof(reference), "%s:it", repository);
	rc = engine_image_tag(engine, name, repository, "it", err);
	if (rc == 0)
		rc = engine_image_push(engine, reference, &transfer, NULL, err);
	/* Also after a request that was stopped: the engine may have carried it out. */
	cancel_fd = engine_set_cancel(engine, -1);
	engine_image_remove(engine, reference, false, NULL);
	engine_set_cancel(engine, cancel_fd);
	return rc;
}

/* What would end an export, too: a wish to stop, and what the store says (a full disk). */
static bool is_final(struct receiver *receiver, struct error *failure)
{
	if (receiver->failure.kind != ERROR_NONE)
		error_move(failure, &receiver->failure);
	else if (receiver->refused || failure->kind != ERROR_CANCELLED)
		return false;
	return true;
}

static int push(struct receiver *receiver, struct engine *engine, const char *name, bool *ret_whole,
    struct error *err)
{
	CLEANUP_ERROR struct error failure = {0};
	struct MHD_Daemon *daemon;
	int port = 0, rc;

	if (make_secret(receiver, err) < 0)
		return -1;
	if (listen_here(receiver, &daemon, &port, NULL) < 0)
		return 0; /* an export needs no listener */
	rc = push_to(receiver, engine, name, port, &failure);
	MHD_stop_daemon(daemon);
	*ret_whole = rc == 0 && receiver->whole;
	if (!is_final(receiver, &failure))
		return 0;
	error_move(err, &failure);
	return -1;
}

int receive_push(struct store *store, struct engine *engine, const char *name,
    const json_t *inspect, struct buf *config, bool *ret_whole, struct error *err)
{
	struct receiver receiver = {
	    .store = store,
	    .diff_ids = json_at(inspect, "RootFS.Layers"),
	    .id = json_str(inspect, "Id", ""),
	    .most = 2 * (uint64_t)json_int(inspect, "Size", 0) + UPLOAD_SPARE,
	    .config = config,
	    .lock = PTHREAD_MUTEX_INITIALIZER,
	};
	int missing = receive_worth(store, engine, inspect), rc;

	*ret_whole = false;
	if (missing < 0)
		return 0;
	receiver.expected = (size_t)missing + 1;
	rc = push(&receiver, engine, name, ret_whole, err);
	for (size_t i = 0; i < receiver.n; i++)
		upload_free(receiver.uploads[i]);
	explicit_bzero(receiver.secret, sizeof(receiver.secret));
	explicit_bzero(receiver.authorization, sizeof(receiver.authorization));
	error_release(&receiver.failure);
	return rc;
}
