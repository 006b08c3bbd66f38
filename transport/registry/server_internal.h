/* What the files of the server have in common. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_SERVER_INTERNAL_H
#define SHIPIT_TRANSPORT_REGISTRY_SERVER_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/digest.h"
#include "transport/registry/route.h"
#include "transport/registry/server.h"

enum {
	SERVER_CONNECTIONS_MAX = 256,
	SERVER_UPLOADS_MAX = 256,
	SERVER_HEADER_MAX = 16 * 1024,
	/* Of a blob, in memory per connection: larger ones are faster, for the first so many. */
	SERVER_BLOCK = 1024 * 1024,
	SERVER_BLOCK_SMALL = 64 * 1024,
	SERVER_BLOCKS_MAX = 16,
	SERVER_LIST_MAX = 10000, /* names in one answer */
};

/* Settings that tests make smaller. */
struct server_limits {
	int idle_s;		/* nothing moved on a connection */
	int64_t slow_ms;	/* moving for so long ... */
	uint64_t slow_bytes;	/* ... it has to move that much */
	int64_t upload_idle_ms; /* an upload that nobody goes on with */
	int64_t stranger_ms;	/* a connection that has not shown an account, where one is asked */
};
extern const struct server_limits server_limits;

/* --- accounts (server_auth.c) */

struct account {
	char *user;
	char *secret; /* base64 of "USER:PASSWORD" (RFC 7617) */
	struct strv repositories;
	bool all, write;
	_Atomic uint64_t taken;
};

struct accounts {
	pthread_mutex_t lock;
	struct account **v;
	size_t n;
};

/* Who says `authorization` (the header's value; NULL: none); NULL: nobody that is let in. */
struct account *accounts_find(struct accounts *accounts, const char *authorization);
int accounts_add(struct accounts *accounts, const char *user, const char *password,
    const struct strv *repositories, bool write, struct error *err);
void accounts_release(struct accounts *accounts);
/* NULL: a server that asks nobody. */
bool account_may_see(const struct account *account, const char *repository);

/* --- uploads (uploads.c) */

struct blob_upload;
struct uploads {
	pthread_mutex_t lock;
	pthread_cond_t idle; /* one is used by nobody any more */
	struct blob_upload *v[SERVER_UPLOADS_MAX];
};
void uploads_init(struct uploads *uploads);
void uploads_release(struct uploads *uploads);
void uploads_drop_idle(struct uploads *uploads, int64_t idle_ms);

/* --- how fast clients are (pace.c) */

struct client;
struct pace {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool running, stop;
	struct client *clients;
	struct server_limits limits;
	struct uploads *uploads; /* those that nobody goes on with end here, too */
};

int pace_start(struct pace *pace, const struct server_limits *limits, struct uploads *uploads,
    struct error *err);
void pace_stop(struct pace *pace);
/* A connection begins (NULL: out of memory), a request of it begins and ends, it ends. */
struct client *client_open(struct pace *pace, int fd, bool stranger);
/* It is somebody who may be here. */
void client_known(struct pace *pace, struct client *client);
void client_request(struct pace *pace, struct client *client, bool begins);
/* Bytes of a body came from it, or are about to be sent to it. */
void client_moved(struct client *client, size_t bytes);
void client_close(struct pace *pace, struct client *client);

/* --- the server */

/* Blobs that went out whole and right since the server began. */
struct proven {
	pthread_mutex_t lock;
	unsigned char (*v)[DIGEST_RAW_SIZE];
	size_t n, room;
};
bool proven_has(struct proven *proven, const char *digest);
void proven_add(struct proven *proven, const char *digest);
void proven_release(struct proven *proven);

/* --- what it has beside the store (server_offer.c) */

struct offer;
struct offers {
	pthread_mutex_t lock;
	struct offer **v;
	size_t n;
};
void offers_release(struct offers *offers);
/* A manifest by tag or digest, or a blob by its digest; NULL: it is none of these. */
const struct offer *offers_find(
    struct offers *offers, const char *repository, const char *reference, bool is_blob);

struct server {
	struct store *store;
	char *upstream;	      /* NULL: a store is served */
	struct cancel cancel; /* of what waits for the other registry */
	bool ask, read_only;
	struct limiter *limiter; /* NULL: none */
	server_log_fn *log;
	void *context;
	struct server_limits limits;
	char *address, *unix_path;
	struct MHD_Daemon *daemon;
	struct accounts accounts;
	struct uploads uploads;
	struct pace pace;
	struct proven proven;
	struct offers offers;
	_Atomic unsigned int giving; /* blobs that are on their way */
};

int server_start_limited(const struct server_options *options, const struct server_limits *limits,
    struct server **ret, struct error *err);
/* Sockets that listen (listen.c). */
int listen_unix(const char *path, struct error *err);
int listen_tcp(const char *address, char **ret_address, struct error *err);

struct request {
	struct server *server;
	struct MHD_Connection *connection;
	struct client *client;
	struct account *account; /* NULL: none was asked for */
	char *method, *path;
	struct route route;
	unsigned int status;
	uint64_t sent;
	uint64_t received;
	int64_t begun_ms;
	bool has_body;
	bool out_of_order; /* a chunk that does not go on where its upload is */
	/* What was found wrong before the body came; told when it is over. */
	enum route_error refusal;
	unsigned int allowed;
	struct buf manifest;
	struct blob_upload *upload;
	uint64_t expected; /* bytes of the body, by its Content-Range; UINT64_MAX: not known */
	struct error failure;
};

/* A header, or an argument of the query; NULL: there is none. */
const char *request_header(const struct request *request, const char *name);
const char *request_argument(const struct request *request, const char *name);
/* Content-Length; UINT64_MAX: not known. */
uint64_t request_length(const struct request *request);

/* Bytes of a body are about to be sent. */
void request_sent(struct request *request, size_t bytes);

/* --- answers (server_reply.c); all end the request and give what MHD wants back */

enum MHD_Result reply(struct request *request, unsigned int status, struct MHD_Response *response);
enum MHD_Result reply_error(struct request *request, enum route_error code, const char *message);
/* The same with another status than the code's own. */
enum MHD_Result reply_error_as(
    struct request *request, unsigned int status, enum route_error code, const char *message);
/* By what the store says: not found and protocol errors are these codes, others are 5xx. */
enum MHD_Result reply_failure(struct request *request, struct error *failure,
    enum route_error not_found, enum route_error invalid);
/* `text` is taken over, also on failure; NULL: out of memory. */
struct MHD_Response *response_text(char *text, const char *type);
struct MHD_Response *response_empty(void);
/* Takes NULL; false: there was no memory, and the response is to be given up. */
bool response_header(struct MHD_Response *response, const char *name, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* --- endpoints. `begin_`: before the body; ROUTE_OK, or why it is refused. */

enum MHD_Result get_manifest(struct request *request);
enum MHD_Result get_blob(struct request *request);
enum MHD_Result reply_offer(struct request *request, const struct offer *offer);

enum route_error begin_manifest(struct request *request);
void take_manifest(struct request *request, const char *data, size_t len);
enum MHD_Result put_manifest(struct request *request);
enum MHD_Result delete_manifest(struct request *request);
enum MHD_Result delete_blob(struct request *request);
enum MHD_Result list_tags(struct request *request);
enum MHD_Result list_catalog(struct request *request);
enum MHD_Result list_referrers(struct request *request);

enum route_error begin_upload(struct request *request);
void take_upload(struct request *request, const char *data, size_t len);
enum MHD_Result end_upload(struct request *request);
enum MHD_Result reply_out_of_order(struct request *request); /* 416 */
/* The request is over, however it ended. */
void release_upload(struct request *request);

/* A window on another registry (server_relay.c). */
enum MHD_Result relay_request(struct request *request);

#endif
