/* The networks and volumes of a host: looked at before anything is changed, made where they are
 * missing, and never made anew. */
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "deploy/resources.h"
#include "deploy/run.h"

static int inspect(struct host_run *run, enum resource_kind kind, const char *name, json_t **ret,
    struct error *err)
{
	return kind == RESOURCE_NETWORK ? engine_network_inspect(run->link.engine, name, ret, err)
					: engine_volume_inspect(run->link.engine, name, ret, err);
}

/* --- what has to be there */

static int check_external(struct host_run *run, enum resource_kind kind,
    const struct resource *resource, const struct service *service, struct error *err)
{
	const char *name = resource->name != NULL ? resource->name : resource->key;
	const char *word = resource_word(kind);
	CLEANUP_JSON json_t *there = NULL;
	int rc = inspect(run, kind, name, &there, err);

	if (rc == 0 || err->kind != ERROR_NOT_FOUND)
		return rc;
	error_set(err, ERROR_NOT_FOUND, "the %s %s, which %s wants, does not exist on the host",
	    word, name, service->name);
	return error_hint(
	    err, "make it there (docker %s create %s), or take `external: true` away", word, name);
}

static int check_externals(struct host_run *run, const struct service *service, struct error *err)
{
	const struct inventory *inv = run->rollout->options.inventory;

	for (size_t i = 0; i < inv->n_networks; i++)
		if (inv->networks[i].external &&
		    strv_has(&service->networks, inv->networks[i].key) &&
		    check_external(run, RESOURCE_NETWORK, &inv->networks[i], service, err) < 0)
			return -1;
	for (size_t i = 0; i < inv->n_volumes; i++)
		for (size_t j = 0; j < service->n_volumes && inv->volumes[i].external; j++)
			if (service->volumes[j].kind == VOLUME_NAMED &&
			    strcmp(service->volumes[j].source, inv->volumes[i].key) == 0 &&
			    check_external(run, RESOURCE_VOLUME, &inv->volumes[i], service, err) <
				0)
				return -1;
	return 0;
}

/* --- what is there already */

static int refuse(enum resource_kind kind, const char *name, const struct planned *planned,
    const struct strv *differences, struct error *err)
{
	const char *word = resource_word(kind);

	error_set(err, ERROR_CONFLICT, "the %s %s, which %s wants, is there and is another one: %s",
	    word, name, planned->service->name, differences->v[0]);
	if (kind == RESOURCE_VOLUME)
		return error_hint(err,
		    "what is in it stays as it is: give the volume of the file another `name`, or "
		    "say what it is");
	return error_hint(err,
	    "remove it once nothing is in it (shipit down, docker network rm %s), or say what it "
	    "is",
	    name);
}

/* A new container is not put into what is not as the file says; one that runs is told of, and one
 * that is made again by a rollback has to be had. */
static int compare(struct host_run *run, enum resource_kind kind, const char *name,
    const json_t *definition, const struct planned *planned, struct error *err)
{
	struct event_source source = host_source(run, planned->service->name);
	CLEANUP_STRV struct strv differences = {0}, labels = {0};
	CLEANUP_JSON json_t *there = NULL;

	if (inspect(run, kind, name, &there, err) < 0)
		return err->kind == ERROR_NOT_FOUND ? (error_release(err), 0) : -1;
	if (resource_differences(kind, definition, there, &differences, &labels) < 0)
		return error_memory(err);
	if (differences.n > 0 && planned->action == PLAN_CREATE &&
	    run->rollout->options.kind == ROLLOUT_DEPLOY)
		return refuse(kind, name, planned, &differences, err);
	for (size_t i = 0; i < differences.n; i++)
		emit_note(&source, "the %s %s stays as it is: %s", resource_word(kind), name,
		    differences.v[i]);
	for (size_t i = 0; i < labels.n; i++)
		emit_note(&source, "the %s %s stays as it is: %s", resource_word(kind), name,
		    labels.v[i]);
	return 0;
}

static int compare_all(struct host_run *run, enum resource_kind kind, json_t *definitions,
    const struct planned *planned, struct error *err)
{
	const char *name;
	json_t *definition;

	json_object_foreach(definitions, name, definition)
	{
		if (json_object_size(definition) > 0 &&
		    compare(run, kind, name, definition, planned, err) < 0)
			return -1;
	}
	return 0;
}

int host_check_resources(struct host_run *run, const struct planned *planned, struct error *err)
{
	if (planned->action == PLAN_CREATE && check_externals(run, planned->service, err) < 0)
		return -1;
	if (compare_all(run, RESOURCE_NETWORK, json_at(planned->options, "definitions.networks"),
		planned, err) < 0)
		return -1;
	return compare_all(
	    run, RESOURCE_VOLUME, json_at(planned->options, "definitions.volumes"), planned, err);
}

/* --- making them */

/* What is called PREFIX.KEY is ours, and so is what the file defines. The engine would make a
 * volume by itself, but without our labels. */
static int make(struct host_run *run, const struct planned *planned, enum resource_kind kind,
    const char *name, const json_t *owner, struct error *err)
{
	const char *prefix = run->rollout->prefix;
	size_t len = strlen(prefix);
	const json_t *definition = resource_definition(planned->options, kind, name);
	CLEANUP_JSON json_t *labels = NULL, *body = NULL;
	int rc;

	if (definition == NULL && (strncmp(name, prefix, len) != 0 || name[len] != '.'))
		return 0;
	labels = resource_labels(definition, owner);
	body = resource_body(kind, definition);
	if (labels == NULL || body == NULL)
		return error_memory(err);
	rc = kind == RESOURCE_NETWORK
		 ? engine_network_create(run->link.engine, name, labels, body, err)
		 : engine_volume_create(run->link.engine, name, labels, body, err);
	return rc < 0 ? error_wrap(err, "making the %s %s", resource_word(kind), name) : 0;
}

static int make_volumes(
    struct host_run *run, const struct planned *planned, const json_t *owner, struct error *err)
{
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(planned->options, "volumes"), i, item)
	{
		const char *text = json_string_value(item);
		CLEANUP_FREE char *name = strndup(text, strcspn(text, ":"));

		if (name == NULL)
			return error_memory(err);
		if (*name != '\0' && *name != '/' &&
		    make(run, planned, RESOURCE_VOLUME, name, owner, err) < 0)
			return -1;
	}
	json_array_foreach(json_object_get(planned->options, "mounts"), i, item)
	{
		const char *name = json_str(item, "source", NULL);

		if (name != NULL && strcmp(json_str(item, "type", ""), "volume") == 0 &&
		    make(run, planned, RESOURCE_VOLUME, name, owner, err) < 0)
			return -1;
	}
	return 0;
}

int host_make_resources(struct host_run *run, const struct planned *planned,
    const struct strv *networks, struct error *err)
{
	const struct rollout *rollout = run->rollout;
	CLEANUP_JSON json_t *owner = container_owner_labels(rollout->options.inventory->project,
	    rollout->options.environment->name, rollout->prefix);

	if (owner == NULL)
		return error_memory(err);
	for (size_t i = 0; i < networks->n; i++)
		if (make(run, planned, RESOURCE_NETWORK, networks->v[i], owner, err) < 0)
			return -1;
	return make_volumes(run, planned, owner, err);
}
