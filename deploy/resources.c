#include "deploy/resources.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

const char *resource_word(enum resource_kind kind)
{
	return kind == RESOURCE_NETWORK ? "network" : "volume";
}

const json_t *resource_definition(const json_t *options, enum resource_kind kind, const char *name)
{
	const json_t *all = json_at(
	    options, kind == RESOURCE_NETWORK ? "definitions.networks" : "definitions.volumes");

	return json_object_get(all, name);
}

struct name {
	const char *key, *name; /* in the definition, in the engine's API */
};

static const struct name pool_names[] = {{"subnet", "Subnet"}, {"gateway", "Gateway"},
    {"ip_range", "IPRange"}, {"aux_addresses", "AuxiliaryAddresses"}};
static const struct name flag_names[] = {
    {"internal", "Internal"}, {"attachable", "Attachable"}, {"enable_ipv6", "EnableIPv6"}};

/* --- what makes it */

static int copy(json_t *to, const json_t *from, const struct name *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		json_t *value = json_object_get(from, names[i].key);

		if (value != NULL && json_object_set(to, names[i].name, value) < 0)
			return -1;
	}
	return 0;
}

static json_t *pools_of(const json_t *config)
{
	json_t *pools = json_array(), *item;
	size_t i;

	json_array_foreach(config, i, item)
	{
		json_t *pool = json_object();

		if (pool == NULL || copy(pool, item, pool_names, ARRAY_SIZE(pool_names)) < 0 ||
		    json_array_append(pools, pool) < 0) {
			json_decref(pool);
			json_decref(pools);
			return NULL;
		}
		json_decref(pool);
	}
	return pools;
}

static json_t *ipam_of(const json_t *ipam)
{
	static const struct name names[] = {{"driver", "Driver"}, {"options", "Options"}};
	json_t *made = json_object();

	if (copy(made, ipam, names, ARRAY_SIZE(names)) == 0 &&
	    json_set(made, "Config", pools_of(json_object_get(ipam, "config"))) == 0)
		return made;
	json_decref(made);
	return NULL;
}

json_t *resource_body(enum resource_kind kind, const json_t *definition)
{
	const struct name names[] = {{"driver", "Driver"},
	    {"driver_opts", kind == RESOURCE_NETWORK ? "Options" : "DriverOpts"}};
	const json_t *ipam = json_object_get(definition, "ipam");
	json_t *body = json_object();

	if (body != NULL && copy(body, definition, names, ARRAY_SIZE(names)) == 0 &&
	    copy(body, definition, flag_names, ARRAY_SIZE(flag_names)) == 0 &&
	    (ipam == NULL || json_set(body, "IPAM", ipam_of(ipam)) == 0))
		return body;
	json_decref(body);
	return NULL;
}

json_t *resource_labels(const json_t *definition, const json_t *labels)
{
	json_t *all = json_object(), *own = json_object_get(definition, "labels");

	if (all != NULL && (own == NULL || json_object_update(all, own) == 0) &&
	    json_object_update(all, (json_t *)(uintptr_t)labels) == 0)
		return all;
	json_decref(all);
	return NULL;
}

/* --- how another one differs */

static int differ(struct strv *ret, const char *what, const char *is, const char *said)
{
	return strv_addf(ret, "its %s is %s, and the file says %s", what,
	    is != NULL && *is != '\0' ? is : "not set", said);
}

static int compare_text(struct strv *ret, const char *what, const json_t *said, const char *is)
{
	const char *text = json_string_value(said);

	if (text == NULL || (is != NULL && strcmp(text, is) == 0))
		return 0;
	return differ(ret, what, is, text);
}

static int compare_map(struct strv *ret, const char *what, const json_t *said, const json_t *is)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)said, key, value)
	{
		char name[128];

		snprintf(name, sizeof(name), "%s %s", what, key);
		if (compare_text(ret, name, value, json_string_value(json_object_get(is, key))) < 0)
			return -1;
	}
	return 0;
}

/* The range of the same subnet. */
static const json_t *find_pool(const json_t *pools, const char *subnet)
{
	const json_t *pool;
	size_t i;

	json_array_foreach(pools, i, pool)
	{
		if (subnet != NULL && strcmp(json_str(pool, "Subnet", ""), subnet) == 0)
			return pool;
	}
	return NULL;
}

static int compare_pools(struct strv *ret, const json_t *said, const json_t *is)
{
	const json_t *item;
	size_t i;

	json_array_foreach(said, i, item)
	{
		const char *subnet = json_str(item, "subnet", NULL);
		const json_t *pool = subnet != NULL ? find_pool(is, subnet) : json_array_get(is, i);
		const char *first = json_str(json_array_get(is, 0), "Subnet", NULL);

		if (pool == NULL) {
			if (differ(ret, "subnet", first, subnet != NULL ? subnet : "another") < 0)
				return -1;
			continue;
		}
		if (compare_text(ret, "gateway", json_object_get(item, "gateway"),
			json_str(pool, "Gateway", NULL)) < 0 ||
		    compare_text(ret, "ip_range", json_object_get(item, "ip_range"),
			json_str(pool, "IPRange", NULL)) < 0 ||
		    compare_map(ret, "auxiliary address", json_object_get(item, "aux_addresses"),
			json_object_get(pool, "AuxiliaryAddresses")) < 0)
			return -1;
	}
	return 0;
}

static int compare_flags(struct strv *ret, const json_t *definition, const json_t *there)
{
	for (size_t i = 0; i < ARRAY_SIZE(flag_names); i++) {
		bool said = json_flag(definition, flag_names[i].key, false);
		bool is = json_flag(there, flag_names[i].name, false);

		if (said != is && differ(ret, flag_names[i].key, is ? "true" : "false",
				      said ? "true" : "false") < 0)
			return -1;
	}
	return 0;
}

int resource_differences(enum resource_kind kind, const json_t *definition, const json_t *there,
    struct strv *ret, struct strv *ret_labels)
{
	if (compare_text(ret, "driver", json_object_get(definition, "driver"),
		json_str(there, "Driver", NULL)) < 0 ||
	    compare_map(ret, "option", json_object_get(definition, "driver_opts"),
		json_object_get(there, "Options")) < 0 ||
	    compare_map(ret_labels, "label", json_object_get(definition, "labels"),
		json_object_get(there, "Labels")) < 0)
		return -1;
	if (kind == RESOURCE_VOLUME)
		return 0;
	if (compare_text(ret, "ipam driver", json_at(definition, "ipam.driver"),
		json_str(there, "IPAM.Driver", NULL)) < 0 ||
	    compare_pools(ret, json_at(definition, "ipam.config"), json_at(there, "IPAM.Config")) <
		0)
		return -1;
	return compare_flags(ret, definition, there);
}
