/* What a deploy does on this machine before it turns to the hosts. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "deploy/build.h"
#include "deploy/run.h"

static bool has_files(const struct rollout *rollout)
{
	for (size_t i = 0; i < rollout->n_services; i++)
		if (rollout->services[i]->image_is_file)
			return true;
	return false;
}

/* A dry run asks the engine what an image is; of one in a file only reading it tells. */
static int open_store(struct rollout *rollout, struct error *err)
{
	const struct rollout_options *options = &rollout->options;

	if (options->inventory->registry != NULL || (options->dry_run && !has_files(rollout)))
		return 0;
	return local_registry_open(&rollout->registry, options->dry_run, err);
}

static int resolve_image(struct rollout *rollout, size_t i, struct error *err)
{
	const struct rollout_options *options = &rollout->options;
	const struct service *service = rollout->services[i];
	const struct image_target target = {
	    .inventory = options->inventory,
	    .prefix = rollout->prefix,
	    .tag = options->dry_run && !service->image_is_file ? NULL : rollout->id,
	    .store = rollout->registry.store,
	    .cancel_fd = rollout->stop.fd,
	    .events = options->events,
	};

	if (image_resolve(&target, service, &rollout->images[i], err) < 0)
		return -1;
	return name_release(
	    rollout->when, rollout->images[i].variants[0].config, rollout->releases[i], err);
}

static int build_images(struct rollout *rollout, struct error *err)
{
	const struct rollout_options *options = &rollout->options;
	const struct build_options build = {
	    .pull = options->pull,
	    .no_cache = options->no_cache,
	    .cancel_fd = rollout->stop.fd,
	    .secrets = rollout->secrets,
	};

	if (rollout->refresh != NULL)
		return refresh_images(rollout, err);
	if (options->no_build || options->dry_run)
		return 0;
	return deploy_build(options->inventory, rollout->services, rollout->n_services, &build,
	    options->events, NULL, err);
}

int rollout_images(struct rollout *rollout, struct error *err)
{
	rollout->images = calloc(rollout->n_services, sizeof(*rollout->images));
	rollout->releases = calloc(rollout->n_services, sizeof(*rollout->releases));
	if (rollout->images == NULL || rollout->releases == NULL)
		return error_memory(err);
	if (open_store(rollout, err) < 0 || refresh_begin(rollout, err) < 0)
		return -1;
	if (build_images(rollout, err) < 0)
		return -1;
	for (size_t i = 0; i < rollout->n_services; i++)
		if (resolve_image(rollout, i, err) < 0)
			return -1;
	return 0;
}

/* --- the server */

/* A host may have the images of the services that run on it. */
static int list_repositories(
    const struct rollout *rollout, const struct host *host, struct strv *ret, struct error *err)
{
	const struct rollout_options *options = &rollout->options;

	for (size_t i = 0; i < rollout->n_services; i++)
		if (inventory_runs_on(
			options->inventory, options->environment, rollout->services[i], host) &&
		    strv_addf(ret, "%s.%s", rollout->prefix, rollout->services[i]->name) < 0)
			return error_memory(err);
	return 0;
}

static int serve(
    struct rollout *rollout, const char **hosts, struct strv *repositories, struct error *err)
{
	for (size_t i = 0; i < rollout->n_runs; i++) {
		hosts[i] = rollout->runs[i].host->name;
		if (list_repositories(rollout, rollout->runs[i].host, &repositories[i], err) < 0)
			return -1;
	}
	return local_registry_start(&rollout->registry, rollout->run_dir.path,
	    rollout->options.inventory->registry, hosts, repositories, rollout->n_runs,
	    rollout->options.events, err);
}

int rollout_serve(struct rollout *rollout, struct error *err)
{
	CLEANUP_FREE const char **hosts = NULL;
	CLEANUP_FREE struct strv *repositories = NULL;
	int rc;

	if (rollout->options.dry_run)
		return 0;
	hosts = calloc(rollout->n_runs, sizeof(*hosts));
	repositories = calloc(rollout->n_runs, sizeof(*repositories));
	if (hosts == NULL || repositories == NULL)
		return error_memory(err);
	rc = serve(rollout, hosts, repositories, err);
	for (size_t i = 0; i < rollout->n_runs; i++)
		strv_release(&repositories[i]);
	return rc;
}

/* --- again, for a rollback */

/* A store is not made for this, and that there is none is no error. */
static bool has_store(void)
{
	CLEANUP_FREE char *path = NULL;

	return store_path(&path, NULL) == 0 && access(path, R_OK) == 0;
}

static int open_again(struct rollout *rollout, struct error *err)
{
	if (rollout->options.inventory->registry == NULL &&
	    (!has_store() || local_registry_open(&rollout->registry, false, err) < 0))
		return -1;
	return rollout_serve(rollout, err);
}

static const struct image *known(const struct again *again, const char *repository, const char *tag)
{
	for (size_t i = 0; i < again->n; i++)
		if (strcmp(again->images[i]->repository, repository) == 0 &&
		    strcmp(again->images[i]->tag, tag) == 0)
			return again->images[i];
	return NULL;
}

static const struct image *look(struct rollout *rollout, const struct service *service,
    const char *arch, const char *made_by, const char *config, struct error *err)
{
	struct again *again = &rollout->again;
	const struct image_target target = {
	    .inventory = rollout->options.inventory,
	    .prefix = rollout->prefix,
	    .tag = made_by,
	    .store = rollout->registry.store,
	    .cancel_fd = rollout->stop.fd,
	    .events = rollout->options.events,
	};
	struct image **images = reallocarray(again->images, again->n + 1, sizeof(*images));
	struct image *image = calloc(1, sizeof(*image));

	if (images != NULL)
		again->images = images;
	if (images == NULL || image == NULL ||
	    image_look(&target, service, arch, config, image, err) < 0) {
		free(image);
		return NULL;
	}
	again->images[again->n++] = image;
	return image;
}

/* Why it cannot be had matters only to who looks closely: the plan says that it is gone. */
const struct image *rollout_find_image(void *context, const struct service *service,
    const char *arch, const char *made_by, const char *config)
{
	struct rollout *rollout = context;
	struct again *again = &rollout->again;
	CLEANUP_FREE char *repository = string_printf("%s.%s", rollout->prefix, service->name);
	const struct event_source source = {
	    .events = rollout->options.events, .service = service->name};
	CLEANUP_ERROR struct error err = {0};
	const struct image *image = NULL;

	if (repository == NULL)
		return NULL;
	pthread_mutex_lock(&again->lock);
	if (!again->tried)
		again->open = open_again(rollout, &err) == 0;
	again->tried = true;
	if (again->open)
		image = known(again, repository, made_by);
	if (again->open && image == NULL)
		image = look(rollout, service, arch, made_by, config, &err);
	pthread_mutex_unlock(&again->lock);
	if (err.kind != ERROR_NONE)
		emit_log(&source, 1, error_text(&err));
	return image;
}
