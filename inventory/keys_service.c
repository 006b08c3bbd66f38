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
	struct pairs env_file;	 /* goes before `environment`, wherever it stands */
	struct pairs label_file; /* and so before `labels` */
};

static int read_command(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_entrypoint(
    struct reader *r, const struct node *value, void *field, const void *arg);
static int read_before(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_image(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_label_file(
    struct reader *r, const struct node *value, void *field, const void *arg);
static int read_platform(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_pull_policy(
    struct reader *r, const struct node *value, void *field, const void *arg);
static int read_restart(struct reader *r, const struct node *value, void *field, const void *arg);

static const char *const order_names[] = {"stop-first", "start-first"};
static const struct choices orders = {
    "stop-first or start-first", order_names, ARRAY_SIZE(order_names)};
static const struct range retain_range = {1, 1000};
const struct pairs_rule labels_rule = {"a label", .reserved = "dev.shipit."};

#define AT(field) offsetof(struct service_draft, field)
#define SELF	  AT(service)
#define SETTINGS  AT(service.settings)

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
    KEY("networks", read_service_networks, SELF, "networks it is in"),
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
    KEY_ARG("cap_add", setting_list, "cap_add", SETTINGS, "capabilities it has beyond the usual ones"),
    KEY_ARG("cap_drop", setting_list, "cap_drop", SETTINGS, "capabilities taken from it"),
    KEY_ARG("annotations", setting_pairs, "annotations", SETTINGS, "notes for the runtime"),
    KEY_ARG("blkio_config", read_table, &blkio_table, SETTINGS, "what it may read and write"),
    KEY_ARG("cgroup", setting_cgroup, "cgroup", SETTINGS, "whose control groups it sees: host, private"),
    KEY_ARG("cgroup_parent", setting_text, "cgroup_parent", SETTINGS, "the control group it is in"),
    KEY_ARG("cpu_period", setting_number, "cpu_period", SETTINGS, "of the scheduler, in microseconds"),
    KEY_ARG("cpu_quota", setting_number, "cpu_quota", SETTINGS, "processor time in each period, in microseconds"),
    KEY_ARG("cpu_rt_period", setting_us, "cpu_rt_period", SETTINGS, "of the real-time scheduler, in microseconds"),
    KEY_ARG("cpu_rt_runtime", setting_us, "cpu_rt_runtime", SETTINGS, "real time in each period, in microseconds"),
    KEY_ARG("cpu_shares", setting_number, "cpu_shares", SETTINGS, "its weight when processors are scarce"),
    KEY_ARG("cpus", setting_cpus, "cpus", SETTINGS, "processors it may use at most: 1.5"),
    KEY_ARG("cpuset", setting_text, "cpuset", SETTINGS, "which processors: 0-2,5"),
    KEY_ARG("device_cgroup_rules", setting_rules, "device_cgroup_rules", SETTINGS, "devices that it may use, by numbers: c 1:3 mr"),
    KEY_ARG("dns", setting_list, "dns", SETTINGS, "name servers"),
    KEY_ARG("dns_opt", setting_list, "dns_opt", SETTINGS, "options of the resolver"),
    KEY_ARG("dns_search", setting_list, "dns_search", SETTINGS, "domains to search"),
    KEY_ARG("domainname", setting_text, "domainname", SETTINGS, "the domain of its host name"),
    KEY_ARG("expose", setting_expose, "expose", SETTINGS, "ports it listens on, for others to read"),
    KEY_ARG("extra_hosts", setting_hosts, "extra_hosts", SETTINGS, "names it knows beside DNS: NAME:ADDRESS"),
    KEY_ARG("gpus", setting_gpus, "gpus", SETTINGS, "graphics cards"),
    KEY_ARG("group_add", setting_list, "group_add", SETTINGS, "groups its user is in, too"),
    KEY_ARG("hostname", setting_text, "hostname", SETTINGS, "what it calls itself"),
    KEY_ARG("init", setting_choice, "init", SETTINGS, "whether an init reaps its processes"),
    KEY_ARG("ipc", setting_text, "ipc", SETTINGS, "whose IPC it shares: host, private, shareable"),
    KEY("label_file", read_label_file, AT(label_file), "files of labels; `labels` goes over them"),
    KEY_ARG("logging", setting_logging, "logging", SETTINGS, "instead of three files of 10 MB"),
    KEY_ARG("mac_address", setting_mac, "mac_address", SETTINGS, "the address of its network card"),
    KEY_ARG("mem_limit", setting_size, "mem_limit", SETTINGS, "memory it may use at most"),
    KEY_ARG("mem_reservation", setting_size, "mem_reservation", SETTINGS, "memory it keeps when memory is scarce"),
    KEY_ARG("mem_swappiness", setting_number, "mem_swappiness", SETTINGS, "how readily it is swapped out, 0 to 100"),
    KEY_ARG("memswap_limit", setting_size, "memswap_limit", SETTINGS, "memory and swap together; -1: no limit"),
    KEY_ARG("network_mode", setting_network_mode, "network_mode", SETTINGS, "instead of networks: host, none, bridge, container:NAME"),
    KEY_ARG("oom_kill_disable", setting_flag, "oom_kill_disable", SETTINGS, "the kernel does not end it when memory runs out"),
    KEY_ARG("oom_score_adj", setting_oom_score, "oom_score_adj", SETTINGS, "how likely it is to be ended then"),
    KEY_ARG("pid", setting_text, "pid", SETTINGS, "whose processes it sees: host"),
    KEY_ARG("pids_limit", setting_number, "pids_limit", SETTINGS, "processes it may have at most"),
    KEY("platform", read_platform, AT(service.platform), "what its hosts have to be: linux/arm64"),
    KEY_ARG("privileged", setting_flag, "privileged", SETTINGS, "it may do what the host may"),
    KEY("pull_policy", read_pull_policy, 0, "never, missing or build: the image is this computer's, and nothing is pulled"),
    KEY_ARG("read_only", setting_flag, "read_only", SETTINGS, "its own file system cannot be written to"),
    KEY_ARG("runtime", setting_text, "runtime", SETTINGS, "another runtime of the engine"),
    KEY_ARG("security_opt", setting_list, "security_opt", SETTINGS, "labels and profiles"),
    KEY_ARG("shm_size", setting_size, "shm_size", SETTINGS, "of /dev/shm"),
    KEY_ARG("stdin_open", setting_flag, "stdin_open", SETTINGS, "its stdin stays open"),
    KEY_ARG("stop_signal", setting_text, "stop_signal", SETTINGS, "what ends it instead of TERM"),
    KEY_ARG("storage_opt", setting_pairs, "storage_opt", SETTINGS, "options of the storage driver"),
    KEY_ARG("sysctls", setting_pairs, "sysctls", SETTINGS, "kernel parameters of its namespaces"),
    KEY_ARG("tmpfs", setting_paths, "tmpfs", SETTINGS, "folders in memory: /run or /run:size=64m"),
    KEY_ARG("tty", setting_flag, "tty", SETTINGS, "it has a terminal"),
    KEY_ARG("ulimits", setting_limits, "ulimits", SETTINGS, "limits of its processes"),
    KEY_ARG("userns_mode", setting_text, "userns_mode", SETTINGS, "host: without the engine's user namespace"),
    KEY_ARG("uts", setting_text, "uts", SETTINGS, "host: with the host's name"),
    KEY_ARG("working_dir", setting_text, "working_dir", SETTINGS, "the folder it starts in"),
    /* Limits that stand in two places are compared, so it comes behind the others. */
    KEY("deploy", read_deploy, SETTINGS, "its `resources`: what it may use, and what is kept for it"),
    IGNORED("attach", "whose output `compose up` shows; `shipit logs` shows what it is asked for"),
    IGNORED("develop", "only `compose watch` looks at it"),
    REFUSED("configs", "a file of the host is mounted by `volumes`, one of this computer by `secrets`"),
    REFUSED("container_name", "containers are called PROJECT.ENVIRONMENT.SERVICE"),
    REFUSED("cpu_count", "it is of Windows; `cpus` says it"),
    REFUSED("cpu_percent", "it is of Windows; `cpus` says it"),
    REFUSED("credential_spec", "it is of Windows, and hosts run Linux"),
    REFUSED("driver_opts", "options of a network's driver stand with the network in `networks`"),
    REFUSED("extends", "YAML anchors and \"<<\" merges do the same within a file"),
    REFUSED("external_links", "services find each other by their names on a network"),
    REFUSED("isolation", "it is of Windows, and hosts run Linux"),
    REFUSED("links", "services of one network find each other by their names; more names are `aliases` of a network"),
    REFUSED("models", "no model runner is on the hosts"),
    REFUSED("post_start", "`before` runs a program before the swap, `ready` asks the new container"),
    REFUSED("pre_stop", "let the program clean up when `stop_signal` comes, within `stop_grace_period`"),
    REFUSED("profiles", "an environment's `services` says which run in it"),
    REFUSED("provider", "what no container is has to be made by other means"),
    REFUSED("scale", "a service is one container on each of its hosts"),
    REFUSED("use_api_socket", "it would give the container all of the engine; mount /var/run/docker.sock where that is meant"),
    REFUSED("volumes_from", "name the volumes: services that name the same one share it"),
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
	CLEANUP_FREE char *resolved =
	    path_resolve(reader_dir(r, value), path, reader_variable(r, "HOME"));
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

static const char image_letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._-/:@+[]";

static int read_image(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	static const char expected[] = "an image's name such as nginx:1.27";
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
	if (!*text || text[0] == '-' || text[strspn(text, image_letters)])
		return mistake_value(r, value, expected);
	return set_string(&service->image, text);
}

/* ---- label_file, platform, pull_policy ---- */

static int read_label_file(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct pairs *labels = field;
	char shown[SHOWN_SIZE];

	if (read_env_files(r, value, labels, NULL) < 0)
		return -1;
	for (size_t i = 0; i < labels->n; i++)
		if (strncmp(labels->v[i].key, labels_rule.reserved, strlen(labels_rule.reserved)) ==
			0 &&
		    mistake(r, value, "\"%s\": names that begin with \"%s\" are shipit's own",
			show_text(shown, labels->v[i].key), labels_rule.reserved) < 0)
			return -1;
	return 0;
}

/* As images call them: docker says x86_64 and aarch64, too. */
static const char *architecture(const char *text, size_t len)
{
	static const char *const others[][2] = {
	    {"x86_64", "amd64"}, {"x86-64", "amd64"}, {"aarch64", "arm64"}, {"armhf", "arm"}};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (strlen(others[i][0]) == len && strncmp(text, others[i][0], len) == 0)
			return others[i][1];
	return NULL;
}

static int read_platform(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	static const char expected[] = "a platform such as linux/arm64";
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
	const char *text, *arch, *known;
	char **platform = field;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	arch = text + strcspn(text, "/");
	size_t len = *arch ? strspn(arch + 1, allowed) : 0;
	if (len == 0 || (arch[1 + len] != '\0' && arch[1 + len] != '/'))
		return mistake_value(r, value, expected);
	if (strncmp(text, "linux/", 6) != 0)
		return mistake_value(r, value, "a platform of Linux, which hosts run");
	known = architecture(arch + 1, len);
	free(*platform);
	*platform = known ? string_printf("linux/%s", known)
			  : string_printf("linux/%.*s", (int)len, arch + 1);
	return *platform ? 0 : -1;
}

static int read_pull_policy(
    struct reader *r, const struct node *value, void *field UNUSED, const void *arg UNUSED)
{
	static const char *const same[] = {"never", "missing", "if_not_present", "build"};
	static const char *const others[] = {"always", "daily", "weekly", "every_"};
	const char *text;
	int got = scalar_text(r, value, "never, missing or build", &text);

	if (got <= 0)
		return got;
	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		if (strcmp(text, same[i]) == 0)
			return 0;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (strncmp(text, others[i], strlen(others[i])) == 0) {
			if (mistake(r, value,
				"`%s`: nothing is pulled, the image is this computer's", text) < 0)
				return -1;
			return mistake_hint(
			    r, "pull it first: hooks: {before_deploy: [docker, pull, IMAGE]}");
		}
	return mistake_value(r, value, "never, missing or build");
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

/* ---- restart ---- */

static const char *const restarts[] = {"no", "always", "unless-stopped", "on-failure"};

static bool is_restart(const char *text)
{
	static const char counted[] = "on-failure:";
	int ignored;

	for (size_t i = 0; i < ARRAY_SIZE(restarts); i++)
		if (strcmp(text, restarts[i]) == 0)
			return true;
	return strncmp(text, counted, strlen(counted)) == 0 &&
	       parse_int(text + strlen(counted), 1, 1000000, &ignored) == 0;
}

static int read_restart(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	static const char expected[] = "always, unless-stopped, on-failure, on-failure:TIMES or no";
	const char *text;
	bool flag;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	if (is_restart(text))
		return set_string(field, text);
	if (mistake_choice(r, value, expected, restarts, ARRAY_SIZE(restarts)) < 0)
		return -1;
	return parse_bool(text, &flag) ? mistake_hint(r, "write %s", flag ? "always" : "\"no\"")
				       : 0;
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

/* What files say first, what stands here over it. */
static int merge_pairs(struct pairs *file, struct pairs *here)
{
	struct pairs own = *here;
	int result;

	*here = *file;
	*file = (struct pairs){0};
	result = pairs_set_all(here, &own);
	pairs_release(&own);
	return result;
}

/* The old and the new one run side by side for a moment. */
static int check_start_first(
    struct reader *r, const struct node *node, const struct service *service)
{
	const struct entry *order = node_find(node, "order");

	if (service->order != ORDER_START_FIRST)
		return 0;
	if (has_fixed_address(service))
		return mistake(r, order ? order->value : node,
		    "`start-first` cannot be had with a fixed address in a network: the old and "
		    "the new one cannot both have it");
	if (service->n_ports == 0)
		return 0;
	if (mistake(r, order ? order->value : node,
		"`start-first` cannot be had with published ports: the old and the new one "
		"cannot both hold them") < 0)
		return -1;
	return mistake_hint(r,
	    "put a proxy in front that finds it by the name \"%s\" on a network, or "
	    "take `order` away",
	    service->name);
}

static int check_service(struct reader *r, const struct entry *entry, const struct service *service,
    const struct seen *seen)
{
	const struct node *node = entry->value;

	if (node->kind == NODE_MAP && !seen->strange &&
	    !schema_seen(&service_table, seen, "image") &&
	    !schema_seen(&service_table, seen, "build") &&
	    (mistake(r, entry->key, "a service needs `image` or `build`") < 0 ||
		mistake_hint(r, "`image: NAME` takes an image, `build: FOLDER` builds one") < 0))
		return -1;
	if (service->image_is_file && service->build.set &&
	    problem_add(r->problems, &service->image_pos,
		"an image in a file is not built here: a service has either it or `build`") < 0)
		return -1;
	if (check_start_first(r, node, service) < 0)
		return -1;
	if (check_secret_files(r, service) < 0 || check_network_mode(r, node, service) < 0)
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
	    merge_pairs(&draft->env_file, &draft->service.environment) < 0 ||
	    merge_pairs(&draft->label_file, &draft->service.labels) < 0)
		return -1;
	return check_service(r, entry, &draft->service, &seen);
}

int add_service(struct reader *r, const struct entry *entry, struct service **services, size_t *n)
{
	struct service_draft draft = {0};

	if (array_grow(services, *n, sizeof(**services)) < 0)
		return -1;
	int result = read_service(r, entry, &draft);
	(*services)[(*n)++] = draft.service;
	pairs_release(&draft.env_file);
	pairs_release(&draft.label_file);
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
	size_t mistakes = r->problems->n;
	for (size_t i = 0; i < value->n; i++)
		if (add_service(r, &value->entries[i], &r->inv->services, &r->inv->n_services) < 0)
			return -1;
	if (r->problems->n == mistakes)
		r->services = value;
	return 0;
}
