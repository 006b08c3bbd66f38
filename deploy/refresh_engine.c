/* What a refresh does with this machine's engine: which images it can make anew, making them, and
 * leaving none behind that nobody needs. */
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "deploy/build.h"
#include "deploy/refresh.h"
#include "deploy/refresh_internal.h"
#include "deploy/services.h"
#include "deploy/tail.h"
#include "transport/engine.h"

static int open_engine(int cancel_fd, struct engine **ret, struct error *err)
{
	CLEANUP_FREE char *address = NULL;

	if (engine_local_address(&address, err) < 0)
		return -1;
	return engine_open(address, "the engine on this machine", cancel_fd, ret, err);
}

/* --- what can be made anew */

/* "HOST:PORT/NAME" of "HOST:PORT/NAME:TAG", as Docker Hub's names are written short. */
static const char *repository_of(const char *name, size_t *ret_len)
{
	static const char *const hub[] = {"docker.io/", "index.docker.io/", "library/"};
	const char *slash, *end;

	for (size_t i = 0; i < ARRAY_SIZE(hub); i++)
		if (strncmp(name, hub[i], strlen(hub[i])) == 0)
			name += strlen(hub[i]);
	slash = strrchr(name, '/');
	end = strpbrk(slash != NULL ? slash : name, ":@");
	*ret_len = end != NULL ? (size_t)(end - name) : strlen(name);
	return name;
}

/* What came from a registry has there a digest under its name; what was made here has none. */
static bool came_from_registry(const json_t *inspect, const char *name)
{
	json_t *digest;
	size_t i, len, other_len;
	const char *repository = repository_of(name, &len);

	json_array_foreach(json_object_get(inspect, "RepoDigests"), i, digest)
	{
		const char *other = json_string_value(digest);

		if (other == NULL)
			continue;
		other = repository_of(other, &other_len);
		if (len == other_len && strncmp(repository, other, len) == 0)
			return true;
	}
	return false;
}

/* 1: it can; 0: not, and `ret_left` has why. One that is not here may be somewhere to be pulled. */
static int can_refresh(const struct inventory *inv, const struct service *service,
    struct engine **engine, int cancel_fd, struct strv *ret_left, struct error *err)
{
	CLEANUP_FREE char *name = image_local_name(inv, service);
	CLEANUP_JSON json_t *inspect = NULL;

	if (name == NULL)
		return error_memory(err);
	if (service->build.set)
		return 1;
	if (service->image_is_file) {
		return strv_addf(ret_left,
			   "%s: there is nothing to refresh it from: its image is a file, %s",
			   service->name, name) < 0
			   ? error_memory(err)
			   : 0;
	}
	if (*engine == NULL && open_engine(cancel_fd, engine, err) < 0)
		return -1;
	if (engine_image_inspect(*engine, name, &inspect, err) < 0) {
		if (err->kind != ERROR_NOT_FOUND)
			return -1;
		error_release(err);
		return 1;
	}
	if (came_from_registry(inspect, name))
		return 1;
	return strv_addf(ret_left,
		   "%s: there is nothing to refresh it from: %s was made on this machine, and "
		   "the service has no `build:`",
		   service->name, name) < 0
		   ? error_memory(err)
		   : 0;
}

int refresh_choose(const struct inventory *inv, const struct environment *env,
    const struct strv *names, int cancel_fd, struct strv *ret, struct strv *ret_left,
    struct error *err)
{
	CLEANUP_FREE const struct service **services = NULL;
	struct engine *engine = NULL;
	size_t n = 0;
	int rc;

	rc = services_choose(inv, env, names, &services, &n, err);
	for (size_t i = 0; i < n && rc >= 0; i++) {
		rc = can_refresh(inv, services[i], &engine, cancel_fd, ret_left, err);
		if (rc > 0 && strv_add(ret, services[i]->name) < 0)
			rc = error_memory(err);
	}
	engine_close(engine);
	return rc < 0 ? -1 : 0;
}

/* --- making them */

static char *id_of(const char *name, int cancel_fd)
{
	CLEANUP_JSON json_t *inspect = NULL;
	struct engine *engine = NULL;
	char *id = NULL;

	if (open_engine(cancel_fd, &engine, NULL) == 0 &&
	    engine_image_inspect(engine, name, &inspect, NULL) == 0)
		id = strdup(json_str(inspect, "Id", ""));
	engine_close(engine);
	return id;
}

/* By the engine's own command, which knows the user's accounts at registries. */
static int pull(
    struct rollout *rollout, const struct service *service, const char *name, struct error *err)
{
	const struct rollout_options *options = &rollout->options;
	const struct event_source source = {.events = options->events, .service = service->name};
	const char *const argv[] = {
	    build_command(options->inventory), "pull", "--quiet", name, NULL};
	const struct proc_options program = {.argv = argv, .dir = options->inventory->dir};
	CLEANUP_FREE char *what = string_printf("pulling %s", name);

	if (what == NULL)
		return error_memory(err);
	return tail_run(&source, STEP_BUILD, what, &program, -1, rollout->stop.fd, err);
}

int refresh_make(struct rollout *rollout, struct error *err)
{
	const struct rollout_options *options = &rollout->options;
	const struct build_options build = {
	    .pull = true,
	    .no_cache = true,
	    .cancel_fd = rollout->stop.fd,
	    .secrets = rollout->secrets,
	};

	for (size_t i = 0; i < rollout->n_services; i++) {
		const struct service *service = rollout->services[i];
		CLEANUP_FREE char *name = image_local_name(options->inventory, service);

		if (name == NULL)
			return error_memory(err);
		rollout->refresh->services[i].had = id_of(name, rollout->stop.fd);
		if (!service->build.set && pull(rollout, service, name, err) < 0)
			return -1;
	}
	return deploy_build(options->inventory, rollout->services, rollout->n_services, &build,
	    options->events, NULL, err);
}

/* --- tidying up */

/* Without a name, and in no container's use: engines refuse to remove what is. */
static int remove_nameless(struct engine *engine, const char *id, struct error *err)
{
	CLEANUP_JSON json_t *inspect = NULL;

	if (engine_image_inspect(engine, id, &inspect, err) < 0)
		return err->kind == ERROR_NOT_FOUND ? 0 : -1;
	if (json_array_size(json_object_get(inspect, "RepoTags")) > 0)
		return 0;
	return engine_image_remove(engine, id, false, err) < 0 && err->kind != ERROR_CONFLICT ? -1
											      : 0;
}

static int name_again(struct engine *engine, const char *id, const char *name, struct error *err)
{
	const char *slash = strrchr(name, '/');
	const char *colon = strchr(slash != NULL ? slash : name, ':');
	CLEANUP_FREE char *repository =
	    strndup(name, colon != NULL ? (size_t)(colon - name) : strlen(name));

	if (repository == NULL)
		return error_memory(err);
	return engine_image_tag(engine, id, repository, colon != NULL ? colon + 1 : "latest", err);
}

static int tidy(
    struct rollout *rollout, const char *name, const char *had, bool back, struct error *err)
{
	CLEANUP_FREE char *has = id_of(name, rollout->kill.fd);
	struct engine *engine = NULL;
	int rc;

	if (has == NULL || *had == '\0' || strcmp(had, has) == 0 || strchr(name, '@') != NULL)
		return 0;
	if (open_engine(rollout->kill.fd, &engine, err) < 0)
		return -1;
	rc = back ? name_again(engine, had, name, err) : 0;
	if (rc == 0)
		rc = remove_nameless(engine, back ? has : had, err);
	engine_close(engine);
	return rc;
}

void refresh_tidy(struct rollout *rollout, size_t service, bool back)
{
	const struct service *of = rollout->services[service];
	const struct event_source source = {.events = rollout->options.events, .service = of->name};
	CLEANUP_FREE char *name = image_local_name(rollout->options.inventory, of);
	CLEANUP_FREE char *line = NULL;
	CLEANUP_ERROR struct error err = {0};

	if (name == NULL || rollout->refresh->services[service].had == NULL ||
	    tidy(rollout, name, rollout->refresh->services[service].had, back, &err) == 0)
		return;
	line = string_printf(
	    "an image that is not needed stays on this machine: %s", error_text(&err));
	if (line != NULL)
		emit_log(&source, 1, line);
}
