#include "deploy/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/proc.h"
#include "transport/engine.h"
#include "transport/registry/client.h"

enum { TAIL_LINES = 20, GIT_MS = 5000 };

void image_release(struct image *image)
{
	free(image->local);
	free(image->config);
	free(image->manifest);
	free(image->repository);
	free(image->tag);
	free(image->arch);
	free(image->os);
	free(image->source);
	*image = (struct image){0};
}

char *image_local_name(const struct inventory *inv, const struct service *service)
{
	if (service->image != NULL)
		return strdup(service->image);
	return string_printf("%s-%s", inv->project, service->name);
}

/* --- build */

/* The last lines of a build's output, for the error, while all of them go out as events. */
struct tail {
	struct event_source source;
	char *lines[TAIL_LINES];
	size_t n;
};

static void take_line(void *context, const char *line)
{
	struct tail *tail = context;
	size_t slot = tail->n++ % TAIL_LINES;

	free(tail->lines[slot]);
	tail->lines[slot] = strdup(line);
	emit_log(&tail->source, 0, line);
}

static void tail_text(const struct tail *tail, struct buf *out)
{
	size_t first = tail->n > TAIL_LINES ? tail->n - TAIL_LINES : 0;

	for (size_t i = first; i < tail->n; i++) {
		const char *line = tail->lines[i % TAIL_LINES];

		buf_addf(out, "\n    %s", line != NULL ? line : "");
	}
}

/* `engine:` is about hosts; of it only the kind of engine is taken for this machine, not a path. */
static const char *local_command(const struct inventory *inv)
{
	return strcmp(inv->engine.command, "podman") == 0 ? "podman" : "docker";
}

static int build_argv(const struct inventory *inv, const struct service *service, const char *name,
    const struct image_options *options, struct strv *argv)
{
	const struct build *build = &service->build;
	int rc = strv_add(argv, local_command(inv));

	rc = rc < 0 ? rc : strv_add(argv, "build");
	rc = rc < 0 ? rc : strv_addf(argv, "--tag=%s", name);
	if (rc == 0 && build->dockerfile != NULL)
		rc = strv_addf(argv, "--file=%s", build->dockerfile);
	for (size_t i = 0; i < build->args.n && rc == 0; i++) {
		const struct pair *arg = &build->args.v[i];

		rc = strv_addf(argv, "--build-arg=%s%s%s", arg->key, arg->value != NULL ? "=" : "",
		    arg->value != NULL ? arg->value : "");
	}
	if (rc == 0 && options->pull)
		rc = strv_add(argv, "--pull");
	if (rc == 0 && options->no_cache)
		rc = strv_add(argv, "--no-cache");
	return rc < 0 ? rc : strv_add(argv, build->context);
}

static int run_build(const struct inventory *inv, const struct service *service,
    const struct image_options *options, struct tail *tail, struct error *err)
{
	CLEANUP_FREE char *name = image_local_name(inv, service);
	CLEANUP_STRV struct strv argv = {0};
	CLEANUP_BUF struct buf last = BUF_INIT(64 * 1024);
	int status;

	if (name == NULL || build_argv(inv, service, name, options, &argv) < 0)
		return error_memory(err);
	if (proc_run_lines((const char *const *)argv.v, inv->dir, -1, options->cancel_fd, take_line,
		tail, &status, err) < 0)
		return error_wrap(err, "building %s", name);
	if (status == 0)
		return 0;
	tail_text(tail, &last);
	return error_set(err, ERROR_FAILED, "building %s failed (%s build exited %d):%s", name,
	    argv.v[0], status, last.data);
}

int image_build(const struct inventory *inv, const struct service *service,
    const struct image_options *options, struct events *events, struct error *err)
{
	struct tail tail = {.source = {.events = events, .service = service->name}};
	int64_t start_ms = clock_now_ms();
	int rc;

	emit_step(&tail.source, STEP_BUILD, STATE_START, -1, NULL);
	rc = run_build(inv, service, options, &tail, err);
	if (rc < 0)
		emit_failed(&tail.source, STEP_BUILD, clock_now_ms() - start_ms, err);
	else
		emit_step(&tail.source, STEP_BUILD, STATE_OK, clock_now_ms() - start_ms, NULL);
	for (size_t i = 0; i < TAIL_LINES; i++)
		free(tail.lines[i]);
	return rc;
}

/* The commit of a folder, with "-dirty"; NULL where git knows none. A comfort: no error. */
static char *git_source(const char *dir, int cancel_fd)
{
	const char *const argv[] = {"git", "-C", dir, "describe", "--always", "--dirty",
	    "--abbrev=12", "--exclude=*", NULL};
	struct proc_result result;
	char *source = NULL;

	if (proc_run(argv, 256, clock_now_ms() + GIT_MS, cancel_fd, &result, NULL) < 0)
		return NULL;
	result.out.data[strcspn(result.out.data, "\n")] = '\0';
	if (result.status == 0 && *result.out.data != '\0')
		source = strdup(result.out.data);
	proc_result_release(&result);
	return source;
}

/* --- the local registry */

static void on_push(void *context, const struct engine_progress *progress)
{
	emit_progress(context, STEP_PUSH, progress->done, progress->total, progress->phase);
}

static int push(struct engine *engine, const char *registry, const struct image *image,
    struct event_source *source, struct error *err)
{
	struct engine_transfer transfer = {.progress = on_push, .context = source};
	CLEANUP_FREE char *repository = string_printf("%s/%s", registry, image->repository);
	CLEANUP_FREE char *reference =
	    string_printf("%s/%s:%s", registry, image->repository, image->tag);
	CLEANUP_FREE char *digest = NULL;
	int rc;

	if (repository == NULL || reference == NULL)
		return error_memory(err);
	if (engine_image_tag(engine, image->local, repository, image->tag, err) < 0)
		return error_wrap(err, "tagging %s", image->local);
	rc = engine_image_push(engine, reference, &transfer, &digest, err);
	/* The tag was for the push alone; the registry keeps its own. */
	engine_image_remove(engine, reference, false, NULL);
	return rc < 0 ? error_wrap(err, "pushing %s to %s", image->local, registry) : 0;
}

static int push_and_read_back(struct engine *engine, const char *registry, int cancel_fd,
    struct image *image, struct event_source *source, struct error *err)
{
	struct registry_image there = {0};

	if (registry_ping(registry, cancel_fd, err) < 0 ||
	    push(engine, registry, image, source, err) < 0 ||
	    registry_resolve(registry, image->repository, image->tag, image->os, image->arch,
		cancel_fd, &there, err) < 0)
		return -1;
	free(image->config);
	image->config = strdup(there.config);
	image->manifest = strdup(there.manifest);
	image->bytes = there.bytes;
	registry_image_release(&there);
	return image->config == NULL || image->manifest == NULL ? error_memory(err) : 0;
}

/* --- resolve */

static int look_up(struct engine *engine, struct image *image, struct error *err)
{
	CLEANUP_JSON json_t *inspect = NULL;

	if (engine_image_inspect(engine, image->local, &inspect, err) < 0) {
		if (err->kind == ERROR_NOT_FOUND) {
			error_set(err, ERROR_NOT_FOUND, "there is no image %s on this machine",
			    image->local);
			error_hint(err,
			    "build it (`build:` in shipit.yml, or docker build -t %s .)",
			    image->local);
		}
		return -1;
	}
	/* The engine's own id is the config digest in its classic store; what was pushed says it
	 * for certain. */
	image->config = strdup(json_str(inspect, "Id", ""));
	image->arch = strdup(json_str(inspect, "Architecture", "amd64"));
	image->os = strdup(json_str(inspect, "Os", "linux"));
	image->size = (uint64_t)json_int(inspect, "Size", 0);
	return image->config == NULL || image->arch == NULL || image->os == NULL ? error_memory(err)
										 : 0;
}

static int resolve(const struct inventory *inv, const char *prefix, const struct service *service,
    const char *rollout, int cancel_fd, struct event_source *source, struct image *image,
    struct error *err)
{
	CLEANUP_FREE char *address = NULL;
	struct engine *engine = NULL;
	int rc;

	image->local = image_local_name(inv, service);
	image->repository = string_printf("%s.%s", prefix, service->name);
	image->tag = rollout != NULL ? strdup(rollout) : NULL;
	if (image->local == NULL || image->repository == NULL ||
	    (rollout != NULL && image->tag == NULL))
		return error_memory(err);
	if (engine_local_address(&address, err) < 0 ||
	    engine_open(address, "the engine on this machine", cancel_fd, &engine, err) < 0)
		return -1;
	rc = look_up(engine, image, err);
	if (rc == 0 && rollout != NULL)
		rc = push_and_read_back(engine, inv->registry, cancel_fd, image, source, err);
	engine_close(engine);
	if (rc == 0 && service->build.set)
		image->source = git_source(service->build.context, cancel_fd);
	return rc;
}

int image_resolve(const struct inventory *inv, const char *prefix, const struct service *service,
    const char *rollout, int cancel_fd, struct events *events, struct image *ret, struct error *err)
{
	struct event_source source = {.events = events, .service = service->name};
	int64_t start_ms = clock_now_ms();
	struct image image = {0};

	emit_step(&source, STEP_PUSH, STATE_START, -1, NULL);
	if (resolve(inv, prefix, service, rollout, cancel_fd, &source, &image, err) < 0) {
		emit_failed(&source, STEP_PUSH, clock_now_ms() - start_ms, err);
		image_release(&image);
		return -1;
	}
	emit_step(&source, STEP_PUSH, STATE_OK, clock_now_ms() - start_ms, NULL);
	*ret = image;
	return 0;
}
