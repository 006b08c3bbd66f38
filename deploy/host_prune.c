/* After a commit, or when there was nothing to do because an interrupted rollout had done it: the
 * moving tags, and releases beyond `retain`. Nothing is touched that is not this prefix's. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "deploy/run.h"

static bool is_in_ledger(const struct ledger *ledger, const struct container *container)
{
	for (size_t i = 0; i < ledger->n; i++)
		if (strcmp(ledger->v[i].service, container->service) == 0 &&
		    strcmp(ledger->v[i].release, container->release) == 0)
			return true;
	return false;
}

/* Of the containers that no line is about, because the ledger was lost, the youngest release that
 * is not among `kept`; NULL: none. Names of releases begin with their time. */
static const char *youngest_unknown(
    const struct facts *facts, const char *service, const struct strv *kept)
{
	const char *youngest = NULL;

	for (size_t i = 0; i < facts->n_containers; i++) {
		const struct container *container = &facts->containers[i];

		if (strcmp(container->service, service) == 0 && container->started_at != 0 &&
		    !is_in_ledger(&facts->ledger, container) &&
		    !strv_has(kept, container->release) &&
		    (youngest == NULL || strcmp(container->release, youngest) > 0))
			youngest = container->release;
	}
	return youngest;
}

int prune_keep(const struct facts *facts, const struct service *service, int retain,
    struct strv *ret, struct error *err)
{
	const struct ledger *ledger = &facts->ledger;
	const char *unknown;

	for (size_t i = ledger->n; i > 0 && (int)ret->n < retain; i--) {
		const struct ledger_entry *entry = &ledger->v[i - 1];

		if (strcmp(entry->service, service->name) != 0 ||
		    entry->result != LEDGER_COMMITTED || strv_has(ret, entry->release))
			continue;
		if (strv_add(ret, entry->release) < 0)
			return error_memory(err);
	}
	while (
	    (int)ret->n < retain && (unknown = youngest_unknown(facts, service->name, ret)) != NULL)
		if (strv_add(ret, unknown) < 0)
			return error_memory(err);
	return 0;
}

/* The image of `release` gets a tag that moves, unless it has it. What is not there gets none. */
static int move_tag(struct host_run *run, const char *service, const char *release, const char *tag,
    struct error *err)
{
	const char *prefix = run->rollout->prefix, *id, *tagged;
	CLEANUP_FREE char *repository = name_image(prefix, service);
	CLEANUP_FREE char *image = name_image_tag(prefix, service, release);
	CLEANUP_FREE char *moving = name_image_tag(prefix, service, tag);

	if (repository == NULL || image == NULL || moving == NULL)
		return error_memory(err);
	id = facts_image_id(&run->facts, image);
	tagged = facts_image_id(&run->facts, moving);
	if (id != NULL && tagged != NULL && strcmp(id, tagged) == 0)
		return 0;
	if (engine_image_tag(run->link.care, image, repository, tag, err) < 0 &&
	    err->kind != ERROR_NOT_FOUND)
		return -1;
	error_release(err);
	return 0;
}

static int move_tags(struct host_run *run, const struct planned *planned, struct error *err)
{
	const char *service = planned->service->name;
	const struct ledger_entry *entry = ledger_current(&run->facts.ledger, service);
	const char *now = entry != NULL ? entry->release : NULL;
	const char *before = entry != NULL ? entry->previous : NULL;

	if (planned->action >= PLAN_CREATE) {
		now = planned->release;
		before = planned->previous;
	}
	if (before != NULL && move_tag(run, service, before, "previous", err) < 0)
		return -1;
	return now != NULL ? move_tag(run, service, now, "current", err) : 0;
}

/* One that was retired and would be started again with the host: there the image and the ledger
 * have to do. */
static bool would_come_back(const struct host_run *run, const struct container *container)
{
	CLEANUP_FREE char *name = name_container(run->rollout->prefix, container->service);

	return run->facts.fixed_policies && name != NULL && strcmp(container->name, name) != 0;
}

static int prune_containers(
    struct host_run *run, const struct service *service, const struct strv *keep, struct error *err)
{
	for (size_t i = 0; i < run->facts.n_containers; i++) {
		const struct container *container = &run->facts.containers[i];

		/* What somebody made by hand is theirs to remove. */
		if (strcmp(container->service, service->name) != 0 || container->running ||
		    container->by_hand ||
		    (strv_has(keep, container->release) && !would_come_back(run, container)))
			continue;
		if (engine_container_remove(run->link.care, container->id, false, err) < 0 &&
		    err->kind != ERROR_NOT_FOUND)
			return -1;
		error_release(err);
		run->acted++;
	}
	return 0;
}

/* A release that is not kept, or what an interrupted pull left under the name of its tunnel. */
static bool is_left_over(
    const char *reference, const char *start, const char *pulled, const struct strv *keep)
{
	if (strncmp(reference, start, strlen(start)) == 0)
		return name_is_release(reference + strlen(start)) &&
		       !strv_has(keep, reference + strlen(start));
	return text_glob(pulled, reference);
}

int host_untag(struct host_run *run, const char *reference, struct error *err)
{
	int rc = engine_image_remove(run->link.care, reference, false, err);

	if (rc == 0)
		run->acted++;
	if (rc == 0 || (err->kind != ERROR_NOT_FOUND && err->kind != ERROR_CONFLICT))
		return rc;
	if (err->kind == ERROR_CONFLICT)
		emit_note(&run->source, "the image %s stays: %s", reference, error_text(err));
	error_release(err);
	return 0;
}

static int prune_images(
    struct host_run *run, const struct service *service, const struct strv *keep, struct error *err)
{
	CLEANUP_FREE char *start = name_image_tag(run->rollout->prefix, service->name, "");
	CLEANUP_FREE char *pulled = name_pulled(run->rollout->prefix, service->name);
	CLEANUP_FREE char *glob = pulled != NULL ? string_printf("%s:*", pulled) : NULL;

	if (start == NULL || glob == NULL)
		return error_memory(err);
	for (size_t i = 0; i < run->facts.images.n; i++) {
		const char *reference = run->facts.images.v[i];

		if (!is_left_over(reference, start, glob, keep))
			continue;
		if (host_untag(run, reference, err) < 0)
			return -1;
	}
	return 0;
}

static int prune_service(
    struct host_run *run, const struct service *service, int retain, struct error *err)
{
	CLEANUP_STRV struct strv keep = {0};

	return prune_keep(&run->facts, service, retain, &keep, err) < 0 ||
		       prune_containers(run, service, &keep, err) < 0 ||
		       prune_images(run, service, &keep, err) < 0
		   ? -1
		   : 0;
}

int host_prune_retained(struct host_run *run, struct error *err)
{
	const struct rollout *rollout = run->rollout;

	for (size_t i = 0; i < rollout->n_services; i++) {
		const struct service *service = rollout->services[i];

		if (inventory_runs_on(rollout->options.inventory, rollout->options.environment,
			service, run->host) &&
		    prune_service(run, service, service->retain, err) < 0)
			return -1;
	}
	return 0;
}

/* The new one counts already. What serves is always kept. */
int host_prune_first(struct host_run *run, bool *ret_removed, struct error *err)
{
	size_t before = run->acted;

	for (size_t i = 0; i < run->plan.n; i++) {
		const struct planned *planned = &run->plan.services[i];
		int retain = planned->service->retain;

		if (planned->action == PLAN_CREATE &&
		    prune_service(run, planned->service, retain > 1 ? retain - 1 : 1, err) < 0)
			return error_wrap(err, "removing old releases");
	}
	*ret_removed = run->acted != before;
	return 0;
}

int host_prune(struct host_run *run, struct error *err)
{
	/* The states of containers have changed by the swaps. */
	if (plan_changes(&run->plan) &&
	    facts_refresh(run->link.care, run->rollout->prefix, &run->facts, err) < 0)
		return -1;
	for (size_t i = 0; i < run->plan.n; i++) {
		const struct planned *planned = &run->plan.services[i];

		if (planned->action == PLAN_NOTHING)
			continue;
		if (move_tags(run, planned, err) < 0 ||
		    prune_service(run, planned->service, planned->service->retain, err) < 0)
			return -1;
	}
	return 0;
}
