/* Deliver the images to a host and make the new containers, without touching what serves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "deploy/host_stages.h"
#include "deploy/run.h"

/* --- deliver */

struct pull {
	struct host_run *run;
	struct event_source source;
	const struct image_variant *variant;
	uint64_t before; /* taken for other services */
};

static uint64_t taken(const struct host_run *run)
{
	const struct rollout *rollout = run->rollout;

	return local_registry_taken(&rollout->registry, (size_t)(run - rollout->runs));
}

static const struct account *account_of(const struct host_run *run)
{
	return &run->rollout->registry.accounts[run - run->rollout->runs];
}

/* Of podman, which does not say how far it is, what it took tells; others begin to say it a little
 * later, and then count what they have looked at. */
static void on_pull(void *context, const struct engine_progress *progress)
{
	const struct pull *pull = context;
	uint64_t done = progress->done, total = progress->total;

	if (total == 0 && !engine_is_podman(pull->run->link.engine))
		return;
	if (total == 0) {
		done = taken(pull->run) - pull->before;
		total = pull->variant->bytes;
	}
	emit_progress(
	    &pull->source, STEP_DELIVER, done < total ? done : total, total, progress->phase);
}

/* The engine verified the layers against the manifest; what is left is whether the manifest is the
 * one that we have: an id is the config's digest in the classic store; in the other the manifest's,
 * or that of the index which led to it. */
static int verify(struct engine *engine, const char *reference, const struct image *image,
    const struct image_variant *variant, char **ret_id, struct error *err)
{
	CLEANUP_JSON json_t *inspect = NULL;
	const char *id;

	if (engine_image_inspect(engine, reference, &inspect, err) < 0)
		return -1;
	id = json_str(inspect, "Id", "");
	if (!image_is(image, variant, id))
		return error_set(err, ERROR_PROTOCOL,
		    "%s is %s on the host, and %s here: the registry gave another image", reference,
		    id, variant->config);
	*ret_id = strdup(id);
	return *ret_id == NULL ? error_memory(err) : 0;
}

static int pull_through(struct host_run *run, struct planned *planned, int port, struct error *err)
{
	struct engine *engine = run->link.engine;
	const struct image *image = planned->from;
	const struct image_variant *variant = image_for(image, run->facts.arch);
	struct pull pull = {.run = run,
	    .source = host_source(run, planned->service->name),
	    .variant = variant,
	    .before = taken(run)};
	const struct account *account = account_of(run);
	const struct engine_transfer transfer = {.username = account->user,
	    .password = account->password,
	    .progress = on_pull,
	    .context = &pull};
	CLEANUP_FREE char *reference =
	    string_printf("127.0.0.1:%d/%s:%s", port, image->repository, image->tag);
	CLEANUP_FREE char *repository = name_image(run->rollout->prefix, planned->service->name);
	int rc;

	if (reference == NULL || repository == NULL)
		return error_memory(err);
	rc = host_pull_stages(run, image, variant, reference, &transfer, err);
	if (rc == 0)
		rc = verify(engine, reference, image, variant, &planned->image_id, err);
	if (rc == 0)
		rc = engine_image_tag(engine, planned->image_id, repository, planned->release, err);
	/* The name with the port means nothing once the tunnel is closed. */
	engine_image_remove(run->link.care, reference, false, NULL);
	return rc;
}

/* The host or its engine said no, not the link: what cannot be pulled can be loaded. */
static bool may_load(struct host_run *run, const char *why, const struct error *err)
{
	if (run->host->delivery != DELIVERY_AUTO || err->kind != ERROR_FAILED ||
	    session_lost(run->link.session, NULL) < 0)
		return false;
	run->load_why = why;
	return true;
}

static int pull_one(struct host_run *run, struct planned *planned, struct error *err)
{
	uint64_t before = taken(run);
	int port, rc;

	if (session_forward_remote(run->link.session,
		local_registry_address(&run->rollout->registry), &port, err) < 0) {
		may_load(run, "the host refuses to forward a port back", err);
		return error_wrap(err, "cannot open the tunnel to the local registry");
	}
	rc = pull_through(run, planned, port, err);
	run->result->bytes += taken(run) - before;
	session_forward_cancel(run->link.session, port, NULL);
	/* It never came to the tunnel: 127.0.0.1 is another one for it. */
	if (rc < 0 && taken(run) == before)
		may_load(run, "the engine cannot reach the host's 127.0.0.1", err);
	return rc < 0 ? error_wrap(err, "pulling the image of %s", planned->service->name) : 0;
}

static int deliver_one(struct host_run *run, struct planned *planned, struct error *err)
{
	if (run->host->delivery == DELIVERY_LOAD)
		run->load_why = "asked for";
	if (run->load_why == NULL && pull_one(run, planned, err) == 0)
		return 0;
	if (run->load_why == NULL)
		return -1;
	error_release(err);
	return host_load(run, planned, run->load_why, err);
}

static int retag(struct host_run *run, const struct planned *planned, struct error *err)
{
	CLEANUP_FREE char *repository = name_image(run->rollout->prefix, planned->service->name);

	if (repository == NULL)
		return error_memory(err);
	return engine_image_tag(
	    run->link.engine, planned->image_id, repository, planned->release, err);
}

static int deliver_or_tag(struct host_run *run, struct planned *planned, struct error *err)
{
	return planned->image_id != NULL ? retag(run, planned, err)
					 : deliver_one(run, planned, err);
}

int host_deliver(struct host_run *run, struct error *err)
{
	for (size_t i = 0; i < run->plan.n; i++) {
		struct planned *planned = &run->plan.services[i];
		const char *service = planned->service->name;
		int rc;

		if (planned->action != PLAN_CREATE)
			continue;
		step_begin(run, STEP_DELIVER, service);
		do
			rc = deliver_or_tag(run, planned, err);
		while (rc < 0 && host_again(run, err));
		host_forget_stages(run);
		if (step_end(run, STEP_DELIVER, service, rc, err) < 0)
			return -1;
	}
	return 0;
}

/* --- create */

enum { ARCHIVE_MAX = 64 * 1024 * 1024 }; /* of a container's secrets */

/* Engines before API 1.44 take only the first one with the container. */
static int join_networks(struct host_run *run, const struct work *work,
    const struct identity *identity, const struct strv *networks, struct error *err)
{
	for (size_t i = 1; i < networks->n; i++) {
		CLEANUP_JSON json_t *endpoint =
		    container_endpoint(identity, work->planned->options, networks->v[i]);

		if (endpoint == NULL)
			return error_memory(err);
		if (engine_network_connect(
			run->link.engine, networks->v[i], work->new_id, endpoint, err) < 0)
			return -1;
	}
	return 0;
}

int host_put_secrets(struct host_run *run, const json_t *options, const char *id, struct error *err)
{
	CLEANUP_BUF struct buf tar = BUF_SECRET(ARCHIVE_MAX);

	if (container_secret_files(options, run->rollout->secrets, &tar, err) < 0)
		return -1;
	if (tar.len == 0)
		return 0;
	return engine_archive_put(run->link.engine, id, "/", tar.data, tar.len, err);
}

static int create_container(struct host_run *run, struct work *work, struct error *err)
{
	const struct planned *planned = work->planned;
	const struct identity identity = host_identity(run, planned);
	CLEANUP_STRV struct strv networks = {0};
	CLEANUP_JSON json_t *body = NULL;

	work->new_name =
	    name_retained(run->rollout->prefix, planned->service->name, planned->release);
	if (work->new_name == NULL)
		return error_memory(err);
	if (container_networks(&identity, planned->options, &networks, err) < 0 ||
	    host_make_resources(run, planned, &networks, err) < 0 ||
	    container_body(&identity, planned->options, planned->image_id, run->rollout->secrets,
		&body, err) < 0 ||
	    engine_container_create(run->link.engine, work->new_name, body, &work->new_id, err) < 0)
		return error_wrap(err, "creating the container of %s", planned->service->name);
	work->created = true;
	if (host_put_secrets(run, planned->options, work->new_id, err) < 0)
		return error_wrap(err, "putting secrets into %s", planned->service->name);
	return join_networks(run, work, &identity, &networks, err);
}

static int take_retained(struct work *work, struct error *err)
{
	work->new_id = strdup(work->planned->target->id);
	work->new_name = strdup(work->planned->target->name);
	return work->new_id == NULL || work->new_name == NULL ? error_memory(err) : 0;
}

/* The image may bring a healthcheck of its own: the created container knows. */
static int learn_healthcheck(struct host_run *run, struct work *work, struct error *err)
{
	const struct ready *ready = &work->planned->service->ready;
	CLEANUP_JSON json_t *inspect = NULL;
	const char *kind;

	if (engine_container_inspect(run->link.engine, work->new_id, &inspect, err) < 0)
		return -1;
	kind = json_string_value(json_array_get(json_at(inspect, "Config.Healthcheck.Test"), 0));
	work->healthy = kind != NULL && strcmp(kind, "NONE") != 0;
	if (!work->healthy && ready->healthy_set && ready->healthy) {
		error_set(err, ERROR_INVENTORY,
		    "%s is to be `ready: healthy`, but neither it nor its image has a healthcheck",
		    work->planned->service->name);
		return error_hint(err, "give it a `healthcheck:`, or say `ready: running`");
	}
	if (ready->healthy_set && !ready->healthy)
		work->healthy = false;
	return 0;
}

int host_prepare_ledger(struct host_run *run, struct engine *engine, struct error *err)
{
	const struct rollout *rollout = run->rollout;
	CLEANUP_JSON json_t *labels = container_owner_labels(rollout->options.inventory->project,
	    rollout->options.environment->name, rollout->prefix);

	if (labels == NULL)
		return error_memory(err);
	return ledger_prepare(engine, rollout->prefix, labels, err);
}

/* The key under which the plan's secrets are sealed, where the host has none yet. */
static int write_key(struct host_run *run, struct error *err)
{
	const struct inventory *inv = run->rollout->options.inventory;

	if (inv->n_secrets == 0 || *run->facts.ledger.key != '\0')
		return 0;
	return ledger_write_key(run->link.engine, run->rollout->prefix, run->secret_key, err);
}

int host_create(struct host_run *run, struct error *err)
{
	if (host_prepare_ledger(run, run->link.engine, err) < 0 || write_key(run, err) < 0)
		return -1;
	for (size_t i = 0; i < run->plan.n; i++) {
		struct work *work = &run->works[i];
		int rc;

		work->planned = &run->plan.services[i];
		if (work->planned->action < PLAN_CREATE)
			continue;
		rc = work->planned->action == PLAN_RETURN ? take_retained(work, err)
							  : create_container(run, work, err);
		if (rc < 0 || learn_healthcheck(run, work, err) < 0)
			return -1;
	}
	return 0;
}

/* --- and away again */

void host_discard(struct host_run *run)
{
	for (size_t i = 0; i < run->plan.n; i++) {
		const struct work *work = &run->works[i];
		const struct planned *planned = &run->plan.services[i];
		CLEANUP_FREE char *tag = NULL;

		if (planned->action != PLAN_CREATE || run->link.care == NULL ||
		    (work->swapped && work->end != SWAP_REVERTED))
			continue;
		/* Best effort: what is left is found and removed by the next rollout. */
		if (work->created)
			engine_container_remove(run->link.care, work->new_id, true, NULL);
		tag =
		    name_image_tag(run->rollout->prefix, planned->service->name, planned->release);
		if (tag != NULL && run->rollout->options.kind == ROLLOUT_DEPLOY)
			engine_image_remove(run->link.care, tag, false, NULL);
	}
}
