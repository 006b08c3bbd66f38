/* Run options that have to do with volumes and networks: put_resources. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/text.h"
#include "deploy/names.h"
#include "deploy/options_put.h"

static const char default_network[] = "default";

static const struct resource *find_resource(
    const struct resource *resources, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(resources[i].key, key) == 0)
			return &resources[i];
	return NULL;
}

/* What a network or volume of the inventory is called on the host. */
static char *resource_name(
    const struct resource *resources, size_t n, const char *prefix, const char *key)
{
	const struct resource *resource = find_resource(resources, n, key);

	if (resource != NULL && resource->name != NULL)
		return strdup(resource->name);
	if (resource != NULL && resource->external)
		return strdup(key);
	return string_printf("%s.%s", prefix, key);
}

static char *volume_source(
    const struct inventory *inv, const char *prefix, const struct volume *volume)
{
	if (volume->kind == VOLUME_NAMED)
		return resource_name(inv->volumes, inv->n_volumes, prefix, volume->source);
	return strdup(volume->kind == VOLUME_BIND && volume->source != NULL ? volume->source : "");
}

static int put_volumes(json_t *options, const struct inventory *inv, const char *prefix,
    const struct service *service, struct error *err)
{
	CLEANUP_STRV struct strv volumes = {0};

	for (size_t i = 0; i < service->n_volumes; i++) {
		const struct volume *volume = &service->volumes[i];
		CLEANUP_FREE char *source = NULL;

		if (volume->mount != NULL)
			continue;
		source = volume_source(inv, prefix, volume);
		if (source == NULL ||
		    strv_addf(&volumes, "%s:%s:%s%s%s", source, volume->target,
			volume->read_only ? "ro" : "rw", volume->modes != NULL ? "," : "",
			volume->modes != NULL ? volume->modes : "") < 0)
			return error_memory(err);
	}
	return put_sorted(options, "volumes", &volumes, service, err);
}

/* --- mounts */

static int compare_mounts(const void *left, const void *right)
{
	const struct volume *const *a = left, *const *b = right;

	return strcmp((*a)->target, (*b)->target);
}

/* NULL: out of memory. */
static json_t *mount_value(
    const struct inventory *inv, const char *prefix, const struct volume *volume)
{
	static const char *const types[] = {[VOLUME_NAMED] = "volume",
	    [VOLUME_BIND] = "bind",
	    [VOLUME_ANONYMOUS] = "volume",
	    [VOLUME_TMPFS] = "tmpfs"};
	CLEANUP_FREE char *source = volume_source(inv, prefix, volume);
	json_t *mount = json_object();

	if (source != NULL && json_object_update(mount, volume->mount) == 0 &&
	    json_set(mount, "type", json_string(types[volume->kind])) == 0 &&
	    json_set(mount, "target", json_string(volume->target)) == 0 &&
	    (*source == '\0' || json_set(mount, "source", json_string(source)) == 0) &&
	    (!volume->read_only || json_set(mount, "read_only", json_true()) == 0))
		return mount;
	json_decref(mount);
	return NULL;
}

static int add_mounts(json_t *array, const struct volume **v, size_t n, const struct inventory *inv,
    const char *prefix, const struct service *service, struct error *err)
{
	if (n > 1)
		qsort(v, n, sizeof(*v), compare_mounts);
	for (size_t i = 0; i < n; i++) {
		if (!text_is_utf8(v[i]->target) ||
		    (v[i]->source != NULL && !text_is_utf8(v[i]->source)))
			return error_set(err, ERROR_INVENTORY,
			    "a value of `mounts` of service %s is not valid UTF-8", service->name);
		if (json_array_append_new(array, mount_value(inv, prefix, v[i])) < 0)
			return error_memory(err);
	}
	return 0;
}

static int put_mounts(json_t *options, const struct inventory *inv, const char *prefix,
    const struct service *service, struct error *err)
{
	CLEANUP_FREE const struct volume **v = NULL;
	CLEANUP_JSON json_t *array = json_array();
	size_t n = 0;

	v = calloc(service->n_volumes + 1, sizeof(*v));
	if (v == NULL || array == NULL)
		return error_memory(err);
	for (size_t i = 0; i < service->n_volumes; i++)
		if (service->volumes[i].mount != NULL)
			v[n++] = &service->volumes[i];
	if (add_mounts(array, v, n, inv, prefix, service, err) < 0)
		return -1;
	return n > 0 && json_object_set(options, "mounts", array) < 0 ? error_memory(err) : 0;
}

/* --- networks */

static int put_networks(json_t *options, const struct inventory *inv, const char *prefix,
    const struct service *service, struct error *err)
{
	CLEANUP_STRV struct strv networks = {0};
	CLEANUP_FREE char *standard = name_default_network(prefix);

	if (standard == NULL)
		return error_memory(err);
	for (size_t i = 0; i < service->networks.n; i++)
		if (strv_take(&networks, resource_name(inv->networks, inv->n_networks, prefix,
					     service->networks.v[i])) < 0)
			return error_memory(err);
	if (networks.n == 0 || (networks.n == 1 && strcmp(networks.v[0], standard) == 0))
		return 0;
	return put_sorted(options, "networks", &networks, service, err);
}

static int put_network_options(json_t *options, const struct inventory *inv, const char *prefix,
    const struct service *service, struct error *err)
{
	CLEANUP_JSON json_t *all = json_object();
	const char *key;
	json_t *value;

	if (all == NULL)
		return error_memory(err);
	json_object_foreach(service->network_options, key, value)
	{
		CLEANUP_FREE char *name =
		    resource_name(inv->networks, inv->n_networks, prefix, key);

		if (name == NULL || json_object_set(all, name, value) < 0)
			return error_memory(err);
	}
	return put_object(options, "network_options", all, err);
}

/* --- what is made where it is missing */

/* What is called PREFIX.KEY and is as the engine makes it needs no words. */
static int define(json_t *object, const struct resource *resources, size_t n, const char *prefix,
    const char *key, struct error *err)
{
	const struct resource *resource = find_resource(resources, n, key);
	CLEANUP_FREE char *name = resource_name(resources, n, prefix, key);
	int rc;

	if (name == NULL)
		return error_memory(err);
	if (resource == NULL || resource->external ||
	    (resource->name == NULL && resource->settings == NULL))
		return 0;
	rc = resource->settings != NULL ? json_object_set(object, name, resource->settings)
					: json_set(object, name, json_object());
	return rc < 0 ? error_memory(err) : 0;
}

static int put_definitions(json_t *options, const struct inventory *inv, const char *prefix,
    const struct service *service, struct error *err)
{
	bool own = json_object_get(options, "network_mode") == NULL;
	CLEANUP_JSON json_t *all = json_object(), *networks = json_object(),
			    *volumes = json_object();

	if (all == NULL || networks == NULL || volumes == NULL)
		return error_memory(err);
	if (service->networks.n == 0 && own &&
	    define(networks, inv->networks, inv->n_networks, prefix, default_network, err) < 0)
		return -1;
	for (size_t i = 0; i < service->networks.n; i++)
		if (define(networks, inv->networks, inv->n_networks, prefix, service->networks.v[i],
			err) < 0)
			return -1;
	for (size_t i = 0; i < service->n_volumes; i++)
		if (service->volumes[i].kind == VOLUME_NAMED &&
		    define(volumes, inv->volumes, inv->n_volumes, prefix,
			service->volumes[i].source, err) < 0)
			return -1;
	if (put_object(all, "networks", networks, err) < 0 ||
	    put_object(all, "volumes", volumes, err) < 0)
		return -1;
	return put_object(options, "definitions", all, err);
}

int put_resources(json_t *options, const struct inventory *inv, const char *prefix,
    const struct service *service, struct error *err)
{
	if (put_volumes(options, inv, prefix, service, err) < 0 ||
	    put_mounts(options, inv, prefix, service, err) < 0 ||
	    put_networks(options, inv, prefix, service, err) < 0 ||
	    put_network_options(options, inv, prefix, service, err) < 0)
		return -1;
	return put_definitions(options, inv, prefix, service, err);
}
