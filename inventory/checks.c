/* What only the whole file shows. Runs after all sections were read. */
#include <string.h>

#include "inventory/array.h"
#include "inventory/keys.h"
#include "inventory/problems.h"

/* ---- host ports ---- */

struct published {
	const struct port *port;
	const struct service *service;
	size_t order;
};

struct all_published {
	struct published *v;
	size_t n;
};

static int gather(const struct inventory *inv, struct all_published *all)
{
	for (size_t i = 0; i < inv->n_services; i++)
		for (size_t k = 0; k < inv->services[i].n_ports; k++) {
			const struct port *port = &inv->services[i].ports[k];

			if (port->host_port == 0)
				continue;
			if (array_grow(&all->v, all->n, sizeof(*all->v)) < 0)
				return -1;
			all->v[all->n] = (struct published){port, &inv->services[i], all->n};
			all->n++;
		}
	return 0;
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

static const struct host *common_host(const struct inventory *inv, const struct environment *env,
    const struct service *a, const struct service *b)
{
	for (size_t i = 0; i < inv->n_hosts; i++)
		if (inventory_runs_on(inv, env, a, &inv->hosts[i]) &&
		    inventory_runs_on(inv, env, b, &inv->hosts[i]))
			return &inv->hosts[i];
	return NULL;
}

static int check_same_service(
    struct reader *r, const struct published *one, const struct published *other)
{
	const struct position *first = &one->port->pos;

	if (first->line == other->port->pos.line && first->column == other->port->pos.column)
		return 0; /* the same line behind an alias */
	return problem_add(r->problems, &other->port->pos,
	    "the port %d/%s is published twice by this service, first at %d:%d",
	    other->port->host_port, other->port->protocol, first->line, first->column);
}

static int check_two_services(
    struct reader *r, const struct published *one, const struct published *other)
{
	const struct inventory *inv = r->inv;
	char shown[SHOWN_SIZE], name[SHOWN_SIZE];

	for (size_t i = 0; i < inv->n_environments; i++) {
		const struct environment *env = &inv->environments[i];
		const struct host *host = common_host(inv, env, one->service, other->service);

		if (host)
			return problem_add(r->problems, &other->port->pos,
			    "the port %d/%s is taken on \"%s\" in \"%s\" by the service \"%s\" "
			    "(%d:%d)",
			    other->port->host_port, other->port->protocol,
			    show_text(shown, host->name), show_text(name, env->name),
			    one->service->name, one->port->pos.line, one->port->pos.column);
	}
	return 0;
}

/* Of those with the same number, compare each with the ones before it; the first that is in its
 * way is said. */
static int check_group(struct reader *r, const struct published *group, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		size_t before = r->problems->n;

		for (size_t k = 0; k < i && r->problems->n == before; k++) {
			const struct published *one = &group[k], *other = &group[i];

			if (!same_address(one->port, other->port))
				continue;
			if ((one->service == other->service
				    ? check_same_service(r, one, other)
				    : check_two_services(r, one, other)) < 0)
				return -1;
		}
	}
	return 0;
}

static int check_ports(struct reader *r)
{
	struct all_published all = {0};
	int result = gather(r->inv, &all);

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

static const char default_network[] = "default";

static int add_resources_of(struct inventory *inv, struct service *service)
{
	const struct resource *standard =
	    find_resource(inv->networks, inv->n_networks, default_network);

	/* What the file says about the default network has to reach the services that name none. */
	if (service->networks.n == 0 && standard && standard->name &&
	    strv_add(&service->networks, default_network) < 0)
		return -1;
	if (service->networks.n == 0 &&
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

int check_inventory(struct reader *r)
{
	if (check_ports(r) < 0 || check_prefixes(r) < 0)
		return -1;
	for (size_t i = 0; i < r->inv->n_services; i++)
		if (add_resources_of(r->inv, &r->inv->services[i]) < 0)
			return -1;
	return 0;
}
