#include "cmd/origins.h"

#include <string.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/json.h"

/* Where to look, the strongest first. */
struct places {
	const json_t *v[4];
	size_t n;
};

static void add_place(struct places *places, const json_t *place)
{
	if (place != NULL && places->n < ARRAY_SIZE(places->v))
		places->v[places->n++] = place;
}

/* Members that have another name than the key that they come from, or one of several, each given by
 * the way to it; with `whole` also what stands in the place of the mapping itself, as in `build: .`
 */
static const struct renamed {
	const char *member;
	const char *keys[3];
	bool whole;
} renamed[] = {
    {"context", {"context"}, true},
    {"command", {"command"}, true},
    {"healthy", {"healthy"}, true},
    {"asks", {"http", "tcp", "exec"}, true},
    {"running_ms", {"running"}, false},
    {"timeout_ms", {"timeout"}, false},
    {"interval_ms", {"interval"}, false},
    {"start_period_ms", {"start_period"}, false},
    {"stop_grace_ms", {"stop_grace_period"}, false},
    {"start_interval_ms", {"start_interval"}, false},
    {"secret_files", {"secrets"}, false},
    {"mounts", {"volumes"}, false},
    {"cpus", {"cpus", "deploy.resources.limits.cpus"}, false},
    {"gpus", {"gpus", "deploy.resources.reservations.devices"}, false},
    {"mem_limit", {"mem_limit", "deploy.resources.limits.memory"}, false},
    {"mem_reservation", {"mem_reservation", "deploy.resources.reservations.memory"}, false},
    {"pids_limit", {"pids_limit", "deploy.resources.limits.pids"}, false},
    {"blkio_weight", {"blkio_config.weight"}, false},
    {"blkio_weight_device", {"blkio_config.weight_device"}, false},
    {"device_read_bps", {"blkio_config.device_read_bps"}, false},
    {"device_read_iops", {"blkio_config.device_read_iops"}, false},
    {"device_write_bps", {"blkio_config.device_write_bps"}, false},
    {"device_write_iops", {"blkio_config.device_write_iops"}, false},
};

static const struct renamed *find_renamed(const char *member)
{
	for (size_t i = 0; i < ARRAY_SIZE(renamed); i++)
		if (strcmp(renamed[i].member, member) == 0)
			return &renamed[i];
	return NULL;
}

static const json_t *look(const json_t *place, const char *member)
{
	const struct renamed *other = find_renamed(member);
	const json_t *found = NULL;

	if (json_is_string(place))
		return other != NULL && other->whole ? place : NULL;
	if (other == NULL)
		return json_object_get(place, member);
	for (size_t i = 0; i < ARRAY_SIZE(other->keys) && found == NULL; i++)
		if (other->keys[i] != NULL)
			found = json_at(place, other->keys[i]);
	return found;
}

static struct places look_all(const struct places *places, const char *member)
{
	struct places found = {0};

	for (size_t i = 0; i < places->n; i++)
		add_place(&found, look(places->v[i], member));
	return found;
}

/* The strongest, or "default". */
static json_t *first_text(const struct places *places)
{
	const json_t *first = places->n > 0 ? places->v[0] : NULL;

	if (json_is_object(first))
		first = json_object_get(first, "");
	return json_is_string(first) ? json_string(json_string_value(first))
				     : json_string("default");
}

static json_t *origins_of(const json_t *value, const struct places *places)
{
	json_t *all, *member;
	const char *key;

	if (!json_is_object(value))
		return first_text(places);
	all = json_object();
	json_object_foreach((json_t *)(uintptr_t)value, key, member)
	{
		struct places below = look_all(places, key);

		if (json_set(all, key, origins_of(member, &below)) < 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

/* The same of one member. */
static int put(
    json_t *origins, const json_t *value, const char *member, const struct places *places)
{
	const json_t *of = json_object_get(value, member);

	return of == NULL ? 0 : json_set(origins, member, origins_of(of, places));
}

static int put_from(json_t *origins, const json_t *value, const char *member, const json_t *first,
    const json_t *second)
{
	struct places places = {0};

	add_place(&places, first);
	add_place(&places, second);
	return put(origins, value, member, &places);
}

/* A step stands in `builds`, or in the service that needs it. */
static int put_steps(json_t *origins, const json_t *all, const struct inventory *inv)
{
	const json_t *builds = json_object_get(inv->origins, "builds");
	const json_t *services = json_object_get(inv->origins, "services");
	json_t *steps = json_object_get(origins, "builds"), *step, *service;
	const char *name, *ignored;

	json_object_foreach(json_object_get(all, "builds"), name, step)
	{
		struct places places = {0};

		add_place(&places, json_object_get(builds, name));
		json_object_foreach((json_t *)(uintptr_t)services, ignored, service)
		{
			add_place(&places, json_object_get(json_at(service, "build.steps"), name));
		}
		if (json_set(steps, name, origins_of(step, &places)) < 0)
			return -1;
	}
	return 0;
}

json_t *origins_project(const json_t *all, const struct inventory *inv, const char *file)
{
	const struct places root = {{inv->origins}, 1};
	json_t *origins = origins_of(all, &root);

	if (origins == NULL || (put_steps(origins, all, inv) == 0 &&
				   json_set(origins, "file", json_string(file)) == 0))
		return origins;
	json_decref(origins);
	return NULL;
}

/* ---- hosts */

/* A host of a range is found by the place of the range. */
static const json_t *host_place(const struct inventory *inv, const struct host *host)
{
	const json_t *hosts = json_object_get(inv->origins, "hosts");
	const json_t *own = json_object_get(hosts, host->name);
	CLEANUP_FREE char *place = NULL;

	if (own != NULL || host->pos.path != NULL)
		return own;
	place = string_printf("%s:%d:%d", host->pos.file, host->pos.line, host->pos.column);
	return place != NULL ? json_object_get(hosts, place) : NULL;
}

/* `user` and `port` may stand in `address`. */
static const json_t *said(const json_t *place, const char *key)
{
	const json_t *own = json_object_get(place, key);

	return own != NULL ? own : json_object_get(place, "address");
}

static json_t *host_origins(
    const json_t *value, const struct inventory *inv, const struct host *host)
{
	const json_t *own = host_place(inv, host), *root = inv->origins;
	const json_t *user = host->user != NULL ? said(own, "user") : json_at(root, "ssh.user");
	struct places places = {{own}, own != NULL};
	json_t *origins = origins_of(value, &places);

	if (origins == NULL)
		return NULL;
	add_place(&places, root);
	struct places engine = look_all(&places, "engine");
	if (put_from(origins, value, "user", user, NULL) == 0 &&
	    put_from(origins, value, "port", said(own, "port"), NULL) == 0 &&
	    put(origins, value, "engine", &engine) == 0 &&
	    put_from(origins, value, "delivery", json_object_get(own, "delivery"),
		json_object_get(root, "delivery")) == 0)
		return origins;
	json_decref(origins);
	return NULL;
}

static int add_hosts(json_t *origins, const json_t *value, const struct inventory *inv)
{
	const json_t *hosts = json_object_get(value, "hosts");
	json_t *all = json_object();

	if (json_set(origins, "hosts", all) < 0)
		return -1;
	for (size_t i = 0; i < inv->n_hosts; i++) {
		const struct host *host = &inv->hosts[i];
		const json_t *member = json_object_get(hosts, host->name);

		if (member != NULL &&
		    json_set(all, host->name, host_origins(member, inv, host)) < 0)
			return -1;
	}
	return 0;
}

/* ---- services */

/* What is by the names of networks or volumes on a host, in the file by their keys. */
struct resources {
	const struct resource *v;
	size_t n;
	const json_t *place;
	const char *prefix;
};

static const char *key_of(const struct resources *resources, const char *name)
{
	size_t len = strlen(resources->prefix);

	for (size_t i = 0; i < resources->n; i++) {
		const struct resource *one = &resources->v[i];
		bool by_key = strncmp(name, resources->prefix, len) == 0 && name[len] == '.' &&
			      strcmp(name + len + 1, one->key) == 0;

		if (one->name != NULL ? strcmp(one->name, name) == 0 : by_key)
			return one->key;
	}
	return name;
}

static json_t *resource_origins(const json_t *value, const struct resources *resources)
{
	json_t *all = json_object(), *member;
	const char *name;

	json_object_foreach((json_t *)(uintptr_t)value, name, member)
	{
		struct places places = {0};

		add_place(&places, json_object_get(resources->place, key_of(resources, name)));
		if (json_set(all, name, origins_of(member, &places)) < 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

static int put_resources(json_t *origins, const json_t *options, const struct inventory *inv,
    const json_t *service, const char *prefix)
{
	const json_t *own = json_object_get(options, "network_options");
	const json_t *networks = json_at(options, "definitions.networks");
	const json_t *volumes = json_at(options, "definitions.volumes");
	json_t *definitions = json_object_get(origins, "definitions");
	struct resources of_file = {
	    inv->networks, inv->n_networks, json_object_get(inv->origins, "networks"), prefix};
	struct resources of_service = {
	    inv->networks, inv->n_networks, json_object_get(service, "networks"), prefix};
	struct resources stored = {
	    inv->volumes, inv->n_volumes, json_object_get(inv->origins, "volumes"), prefix};

	if (own != NULL &&
	    json_set(origins, "network_options", resource_origins(own, &of_service)) < 0)
		return -1;
	if (networks != NULL &&
	    json_set(definitions, "networks", resource_origins(networks, &of_file)) < 0)
		return -1;
	return volumes == NULL
		   ? 0
		   : json_set(definitions, "volumes", resource_origins(volumes, &stored));
}

/* A host's variables go over those of its environment, and these over the service's. */
static int put_variables(json_t *origins, const json_t *options, const char *member,
    const json_t *service, const json_t *env, const json_t *host)
{
	const json_t *files = json_object_get(service, "env_file");
	json_t *variables = json_object_get(options, member), *value, *all;
	struct places places = {0};
	const char *key;

	add_place(&places, json_object_get(host, "environment"));
	add_place(&places, json_object_get(env, "environment"));
	add_place(&places, json_object_get(service, "environment"));
	all = origins_of(variables, &places);
	json_object_foreach(variables, key, value)
	{
		struct places found = look_all(&places, key);

		if (found.n == 0 && json_is_string(files) && all != NULL &&
		    json_set(all, key, json_string(json_string_value(files))) < 0) {
			json_decref(all);
			return -1;
		}
	}
	return json_set(origins, member, all);
}

static json_t *option_origins(const json_t *options, const struct inventory *inv,
    const json_t *service, const json_t *env, const json_t *host, const char *prefix)
{
	static const char *const members[] = {"environment", "secret_environment"};
	const struct places places = {{service}, service != NULL};
	json_t *origins = origins_of(options, &places);

	if (origins != NULL && put_resources(origins, options, inv, service, prefix) < 0) {
		json_decref(origins);
		return NULL;
	}
	for (size_t i = 0; origins != NULL && i < ARRAY_SIZE(members); i++)
		if (json_object_get(options, members[i]) != NULL &&
		    put_variables(origins, options, members[i], service, env, host) < 0) {
			json_decref(origins);
			return NULL;
		}
	return origins;
}

static int add_options(json_t *origins, const json_t *value, const struct inventory *inv,
    const json_t *service, const json_t *env, const char *prefix)
{
	const json_t *options = json_object_get(value, "options");
	const char *name = json_string_value(json_array_get(json_object_get(value, "hosts"), 0));
	const struct host *host = name != NULL ? inventory_host(inv, name) : NULL;
	const json_t *on = json_object_get(value, "options_on");
	json_t *all;

	if (options != NULL)
		return json_set(origins, "options",
		    option_origins(options, inv, service, env,
			host != NULL ? host_place(inv, host) : NULL, prefix));
	all = json_object();
	if (json_set(origins, "options_on", all) < 0)
		return -1;
	for (size_t i = 0; i < inv->n_hosts; i++) {
		const json_t *member = json_object_get(on, inv->hosts[i].name);

		if (member != NULL && json_set(all, inv->hosts[i].name,
					  option_origins(member, inv, service, env,
					      host_place(inv, &inv->hosts[i]), prefix)) < 0)
			return -1;
	}
	return 0;
}

static json_t *service_origins(const json_t *value, const struct inventory *inv,
    const json_t *service, const json_t *env, const char *prefix)
{
	const struct places places = {{service}, service != NULL};
	json_t *origins = origins_of(value, &places);

	if (origins != NULL &&
	    put_from(origins, value, "hosts", json_object_get(service, "hosts"),
		json_object_get(env, "hosts")) == 0 &&
	    add_options(origins, value, inv, service, env, prefix) == 0)
		return origins;
	json_decref(origins);
	return NULL;
}

static int add_services(
    json_t *origins, const json_t *value, const struct inventory *inv, const json_t *env)
{
	json_t *all = json_object(), *member;
	const char *name;

	if (json_set(origins, "services", all) < 0)
		return -1;
	json_object_foreach(json_object_get(value, "services"), name, member)
	{
		const json_t *service = json_object_get(json_object_get(env, "overrides"), name);

		if (service == NULL)
			service = json_object_get(json_object_get(inv->origins, "services"), name);
		if (json_set(all, name,
			service_origins(member, inv, service, env, json_str(value, "prefix", ""))) <
		    0)
			return -1;
	}
	return 0;
}

int origins_add_environment(
    json_t *origins, const json_t *all, const struct inventory *inv, const struct environment *env)
{
	const json_t *value = json_object_get(json_object_get(all, "environments"), env->name);
	const json_t *place =
	    json_object_get(json_object_get(inv->origins, "environments"), env->name);
	json_t *own = json_object();

	if (json_set(json_object_get(origins, "environments"), env->name, own) < 0)
		return -1;
	if (put_from(own, value, "prefix", json_object_get(place, "name"), NULL) < 0 ||
	    put_from(own, value, "max_age", json_object_get(place, "max_age"), NULL) < 0 ||
	    put_from(own, value, "rollout", json_object_get(place, "rollout"), NULL) < 0)
		return -1;
	return add_hosts(own, value, inv) < 0 || add_services(own, value, inv, place) < 0 ? -1 : 0;
}
