#include "transport/engine.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "transport/engine_internal.h"

enum { TARGET_MAX = 256 * 1024 };

/* API 1.40 (Docker 19.03, podman 4) has all that is asked for here; 1.45 (Docker 26) is the newest
 * whose changes were read (docs.docker.com/engine/api/version-history). */
struct api {
	int major, minor;
};
static const struct api oldest = {1, 40}, newest = {1, 45};

void target_init(struct target *target, const struct engine *engine, const char *path)
{
	*target = (struct target){.text = BUF_INIT(TARGET_MAX), .separator = '?'};
	if (engine != NULL)
		target_path(target, engine->prefix);
	target_path(target, path);
}

void target_path(struct target *target, const char *path)
{
	if (buf_adds(&target->text, path) < 0)
		target->failed = true;
}

void target_name(struct target *target, const char *what, const char *name)
{
	if (name == NULL || name[0] == '\0')
		target->nameless = what;
	else if (http_escape(&target->text, name, "/:@") < 0)
		target->failed = true;
}

void target_query(struct target *target, const char *key, const char *value)
{
	if (buf_addf(&target->text, "%c%s=", target->separator, key) < 0 ||
	    http_escape(&target->text, value, "") < 0)
		target->failed = true;
	target->separator = '&';
}

void target_query_json(struct target *target, const char *key, const json_t *value)
{
	CLEANUP_FREE char *text = json_dumps(value, JSON_COMPACT);

	if (text == NULL)
		target->failed = true;
	else
		target_query(target, key, text);
}

void target_release(struct target *target)
{
	buf_release(&target->text);
}

int target_check(const struct target *target, struct error *err)
{
	if (target->nameless != NULL)
		return error_set(err, ERROR_NOT_FOUND, "no name of %s was given", target->nameless);
	return target->failed ? buf_error(&target->text, err, "the request") : 0;
}

static int send_request(struct engine *engine, const struct target *target,
    struct http_request *request, struct http_response *ret, struct error *err)
{
	*ret = (struct http_response){.body = BUF_INIT(0)};
	if (target_check(target, err) < 0)
		return -1;
	request->target = target->text.data;
	if (http_perform(engine->http, request, ret, err) < 0)
		return -1;
	if ((ret->status >= 200 && ret->status < 300) || ret->status == 304)
		return 0;
	return http_status_error(ret, err);
}

/* podman 4.3 answers 500 where Docker says 409. */
static bool says_taken(const struct error *err)
{
	return err->kind == ERROR_FAILED && (strstr(error_text(err), "already in use") != NULL ||
						strstr(error_text(err), "already exists") != NULL);
}

int engine_perform(struct engine *engine, const struct target *target, struct http_request *request,
    struct http_response *ret, struct error *err)
{
	if (send_request(engine, target, request, ret, err) == 0)
		return 0;
	if (err != NULL && engine->is_podman && says_taken(err))
		err->kind = ERROR_CONFLICT;
	return error_wrap(err, "%s", engine->describe);
}

/* The text of a body that may hold secrets: in one piece of memory, to be wiped. */
static int dump(const json_t *body, char **ret, size_t *ret_len, struct error *err)
{
	size_t len = json_dumpb(body, NULL, 0, JSON_COMPACT);
	char *text = len > 0 ? malloc(len) : NULL;

	if (text == NULL || json_dumpb(body, text, len, JSON_COMPACT) != len) {
		free(text);
		return error_memory(err);
	}
	*ret = text;
	*ret_len = len;
	return 0;
}

int engine_call(struct engine *engine, const char *method, const struct target *target,
    const json_t *body, json_t **ret, struct error *err)
{
	static const char *const json_header[] = {"Content-Type: application/json", NULL};
	struct http_request request = {.method = method};
	struct http_response response;
	char *text = NULL;
	int rc;

	if (body != NULL) {
		if (dump(body, &text, &request.body_len, err) < 0)
			return -1;
		request.body = text;
		request.headers = json_header;
	}
	rc = engine_perform(engine, target, &request, &response, err);
	if (rc == 0 && ret != NULL &&
	    json_parse(response.body.data, response.body.len, "its answer", ret, err) < 0)
		rc = error_wrap(err, "%s", engine->describe);
	if (text != NULL)
		explicit_bzero(text, request.body_len);
	free(text);
	http_response_release(&response);
	return rc;
}

static int compare(struct api a, struct api b)
{
	return a.major != b.major ? a.major - b.major : a.minor - b.minor;
}

/* "1.41"; with `more` also "5.4.0-dev". */
static int read_numbers(const char *text, bool more, struct api *ret)
{
	char *dot, *end;
	long major = strtol(text, &dot, 10), minor;

	if (dot == text || *dot != '.')
		return -1;
	minor = strtol(dot + 1, &end, 10);
	if (end == dot + 1 || (*end != '\0' && !more) || major < 0 || major > 999 || minor < 0 ||
	    minor > 999)
		return -1;
	*ret = (struct api){(int)major, (int)minor};
	return 0;
}

static int read_api(const json_t *version, const char *key, struct api *ret)
{
	return read_numbers(json_str(version, key, ""), false, ret);
}

/* Docker Engine API, "Versioning": the client asks for min(its own newest, the engine's
 * ApiVersion), which must be no less than the engine's MinAPIVersion. */
static int negotiate(struct engine *engine, struct error *err)
{
	struct api theirs, least, use;
	const char *release = json_str(engine->version, "Version", "of unknown version");

	if (read_api(engine->version, "ApiVersion", &theirs) < 0)
		return error_set(err, ERROR_PROTOCOL,
		    "what answers is no container engine (no ApiVersion in /version)");
	if (read_api(engine->version, "MinAPIVersion", &least) < 0)
		least = oldest;
	if (compare(theirs, oldest) < 0) {
		error_set(err, ERROR_FAILED,
		    "engine %s speaks API %d.%d, which is too old: %d.%d is needed", release,
		    theirs.major, theirs.minor, oldest.major, oldest.minor);
		return error_hint(err, "update the engine to Docker 19.03, podman 4 or newer");
	}
	if (compare(least, newest) > 0) {
		error_set(err, ERROR_FAILED,
		    "engine %s wants API %d.%d at least, this shipit speaks %d.%d at most", release,
		    least.major, least.minor, newest.major, newest.minor);
		return error_hint(err, "update shipit");
	}
	use = compare(theirs, newest) < 0 ? theirs : newest;
	snprintf(engine->prefix, sizeof(engine->prefix), "/v%d.%d", use.major, use.minor);
	engine->api = use.minor;
	return 0;
}

static bool says_podman(const json_t *version)
{
	const json_t *component;
	size_t i;

	json_array_foreach(json_object_get(version, "Components"), i, component)
	{
		if (strncmp(json_str(component, "Name", ""), "Podman", 6) == 0)
			return true;
	}
	return false;
}

/* Over the connection that questions go over: it is mostly questions that follow. */
static int ask_version(struct engine *engine, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;
	struct http_response response = {.body = BUF_INIT(0)};
	int rc;

	target_init(&target, engine, "/version");
	rc = engine_get_all(engine, &target, 1, &response, err);
	if (rc == 0 && (response.status < 200 || response.status > 299))
		rc = http_status_error(&response, err);
	else if (rc == 0)
		rc = json_parse(
		    response.body.data, response.body.len, "its answer", &engine->version, err);
	http_response_release(&response);
	return rc;
}

static int greet(struct engine *engine, struct error *err)
{
	if (ask_version(engine, err) < 0)
		return -1;
	engine->is_podman = says_podman(engine->version);
	return negotiate(engine, err);
}

static struct engine *engine_new(
    const char *address, const char *describe, int cancel_fd, struct error *err)
{
	struct engine *engine = calloc(1, sizeof(*engine));

	if (engine == NULL) {
		error_memory(err);
		return NULL;
	}
	engine->is_here = address[0] == '/';
	engine->describe = strdup(describe);
	engine->address = strdup(address);
	if (engine->describe == NULL || engine->address == NULL)
		error_memory(err);
	else if (http_open(address, cancel_fd, &engine->http, err) == 0 &&
		 http_batch_open(address, cancel_fd, &engine->batch, err) == 0)
		return engine;
	engine_close(engine);
	return NULL;
}

int engine_open(const char *address, const char *describe, int cancel_fd, struct engine **ret,
    struct error *err)
{
	struct engine *engine = engine_new(address, describe, cancel_fd, err);

	if (engine == NULL)
		return error_wrap(err, "%s", describe);
	if (greet(engine, err) < 0) {
		engine_close(engine);
		return error_wrap(err, "%s", describe);
	}
	*ret = engine;
	return 0;
}

int engine_again(const struct engine *engine, int cancel_fd, struct engine **ret, struct error *err)
{
	struct engine *again = engine_new(engine->address, engine->describe, cancel_fd, err);

	if (again == NULL)
		return error_wrap(err, "%s", engine->describe);
	again->version = json_incref(engine->version);
	memcpy(again->prefix, engine->prefix, sizeof(again->prefix));
	again->api = engine->api;
	again->is_podman = engine->is_podman;
	*ret = again;
	return 0;
}

void engine_close(struct engine *engine)
{
	if (engine == NULL)
		return;
	http_close(engine->http);
	http_batch_close(engine->batch);
	json_decref(engine->version);
	free(engine->describe);
	free(engine->address);
	free(engine);
}

int engine_set_cancel(struct engine *engine, int cancel_fd)
{
	int before = http_cancel_fd(engine->http);

	http_set_cancel(engine->http, cancel_fd);
	http_batch_set_cancel(engine->batch, cancel_fd);
	return before;
}

const json_t *engine_version(const struct engine *engine)
{
	return engine->version;
}

int engine_api(const struct engine *engine)
{
	return engine->api;
}

bool engine_is_podman(const struct engine *engine)
{
	return engine->is_podman;
}

bool engine_policies_are_fixed(const struct engine *engine)
{
	struct api release = {0};

	if (!engine->is_podman)
		return false;
	return read_numbers(json_str(engine->version, "Version", ""), true, &release) < 0 ||
	       compare(release, (struct api){5, 1}) < 0;
}

bool engine_is_here(const struct engine *engine)
{
	return engine->is_here;
}

int engine_info(struct engine *engine, json_t **ret, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;

	target_init(&target, engine, "/info");
	return engine_call(engine, "GET", &target, NULL, ret, err);
}
