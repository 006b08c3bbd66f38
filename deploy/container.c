#include "deploy/container_put.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "deploy/names.h"
#include "deploy/options.h"
#include "deploy/settings.h"
#include "transport/tar.h"

/* 10 MB x 3: a server's disk is not to be filled by a log (Compose keeps everything). */
static const char log_size[] = "10m", log_files[] = "3";

enum { NS_PER_MS = 1000000 };

static json_t *labels_of(const struct identity *id, const json_t *options)
{
	json_t *own = json_object_get(options, "labels");
	json_t *labels = json_object();
	const struct {
		const char *key, *value;
	} ours[] = {
	    {LABEL_PREFIX "project", id->project},
	    {LABEL_PREFIX "environment", id->environment},
	    {LABEL_PREFIX "prefix", id->prefix},
	    {LABEL_PREFIX "service", id->service},
	    {LABEL_PREFIX "release", id->release},
	    {LABEL_PREFIX "rollout", id->rollout},
	    {LABEL_PREFIX "image", id->image},
	    {LABEL_PREFIX "config", id->config},
	    {LABEL_PREFIX "restart", options_restart(options)},
	    {LABEL_PREFIX "by", id->by},
	    {LABEL_PREFIX "at", id->at},
	    {LABEL_PREFIX "source", id->source},
	};

	/* json_copy would leave out what it has no memory for. */
	if (own != NULL && json_object_update(labels, own) < 0) {
		json_decref(labels);
		return NULL;
	}
	for (size_t i = 0; labels != NULL && i < ARRAY_SIZE(ours); i++)
		if (ours[i].value != NULL &&
		    json_object_set_new(labels, ours[i].key, json_string(ours[i].value)) < 0) {
			json_decref(labels);
			return NULL;
		}
	return labels;
}

json_t *container_owner_labels(const char *project, const char *environment, const char *prefix)
{
	return json_pack("{s:s, s:s, s:s}", LABEL_PREFIX "project", project,
	    LABEL_PREFIX "environment", environment, LABEL_PREFIX "prefix", prefix);
}

/* ["KEY=VALUE", ...], sorted as the object's canonical text is, so that a body is reproducible. */
static json_t *env_array(const json_t *options)
{
	json_t *object = json_object_get(options, "environment");
	CLEANUP_STRV struct strv list = {0};
	json_t *array = json_array(), *value;
	const char *key;

	json_object_foreach(object, key, value)
	{
		/* A name alone takes the variable away that the image has. */
		if ((json_is_null(value)
			    ? strv_add(&list, key)
			    : strv_addf(&list, "%s=%s", key, json_string_value(value))) < 0)
			goto fail;
	}
	strv_sort(&list);
	for (size_t i = 0; i < list.n; i++)
		if (json_array_append_new(array, json_string(list.v[i])) < 0)
			goto fail;
	return array;
fail:
	json_decref(array);
	return NULL;
}

static int add_secret(
    json_t *env, const char *key, const char *name, struct secrets *secrets, struct error *err)
{
	CLEANUP_BUF struct buf word = BUF_SECRET(SECRET_ENV_MAX + SECRET_MAX);
	struct secret_value value;

	if (secrets_get_variable(secrets, name, &value, err) < 0)
		return -1;
	if (buf_addf(&word, "%s=", key) < 0 || buf_add(&word, value.data, value.len) < 0)
		return buf_error(&word, err, key);
	return json_array_append_new(env, json_stringn(word.data, word.len)) < 0 ? error_memory(err)
										 : 0;
}

/* Behind the others. */
static int add_secrets(
    json_t *env, const json_t *options, struct secrets *secrets, struct error *err)
{
	CLEANUP_STRV struct strv keys = {0};
	json_t *object = json_object_get(options, "secret_environment"), *value;
	const char *key;

	json_object_foreach(object, key, value)
	{
		if (strv_add(&keys, key) < 0)
			return error_memory(err);
	}
	strv_sort(&keys);
	for (size_t i = 0; i < keys.n; i++)
		if (add_secret(env, keys.v[i],
			json_string_value(json_object_get(object, keys.v[i])), secrets, err) < 0)
			return -1;
	return 0;
}

/* --- secrets that are files */

static const char secret_folder[] = "run/secrets/";

static int make_entry(
    const char *text, struct secrets *secrets, struct tar_entry *ret, struct error *err)
{
	struct options_secret_file file = {0};
	struct secret_value value;
	CLEANUP_FREE char *name = NULL;

	if (options_secret_file(text, &file) < 0)
		return error_set(err, ERROR_PROTOCOL, "no secret file: %s", text);
	name = strndup(text, file.name_len);
	if (name == NULL)
		return error_memory(err);
	if (secrets_get(secrets, name, &value, err) < 0)
		return -1;
	*ret = (struct tar_entry){.name = file.target + 1,
	    .data = value.data,
	    .len = value.len,
	    .mode = file.mode,
	    .uid = file.uid,
	    .gid = file.gid};
	return 0;
}

/* Of other folders than the usual one nobody knows here whose they are: the image has them. */
int container_secret_files(
    const json_t *options, struct secrets *secrets, struct buf *tar, struct error *err)
{
	json_t *files = json_object_get(options, "secret_files"), *file;
	CLEANUP_FREE struct tar_entry *entries = NULL;
	size_t i, n = 0, usual = 0;

	if (options_check(options, err) < 0)
		return -1;
	if (json_array_size(files) == 0)
		return 0;
	entries = calloc(json_array_size(files) + 2, sizeof(*entries));
	if (entries == NULL)
		return error_memory(err);
	entries[n++] = (struct tar_entry){.name = "run/", .mode = 0755};
	entries[n++] = (struct tar_entry){.name = secret_folder, .mode = 0755};
	json_array_foreach(files, i, file)
	{
		if (make_entry(json_string_value(file), secrets, &entries[n], err) < 0)
			return -1;
		usual += strncmp(entries[n++].name, secret_folder, sizeof(secret_folder) - 1) == 0;
	}
	return usual > 0 ? tar_make(entries, n, tar, err) : tar_make(entries + 2, n - 2, tar, err);
}

static int add_port(json_t *exposed, json_t *bindings, const char *text)
{
	char ip[PORT_IP_SIZE], protocol[8], key[32], host[16] = "";
	int host_port, container_port;
	json_t *list;

	if (options_port(text, ip, &host_port, &container_port, protocol) < 0)
		return -1;
	snprintf(key, sizeof(key), "%d/%s", container_port, protocol);
	if (host_port > 0)
		snprintf(host, sizeof(host), "%d", host_port);
	if (json_set(exposed, key, json_object()) < 0)
		return -1;
	list = json_object_get(bindings, key);
	if (list == NULL) {
		if (json_set(bindings, key, json_array()) < 0)
			return -1;
		list = json_object_get(bindings, key);
	}
	return json_array_append_new(list, json_pack("{s:s, s:s}", "HostIp", ip, "HostPort", host));
}

static int put_ports(json_t *body, json_t *host, const json_t *options)
{
	CLEANUP_JSON json_t *exposed = json_object();
	CLEANUP_JSON json_t *bindings = json_object();
	json_t *port;
	size_t i;

	json_array_foreach(json_object_get(options, "expose"), i, port)
	{
		if (json_set(exposed, json_string_value(port), json_object()) < 0)
			return -1;
	}
	json_array_foreach(json_object_get(options, "ports"), i, port)
	{
		if (add_port(exposed, bindings, json_string_value(port)) < 0)
			return -1;
	}
	if (json_object_size(exposed) > 0 && json_object_set(body, "ExposedPorts", exposed) < 0)
		return -1;
	return json_object_size(bindings) > 0 ? json_object_set(host, "PortBindings", bindings) : 0;
}

static int put_devices(json_t *host, const json_t *options)
{
	CLEANUP_JSON json_t *list = json_array();
	json_t *devices = json_object_get(options, "devices"), *device;
	size_t i;

	json_array_foreach(devices, i, device)
	{
		CLEANUP_STRV struct strv parts = {0};

		if (strv_split(&parts, json_string_value(device), ":") < 0 || parts.n != 3 ||
		    json_array_append_new(list,
			json_pack("{s:s, s:s, s:s}", "PathOnHost", parts.v[0], "PathInContainer",
			    parts.v[1], "CgroupPermissions", parts.v[2])) < 0)
			return -1;
	}
	return json_array_size(list) > 0 ? json_object_set(host, "Devices", list) : 0;
}

static int put_healthcheck(json_t *body, const json_t *options)
{
	static const struct {
		const char *from, *to;
		json_int_t factor;
	} numbers[] = {
	    {"interval_ms", "Interval", NS_PER_MS},
	    {"timeout_ms", "Timeout", NS_PER_MS},
	    {"start_period_ms", "StartPeriod", NS_PER_MS},
	    {"start_interval_ms", "StartInterval", NS_PER_MS},
	    {"retries", "Retries", 1},
	};
	const json_t *check = json_object_get(options, "healthcheck");
	CLEANUP_JSON json_t *all = json_object();

	if (check == NULL)
		return 0;
	if (json_flag(check, "disable", false)) {
		if (json_set(all, "Test", json_pack("[s]", "NONE")) < 0)
			return -1;
	} else if (json_object_get(check, "test") != NULL &&
		   json_object_set(all, "Test", json_object_get(check, "test")) < 0) {
		return -1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		json_int_t value = json_int(check, numbers[i].from, 0);

		if (value > 0 &&
		    json_set(all, numbers[i].to, json_integer(value * numbers[i].factor)) < 0)
			return -1;
	}
	return json_object_set(body, "Healthcheck", all);
}

static int put_process(json_t *body, const json_t *options)
{
	static const struct {
		const char *from, *to;
	} members[] = {{"command", "Cmd"}, {"entrypoint", "Entrypoint"}, {"user", "User"}};

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		json_t *value = json_object_get(options, members[i].from);

		if (value != NULL && json_object_set(body, members[i].to, value) < 0)
			return -1;
	}
	return 0;
}

static json_t *log_config(const json_t *options)
{
	const char *driver = json_str(options, "logging.driver", NULL);

	if (driver != NULL)
		return json_pack(
		    "{s:s, s:O}", "Type", driver, "Config", json_at(options, "logging.options"));
	return json_pack("{s:s, s:{s:s, s:s}}", "Type", "json-file", "Config", "max-size", log_size,
	    "max-file", log_files);
}

/* "on-failure:5" */
static json_t *restart_policy(const char *policy)
{
	const char *colon = strchr(policy, ':');
	size_t len = colon != NULL ? (size_t)(colon - policy) : strlen(policy);

	if (colon == NULL)
		return json_pack("{s:s}", "Name", policy);
	return json_pack("{s:s%, s:I}", "Name", policy, len, "MaximumRetryCount",
	    (json_int_t)strtol(colon + 1, NULL, 10));
}

int container_body(const struct identity *identity, const json_t *options, const char *image_id,
    struct secrets *secrets, json_t **ret, struct error *err)
{
	CLEANUP_JSON json_t *body = json_object();
	CLEANUP_JSON json_t *host = json_object();
	CLEANUP_JSON json_t *env = NULL;
	int64_t grace_s;

	if (options_check(options, err) < 0)
		return -1;
	env = env_array(options);
	if (env == NULL)
		return error_memory(err);
	if (add_secrets(env, options, secrets, err) < 0)
		return -1;
	grace_s = (options_stop_grace_ms(options) + 999) / 1000;
	if (json_set(body, "Image", json_string(image_id)) < 0 ||
	    json_set(body, "Labels", labels_of(identity, options)) < 0 ||
	    json_object_set(body, "Env", env) < 0 || put_process(body, options) < 0 ||
	    json_set(body, "StopTimeout", json_integer(grace_s)) < 0 ||
	    put_healthcheck(body, options) < 0 || put_ports(body, host, options) < 0 ||
	    put_volumes(body, host, options) < 0 || put_devices(host, options) < 0 ||
	    json_set(host, "RestartPolicy",
		restart_policy(identity->fixed_policy ? options_restart(options) : "no")) < 0 ||
	    json_set(host, "LogConfig", log_config(options)) < 0 ||
	    settings_put(body, host, options) < 0 ||
	    put_network(body, host, identity, options) < 0 ||
	    json_object_set(body, "HostConfig", host) < 0)
		return error_memory(err);
	*ret = steal_ptr(body);
	return 0;
}

int container_before_body(const struct identity *identity, const json_t *options,
    const char *image_id, struct secrets *secrets, const struct strv *command, json_t **ret,
    struct error *err)
{
	CLEANUP_JSON json_t *body = NULL;
	json_t *host, *labels;

	if (container_body(identity, options, image_id, secrets, &body, err) < 0)
		return -1;
	host = json_object_get(body, "HostConfig");
	labels = container_owner_labels(identity->project, identity->environment, identity->prefix);
	json_object_del(body, "ExposedPorts");
	json_object_del(host, "PortBindings");
	json_object_del(body, "MacAddress");
	if (json_object_get(body, "NetworkingConfig") != NULL &&
	    json_set(body, "NetworkingConfig",
		json_pack("{s:{s:{}}}", "EndpointsConfig", json_str(host, "NetworkMode", ""))) < 0)
		return error_memory(err);
	if (json_set(host, "RestartPolicy", restart_policy("no")) < 0 ||
	    json_set(body, "Labels", labels) < 0 ||
	    json_set(labels, LABEL_PREFIX "before", json_string(identity->service)) < 0 ||
	    json_set(body, "Cmd", json_words(command)) < 0 ||
	    json_set(body, "Healthcheck", json_pack("{s:[s]}", "Test", "NONE")) < 0)
		return error_memory(err);
	*ret = steal_ptr(body);
	return 0;
}
