/* After a commit: the moving tags, and releases beyond `retain`. Nothing is touched that is not
 * this prefix's. */
#include <stdlib.h>
#include <string.h>

#include "deploy/run.h"

/* The releases to keep: the last `retain` different ones that were committed, newest first. */
static int kept(
    const struct ledger *ledger, const struct service *service, struct strv *ret, struct error *err)
{
	for (size_t i = ledger->n; i > 0 && (int)ret->n < service->retain; i--) {
		const struct ledger_entry *entry = &ledger->v[i - 1];

		if (strcmp(entry->service, service->name) != 0 ||
		    entry->result != LEDGER_COMMITTED || strv_has(ret, entry->release))
			continue;
		if (strv_add(ret, entry->release) < 0)
			return error_memory(err);
	}
	return 0;
}

static int move_tags(struct host_run *run, const struct planned *planned, struct error *err)
{
	const char *prefix = run->rollout->prefix, *service = planned->service->name;
	CLEANUP_FREE char *repository = name_image(prefix, service);
	CLEANUP_FREE char *now = name_image_tag(prefix, service, planned->release);
	CLEANUP_FREE char *before =
	    planned->previous != NULL ? name_image_tag(prefix, service, planned->previous) : NULL;

	if (repository == NULL || now == NULL || (planned->previous != NULL && before == NULL))
		return error_memory(err);
	if (before != NULL &&
	    engine_image_tag(run->link.care, before, repository, "previous", err) < 0 &&
	    err->kind != ERROR_NOT_FOUND)
		return -1;
	error_release(err);
	if (engine_image_tag(run->link.care, now, repository, "current", err) < 0 &&
	    err->kind != ERROR_NOT_FOUND)
		return -1;
	error_release(err);
	return 0;
}

static int prune_containers(
    struct host_run *run, const struct service *service, const struct strv *keep, struct error *err)
{
	for (size_t i = 0; i < run->facts.n_containers; i++) {
		const struct container *container = &run->facts.containers[i];

		if (strcmp(container->service, service->name) != 0 || container->running ||
		    strv_has(keep, container->release))
			continue;
		if (engine_container_remove(run->link.care, container->id, false, err) < 0 &&
		    err->kind != ERROR_NOT_FOUND)
			return -1;
		error_release(err);
	}
	return 0;
}

static int prune_images(
    struct host_run *run, const struct service *service, const struct strv *keep, struct error *err)
{
	CLEANUP_FREE char *start = name_image_tag(run->rollout->prefix, service->name, "");

	if (start == NULL)
		return error_memory(err);
	for (size_t i = 0; i < run->facts.images.n; i++) {
		const char *reference = run->facts.images.v[i];
		const char *tag = reference + strlen(start);

		if (strncmp(reference, start, strlen(start)) != 0 || !name_is_release(tag) ||
		    strv_has(keep, tag))
			continue;
		if (engine_image_remove(run->link.care, reference, false, err) < 0 &&
		    err->kind != ERROR_NOT_FOUND)
			return -1;
		error_release(err);
	}
	return 0;
}

int host_prune(struct host_run *run, struct error *err)
{
	/* The states of containers have changed by the swaps. */
	if (facts_refresh(run->link.care, run->rollout->prefix, &run->facts, err) < 0)
		return -1;
	for (size_t i = 0; i < run->plan.n; i++) {
		const struct planned *planned = &run->plan.services[i];
		CLEANUP_STRV struct strv keep = {0};

		if (planned->action < PLAN_CREATE)
			continue;
		if (move_tags(run, planned, err) < 0 ||
		    kept(&run->facts.ledger, planned->service, &keep, err) < 0 ||
		    prune_containers(run, planned->service, &keep, err) < 0 ||
		    prune_images(run, planned->service, &keep, err) < 0)
			return -1;
	}
	return 0;
}
