#include "deploy/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "deploy/names.h"
#include "deploy/options.h"
#include "transport/engine.h"

/* As images name architectures (Go's GOARCH), from what uname -m and the engine's /info say. */
static const char *image_arch(const char *machine)
{
	static const struct {
		const char *machine, *arch;
	} known[] = {{"x86_64", "amd64"}, {"aarch64", "arm64"}, {"armv7l", "arm"},
	    {"armv6l", "arm"}, {"i686", "386"}, {"i386", "386"}};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(known[i].machine, machine) == 0)
			return known[i].arch;
	return machine;
}

static void container_release(struct container *container)
{
	char *const all[] = {container->id, container->name, container->service, container->release,
	    container->rollout, container->image, container->config, container->restart,
	    container->policy, container->by, container->at, container->source, container->status,
	    container->health};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		free(all[i]);
}

/* A copy of a member; NULL where it is missing and `otherwise` is NULL. */
static int copy(const json_t *json, const char *path, const char *otherwise, char **ret)
{
	const char *text = json_str(json, path, otherwise);

	*ret = text != NULL ? strdup(text) : NULL;
	return text != NULL && *ret == NULL ? -1 : 0;
}

static const char *label(const json_t *inspect, const char *name)
{
	return json_string_value(json_object_get(json_at(inspect, "Config.Labels"), name));
}

static int copy_label(const json_t *inspect, const char *name, const char *otherwise, char **ret)
{
	const char *value = label(inspect, name);

	if (value == NULL)
		value = otherwise;
	*ret = value != NULL ? strdup(value) : NULL;
	return value != NULL && *ret == NULL ? -1 : 0;
}

/* "on-failure" with its count, as `docker update` takes it. */
static char *policy_of(const json_t *inspect)
{
	const char *name = json_str(inspect, "HostConfig.RestartPolicy.Name", "no");
	int64_t most = json_int(inspect, "HostConfig.RestartPolicy.MaximumRetryCount", 0);

	if (strcmp(name, "on-failure") == 0 && most > 0)
		return string_printf("%s:%d", name, (int)most);
	return strdup(*name != '\0' ? name : "no");
}

/* "+01:00" in seconds: podman tells its host's time. */
static int64_t zone_of(const char *text)
{
	char *end;
	long hours, minutes;

	if (*text != '+' && *text != '-')
		return 0;
	hours = strtol(text + 1, &end, 10);
	minutes = *end == ':' ? strtol(end + 1, NULL, 10) : 0;
	if (hours < 0 || hours > 14 || minutes < 0 || minutes > 59)
		return 0;
	return (*text == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
}

static int64_t started_at(const json_t *inspect)
{
	const char *text = json_str(inspect, "State.StartedAt", "");
	char whole[CLOCK_UTC_SIZE];
	time_t when = 0;

	/* "2026-11-22T17:54:32.123456789Z": the fraction does not matter. */
	if (strlen(text) < 20 || strncmp(text, "0001", 4) == 0)
		return 0;
	memcpy(whole, text, 19);
	memcpy(whole + 19, "Z", 2);
	if (clock_parse_utc(whole, &when) < 0)
		return 0;
	return (int64_t)when - zone_of(text + 19 + strspn(text + 19, ".0123456789"));
}

static int container_from(const json_t *inspect, struct container *ret)
{
	const char *name = json_str(inspect, "Name", "");
	struct container c = {
	    .running = json_flag(inspect, "State.Running", false),
	    .exit_code = (int)json_int(inspect, "State.ExitCode", 0),
	    .started_at = started_at(inspect),
	    .stop_grace_s = (int)json_int(inspect, "Config.StopTimeout", 10),
	    .policy = policy_of(inspect),
	    .name = strdup(*name == '/' ? name + 1 : name),
	};

	if (c.policy == NULL || c.name == NULL || copy(inspect, "Id", "", &c.id) < 0 ||
	    copy(inspect, "State.Status", "unknown", &c.status) < 0 ||
	    copy(inspect, "State.Health.Status", NULL, &c.health) < 0 ||
	    copy_label(inspect, LABEL_PREFIX "service", "", &c.service) < 0 ||
	    copy_label(inspect, LABEL_PREFIX "release", "", &c.release) < 0 ||
	    copy_label(inspect, LABEL_PREFIX "rollout", "", &c.rollout) < 0 ||
	    copy_label(inspect, LABEL_PREFIX "image", "", &c.image) < 0 ||
	    copy_label(inspect, LABEL_PREFIX "config", "", &c.config) < 0 ||
	    copy_label(inspect, LABEL_PREFIX "restart", c.policy, &c.restart) < 0 ||
	    copy_label(inspect, LABEL_PREFIX "by", "", &c.by) < 0 ||
	    copy_label(inspect, LABEL_PREFIX "at", "", &c.at) < 0 ||
	    copy_label(inspect, LABEL_PREFIX "source", NULL, &c.source) < 0) {
		container_release(&c);
		return -1;
	}
	/* A label that somebody altered: what it has is what it wants. */
	if (!options_is_restart(c.restart)) {
		free(c.restart);
		c.restart = strdup(c.policy);
		if (c.restart == NULL) {
			container_release(&c);
			return -1;
		}
	}
	*ret = c;
	return 0;
}

static int add_container(struct facts *facts, const json_t *inspect, struct error *err)
{
	struct container *v = reallocarray(facts->containers, facts->n_containers + 1, sizeof(*v));

	if (v == NULL)
		return error_memory(err);
	facts->containers = v;
	if (container_from(inspect, &v[facts->n_containers]) < 0)
		return error_memory(err);
	facts->n_containers++;
	return 0;
}

static int add_port(struct facts *facts, const json_t *port, const char *holder, struct error *err)
{
	struct taken_port taken = {.port = (int)json_int(port, "PublicPort", 0)};
	const char *ip = json_str(port, "IP", "");
	struct taken_port *v;

	if (taken.port == 0)
		return 0;
	if (strcmp(ip, "0.0.0.0") == 0 || strcmp(ip, "::") == 0)
		ip = "";
	snprintf(taken.protocol, sizeof(taken.protocol), "%s", json_str(port, "Type", "tcp"));
	taken.ip = strdup(ip);
	taken.holder = strdup(holder);
	v = reallocarray(facts->ports, facts->n_ports + 1, sizeof(*v));
	if (v != NULL)
		facts->ports = v;
	if (v == NULL || taken.ip == NULL || taken.holder == NULL) {
		free(taken.ip);
		free(taken.holder);
		return error_memory(err);
	}
	v[facts->n_ports++] = taken;
	return 0;
}

/* What has our prefix and no service or release is the ledger's container, or a stranger's. */
static bool is_ours(const json_t *labels, const char *prefix)
{
	const char *of = json_string_value(json_object_get(labels, LABEL_PREFIX "prefix"));
	const char *service = json_string_value(json_object_get(labels, LABEL_PREFIX "service"));
	const char *release = json_string_value(json_object_get(labels, LABEL_PREFIX "release"));

	return of != NULL && strcmp(of, prefix) == 0 && service != NULL && text_is_name(service) &&
	       release != NULL && name_is_release(release);
}

/* One entry of the list: ours is inspected, of the others the names and ports matter. */
static int look_at(struct engine *engine, const char *prefix, const json_t *summary,
    struct facts *facts, struct error *err)
{
	const char *name = json_string_value(json_array_get(json_object_get(summary, "Names"), 0));
	CLEANUP_JSON json_t *inspect = NULL;
	json_t *port;
	size_t i;

	name = name == NULL ? "" : *name == '/' ? name + 1 : name;
	json_array_foreach(json_object_get(summary, "Ports"), i, port)
	{
		if (add_port(facts, port, name, err) < 0)
			return -1;
	}
	if (!is_ours(json_object_get(summary, "Labels"), prefix))
		return strv_add(&facts->foreign, name) < 0 ? error_memory(err) : 0;
	if (engine_container_inspect(engine, json_str(summary, "Id", name), &inspect, err) < 0) {
		/* It went away between the two questions. */
		if (err->kind != ERROR_NOT_FOUND)
			return -1;
		error_release(err);
		return 0;
	}
	return add_container(facts, inspect, err);
}

static void forget_containers(struct facts *facts)
{
	for (size_t i = 0; i < facts->n_containers; i++)
		container_release(&facts->containers[i]);
	for (size_t i = 0; i < facts->n_ports; i++) {
		free(facts->ports[i].ip);
		free(facts->ports[i].holder);
	}
	free(facts->containers);
	free(facts->ports);
	strv_release(&facts->foreign);
	facts->containers = NULL;
	facts->ports = NULL;
	facts->n_containers = facts->n_ports = 0;
}

int facts_refresh(struct engine *engine, const char *prefix, struct facts *facts, struct error *err)
{
	CLEANUP_JSON json_t *list = NULL;
	struct facts fresh = {0};
	json_t *summary;
	size_t i;

	if (engine_container_list(engine, NULL, &list, err) < 0)
		return error_wrap(err, "cannot list the containers");
	json_array_foreach(list, i, summary)
	{
		if (look_at(engine, prefix, summary, &fresh, err) < 0) {
			forget_containers(&fresh);
			return -1;
		}
	}
	forget_containers(facts);
	facts->containers = fresh.containers;
	facts->n_containers = fresh.n_containers;
	facts->ports = fresh.ports;
	facts->n_ports = fresh.n_ports;
	facts->foreign = fresh.foreign;
	return 0;
}

static int gather_images(
    struct engine *engine, const char *glob, struct facts *facts, struct error *err)
{
	CLEANUP_JSON json_t *list = NULL;
	json_t *image, *tag;
	size_t i, j;

	if (glob == NULL)
		return error_memory(err);
	if (engine_image_list(engine, glob, &list, err) < 0)
		return error_wrap(err, "cannot list the images");
	json_array_foreach(list, i, image)
	{
		json_array_foreach(json_object_get(image, "RepoTags"), j, tag)
		{
			if (!json_is_string(tag))
				continue;
			if (strv_add(&facts->images, json_string_value(tag)) < 0 ||
			    strv_add(&facts->image_ids, json_str(image, "Id", "")) < 0)
				return error_memory(err);
		}
	}
	return 0;
}

static int gather_engine(struct engine *engine, struct facts *facts, struct error *err)
{
	CLEANUP_JSON json_t *info = NULL;

	if (engine_info(engine, &info, err) < 0)
		return -1;
	facts->arch = strdup(image_arch(json_str(info, "Architecture", "unknown")));
	if (facts->arch == NULL || copy(info, "DockerRootDir", "/", &facts->root_dir) < 0 ||
	    copy(info, "ServerVersion", "?", &facts->engine_version) < 0)
		return error_memory(err);
	return 0;
}

static int gather(struct engine *engine, struct keeper *keeper, const char *prefix,
    struct facts *facts, struct error *err)
{
	CLEANUP_FREE char *ours = name_image(prefix, "*");
	CLEANUP_FREE char *pulled = name_pulled(prefix, "*");

	if (gather_engine(engine, facts, err) < 0 ||
	    keeper_facts(keeper, facts->root_dir, &facts->listens, err) < 0 ||
	    facts_refresh(engine, prefix, facts, err) < 0 ||
	    gather_images(engine, ours, facts, err) < 0 ||
	    gather_images(engine, pulled, facts, err) < 0 ||
	    ledger_read(engine, prefix, &facts->ledger, &facts->has_ledger, err) < 0)
		return -1;
	facts->free_bytes = facts->listens.free_bytes;
	if (facts->listens.clock != 0)
		facts->clock_skew_s = facts->listens.clock - (int64_t)time(NULL);
	return 0;
}

int facts_gather(struct engine *engine, struct keeper *keeper, const char *prefix,
    struct facts *ret, struct error *err)
{
	struct facts facts = {.free_bytes = -1};

	if (gather(engine, keeper, prefix, &facts, err) < 0) {
		facts_release(&facts);
		return -1;
	}
	*ret = facts;
	return 0;
}

void facts_release(struct facts *facts)
{
	free(facts->engine_version);
	free(facts->arch);
	free(facts->root_dir);
	forget_containers(facts);
	strv_release(&facts->images);
	strv_release(&facts->image_ids);
	ledger_release(&facts->ledger);
	*facts = (struct facts){0};
}

const struct container *facts_container(
    const struct facts *facts, const char *service, const char *release)
{
	const struct container *found = NULL;

	for (size_t i = 0; i < facts->n_containers; i++) {
		const struct container *c = &facts->containers[i];

		if (strcmp(c->service, service) == 0 && strcmp(c->release, release) == 0 &&
		    (found == NULL || c->running))
			found = c;
	}
	return found;
}

const char *facts_image_id(const struct facts *facts, const char *reference)
{
	for (size_t i = 0; i < facts->images.n; i++)
		if (strcmp(facts->images.v[i], reference) == 0)
			return facts->image_ids.v[i];
	return NULL;
}
