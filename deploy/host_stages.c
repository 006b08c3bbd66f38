#include "deploy/host_stages.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "transport/registry/staged.h"

enum { LOOK_AT_MOST = 8, AT_ONCE = 2 };

/* --- a pull in a thread of its own */

struct series;

struct part {
	struct series *series;
	struct engine *engine;
	size_t layers; /* the first so many */
	char *reference;
	pthread_t thread;
	bool started;
	bool sent; /* all of it has left; or it is over */
	bool over;
	struct error err;
};

struct series {
	struct host_run *run;
	const struct image *image;
	const struct engine_transfer *transfer;
	struct staged staged;
	size_t there;	 /* layers that the host has */
	uint64_t before; /* taken by then */
	struct engine *engines[AT_ONCE];
	size_t at_once;
	pthread_mutex_t lock;
	pthread_cond_t news;
	size_t failed; /* the part of so many layers has, and what is larger is to end */
	struct part parts[AT_ONCE];
	size_t n; /* begun */
};

static uint64_t taken(const struct host_run *run)
{
	const struct rollout *rollout = run->rollout;

	return local_registry_taken(&rollout->registry, (size_t)(run - rollout->runs));
}

/* The engine says something of this part or the next: has all of this part been sent? */
static bool on_word(void *context)
{
	struct part *part = context;
	struct series *series = part->series;
	uint64_t wanted = staged_bytes(&series->staged, series->there, part->layers);
	bool enough;

	pthread_mutex_lock(&series->lock);
	if (!part->sent && taken(series->run) - series->before >= wanted) {
		part->sent = true;
		pthread_cond_broadcast(&series->news);
	}
	enough = part->layers > series->failed;
	pthread_mutex_unlock(&series->lock);
	return enough;
}

/* How far all of it is, which no part knows. */
static void on_progress(void *context, const struct engine_progress *progress)
{
	const struct part *part = context;
	const struct series *series = part->series;
	const struct engine_transfer *transfer = series->transfer;
	const struct engine_progress all = {
	    .phase = progress->phase,
	    .done = taken(series->run) - series->before,
	    .total = staged_bytes(&series->staged, series->there, series->staged.manifest.n),
	};

	if (transfer->progress != NULL)
		transfer->progress(transfer->context, &all);
}

static void *pull_part(void *context)
{
	struct part *part = context;
	struct series *series = part->series;
	struct engine_transfer transfer = *series->transfer;
	int rc;

	transfer.progress = on_progress;
	transfer.enough = on_word;
	transfer.context = part;
	rc = engine_image_pull(part->engine, part->reference, &transfer, &part->err);
	pthread_mutex_lock(&series->lock);
	part->sent = part->over = true;
	if (rc < 0 && part->layers < series->failed)
		series->failed = part->layers;
	pthread_cond_broadcast(&series->news);
	pthread_mutex_unlock(&series->lock);
	return NULL;
}

/* Wait until it is over. The first failure is the series'; what came of it later is none. */
static int end_part(struct part *part, struct error *err)
{
	struct host_run *run = part->series->run;
	int rc = 0;

	if (!part->started)
		return 0;
	pthread_join(part->thread, NULL);
	part->started = false;
	if (part->err.kind != ERROR_NONE) {
		error_move(err, &part->err);
		rc = -1;
	} else {
		run->held.layers = part->layers;
	}
	free(steal_ptr(part->reference));
	return rc;
}

static int begin_part(struct part *part, size_t layers, struct error *err)
{
	int rc;

	part->layers = layers;
	part->sent = part->over = false;
	rc = pthread_create(&part->thread, NULL, pull_part, part);
	part->started = rc == 0;
	return rc == 0 ? 0 : error_errno(err, rc, "cannot start a thread");
}

static bool wait_sent(struct series *series, const struct part *part)
{
	bool failed;

	pthread_mutex_lock(&series->lock);
	while (!part->sent)
		pthread_cond_wait(&series->news, &series->lock);
	failed = series->failed != SIZE_MAX;
	pthread_mutex_unlock(&series->lock);
	return !failed;
}

/* --- stages */

/* "...:ROLLOUT" -> "...:ROLLOUT.LAYERS"; the whole image keeps its name. */
static char *stage_reference(const struct series *series, const char *reference, size_t layers)
{
	return layers < series->staged.manifest.n ? string_printf("%s.%zu", reference, layers)
						  : strdup(reference);
}

/* Have the registry give it to the host, and remember what will stand there. */
static int offer(struct series *series, const char *reference, size_t layers, struct error *err)
{
	const struct image *image = series->image;
	CLEANUP_FREE char *tag = string_printf("%s.%zu", image->tag, layers);
	CLEANUP_FREE char *config = NULL;
	CLEANUP_FREE char *manifest = NULL;

	if (layers == series->staged.manifest.n)
		return 0;
	if (tag == NULL || strv_add(&series->run->held.references, reference) < 0)
		return error_memory(err);
	if (staged_make(&series->staged, layers, &config, &manifest, err) < 0)
		return -1;
	return local_registry_offer(
	    &series->run->rollout->registry, image->repository, tag, manifest, config, err);
}

static int pull_next(struct series *series, const char *reference, size_t layers, struct error *err)
{
	struct part *part = &series->parts[series->n++ % series->at_once];

	if (end_part(part, err) < 0)
		return -1;
	part->reference = stage_reference(series, reference, layers);
	if (part->reference == NULL)
		return error_memory(err);
	if (offer(series, part->reference, layers, err) < 0 || begin_part(part, layers, err) < 0) {
		free(steal_ptr(part->reference));
		return -1;
	}
	/* Of a failure the ends tell. */
	return wait_sent(series, part) ? 0 : 1;
}

static int pull_all(struct series *series, const char *reference, struct error *err)
{
	size_t layers = series->there, all = series->staged.manifest.n;
	int rc = 0;

	do {
		layers = staged_next(&series->staged, layers);
		rc = pull_next(series, reference, layers, err);
	} while (rc == 0 && layers < all);
	if (rc < 0) {
		pthread_mutex_lock(&series->lock);
		series->failed = 0;
		pthread_mutex_unlock(&series->lock);
	}
	/* From the oldest on. */
	for (size_t i = 0; i < series->at_once; i++) {
		CLEANUP_ERROR struct error later = {0};
		struct part *part = &series->parts[(series->n + i) % series->at_once];

		if (end_part(part, rc < 0 ? &later : err) < 0)
			rc = -1;
	}
	return rc < 0 ? -1 : 0;
}

/* --- what is there, and what is worth it */

/* Layers that the host's images of this service have in common with this one. */
static size_t count_there(const struct host_run *run, const struct staged *staged)
{
	const struct facts *facts = &run->facts;
	size_t most = run->held.layers, looked = 0;

	for (size_t i = 0; i < facts->image_ids.n && looked < LOOK_AT_MOST; i++) {
		CLEANUP_JSON json_t *inspect = NULL;
		size_t shared;

		if (i > 0 && strcmp(facts->image_ids.v[i], facts->image_ids.v[i - 1]) == 0)
			continue;
		looked++;
		/* A guess too low costs the engine a look, no more. */
		if (engine_image_inspect(run->link.engine, facts->image_ids.v[i], &inspect, NULL) <
		    0)
			continue;
		shared = staged_shared(staged, json_at(inspect, "RootFS.Layers"));
		most = shared > most ? shared : most;
	}
	return most;
}

/* True: it is to be pulled in stages; series->staged is set then. */
static bool worth_it(struct series *series, const struct image_variant *variant)
{
	const struct rollout *rollout = series->run->rollout;
	CLEANUP_ERROR struct error err = {0};

	if (rollout->registry.store == NULL || variant->bytes < STAGED_FROM)
		return false;
	if (staged_read(rollout->registry.store, series->image->repository, variant->manifest,
		&series->staged, &err) < 0) {
		emit_log(&series->run->source, 1, error_text(&err));
		return false;
	}
	series->there = count_there(series->run, &series->staged);
	if (staged_next(&series->staged, series->there) < series->staged.manifest.n)
		return true;
	staged_release(&series->staged);
	return false;
}

/* podman fetches what two pulls want twice: there one comes after the other. */
static int open_engines(struct series *series, struct error *err)
{
	const struct host_run *run = series->run;

	series->engines[0] = run->link.engine;
	series->at_once = engine_is_podman(run->link.engine) ? 1 : AT_ONCE;
	if (series->at_once > 1 && engine_open(run->link.api, run->link.describe,
				       run->rollout->stop.fd, &series->engines[1], err) < 0)
		return -1;
	for (size_t i = 0; i < series->at_once; i++)
		series->parts[i] = (struct part){.series = series, .engine = series->engines[i]};
	return 0;
}

int host_pull_stages(struct host_run *run, const struct image *image,
    const struct image_variant *variant, const char *reference,
    const struct engine_transfer *transfer, struct error *err)
{
	struct series series = {.run = run,
	    .image = image,
	    .transfer = transfer,
	    .before = taken(run),
	    .failed = SIZE_MAX};
	int rc;

	if (!worth_it(&series, variant))
		return engine_image_pull(run->link.engine, reference, transfer, err);
	pthread_mutex_init(&series.lock, NULL);
	pthread_cond_init(&series.news, NULL);
	rc = open_engines(&series, err);
	if (rc == 0)
		rc = pull_all(&series, reference, err);
	engine_close(series.engines[1]);
	pthread_mutex_destroy(&series.lock);
	pthread_cond_destroy(&series.news);
	staged_release(&series.staged);
	return rc;
}

void host_forget_stages(struct host_run *run)
{
	for (size_t i = 0; i < run->held.references.n && run->link.care != NULL; i++)
		engine_image_remove(run->link.care, run->held.references.v[i], false, NULL);
	strv_release(&run->held.references);
	run->held.layers = 0;
}
