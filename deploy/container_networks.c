/* The networks of a container, as the engine's API takes them. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "deploy/container.h"
#include "deploy/container_put.h"
#include "deploy/names.h"

struct ranked {
	const char *name;
	int64_t priority;
};

static const json_t *options_of(const json_t *options, const char *network)
{
	return json_object_get(json_object_get(options, "network_options"), network);
}

static int compare(const void *left, const void *right)
{
	const struct ranked *a = left, *b = right;

	if (a->priority != b->priority)
		return a->priority > b->priority ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* The highest priority first, else by name as the options have them. */
static int rank(const json_t *options, struct strv *list, struct error *err)
{
	CLEANUP_FREE struct ranked *v = calloc(list->n + 1, sizeof(*v));
	CLEANUP_STRV struct strv sorted = {0};

	if (v == NULL)
		return error_memory(err);
	for (size_t i = 0; i < list->n; i++)
		v[i] = (struct ranked){
		    list->v[i], json_int(options_of(options, list->v[i]), "priority", 0)};
	qsort(v, list->n, sizeof(*v), compare);
	for (size_t i = 0; i < list->n; i++)
		if (strv_add(&sorted, v[i].name) < 0)
			return error_memory(err);
	strv_release(list);
	*list = sorted;
	sorted = (struct strv){0};
	return 0;
}

int container_networks(
    const struct identity *identity, const json_t *options, struct strv *ret, struct error *err)
{
	json_t *networks = json_object_get(options, "networks"), *network;
	bool own = json_object_get(options, "network_mode") == NULL;
	CLEANUP_STRV struct strv list = {0};
	size_t i;

	json_array_foreach(networks, i, network)
	{
		if (own && strv_add(&list, json_string_value(network)) < 0)
			return error_memory(err);
	}
	if (list.n == 0 && own && strv_take(&list, name_default_network(identity->prefix)) < 0)
		return error_memory(err);
	if (json_object_get(options, "network_options") != NULL && list.n > 1 &&
	    rank(options, &list, err) < 0)
		return -1;
	*ret = list;
	list = (struct strv){0};
	return 0;
}

/* The service's name, and what else it is called there. */
static json_t *aliases_of(const struct identity *identity, const json_t *options)
{
	json_t *aliases = json_pack("[s]", identity->service), *alias;
	size_t i;

	json_array_foreach(json_object_get(options, "aliases"), i, alias)
	{
		if (strcmp(json_string_value(alias), identity->service) != 0 &&
		    json_array_append(aliases, alias) < 0) {
			json_decref(aliases);
			return NULL;
		}
	}
	return aliases;
}

/* Those of `names` that `options` has, under the engine's names. */
static int copy(json_t *to, const json_t *options, const char *const (*names)[2], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		json_t *value = json_object_get(options, names[i][0]);

		if (value != NULL && json_object_set(to, names[i][1], value) < 0)
			return -1;
	}
	return 0;
}

json_t *container_endpoint(
    const struct identity *identity, const json_t *options, const char *network)
{
	static const char *const addresses[][2] = {{"ipv4_address", "IPv4Address"},
	    {"ipv6_address", "IPv6Address"}, {"link_local_ips", "LinkLocalIPs"}};
	static const char *const others[][2] = {
	    {"mac_address", "MacAddress"}, {"driver_opts", "DriverOpts"}};
	const json_t *own = options_of(options, network);
	CLEANUP_JSON json_t *ipam = json_object();
	json_t *endpoint = json_object();

	if (ipam != NULL && json_set(endpoint, "Aliases", aliases_of(identity, own)) == 0 &&
	    copy(ipam, own, addresses, ARRAY_SIZE(addresses)) == 0 &&
	    copy(endpoint, own, others, ARRAY_SIZE(others)) == 0 &&
	    (json_object_size(ipam) == 0 || json_object_set(endpoint, "IPAMConfig", ipam) == 0))
		return endpoint;
	json_decref(endpoint);
	return NULL;
}

int put_network(json_t *body, json_t *host, const struct identity *identity, const json_t *options)
{
	const char *mode = json_str(options, "network_mode", NULL);
	CLEANUP_STRV struct strv networks = {0};
	json_t *endpoints;

	if (mode != NULL)
		return json_set(host, "NetworkMode", json_string(mode));
	endpoints = json_object();
	if (container_networks(identity, options, &networks, NULL) < 0 || networks.n == 0 ||
	    json_set(endpoints, networks.v[0],
		container_endpoint(identity, options, networks.v[0])) < 0) {
		json_decref(endpoints);
		return -1;
	}
	if (json_set(host, "NetworkMode", json_string(networks.v[0])) < 0) {
		json_decref(endpoints);
		return -1;
	}
	return json_set(body, "NetworkingConfig", json_pack("{s:o}", "EndpointsConfig", endpoints));
}
