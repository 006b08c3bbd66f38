/* What is in the images that a refresh compares, each read once. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "deploy/refresh_internal.h"
#include "transport/engine.h"
#include "transport/registry/import.h"

/* What a name and what the store says of it. */
struct place {
	const char *repository, *tag;
	char manifest[DIGEST_TEXT_SIZE];
};

static const struct known_image *known(const struct refresh *refresh, const char *config)
{
	for (size_t i = 0; i < refresh->n_images; i++)
		if (strcmp(refresh->images[i]->config, config) == 0)
			return refresh->images[i];
	return NULL;
}

/* Packages are for the report: one that cannot be read is worth a word. */
static int take_content(struct rollout *rollout, const struct content *content, const char *service,
    struct known_image *image, struct error *err)
{
	const struct event_source source = {.events = rollout->options.events, .service = service};
	CLEANUP_ERROR struct error why = {0};

	memcpy(image->fingerprint, content->fingerprint, CONTENT_SIZE);
	if (packages_read(content, &image->packages, &why) == 0 && !content->cut)
		return 0;
	if (why.kind == ERROR_MEMORY)
		return error_memory(err);
	emit_note(&source, "its list of packages cannot be read: %s",
	    content->cut ? "it is too large" : error_text(&why));
	return 0;
}

static int read_image(struct rollout *rollout, const char *service, const struct place *place,
    struct known_image *image, struct error *err)
{
	const struct content_options options = {
	    .wants = packages_want, .cancel_fd = rollout->stop.fd};
	struct content content = {0};
	int rc;

	if (content_read(rollout->refresh->store, place->repository, place->manifest, &options,
		&content, err) < 0)
		return -1;
	rc = take_content(rollout, &content, service, image, err);
	content_release(&content);
	return rc;
}

void known_image_free(struct known_image *image)
{
	if (image == NULL)
		return;
	free(image->config);
	packages_release(&image->packages);
	free(image);
}

/* Read it, and keep what was found out. */
static int learn(struct rollout *rollout, const char *service, const struct place *place,
    const char *config, const struct known_image **ret, struct error *err)
{
	struct refresh *refresh = rollout->refresh;
	struct known_image *image = calloc(1, sizeof(*image));
	struct known_image **v =
	    reallocarray(refresh->images, refresh->n_images + 1, sizeof(struct known_image *));

	if (v != NULL)
		refresh->images = v;
	if (v == NULL || image == NULL || (image->config = strdup(config)) == NULL) {
		known_image_free(image);
		return error_memory(err);
	}
	if (read_image(rollout, service, place, image, err) < 0) {
		known_image_free(image);
		return -1;
	}
	v[refresh->n_images++] = image;
	*ret = image;
	return 0;
}

/* Of an image with one variant for several configs the manifest of that one. */
static int place_of(
    const struct imported *imported, const char *config, struct place *place, struct error *err)
{
	for (size_t i = 0; i < imported->n; i++)
		if (strcmp(imported->images[i].config, config) == 0) {
			memcpy(place->manifest, imported->images[i].manifest, DIGEST_TEXT_SIZE);
			return 0;
		}
	return error_set(err, ERROR_NOT_FOUND, "it came as another image than %s", config);
}

static int import_into(struct rollout *rollout, struct engine *engine, const char *name,
    const char *config, bool far, struct place *place, struct error *err)
{
	const struct import_target target = {
	    .store = rollout->refresh->store,
	    .repository = place->repository,
	    .tag = place->tag,
	    .cancel_fd = rollout->stop.fd,
	    .far = far,
	};
	struct imported imported = {0};
	int rc;

	if (import_engine(&target, engine, name, &imported, err) < 0)
		return -1;
	rc = place_of(&imported, config, place, err);
	imported_release(&imported);
	return rc;
}

/* An image for an external registry is in the store only for this. */
static int import_new(struct rollout *rollout, const struct image *image, const char *config,
    struct place *place, struct error *err)
{
	CLEANUP_FREE char *address = NULL;
	struct engine *engine = NULL;
	int rc;

	if (engine_local_address(&address, err) < 0 ||
	    engine_open(address, "the engine on this machine", rollout->stop.fd, &engine, err) < 0)
		return -1;
	rc = import_into(rollout, engine, image->local, config, false, place, err);
	engine_close(engine);
	return rc;
}

int refresh_new_content(struct rollout *rollout, size_t service,
    const struct image_variant *variant, const struct known_image **ret, struct error *err)
{
	const struct image *image = &rollout->images[service];
	struct place place = {.repository = image->repository, .tag = image->tag};

	*ret = known(rollout->refresh, variant->config);
	if (*ret != NULL)
		return 0;
	if (rollout->refresh->external) {
		if (import_new(rollout, image, variant->config, &place, err) < 0)
			return -1;
	} else {
		memcpy(place.manifest, variant->manifest, DIGEST_TEXT_SIZE);
	}
	return learn(rollout, rollout->services[service]->name, &place, variant->config, ret, err);
}

/* The store knows it when it was deployed from here; else the host has it. */
static int find_old(struct host_run *run, const char *service, const struct container *current,
    struct place *place, struct error *err)
{
	const struct event_source source = host_source(run, service);
	struct rollout *rollout = run->rollout;
	CLEANUP_FREE char *name = name_image_tag(rollout->prefix, service, current->release);

	if (name == NULL)
		return error_memory(err);
	if (store_image_adopt(rollout->refresh->store, current->image, place->repository,
		place->tag, place->manifest, err) == 0)
		return 0;
	if (err->kind != ERROR_NOT_FOUND)
		return -1;
	error_release(err);
	emit_note(&source, "%s is not in the store of this machine: it is read from there",
	    current->release);
	return import_into(rollout, run->link.engine, name, current->image, true, place, err);
}

int refresh_old_content(struct host_run *run, size_t service, const struct container *current,
    const struct known_image **ret, struct error *err)
{
	struct rollout *rollout = run->rollout;
	const char *name = rollout->services[service]->name;
	struct place place = {
	    .repository = rollout->images[service].repository,
	    .tag = *current->rollout != '\0' ? current->rollout : current->release,
	};

	*ret = known(rollout->refresh, current->image);
	if (*ret != NULL)
		return 0;
	if (find_old(run, name, current, &place, err) < 0)
		return -1;
	return learn(rollout, name, &place, current->image, ret, err);
}
