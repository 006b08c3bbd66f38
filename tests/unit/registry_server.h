/* A real server over a store of its own, asked by libcurl. */
#ifndef SHIPIT_TESTS_UNIT_REGISTRY_SERVER_H
#define SHIPIT_TESTS_UNIT_REGISTRY_SERVER_H

#include <curl/curl.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/json.h"
#include "tests/unit/base_check.h"
#include "transport/registry/manifest.h"
#include "transport/registry/server_internal.h"

struct world {
	char folder[64], socket[96], file[96];
	struct store *store;
	struct server *server;
	/* The requests that were logged, a line each: a request may be logged after the answer to
	 * the next one is here. */
	pthread_mutex_t lock;
	char logged[64 * 1024];
	/* The last answer. */
	long status;
	char head[8192];
	char *body;
	size_t len;
};

static inline void world_log(void *context, const struct server_request *request)
{
	struct world *world = context;

	size_t len;

	pthread_mutex_lock(&world->lock);
	len = strlen(world->logged);
	snprintf(world->logged + len, sizeof(world->logged) - len, "%s %s %s %u\n",
	    request->account != NULL ? request->account : "-", request->method, request->path,
	    request->status);
	pthread_mutex_unlock(&world->lock);
}

/* `change`: what is to be different; NULL: nothing. */
static inline struct world *world_new(
    const struct server_options *change, const struct server_limits *limits)
{
	struct world *world = calloc(1, sizeof(*world));
	struct server_options options = change != NULL ? *change : (struct server_options){0};

	assert_non_null(world);
	pthread_mutex_init(&world->lock, NULL);
	snprintf(world->folder, sizeof(world->folder), "/tmp/registry_server.XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	snprintf(world->file, sizeof(world->file), "%s/store.db", world->folder);
	snprintf(world->socket, sizeof(world->socket), "%s/socket", world->folder);
	assert_int_equal(store_open(world->file, &world->store, NULL), 0);
	if (options.upstream == NULL)
		options.store = world->store;
	if (options.listen == NULL)
		options.unix_path = world->socket;
	options.log = world_log;
	options.context = world;
	assert_int_equal(server_start_limited(&options, limits != NULL ? limits : &server_limits,
			     &world->server, NULL),
	    0);
	return world;
}

static inline void world_free(struct world *world)
{
	static const char *const names[] = {
	    "store.db", "store.db-wal", "store.db-shm", "store.db.lock"};
	char path[128];

	server_stop(world->server);
	store_close(world->store);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", world->folder, names[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(world->folder), 0); /* the socket is gone, too */
	pthread_mutex_destroy(&world->lock);
	free(world->body);
	free(world);
}

static inline size_t world_take(char *data, size_t size, size_t count, void *context)
{
	struct world *world = context;
	char *more = realloc(world->body, world->len + size * count + 1);

	assert_non_null(more);
	world->body = more;
	memcpy(more + world->len, data, size * count);
	world->len += size * count;
	more[world->len] = '\0';
	return size * count;
}

static inline size_t world_take_head(char *data, size_t size, size_t count, void *context)
{
	struct world *world = context;
	size_t have = strlen(world->head);

	if (strncmp(data, "HTTP/", 5) == 0)
		have = 0;
	snprintf(world->head + have, sizeof(world->head) - have, "%.*s", (int)(size * count), data);
	return size * count;
}

struct ask {
	const char *method, *path;
	const void *body; /* NULL: none */
	size_t len;
	const char *headers[4];
	const char *user; /* "USER:PASSWORD" */
};

static inline CURLcode world_perform(struct world *world, CURL *curl, const struct ask *ask)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
	const char *address = server_address(world->server);
	char url[1024];
	CURLcode rc;

	snprintf(
	    url, sizeof(url), "http://%s%s", address[0] == '/' ? "registry" : address, ask->path);
	if (address[0] == '/')
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, address);
	for (size_t i = 0; i < ARRAY_SIZE(ask->headers) && ask->headers[i] != NULL; i++)
		headers = curl_slist_append(headers, ask->headers[i]);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, world_take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, world);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, world_take_head);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, world);
	if (ask->user != NULL)
		curl_easy_setopt(curl, CURLOPT_USERPWD, ask->user);
	if (strcmp(ask->method, "HEAD") == 0)
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	if (ask->body != NULL || strcmp(ask->method, "POST") == 0 ||
	    strcmp(ask->method, "PUT") == 0 || strcmp(ask->method, "PATCH") == 0) {
		curl_easy_setopt(
		    curl, CURLOPT_POSTFIELDS, ask->body != NULL ? ask->body : (const void *)"");
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)ask->len);
	}
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, ask->method);
	rc = curl_easy_perform(curl);
	curl_slist_free_all(headers);
	return rc;
}

/* The status; 0: the connection ended without one. */
static inline long ask(struct world *world, const struct ask *what)
{
	CURL *curl = curl_easy_init();

	assert_non_null(curl);
	free(world->body);
	world->body = strdup("");
	world->len = 0;
	world->head[0] = '\0';
	world->status = 0;
	if (world_perform(world, curl, what) == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &world->status);
	curl_easy_cleanup(curl);
	return world->status;
}

#define ASK(world, ...) ask(world, &(struct ask){__VA_ARGS__})

/* The value of a header of the last answer; "" when there is none. In one static buffer. */
static inline const char *answered(const struct world *world, const char *name)
{
	static char value[1024];
	size_t len = strlen(name);

	value[0] = '\0';
	for (const char *line = world->head; line != NULL && *line != '\0';
	     line = strchr(line, '\n') != NULL ? strchr(line, '\n') + 1 : NULL)
		if (strncasecmp(line, name, len) == 0 && line[len] == ':')
			snprintf(value, sizeof(value), "%.*s", (int)strcspn(line + len + 2, "\r\n"),
			    line + len + 2);
	return value;
}

#define assert_header(world, name, value) assert_string_equal(answered(world, name), value)

/* The code of the error in the last answer, whose form is the spec's. */
#define assert_code(world, code) check_code(world, code, __FILE__, __LINE__)
static inline void check_code(
    const struct world *world, const char *code, const char *file, int line)
{
	CLEANUP_JSON json_t *value = json_loadb(world->body, world->len, 0, NULL);
	const json_t *error = json_array_get(json_object_get(value, "errors"), 0);

	if (strcmp(json_str(error, "code", ""), code) == 0 &&
	    *json_str(error, "message", "") != '\0' &&
	    strncmp(answered(world, "Content-Type"), "application/json", 16) == 0)
		return;
	print_error("%ld %s instead of %s\n", world->status, world->body, code);
	_fail(file, line);
}

/* --- longer talks */

static inline void digest_of(const void *data, size_t len, char out[DIGEST_TEXT_SIZE])
{
	assert_int_equal(digest_text(data, len, out, NULL), 0);
}

/* Where the answer leads. */
static inline void take_location(struct world *world, char out[256])
{
	const char *location = answered(world, "Location");

	assert_in_range(strlen(location), 1, 255);
	strcpy(out, location);
}

/* Where a new upload is. */
static inline void begin_one(struct world *world, const char *repository, char out[256])
{
	char path[256];

	snprintf(path, sizeof(path), "/v2/%s/blobs/uploads/", repository);
	assert_int_equal(ASK(world, .method = "POST", .path = path), 202);
	take_location(world, out);
	assert_true(*out == '/');
}

static inline void push_blob(
    struct world *world, const char *repository, const void *data, size_t len, char *digest)
{
	char location[256], path[512];

	digest_of(data, len, digest);
	begin_one(world, repository, location);
	snprintf(path, sizeof(path), "%s?digest=%s", location, digest);
	assert_int_equal(ASK(world, .method = "PUT", .path = path, .body = data, .len = len), 201);
}

/* The text of a manifest of one config and one layer, both pushed; more: ",\"key\":..." or "". */
static inline void make_image(struct world *world, const char *repository, const char *layer,
    const char *more, char *out, size_t size)
{
	char config[DIGEST_TEXT_SIZE], data[DIGEST_TEXT_SIZE];

	push_blob(world, repository, "{}", 2, config);
	push_blob(world, repository, layer, strlen(layer), data);
	snprintf(out, size,
	    "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST
	    "\",\"config\":{\"mediaType\":\"" MEDIA_OCI_CONFIG
	    "\",\"digest\":\"%s\",\"size\":2},\"layers\":[{\"mediaType\":\"" MEDIA_OCI_LAYER_GZIP
	    "\",\"digest\":\"%s\",\"size\":%zu}]%s}",
	    config, data, strlen(layer), more);
}

static inline long put(
    struct world *world, const char *repository, const char *reference, const char *text)
{
	char path[512];

	snprintf(path, sizeof(path), "/v2/%s/manifests/%s", repository, reference);
	return ASK(world, .method = "PUT", .path = path, .body = text, .len = strlen(text),
	    .headers = {"Content-Type: " MEDIA_OCI_MANIFEST});
}

static inline long get(struct world *world, const char *format, const char *a, const char *b)
{
	char path[512];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(path, sizeof(path), format, a, b);
#pragma GCC diagnostic pop
	return ASK(world, .method = "GET", .path = path);
}

static inline int in_world(void **state)
{
	*state = world_new(NULL, NULL);
	return 0;
}

static inline int out_of_world(void **state)
{
	world_free(*state);
	return 0;
}

#endif
