/* The server's life, and the way of a request through it: who it is from, what it is about, its
 * body, its answer. */
#include "transport/registry/server.h"

#include <string.h>

#include "base/clock.h"
#include "transport/registry/relay.h"
#include "transport/registry/server_internal.h"

enum { CONNECTION_MEMORY = 64 * 1024 };

const struct server_limits server_limits = {
    .idle_s = 10 * 60,
    .slow_ms = 5 * 60 * 1000,
    .slow_bytes = 256 * 1024, /* about 1 KiB/s; what a client gets is counted by blocks */
    .upload_idle_ms = 60 * 60 * 1000,
    .stranger_ms = 20 * 1000,
};

/* --- requests */

const char *request_header(const struct request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *request_argument(const struct request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

uint64_t request_length(const struct request *request)
{
	const char *text = request_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);

	/* MHD has refused what is no number. */
	return text != NULL ? strtoull(text, NULL, 10) : UINT64_MAX;
}

void request_sent(struct request *request, size_t bytes)
{
	request->sent += bytes;
	client_moved(request->client, bytes);
	if (request->account != NULL)
		atomic_fetch_add(&request->account->taken, bytes);
}

static bool request_has_body(const struct request *request)
{
	if (request_header(request, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL)
		return true;
	return request_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH) != NULL &&
	       request_length(request) > 0;
}

static void request_free(struct request *request)
{
	if (request == NULL)
		return;
	release_upload(request);
	buf_release(&request->manifest);
	error_release(&request->failure);
	free(request->method);
	free(request->path);
	free(request);
}

static struct client *client_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info != NULL ? info->socket_context : NULL;
}

static struct request *request_new(
    struct server *server, struct MHD_Connection *connection, const char *method, const char *path)
{
	struct request *request = calloc(1, sizeof(*request));

	if (request == NULL)
		return NULL;
	request->server = server;
	request->connection = connection;
	request->client = client_of(connection);
	request->begun_ms = clock_now_ms();
	request->expected = UINT64_MAX;
	buf_init(&request->manifest, 0);
	request->method = strdup(method);
	request->path = strdup(path);
	if (request->client == NULL || request->method == NULL || request->path == NULL) {
		request_free(request);
		return NULL;
	}
	request->has_body = request_has_body(request);
	client_request(&server->pace, request->client, true);
	return request;
}

/* --- what may be done */

/* Of what is not its own an account learns nothing, not even whether a name is well formed. */
static enum route_error check_rights(const struct request *request, enum route_error parsed)
{
	const struct server *server = request->server;
	const struct route *route = &request->route;
	const struct account *account = request->account;

	if (parsed == ROUTE_UNSUPPORTED || parsed == ROUTE_NO_ENDPOINT)
		return parsed;
	if (route->is_write && (server->read_only || (account != NULL && !account->write)))
		return ROUTE_DENIED;
	if (*route->repository != '\0' && !account_may_see(account, route->repository))
		return route->is_write ? ROUTE_DENIED : ROUTE_NAME_UNKNOWN;
	return parsed;
}

static enum route_error begin(struct request *request)
{
	struct server *server = request->server;
	const union MHD_ConnectionInfo *info;
	enum route_error rc;

	if (server->ask) {
		request->account = accounts_find(
		    &server->accounts, request_header(request, MHD_HTTP_HEADER_AUTHORIZATION));
		if (request->account == NULL)
			return ROUTE_UNAUTHORIZED;
		client_known(&server->pace, request->client);
	}
	info =
	    MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	if (info != NULL && info->header_size > SERVER_HEADER_MAX)
		return ROUTE_TOO_LARGE;
	rc = check_rights(request,
	    route_parse(request->method, request->path, &request->route, &request->allowed));
	if (rc != ROUTE_OK || server->upstream != NULL)
		return rc;
	if (request->route.what == ROUTE_MANIFEST && request->route.method == ROUTE_PUT)
		return begin_manifest(request);
	if (request->route.what == ROUTE_UPLOADS || request->route.what == ROUTE_UPLOAD)
		return begin_upload(request);
	return ROUTE_OK;
}

static enum MHD_Result refuse(struct request *request)
{
	if (request->out_of_order)
		return reply_out_of_order(request);
	if (request->failure.kind != ERROR_NONE)
		return reply_failure(
		    request, &request->failure, request->refusal, request->refusal);
	return reply_error(request, request->refusal, NULL);
}

/* --- bodies and answers */

static void take_body(struct request *request, const char *data, size_t len)
{
	client_moved(request->client, len);
	request->received += len;
	if (request->refusal != ROUTE_OK)
		return;
	if (request->upload != NULL)
		take_upload(request, data, len);
	else if (request->route.what == ROUTE_MANIFEST && request->route.method == ROUTE_PUT)
		take_manifest(request, data, len);
}

static enum MHD_Result base(struct request *request)
{
	return reply(request, MHD_HTTP_OK, response_text(strdup("{}"), "application/json"));
}

static enum MHD_Result respond(struct request *request)
{
	bool removes = request->route.method == ROUTE_DELETE;

	if (request->refusal != ROUTE_OK)
		return refuse(request);
	if (request->route.what == ROUTE_BASE)
		return base(request);
	if (request->server->upstream != NULL)
		return relay_request(request);
	switch (request->route.what) {
	case ROUTE_CATALOG:
		return list_catalog(request);
	case ROUTE_TAGS:
		return list_tags(request);
	case ROUTE_REFERRERS:
		return list_referrers(request);
	case ROUTE_BLOB:
		return removes ? delete_blob(request) : get_blob(request);
	case ROUTE_UPLOADS:
	case ROUTE_UPLOAD:
		return end_upload(request);
	default:
		if (request->route.method == ROUTE_PUT)
			return put_manifest(request);
		return removes ? delete_manifest(request) : get_manifest(request);
	}
}

enum {
	UNWANTED_MAX = 16 * 1024 * 1024, /* of a body that nobody wants, where it is known, */
	FAILED_MAX = 256 * 1024 * 1024,	 /* and of one that something went wrong with */
};

/* An answer before the body is the end of the connection, and few clients listen while they send:
 * what is short is read to its end first. But a client that asks first hears at once, and for
 * nobody that is not let in anything is read. */
static bool is_refused_at_once(const struct request *request)
{
	uint64_t length = request_length(request);

	return request->refusal != ROUTE_OK && request->has_body &&
	       (request->refusal == ROUTE_UNAUTHORIZED || length > UNWANTED_MAX ||
		   request_header(request, MHD_HTTP_HEADER_EXPECT) != NULL);
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version UNUSED, const char *data, size_t *len, void **state)
{
	struct request *request = *state;

	if (request == NULL) {
		request = request_new(context, connection, method, url);
		if (request == NULL)
			return MHD_NO;
		*state = request;
		request->refusal = begin(request);
		return is_refused_at_once(request) ? refuse(request) : MHD_YES;
	}
	if (*len > 0) {
		take_body(request, data, *len);
		*len = 0;
		return request->refusal != ROUTE_OK && request->received > FAILED_MAX ? MHD_NO
										      : MHD_YES;
	}
	return respond(request);
}

static void completed(void *context, struct MHD_Connection *connection UNUSED, void **state,
    enum MHD_RequestTerminationCode how UNUSED)
{
	struct server *server = context;
	struct request *request = *state;
	struct server_request told;

	*state = NULL;
	if (request == NULL)
		return;
	told = (struct server_request){
	    .account = request->account != NULL ? request->account->user : NULL,
	    .method = request->method,
	    .path = request->path,
	    .status = request->status,
	    .sent = request->sent,
	    .received = request->received,
	    .ms = clock_now_ms() - request->begun_ms,
	};
	client_request(&server->pace, request->client, false);
	if (server->log != NULL)
		server->log(server->context, &told);
	request_free(request);
}

static void connected(void *context, struct MHD_Connection *connection, void **socket_context,
    enum MHD_ConnectionNotificationCode what)
{
	struct server *server = context;
	const union MHD_ConnectionInfo *info;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		*socket_context =
		    info != NULL ? client_open(&server->pace, info->connect_fd, server->ask) : NULL;
	} else if (*socket_context != NULL) {
		client_close(&server->pace, *socket_context);
		*socket_context = NULL;
	}
}

/* --- start and stop */

static int start_daemon(struct server *server, int fd, struct error *err)
{
	server->daemon =
	    MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
				 MHD_USE_POLL | MHD_USE_ITC,
		0, NULL, NULL, handle, server, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned int)SERVER_CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)server->limits.idle_s,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_NOTIFY_COMPLETED, completed, server, MHD_OPTION_NOTIFY_CONNECTION,
		connected, server, MHD_OPTION_END);
	return server->daemon != NULL
		   ? 0
		   : error_set(err, ERROR_SYSTEM, "cannot start a registry on %s", server->address);
}

static int start_listening(
    struct server *server, const struct server_options *options, struct error *err)
{
	CLEANUP_CLOSE int fd = -1;

	if (options->unix_path != NULL) {
		server->address = strdup(options->unix_path);
		if (server->address == NULL)
			return error_memory(err);
		fd = listen_unix(options->unix_path, err);
		if (fd >= 0 && (server->unix_path = strdup(options->unix_path)) == NULL)
			return error_memory(err);
	} else {
		fd = listen_tcp(options->listen, &server->address, err);
	}
	if (fd < 0 || start_daemon(server, fd, err) < 0)
		return -1;
	steal_fd(&fd); /* it is the daemon's now */
	return 0;
}

static int start(struct server *server, const struct server_options *options,
    const struct server_limits *limits, struct error *err)
{
	server->store = options->store;
	server->ask = options->accounts;
	server->read_only = options->read_only || options->store == NULL;
	server->limiter = options->limiter;
	server->log = options->log;
	server->context = options->context;
	server->limits = *limits;
	server->cancel = (struct cancel)CANCEL_INIT;
	pthread_mutex_init(&server->accounts.lock, NULL);
	pthread_mutex_init(&server->proven.lock, NULL);
	pthread_mutex_init(&server->offers.lock, NULL);
	uploads_init(&server->uploads);
	if (options->store == NULL && options->upstream == NULL)
		return error_set(err, ERROR_FAILED, "a registry needs a store or another registry");
	if (options->store == NULL && (server->upstream = strdup(options->upstream)) == NULL)
		return error_memory(err);
	if (options->store == NULL &&
	    (cancel_init(&server->cancel, err) < 0 || relay_start(err) < 0))
		return -1;
	if (pace_start(&server->pace, limits, &server->uploads, err) < 0)
		return -1;
	return start_listening(server, options, err);
}

int server_start_limited(const struct server_options *options, const struct server_limits *limits,
    struct server **ret, struct error *err)
{
	struct server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		return error_memory(err);
	if (start(server, options, limits, err) < 0) {
		server_stop(server);
		return -1;
	}
	*ret = server;
	return 0;
}

int server_start(const struct server_options *options, struct server **ret, struct error *err)
{
	return server_start_limited(options, &server_limits, ret, err);
}

const char *server_address(const struct server *server)
{
	return server->address;
}

void server_stop(struct server *server)
{
	if (server == NULL)
		return;
	if (server->upstream != NULL)
		cancel_fire(&server->cancel);
	if (server->daemon != NULL)
		MHD_stop_daemon(server->daemon);
	pace_stop(&server->pace);
	if (server->unix_path != NULL)
		unlink(server->unix_path);
	uploads_release(&server->uploads);
	accounts_release(&server->accounts);
	proven_release(&server->proven);
	offers_release(&server->offers);
	cancel_release(&server->cancel);
	free(server->upstream);
	free(server->unix_path);
	free(server->address);
	free(server);
}
