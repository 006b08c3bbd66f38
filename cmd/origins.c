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

/* Members that have another name than the key that they come from; with `whole` also what stands in
 * the place of the mapping itself, as in `build: .` */
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
    {"secret_files", {"secrets"}, false},
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
			found = json_object_get(place, other->keys[i]);
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

json_t *origins_project(const json_t *all, const struct inventory *inv, const char *file)
{
	const struct places root = {{inv->origins}, 1};
	json_t *origins = origins_of(all, &root);

	if (origins == NULL || json_set(origins, "file", json_string(file)) == 0)
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

static json_t *option_origins(
    const json_t *options, const json_t *service, const json_t *env, const json_t *host)
{
	static const char *const members[] = {"environment", "secret_environment"};
	const struct places places = {{service}, service != NULL};
	json_t *origins = origins_of(options, &places);

	for (size_t i = 0; origins != NULL && i < ARRAY_SIZE(members); i++)
		if (json_object_get(options, members[i]) != NULL &&
		    put_variables(origins, options, members[i], service, env, host) < 0) {
			json_decref(origins);
			return NULL;
		}
	return origins;
}

static int add_options(json_t *origins, const json_t *value, const struct inventory *inv,
    const json_t *service, const json_t *env)
{
	const json_t *options = json_object_get(value, "options");
	const char *name = json_string_value(json_array_get(json_object_get(value, "hosts"), 0));
	const struct host *host = name != NULL ? inventory_host(inv, name) : NULL;
	const json_t *on = json_object_get(value, "options_on");
	json_t *all;

	if (options != NULL)
		return json_set(origins, "options",
		    option_origins(
			options, service, env, host != NULL ? host_place(inv, host) : NULL));
	all = json_object();
	if (json_set(origins, "options_on", all) < 0)
		return -1;
	for (size_t i = 0; i < inv->n_hosts; i++) {
		const json_t *member = json_object_get(on, inv->hosts[i].name);

		if (member != NULL &&
		    json_set(all, inv->hosts[i].name,
			option_origins(member, service, env, host_place(inv, &inv->hosts[i]))) < 0)
			return -1;
	}
	return 0;
}

static json_t *service_origins(
    const json_t *value, const struct inventory *inv, const json_t *service, const json_t *env)
{
	const struct places places = {{service}, service != NULL};
	json_t *origins = origins_of(value, &places);

	if (origins != NULL &&
	    put_from(origins, value, "hosts", json_object_get(service, "hosts"),
		json_object_get(env, "hosts")) == 0 &&
	    add_options(origins, value, inv, service, env) == 0)
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
		if (json_set(all, name, service_origins(member, inv, service, env)) < 0)
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
	    put_from(own, value, "rollout", json_object_get(place, "rollout"), NULL) < 0)
		return -1;
	return add_hosts(own, value, inv) < 0 || add_services(own, value, inv, place) < 0 ? -1 : 0;
}
