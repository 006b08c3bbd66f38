/* What the files of the engine's client share. */
#ifndef SHIPIT_TRANSPORT_ENGINE_INTERNAL_H
#define SHIPIT_TRANSPORT_ENGINE_INTERNAL_H

#include "transport/engine.h"
#include "transport/http.h"
#include "transport/http_batch.h"

struct engine {
	struct http *http;
	struct http_batch *batch; /* of what is only asked */
	char *address;
	char *describe;
	json_t *version;
	char prefix[24]; /* "/v1.41"; empty until negotiated */
	int api;	 /* 41 */
	bool is_podman;
	bool is_here;
};

/* A request's target under way. What fails while it grows is remembered and reported when it is
 * sent, so that calls chain without checks. */
struct target {
	struct buf text;
	const char *nameless; /* a name that must not be empty was: what it should have named */
	bool failed;
	char separator; /* of the next query parameter */
};

/* What a variable holds before target_init(), so that it can be released on every way out. */
#define TARGET_INIT                                                                                \
	{                                                                                          \
		.text = BUF_INIT(0)                                                                \
	}
/* `engine` NULL: a path outside the API's version. */
void target_init(struct target *target, const struct engine *engine, const char *path);
/* Text as it is: "/json". */
void engine_image_target(
    struct target *target, const struct engine *engine, const char *name, const char *rest);
void target_path(struct target *target, const char *path);
/* A name in the path, escaped but for '/' and ':' (image names hold both; the engine's routes take
 * them so). An empty one would hit another route: `what` says what is missing. */
void target_name(struct target *target, const char *what, const char *name);
void target_query(struct target *target, const char *key, const char *value);
void target_query_json(struct target *target, const char *key, const json_t *value);
/* Is it whole? Else the error. */
int target_check(const struct target *target, struct error *err);
void target_release(struct target *target);
#define CLEANUP_TARGET __attribute__((cleanup(target_release)))

/* /containers/ID + `rest`, and /images/json (`reference_glob` NULL: all). */
void engine_container_target(
    struct target *target, const struct engine *engine, const char *id, const char *rest);
void engine_images_target(
    struct target *target, const struct engine *engine, const char *reference_glob);

/* GET all of them in one round trip; responses are released by the caller in any case. */
int engine_get_all(struct engine *engine, struct target *targets, size_t n,
    struct http_response *responses, struct error *err);
/* Send `request` (its target is `target`) and take the answer. An answer other than 2xx or 304 is
 * the error that http_status_error() makes of it. `ret` is released by the caller in any case. */
int engine_perform(struct engine *engine, const struct target *target, struct http_request *request,
    struct http_response *ret, struct error *err);
/* One call with a JSON body (NULL: none), the answer dropped, or parsed where `ret` is given. */
int engine_call(struct engine *engine, const char *method, const struct target *target,
    const json_t *body, json_t **ret, struct error *err);

/* An http_sink_fn whose context is a struct log_stream. */
enum http_sink engine_take_stream(void *context, const char *data, size_t len, struct error *err);

/* The header "X-Registry-Auth: ..." (base64url of JSON); without credentials that of "{}", which a
 * push needs all the same. */
int engine_registry_auth(struct buf *out, const char *username, const char *password,
    const char *server, struct error *err);
/* "HOST:PORT/NAME:TAG" or "...@DIGEST" in two; without either the tag is "latest". `ret_name` is
 * malloc'ed, `ret_tag` points into `reference`. */
int engine_reference_split(
    const char *reference, char **ret_name, const char **ret_tag, struct error *err);

#endif
