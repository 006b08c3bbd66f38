/* What a deploy does on this machine before it turns to the hosts. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
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
	const struct image_options build = {
	    .pull = options->pull, .no_cache = options->no_cache, .cancel_fd = rollout->stop.fd};
	const struct image_target target = {
	    .inventory = options->inventory,
	    .prefix = rollout->prefix,
	    .tag = options->dry_run && !service->image_is_file ? NULL : rollout->id,
	    .store = rollout->registry.store,
	    .cancel_fd = rollout->stop.fd,
	    .events = options->events,
	};

	if (service->build.set && !options->no_build && !options->dry_run &&
	    image_build(options->inventory, service, &build, options->events, err) < 0)
		return -1;
	if (image_resolve(&target, service, &rollout->images[i], err) < 0)
		return -1;
	return name_release(
	    rollout->when, rollout->images[i].variants[0].config, rollout->releases[i], err);
}

int rollout_images(struct rollout *rollout, struct error *err)
{
	rollout->images = calloc(rollout->n_services, sizeof(*rollout->images));
	rollout->releases = calloc(rollout->n_services, sizeof(*rollout->releases));
	if (rollout->images == NULL || rollout->releases == NULL)
		return error_memory(err);
	if (open_store(rollout, err) < 0)
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
		    strv_add(ret, rollout->images[i].repository) < 0)
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
