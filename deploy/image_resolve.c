/* From what a service's `image:` says to something that hosts can pull. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "deploy/git.h"
#include "deploy/image.h"
#include "transport/engine.h"
#include "transport/registry/client.h"
#include "transport/registry/import.h"

struct resolving {
	const struct image_target *target;
	const struct service *service;
	struct event_source source;
	enum step step;
	struct engine *engine; /* this machine's; NULL: it is not needed */
	bool known;	       /* the store had it already */
	struct image image;
};

static struct image_variant *add_variant(
    struct image *image, const char *os, const char *arch, const char *config)
{
	struct image_variant *v =
	    reallocarray(image->variants, image->n + 1, sizeof(*image->variants));

	if (v == NULL)
		return NULL;
	image->variants = v;
	v += image->n;
	*v = (struct image_variant){
	    .os = strdup(os), .arch = strdup(arch), .config = strdup(config)};
	image->n++;
	return v->os != NULL && v->arch != NULL && v->config != NULL ? v : NULL;
}

/* --- this machine's engine */

static int look_up(struct resolving *work, struct error *err)
{
	CLEANUP_JSON json_t *inspect = NULL;
	const char *name = work->image.local;
	struct image_variant *variant;

	if (engine_image_inspect(work->engine, name, &inspect, err) < 0) {
		if (err->kind == ERROR_NOT_FOUND) {
			error_set(
			    err, ERROR_NOT_FOUND, "there is no image %s on this machine", name);
			if (work->service->build.set)
				error_hint(err,
				    "`shipit build %s` makes it; --dry-run and --no-build take "
				    "what is there",
				    work->service->name);
			else
				error_hint(err,
				    "docker pull %s, or build it: docker build -t %s FOLDER", name,
				    name);
		}
		return -1;
	}
	/* The engine's own id is the config digest in its classic store; the store or registry that
	 * it is put into says it for certain. */
	variant = add_variant(&work->image, json_str(inspect, "Os", "linux"),
	    json_str(inspect, "Architecture", "amd64"), json_str(inspect, "Id", ""));
	if (variant == NULL)
		return error_memory(err);
	variant->size = (uint64_t)json_int(inspect, "Size", 0);
	return 0;
}

static int open_engine(struct resolving *work, struct error *err)
{
	CLEANUP_FREE char *address = NULL;

	if (engine_local_address(&address, err) < 0)
		return -1;
	if (engine_open(address, "the engine on this machine", work->target->cancel_fd,
		&work->engine, err) == 0)
		return 0;
	if (err->kind == ERROR_UNREACHABLE)
		error_hint(err,
		    "start it, or point DOCKER_HOST at one; an image in a file needs none "
		    "(`image: oci:PATH`)");
	return -1;
}

/* --- the embedded registry */

static void on_import(void *context, uint64_t done, uint64_t total, const char *phase)
{
	struct resolving *work = context;

	emit_progress(&work->source, work->step, done, total, phase);
}

/* What the store says it is, instead of what was thought; only the engine knows how large. */
static int take_imported(struct resolving *work, const struct imported *imported, struct error *err)
{
	struct image *image = &work->image;
	uint64_t size = image->n > 0 ? image->variants[0].size : 0;
	struct image was = *image;

	image->variants = NULL;
	image->n = 0;
	was = (struct image){.variants = was.variants, .n = was.n};
	image_release(&was);
	for (size_t i = 0; i < imported->n; i++) {
		const struct import_image *one = &imported->images[i];
		struct image_variant *variant = add_variant(image, one->os, one->arch, one->config);

		if (variant == NULL || (variant->manifest = strdup(one->manifest)) == NULL)
			return error_memory(err);
		variant->bytes = one->bytes;
		variant->size = one->unpacked > 0 ? one->unpacked : one->bytes;
		if (imported->n == 1 && size > variant->size)
			variant->size = size;
	}
	work->known = imported->known;
	return 0;
}

static int read_digest(struct resolving *work, struct error *err)
{
	struct image *image = &work->image;
	struct stored_manifest manifest;

	if (store_manifest_get(work->target->store, image->repository, image->tag, &manifest, err) <
	    0)
		return -1;
	image->digest = strdup(manifest.digest);
	stored_manifest_release(&manifest);
	return image->digest != NULL ? 0 : error_memory(err);
}

static int import(struct resolving *work, struct error *err)
{
	const struct image *image = &work->image;
	const struct import_target target = {
	    .store = work->target->store,
	    .repository = image->repository,
	    .tag = image->tag,
	    .cancel_fd = work->target->cancel_fd,
	    .progress = on_import,
	    .context = work,
	};
	struct imported imported = {0};
	int rc;

	rc = work->service->image_is_file
		 ? import_file(&target, image->local, &imported, err)
		 : import_engine(&target, work->engine, image->local, &imported, err);
	if (rc < 0)
		return error_wrap(err, "importing the image of %s", work->service->name);
	rc = take_imported(work, &imported, err);
	imported_release(&imported);
	if (rc < 0 || read_digest(work, err) < 0)
		return -1;
	return store_retain(target.store, image->repository, work->service->retain, err);
}

/* --- an external registry */

static void on_push(void *context, const struct engine_progress *progress)
{
	struct resolving *work = context;

	emit_progress(&work->source, work->step, progress->done, progress->total, progress->phase);
}

static int push(struct resolving *work, const char *registry, struct error *err)
{
	const struct image *image = &work->image;
	struct engine_transfer transfer = {.progress = on_push, .context = work};
	CLEANUP_FREE char *repository = string_printf("%s/%s", registry, image->repository);
	CLEANUP_FREE char *reference =
	    string_printf("%s/%s:%s", registry, image->repository, image->tag);
	CLEANUP_FREE char *digest = NULL;
	int rc;

	if (repository == NULL || reference == NULL)
		return error_memory(err);
	if (engine_image_tag(work->engine, image->local, repository, image->tag, err) < 0)
		return error_wrap(err, "tagging %s", image->local);
	rc = engine_image_push(work->engine, reference, &transfer, &digest, err);
	/* The tag was for the push alone; the registry keeps its own. */
	engine_image_remove(work->engine, reference, false, NULL);
	return rc < 0 ? error_wrap(err, "pushing %s to %s", image->local, registry) : 0;
}

static int push_and_read_back(struct resolving *work, struct error *err)
{
	const char *registry = work->target->inventory->registry;
	const struct image *image = &work->image;
	struct image_variant *variant = image->variants;
	struct registry_image there = {0};

	if (variant == NULL)
		return error_set(err, ERROR_INVENTORY,
		    "%s is no image of the engine on this machine, which alone can push it",
		    image->local);
	if (registry_ping(registry, work->target->cancel_fd, err) < 0 ||
	    push(work, registry, err) < 0 ||
	    registry_resolve(registry, image->repository, image->tag, variant->os, variant->arch,
		work->target->cancel_fd, &there, err) < 0)
		return -1;
	free(variant->config);
	variant->config = strdup(there.config);
	variant->manifest = strdup(there.manifest);
	variant->bytes = there.bytes;
	registry_image_release(&there);
	return variant->config == NULL || variant->manifest == NULL ? error_memory(err) : 0;
}

/* --- what is there already */

static int look_in_store(struct resolving *work, struct error *err)
{
	struct imported imported = {0};
	int rc;

	if (import_look(
		work->target->store, work->image.repository, work->image.tag, &imported, err) < 0)
		return -1;
	rc = take_imported(work, &imported, err);
	imported_release(&imported);
	return rc < 0 ? -1 : read_digest(work, err);
}

static int look_in_registry(struct resolving *work, const char *arch, struct error *err)
{
	struct registry_image there = {0};
	struct image_variant *variant;
	int rc = 0;

	if (registry_resolve(work->target->inventory->registry, work->image.repository,
		work->image.tag, "linux", arch, work->target->cancel_fd, &there, err) < 0)
		return -1;
	variant = add_variant(&work->image, "linux", arch, there.config);
	if (variant == NULL || (variant->manifest = strdup(there.manifest)) == NULL)
		rc = error_memory(err);
	else
		variant->size = variant->bytes = there.bytes;
	registry_image_release(&there);
	return rc;
}

static int name_it(struct resolving *work, struct error *err)
{
	const struct image_target *target = work->target;
	struct image *image = &work->image;

	image->local = image_local_name(target->inventory, work->service);
	image->repository = string_printf("%s.%s", target->prefix, work->service->name);
	image->tag = target->tag != NULL ? strdup(target->tag) : NULL;
	return image->local == NULL || image->repository == NULL ||
		       (target->tag != NULL && image->tag == NULL)
		   ? error_memory(err)
		   : 0;
}

int image_look(const struct image_target *target, const struct service *service, const char *arch,
    const char *config, struct image *ret, struct error *err)
{
	struct resolving work = {.target = target, .service = service};
	const struct image_variant *variant;
	int rc = name_it(&work, err);

	if (rc == 0)
		rc = target->store != NULL ? look_in_store(&work, err)
					   : look_in_registry(&work, arch, err);
	variant = rc == 0 ? image_for(&work.image, arch) : NULL;
	if (rc == 0 && (variant == NULL || strcmp(variant->config, config) != 0))
		rc = error_set(err, ERROR_NOT_FOUND, "%s:%s is another image",
		    work.image.repository, work.image.tag);
	if (rc < 0)
		image_release(&work.image);
	else
		*ret = work.image;
	return rc;
}

/* --- resolve */

static int resolve(struct resolving *work, struct error *err)
{
	const struct image_target *target = work->target;
	const struct service *service = work->service;
	struct image *image = &work->image;

	if (name_it(work, err) < 0)
		return -1;
	if (!service->image_is_file && (open_engine(work, err) < 0 || look_up(work, err) < 0))
		return -1;
	if (target->tag != NULL &&
	    (target->store != NULL ? import(work, err) : push_and_read_back(work, err)) < 0)
		return -1;
	if (service->build.set)
		image->source = git_describe(
		    inventory_build(target->inventory, service)->context, target->cancel_fd);
	return 0;
}

int image_resolve(const struct image_target *target, const struct service *service,
    struct image *ret, struct error *err)
{
	struct resolving work = {
	    .target = target,
	    .service = service,
	    .source = {.events = target->events, .service = service->name},
	    .step = target->inventory->registry == NULL ? STEP_IMPORT : STEP_PUSH,
	};
	int64_t start_ms = clock_now_ms();
	int rc;

	emit_step(&work.source, work.step, STATE_START, -1, NULL);
	rc = resolve(&work, err);
	engine_close(work.engine);
	if (rc < 0) {
		emit_failed(&work.source, work.step, clock_now_ms() - start_ms, err);
		image_release(&work.image);
		return -1;
	}
	if (work.known)
		emit_step(&work.source, work.step, STATE_OK, clock_now_ms() - start_ms,
		    "already in the store");
	else
		emit_step(&work.source, work.step, STATE_OK, clock_now_ms() - start_ms, NULL);
	*ret = work.image;
	return 0;
}
