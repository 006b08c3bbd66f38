/* `services:`: Compose's keys with Compose's meaning, and shipit's own. */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "base/buf.h"
#include "inventory/array.h"
#include "inventory/keys.h"
#include "inventory/paths.h"
#include "inventory/problems.h"

/* A service while it is read. */
struct service_draft {
	struct service service;
	struct pairs env_file; /* goes before `environment`, wherever it stands */
};

static int read_command(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_entrypoint(
    struct reader *r, const struct node *value, void *field, const void *arg);
static int read_before(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_image(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_networks(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_restart(struct reader *r, const struct node *value, void *field, const void *arg);

static const char *const order_names[] = {"stop-first", "start-first"};
static const struct choices orders = {
    "stop-first or start-first", order_names, ARRAY_SIZE(order_names)};
static const struct range retain_range = {1, 1000};
static const struct pairs_rule labels_rule = {"a label", .reserved = "dev.shipit."};

#define AT(field) offsetof(struct service_draft, field)
#define SELF	  AT(service)

/* clang-format off */
static const struct key service_keys[] = {
    KEY("image", read_image, SELF, "the image to ship: a local one, or a file; or what to build it as"),
    KEY("build", read_build, AT(service.build), "how to build the image"),
    KEY("ports", read_ports, SELF, "ports published on the host"),
    KEY_ARG("environment", read_pairs, &environment_rule, AT(service.environment), "variables"),
    KEY("env_file", read_env_files, AT(env_file), "files of variables; `environment` goes over them"),
    KEY("secrets", read_secret_files, SELF, "secrets put into it as files"),
    KEY("volumes", read_volumes, SELF, "volumes and host folders mounted in the container"),
    KEY("devices", read_devices, AT(service.devices), "devices of the host"),
    KEY("networks", read_networks, AT(service.networks), "networks it is in"),
    KEY("command", read_command, SELF, "instead of the image's command"),
    KEY("entrypoint", read_entrypoint, SELF, "instead of the image's entrypoint"),
    KEY_ARG("labels", read_pairs, &labels_rule, AT(service.labels), "labels on the container"),
    KEY("restart", read_restart, AT(service.restart), "when the engine starts it again"),
    KEY("user", read_text, AT(service.user), "who it runs as"),
    KEY("healthcheck", read_healthcheck, AT(service.healthcheck), "how the engine sees its health"),
    KEY("stop_grace_period", read_delay, AT(service.stop_grace_ms), "time between TERM and KILL"),
    KEY("hosts", read_host_patterns, AT(service.hosts), "where in an environment it runs"),
    KEY("ready", read_ready, AT(service.ready), "when a new container counts as working"),
    KEY("before", read_before, AT(service.before), "what is run once in a container of the new image before the first swap"),
    KEY("depends_on", read_depends_on, SELF, "services that have to be ready first"),
    KEY_ARG("order", read_choice, &orders, AT(service.order), "which is first: the old one's stop or the new one's start"),
    KEY_ARG("retain", read_count, &retain_range, AT(service.retain), "releases kept, with the current one"),
    LATER("annotations"),
    LATER("attach"),
    LATER("blkio_config"),
    LATER("cap_add"),
    LATER("cap_drop"),
    LATER("cgroup"),
    LATER("cgroup_parent"),
    LATER("configs"),
    REFUSED("container_name", "containers are called PROJECT.ENVIRONMENT.SERVICE"),
    LATER("cpu_count"),
    LATER("cpu_percent"),
    LATER("cpu_period"),
    LATER("cpu_quota"),
    LATER("cpu_rt_period"),
    LATER("cpu_rt_runtime"),
    LATER("cpu_shares"),
    LATER("cpus"),
    LATER("cpuset"),
    LATER("credential_spec"),
    REFUSED("deploy", "`hosts` and `environments` say where a service runs"),
    LATER("develop"),
    LATER("device_cgroup_rules"),
    LATER("dns"),
    LATER("dns_opt"),
    LATER("dns_search"),
    LATER("domainname"),
    LATER("driver_opts"),
    LATER("expose"),
    REFUSED("extends", "YAML anchors and \"<<\" merges do the same within a file"),
    LATER("external_links"),
    LATER("extra_hosts"),
    LATER("gpus"),
    LATER("group_add"),
    LATER("hostname"),
    LATER("init"),
    LATER("ipc"),
    LATER("isolation"),
    LATER("label_file"),
    LATER("links"),
    LATER("logging"),
    LATER("mac_address"),
    LATER("mem_limit"),
    LATER("mem_reservation"),
    LATER("mem_swappiness"),
    LATER("memswap_limit"),
    LATER("models"),
    LATER("network_mode"),
    LATER("oom_kill_disable"),
    LATER("oom_score_adj"),
    LATER("pid"),
    LATER("pids_limit"),
    LATER("platform"),
    LATER("post_start"),
    LATER("pre_stop"),
    LATER("privileged"),
    REFUSED("profiles", "an environment's `services` says which run in it"),
    LATER("provider"),
    LATER("pull_policy"),
    LATER("read_only"),
    LATER("runtime"),
    REFUSED("scale", "a service is one container on each of its hosts"),
    LATER("security_opt"),
    LATER("shm_size"),
    LATER("stdin_open"),
    LATER("stop_signal"),
    LATER("storage_opt"),
    LATER("sysctls"),
    LATER("tmpfs"),
    LATER("tty"),
    LATER("ulimits"),
    LATER("use_api_socket"),
    LATER("userns_mode"),
    LATER("uts"),
    LATER("volumes_from"),
    LATER("working_dir"),
};
/* clang-format on */

const struct key_table service_table = KEY_TABLE("a service", service_keys);

static_assert(ARRAY_SIZE(service_keys) <= SCHEMA_MAX_KEYS, "struct seen is too small");

/* ---- image ---- */

/* "oci:" of "oci:PATH[:NAME]"; NULL: an engine's image. */
static const char *archive_kind(const char *text)
{
	static const char *const kinds[] = {"oci:", "docker-archive:"};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strncmp(text, kinds[i], strlen(kinds[i])) == 0)
			return kinds[i];
	return NULL;
}

/* Whether a colon in it begins a NAME only the disk tells: all of it is resolved as a path. */
static int read_archive(struct reader *r, const struct node *value, const char *kind,
    const char *path, struct service *service)
{
	if (*path == '\0' || *path == ':')
		return mistake_value(r, value, "oci:PATH[:NAME] or docker-archive:PATH[:NAME]");
	CLEANUP_FREE char *resolved = path_resolve(r->inv->dir, path, reader_variable(r, "HOME"));
	CLEANUP_FREE char *text = resolved ? string_printf("%s%s", kind, resolved) : NULL;

	service->image_is_file = true;
	return text ? set_string(&service->image, text) : -1;
}

static int refuse_oci_archive(struct reader *r, const struct node *value)
{
	if (mistake(r, value, "there are images of the kinds oci: and docker-archive:") < 0)
		return -1;
	return mistake_hint(r, "write oci:PATH[:NAME]: PATH may be a tar as well as a folder");
}

static int read_image(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	static const char expected[] = "an image's name";
	struct service *service = field;
	const char *text;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	service->image_pos = value->pos;
	const char *kind = archive_kind(text);
	if (kind)
		return read_archive(r, value, kind, text + strlen(kind), service);
	if (strncmp(text, "oci-archive:", strlen("oci-archive:")) == 0)
		return refuse_oci_archive(r, value);
	if (!*text || text[0] == '-' || text[strcspn(text, " \t\r\n")])
		return mistake_value(r, value, expected);
	return set_string(&service->image, text);
}

/* ---- command, entrypoint ---- */

static int read_command(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct service *service = field;

	if (value->kind == NODE_NULL)
		return 0;
	service->has_command = true;
	return read_words(r, value, &service->command, NULL);
}

static int read_entrypoint(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct service *service = field;

	if (value->kind == NODE_NULL)
		return 0;
	service->has_entrypoint = true;
	return read_words(r, value, &service->entrypoint, NULL);
}

/* ---- before ---- */

static const struct key before_keys[] = {
    NEEDED("command", read_words, offsetof(struct before, command), "what is run"),
    KEY("timeout", read_duration, offsetof(struct before, timeout_ms), "how long it may take"),
};

const struct key_table before_table = KEY_TABLE("`before`", before_keys);

static int read_before(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct before *before = field;

	if (value->kind == NODE_MAP)
		return schema_read(r, value, &before_table, before, NULL);
	return read_words(r, value, &before->command, NULL);
}

/* ---- networks, restart ---- */

static int add_network(struct reader *r, const struct node *node, const char *text, void *context)
{
	struct strv *networks = context;
	char shown[SHOWN_SIZE];

	if (!is_resource_key(text))
		return mistake(r, node, "\"%s\" is no network name: use letters, digits, - and _",
		    show_text(shown, text));
	return strv_has(networks, text) ? 0 : strv_add(networks, text);
}

static int read_networks(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	if (value->kind != NODE_MAP)
		return each_text(r, value, "a list of networks", add_network, field);
	for (size_t i = 0; i < value->n; i++) {
		const struct entry *entry = &value->entries[i];
		bool empty = entry->value->kind == NODE_NULL ||
			     (entry->value->kind == NODE_MAP && entry->value->n == 0);
		int result = empty ? add_network(r, entry->key, entry->key->text, field)
				   : mistake(r, entry->value,
					 "options of a network are not supported by this version "
					 "of shipit");
		if (result < 0)
			return -1;
	}
	return 0;
}

static bool is_restart(const char *text)
{
	static const char *const known[] = {"no", "always", "unless-stopped", "on-failure"};
	static const char counted[] = "on-failure:";
	int ignored;

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(text, known[i]) == 0)
			return true;
	return strncmp(text, counted, strlen(counted)) == 0 &&
	       parse_int(text + strlen(counted), 1, 1000000, &ignored) == 0;
}

static int read_restart(struct reader *r, const struct node *value, void *field, const void *arg)
{
	static const char expected[] = "always, unless-stopped, on-failure, on-failure:TIMES or no";
	const char *text;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	return is_restart(text) ? read_string(r, value, field, arg)
				: mistake_value(r, value, expected);
}

/* ---- the list ---- */

static int set_defaults(struct service *service, const struct node *key)
{
	enum {
		STOP_GRACE_MS = 10000,
		RUNNING_MS = 3000,
		READY_MS = 60000,
		RETAIN = 3,
		BEFORE_MS = 30 * 60000
	};

	*service = (struct service){
	    .stop_grace_ms = STOP_GRACE_MS,
	    .ready = {.running_ms = RUNNING_MS, .timeout_ms = READY_MS},
	    .before = {.timeout_ms = BEFORE_MS},
	    .retain = RETAIN,
	    .pos = key->pos,
	    .image_pos = key->pos,
	};
	service->name = strdup(key->text);
	service->restart = strdup("always");
	return service->name && service->restart ? 0 : -1;
}

/* The files' variables first, `environment` over them. */
static int merge_environment(struct service_draft *draft)
{
	struct pairs own = draft->service.environment;
	int result;

	draft->service.environment = draft->env_file;
	draft->env_file = (struct pairs){0};
	result = pairs_set_all(&draft->service.environment, &own);
	pairs_release(&own);
	return result;
}

static int check_service(struct reader *r, const struct entry *entry, const struct service *service,
    const struct seen *seen)
{
	const struct node *node = entry->value;

	if (node->kind == NODE_MAP && !schema_seen(&service_table, seen, "image") &&
	    !schema_seen(&service_table, seen, "build") &&
	    mistake(r, entry->key, "a service needs `image` or `build`") < 0)
		return -1;
	if (service->image_is_file && service->build.set &&
	    problem_add(r->problems, &service->image_pos,
		"an image in a file is not built here: a service has either it or `build`") < 0)
		return -1;
	if (service->order == ORDER_START_FIRST && service->n_ports > 0) {
		const struct entry *order = node_find(node, "order");

		if (mistake(r, order ? order->value : node,
			"`start-first` cannot be had with published ports: the old and the new one "
			"cannot both hold them") < 0 ||
		    mistake_hint(r,
			"put a proxy in front that finds it by the name \"%s\" on a network, or "
			"take `order` away",
			service->name) < 0)
			return -1;
	}
	if (check_secret_files(r, service) < 0)
		return -1;
	if (service->ready.healthy && service->healthcheck.disable) {
		const struct entry *ready = node_find(node, "ready");

		return mistake(r, ready ? ready->value : node,
		    "it is to be healthy, but its healthcheck is disabled");
	}
	return 0;
}

static int read_service(struct reader *r, const struct entry *entry, struct service_draft *draft)
{
	struct seen seen = {0};

	if (check_name(r, entry->key, "a service") < 0)
		return -1;
	if (strcmp(entry->key->text, "shipit") == 0 &&
	    mistake(r, entry->key, "the service name \"shipit\" is shipit's own") < 0)
		return -1;
	if (set_defaults(&draft->service, entry->key) < 0 ||
	    schema_read(r, entry->value, &service_table, draft, &seen) < 0 ||
	    merge_environment(draft) < 0)
		return -1;
	return check_service(r, entry, &draft->service, &seen);
}

static int add_service(struct reader *r, const struct entry *entry)
{
	struct inventory *inv = r->inv;
	struct service_draft draft = {0};

	if (array_grow(&inv->services, inv->n_services, sizeof(*inv->services)) < 0)
		return -1;
	int result = read_service(r, entry, &draft);
	inv->services[inv->n_services++] = draft.service;
	pairs_release(&draft.env_file);
	return result;
}

int read_services(
    struct reader *r, const struct node *value, void *field UNUSED, const void *arg UNUSED)
{
	if (value->kind != NODE_MAP)
		return mistake_kind(r, value, "a mapping of services");
	if (value->n == 0)
		return mistake(r, value, "expected at least one service");
	if (value->n > MAX_SERVICES)
		return mistake(r, value, "more than %d services", MAX_SERVICES);
	for (size_t i = 0; i < value->n; i++)
		if (add_service(r, &value->entries[i]) < 0)
			return -1;
	return 0;
}
