/* What only the whole file shows. Runs after all sections were read. */
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "inventory/array.h"
#include "inventory/keys.h"
#include "inventory/problems.h"

/* Every service, as it is where nothing overrides it (`env` NULL) and as it is in `env`. */
typedef int service_fn(
    struct reader *r, const struct environment *env, struct service *service, void *context);

static int each_service(struct reader *r, service_fn *call, void *context)
{
	struct inventory *inv = r->inv;

	for (size_t i = 0; i < inv->n_services; i++)
		if (call(r, NULL, &inv->services[i], context) < 0)
			return -1;
	for (size_t i = 0; i < inv->n_environments; i++)
		for (size_t k = 0; k < inv->environments[i].n_overrides; k++)
			if (call(r, &inv->environments[i], &inv->environments[i].overrides[k],
				context) < 0)
				return -1;
	return 0;
}

/* ---- host ports ---- */

struct published {
	const struct port *port;
	const struct service *service;
	const struct environment *env; /* where it is so; NULL: where it is not overridden */
	size_t order;
};

struct all_published {
	struct published *v;
	size_t n;
};

static int gather(
    struct reader *r UNUSED, const struct environment *env, struct service *service, void *context)
{
	struct all_published *all = context;

	for (size_t i = 0; i < service->n_ports; i++) {
		const struct port *port = &service->ports[i];

		if (port->host_port == 0)
			continue;
		if (array_grow(&all->v, all->n, sizeof(*all->v)) < 0)
			return -1;
		all->v[all->n] = (struct published){port, service, env, all->n};
		all->n++;
	}
	return 0;
}

static bool is_of(const struct published *published, const struct environment *env)
{
	if (published->env)
		return published->env == env;
	return inventory_service_in(env, published->service) == published->service;
}

static int compare_port(const struct port *a, const struct port *b)
{
	if (a->host_port != b->host_port)
		return a->host_port < b->host_port ? -1 : 1;
	return strcmp(a->protocol, b->protocol);
}

static int compare_published(const void *left, const void *right)
{
	const struct published *a = left, *b = right;
	int ports = compare_port(a->port, b->port);

	if (ports != 0)
		return ports;
	return a->order < b->order ? -1 : a->order > b->order;
}

static bool is_any(const char *ip)
{
	return !ip || strcmp(ip, "0.0.0.0") == 0 || strcmp(ip, "::") == 0;
}

static bool same_address(const struct port *a, const struct port *b)
{
	return is_any(a->host_ip) || is_any(b->host_ip) || strcmp(a->host_ip, b->host_ip) == 0;
}

/* Those that want the same port of a host, whichever host that is. */
struct group {
	const struct published *v;
	size_t n;
	bool *told;   /* was complained about */
	size_t *here; /* which of them are on the host that is looked at */
};

static int report_same_service(
    struct reader *r, const struct published *one, const struct published *other)
{
	const struct position *first = &one->port->pos, *second = &other->port->pos;
	char where[POSITION_SIZE];

	if (same_position(first, second))
		return 0; /* the same line behind an alias */
	return problem_add(r->problems, second,
	    "the port %d/%s is published twice by this service, first at %s",
	    other->port->host_port, other->port->protocol, show_position(where, first, second));
}

static int check_same_service(struct reader *r, const struct group *group)
{
	for (size_t i = 1, first = 0; i < group->n; i++) {
		const struct published *one = NULL, *other = &group->v[i];

		if (other->service != group->v[first].service)
			first = i;
		for (size_t k = first; k < i && !one; k++)
			if (same_address(group->v[k].port, other->port))
				one = &group->v[k];
		group->told[i] = one != NULL;
		if (one && report_same_service(r, one, other) < 0)
			return -1;
	}
	return 0;
}

static int report_two_services(struct reader *r, const struct environment *env,
    const struct host *host, const struct published *one, const struct published *other)
{
	char shown[SHOWN_SIZE], name[SHOWN_SIZE], where[POSITION_SIZE];

	return problem_add(r->problems, &other->port->pos,
	    "the port %d/%s is taken on \"%s\" in \"%s\" by the service \"%s\" (%s)",
	    other->port->host_port, other->port->protocol, show_text(shown, host->name),
	    show_text(name, env->name), one->service->name,
	    show_position(where, &one->port->pos, &other->port->pos));
}

static int check_host(struct reader *r, const struct group *group, const struct environment *env,
    const struct host *host)
{
	size_t n = 0;

	for (size_t i = 0; i < group->n; i++) {
		const struct published *other = &group->v[i], *one = NULL;

		if (group->told[i] || !is_of(other, env) ||
		    !inventory_runs_on(r->inv, env, other->service, host))
			continue;
		for (size_t k = 0; k < n && !one; k++)
			if (same_address(group->v[group->here[k]].port, other->port))
				one = &group->v[group->here[k]];
		if (one && report_two_services(r, env, host, one, other) < 0)
			return -1;
		group->told[i] = one != NULL;
		group->here[n] = i;
		n += one == NULL;
	}
	return 0;
}

static int check_hosts(struct reader *r, const struct group *group)
{
	const struct inventory *inv = r->inv;

	for (size_t i = 0; i < inv->n_environments; i++)
		for (size_t k = 0; k < inv->n_hosts; k++)
			if (check_host(r, group, &inv->environments[i], &inv->hosts[k]) < 0)
				return -1;
	return 0;
}

static int check_group(struct reader *r, const struct published *v, size_t n)
{
	struct group group = {v, n, NULL, NULL};
	int result = -1;

	if (n < 2)
		return 0;
	group.told = calloc(n, sizeof(*group.told));
	group.here = calloc(n, sizeof(*group.here));
	if (group.told && group.here)
		result = check_same_service(r, &group);
	if (result == 0)
		result = check_hosts(r, &group);
	free(group.told);
	free(group.here);
	return result;
}

static int check_ports(struct reader *r)
{
	struct all_published all = {0};
	int result = each_service(r, gather, &all);

	if (all.n > 1)
		qsort(all.v, all.n, sizeof(*all.v), compare_published);
	for (size_t first = 0, end; first < all.n && result == 0; first = end) {
		for (end = first + 1; end < all.n; end++)
			if (compare_port(all.v[first].port, all.v[end].port) != 0)
				break;
		result = check_group(r, all.v + first, end - first);
	}
	free(all.v);
	return result;
}

/* ---- prefixes ---- */

/* Two environments with one prefix would take each other's containers for their own. */
static int check_prefix(struct reader *r, size_t which)
{
	const struct inventory *inv = r->inv;
	const struct environment *env = &inv->environments[which];
	CLEANUP_FREE char *prefix = inventory_prefix(inv, env);

	if (!prefix)
		return -1;
	for (size_t i = 0; i < which; i++) {
		CLEANUP_FREE char *other = inventory_prefix(inv, &inv->environments[i]);

		if (!other)
			return -1;
		if (strcmp(prefix, other) == 0)
			return problem_add(r->problems, &env->pos,
			    "the environments \"%s\" and \"%s\" both leave names that begin with "
			    "\"%s\"",
			    inv->environments[i].name, env->name, prefix);
	}
	return 0;
}

static int check_prefixes(struct reader *r)
{
	for (size_t i = 0; r->inv->project && i < r->inv->n_environments; i++)
		if (check_prefix(r, i) < 0)
			return -1;
	return 0;
}

/* ---- networks and volumes that have no entry ---- */

static const struct resource *find_resource(const struct resource *list, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].key, key) == 0)
			return &list[i];
	return NULL;
}

static int add_resource(
    struct resource **list, size_t *n, const char *key, const struct position *pos)
{
	if (find_resource(*list, *n, key))
		return 0;
	if (array_grow(list, *n, sizeof(**list)) < 0)
		return -1;
	(*list)[*n] = (struct resource){.key = strdup(key), .pos = *pos};
	return (*list)[(*n)++].key ? 0 : -1;
}

/* A name that has no entry gets one; near to one that has, it is a slip of the pen. */
static int warn_misspelt(struct reader *r, const char *what, const struct resource *list, size_t n,
    const char *name, const struct position *pos)
{
	enum { KNOWN_MAX = 1000 }; /* of more to look for the nearest takes too long */
	CLEANUP_STRV struct strv known = {0};

	if (n > KNOWN_MAX || find_resource(list, n, name))
		return 0;
	for (size_t i = 0; i < n; i++)
		if (strv_add(&known, list[i].key) < 0)
			return -1;
	const char *nearest = text_nearest(name, (const char *const *)known.v, known.n);
	if (!nearest)
		return 0;
	if (problem_add(&r->inv->warnings, pos, "the %s \"%s\" has no entry in `%ss`", what, name,
		what) < 0)
		return -1;
	return problem_hint(&r->inv->warnings, "did you mean \"%s\"?", nearest);
}

/* Before entries are added to those of the file. */
static int check_resources_of(struct reader *r, const struct environment *env UNUSED,
    struct service *service, void *context UNUSED)
{
	const struct inventory *inv = r->inv;

	for (size_t i = 0; i < service->networks.n; i++)
		if (warn_misspelt(r, "network", inv->networks, inv->n_networks,
			service->networks.v[i], &service->pos) < 0)
			return -1;
	for (size_t i = 0; i < service->n_volumes; i++)
		if (service->volumes[i].kind == VOLUME_NAMED &&
		    warn_misspelt(r, "volume", inv->volumes, inv->n_volumes,
			service->volumes[i].source, &service->volumes[i].pos) < 0)
			return -1;
	return 0;
}

static const char default_network[] = "default";

static int add_resources_of(struct reader *r, const struct environment *env UNUSED,
    struct service *service, void *context UNUSED)
{
	struct inventory *inv = r->inv;
	const struct resource *standard =
	    find_resource(inv->networks, inv->n_networks, default_network);
	bool none = json_object_get(service->settings, "network_mode") != NULL;

	/* What the file says about the default network has to reach the services that name none. */
	if (service->networks.n == 0 && !none && standard && standard->name &&
	    strv_add(&service->networks, default_network) < 0)
		return -1;
	if (service->networks.n == 0 && !none &&
	    add_resource(&inv->networks, &inv->n_networks, default_network, &service->pos) < 0)
		return -1;
	for (size_t i = 0; i < service->networks.n; i++)
		if (add_resource(&inv->networks, &inv->n_networks, service->networks.v[i],
			&service->pos) < 0)
			return -1;
	for (size_t i = 0; i < service->n_volumes; i++)
		if (service->volumes[i].kind == VOLUME_NAMED &&
		    add_resource(&inv->volumes, &inv->n_volumes, service->volumes[i].source,
			&service->volumes[i].pos) < 0)
			return -1;
	return 0;
}

/* Only an engine can push to a registry, and it knows nothing of files. */
static int check_archive(struct reader *r, const struct environment *env UNUSED,
    struct service *service, void *context UNUSED)
{
	if (!service->image_is_file || !r->inv->registry)
		return 0;
	if (problem_add(r->problems, &service->image_pos,
		"an image in a file goes only through the embedded registry") < 0)
		return -1;
	return problem_hint(r->problems, "leave `registry` out, or write `registry: embedded`");
}

int check_inventory(struct reader *r)
{
	if (check_ports(r) < 0 || check_prefixes(r) < 0 ||
	    each_service(r, check_archive, NULL) < 0 ||
	    each_service(r, check_resources_of, NULL) < 0 ||
	    each_service(r, add_resources_of, NULL) < 0)
		return -1;
	return check_steps(r) < 0 ? -1 : check_depends_on(r);
}
