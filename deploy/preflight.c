/* What can be known before anything is stopped: plan_preflight. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/text.h"
#include "deploy/plan.h"

/* Beyond what the image needs: layers lie there twice for a moment, and logs want to go on. */
enum { DISK_SPARE = 64 * 1024 * 1024 };

/* The container that publishes it, other than our own old one; NULL: none. */
static const struct taken_port *holder_of(const struct facts *facts, const struct planned *planned,
    const char *ip, int port, const char *protocol, bool *ret_own)
{
	for (size_t i = 0; i < facts->n_ports; i++) {
		const struct taken_port *taken = &facts->ports[i];

		if (!taken_port_is(taken, ip, port, protocol))
			continue;
		if (planned->old == NULL || strcmp(taken->holder, planned->old->name) != 0)
			return taken;
		*ret_own = true;
	}
	return NULL;
}

static int check_port(
    const struct facts *facts, const struct planned *planned, const char *text, struct error *err)
{
	const struct taken_port *taken;
	char ip[PORT_IP_SIZE], protocol[8];
	int port, inner;
	bool own = false;

	if (options_port(text, ip, &port, &inner, protocol) < 0 || port == 0)
		return 0;
	taken = holder_of(facts, planned, ip, port, protocol, &own);
	if (taken != NULL) {
		error_set(err, ERROR_CONFLICT,
		    "port %d, which %s wants, is taken by the container %s", port,
		    planned->service->name, taken->holder);
		return error_hint(err,
		    "stop that container, publish %s on another port, or let it take that one's "
		    "place: "
		    "shipit deploy --adopt",
		    planned->service->name);
	}
	/* A program may listen on another address than ours: that is for the engine to say. */
	if (!own && *ip == '\0' && strcmp(protocol, "tcp") == 0 &&
	    keeper_facts_listens(&facts->listens, port)) {
		error_set(err, ERROR_CONFLICT,
		    "port %d, which %s wants, is taken by a program on the host", port,
		    planned->service->name);
		return error_hint(err, "find it on the host with: ss -ltnp 'sport = :%d'", port);
	}
	return 0;
}

static int check_ports(const struct facts *facts, const struct planned *planned, struct error *err)
{
	json_t *port;
	size_t i;

	json_array_foreach(json_object_get(planned->options, "ports"), i, port)
	{
		if (check_port(facts, planned, json_string_value(port), err) < 0)
			return -1;
	}
	return 0;
}

static int check_name(
    const struct plan_input *input, const struct planned *planned, struct error *err)
{
	CLEANUP_FREE char *name = name_container(input->prefix, planned->service->name);

	if (name == NULL)
		return error_memory(err);
	if (!strv_has(&input->facts->foreign, name))
		return 0;
	error_set(
	    err, ERROR_CONFLICT, "a container called %s is there that shipit did not create", name);
	return error_hint(err,
	    "it says that it is of another project; rename or remove it: docker rename %s %s.old",
	    name, name);
}

/* "linux/amd64", or "linux/amd64, linux/arm64". */
static int list_platforms(const struct image *image, struct buf *out)
{
	for (size_t i = 0; i < image->n; i++)
		if (buf_addf(out, "%s%s/%s", i > 0 ? ", " : "", image->variants[i].os,
			image->variants[i].arch) < 0)
			return -1;
	return 0;
}

/* The service is for hosts of one platform only. */
static int check_platform(
    const struct facts *facts, const struct planned *planned, struct error *err)
{
	const char *platform = planned->service->platform;

	if (platform == NULL || strcmp(platform + strlen("linux/"), facts->arch) == 0)
		return 0;
	error_set(err, ERROR_FAILED, "%s is for %s (`platform`), this host is linux/%s",
	    planned->service->name, platform, facts->arch);
	return error_hint(
	    err, "say by `hosts` of the service where it runs, or take `platform` away");
}

static int check_arch(const struct facts *facts, const struct planned *planned, struct error *err)
{
	const struct image *image = planned->from;
	CLEANUP_BUF struct buf platforms = BUF_INIT(64 * 1024);

	if (check_platform(facts, planned, err) < 0)
		return -1;
	if (image_for(image, facts->arch) != NULL)
		return 0;
	if (list_platforms(image, &platforms) < 0)
		return error_memory(err);
	error_set(err, ERROR_FAILED, "the image of %s is for %s, this host is linux/%s",
	    planned->service->name, platforms.data, facts->arch);
	return error_hint(err, "build it for linux/%s", facts->arch);
}

/* An engine takes no notice of what it does not know yet: it has to be asked for its age. */
static int need(const struct facts *facts, const struct planned *planned, const char *key, int api,
    const char *release, struct error *err)
{
	if (facts->api == 0 || facts->api >= api)
		return 0;
	error_set(err, ERROR_FAILED,
	    "`%s` of %s takes an engine with API 1.%d (%s), this host's speaks 1.%d", key,
	    planned->service->name, api, release, facts->api);
	return error_hint(err, "update the engine, or take `%s` away", key);
}

static int check_api(const struct facts *facts, const struct planned *planned, struct error *err)
{
	static const struct {
		const char *path, *key;
		int api;
		const char *release;
	} needs[] = {
	    {"annotations", "annotations", 43, "Docker 24"},
	    {"cgroup", "cgroup", 41, "Docker 20.10"},
	    {"healthcheck.start_interval_ms", "start_interval", 44, "Docker 25"},
	};
	const char *name;
	json_t *item;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(needs); i++)
		if (json_at(planned->options, needs[i].path) != NULL &&
		    need(facts, planned, needs[i].key, needs[i].api, needs[i].release, err) < 0)
			return -1;
	json_array_foreach(json_object_get(planned->options, "mounts"), i, item)
	{
		if (json_object_get(item, "subpath") != NULL &&
		    need(facts, planned, "subpath", 45, "Docker 26", err) < 0)
			return -1;
	}
	json_object_foreach(json_object_get(planned->options, "network_options"), name, item)
	{
		if (json_object_get(item, "mac_address") != NULL &&
		    need(facts, planned, "mac_address", 44, "Docker 25", err) < 0)
			return -1;
	}
	return 0;
}

/* What the host lacks of a service's image; NULL: nothing. */
static const struct image_variant *delivered(
    const struct facts *facts, const struct planned *planned)
{
	if (planned->action != PLAN_CREATE || planned->image_id != NULL)
		return NULL;
	return image_for(planned->from, facts->arch);
}

/* Does a service before this one bring the same image? */
static bool is_counted(const struct facts *facts, const struct plan *plan, size_t at)
{
	const struct image_variant *variant = delivered(facts, &plan->services[at]);

	for (size_t i = 0; i < at; i++) {
		const struct image_variant *other = delivered(facts, &plan->services[i]);

		if (other != NULL && strcmp(other->config, variant->config) == 0)
			return true;
	}
	return false;
}

/* All that is to be delivered has to find room, not just each of it. */
static int check_disk(const struct facts *facts, const struct plan *plan, struct error *err)
{
	char need[TEXT_BYTES_SIZE], have[TEXT_BYTES_SIZE];
	uint64_t bytes = 0;
	size_t n = 0;

	for (size_t i = 0; i < plan->n; i++) {
		const struct image_variant *variant = delivered(facts, &plan->services[i]);

		if (variant != NULL && !is_counted(facts, plan, i)) {
			bytes += variant->size;
			n++;
		}
	}
	if (n == 0 || facts->free_bytes < 0 || (uint64_t)facts->free_bytes >= bytes + DISK_SPARE)
		return 0;
	text_bytes(bytes + DISK_SPARE, need);
	text_bytes((uint64_t)facts->free_bytes, have);
	error_set(err, ERROR_FAILED, "too little disk for the images: they need %s, %s has %s",
	    need, facts->root_dir, have);
	return error_hint(err,
	    "free some on the host, for instance with: docker image prune; or remove "
	    "releases that would be removed afterwards: shipit deploy --prune-first");
}

int plan_preflight(const struct plan_input *input, const struct plan *plan, struct error *err)
{
	for (size_t i = 0; i < plan->n; i++) {
		const struct planned *planned = &plan->services[i];

		if (planned->action < PLAN_CREATE)
			continue;
		if (check_name(input, planned, err) < 0 ||
		    check_ports(input->facts, planned, err) < 0 ||
		    (planned->action == PLAN_CREATE && check_api(input->facts, planned, err) < 0) ||
		    (planned->from != NULL && check_arch(input->facts, planned, err) < 0))
			return -1;
	}
	return check_disk(input->facts, plan, err);
}
