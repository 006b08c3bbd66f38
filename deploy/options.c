#include "deploy/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/text.h"
#include "deploy/options_put.h"

static const char config_version[] = "shipit-config-1";

int put_list(json_t *options, const char *key, const struct strv *list,
    const struct service *service, struct error *err)
{
	json_t *array = json_array();

	if (json_set(options, key, array) < 0)
		return error_memory(err);
	for (size_t i = 0; i < list->n; i++) {
		if (!text_is_utf8(list->v[i]))
			return error_set(err, ERROR_INVENTORY,
			    "a value of `%s` of service %s is not valid UTF-8", key, service->name);
		if (json_array_append_new(array, json_string(list->v[i])) < 0)
			return error_memory(err);
	}
	return 0;
}

int put_sorted(json_t *options, const char *key, struct strv *list, const struct service *service,
    struct error *err)
{
	strv_sort(list);
	return list->n > 0 ? put_list(options, key, list, service, err) : 0;
}

static int put_text(
    json_t *object, const char *key, const char *value, const char *what, struct error *err)
{
	if (!text_is_utf8(key) || !text_is_utf8(value))
		return error_set(err, ERROR_INVENTORY, "%s %s is not valid UTF-8", what, key);
	return json_set(object, key, json_string(value)) < 0 ? error_memory(err) : 0;
}

/* What is set later goes over it, be it a secret or not. */
static int add_environment(
    json_t *plain, json_t *secret, const struct pairs *pairs, struct error *err)
{
	for (size_t i = 0; i < pairs->n; i++) {
		const struct pair *pair = &pairs->v[i];
		const char *value = pair->value != NULL ? pair->value : getenv(pair->key);

		if (value == NULL)
			continue;
		json_object_del(pair->secret ? plain : secret, pair->key);
		if (put_text(pair->secret ? secret : plain, pair->key, value,
			"the value of variable", err) < 0)
			return -1;
	}
	return 0;
}

int put_object(json_t *options, const char *key, json_t *object, struct error *err)
{
	if (json_object_size(object) == 0)
		return 0;
	return json_object_set(options, key, object) < 0 ? error_memory(err) : 0;
}

static int put_environment(json_t *options, const struct environment *env,
    const struct service *service, const struct host *host, struct error *err)
{
	CLEANUP_JSON json_t *plain = json_object(), *secret = json_object();

	if (plain == NULL || secret == NULL)
		return error_memory(err);
	if (add_environment(plain, secret, &service->environment, err) < 0 ||
	    add_environment(plain, secret, &env->environment, err) < 0 ||
	    add_environment(plain, secret, &host->environment, err) < 0 ||
	    put_object(options, "environment", plain, err) < 0)
		return -1;
	return put_object(options, "secret_environment", secret, err);
}

static int put_secret_files(json_t *options, const struct service *service, struct error *err)
{
	CLEANUP_STRV struct strv files = {0};

	for (size_t i = 0; i < service->n_secrets; i++) {
		const struct secret_file *file = &service->secrets[i];

		if (strv_addf(&files, "%s:%04o:%d:%d:%s", file->secret, file->mode, file->uid,
			file->gid, file->target) < 0)
			return error_memory(err);
	}
	return put_sorted(options, "secret_files", &files, service, err);
}

static int put_labels(json_t *options, const struct service *service, struct error *err)
{
	CLEANUP_JSON json_t *labels = json_object();

	if (labels == NULL)
		return error_memory(err);
	for (size_t i = 0; i < service->labels.n; i++) {
		const struct pair *pair = &service->labels.v[i];
		const char *value = pair->value != NULL ? pair->value : "";

		if (put_text(labels, pair->key, value, "the value of label", err) < 0)
			return -1;
	}
	return put_object(options, "labels", labels, err);
}

static int put_ports(json_t *options, const struct service *service, struct error *err)
{
	CLEANUP_STRV struct strv ports = {0};

	for (size_t i = 0; i < service->n_ports; i++) {
		const struct port *port = &service->ports[i];
		const char *ip = port->host_ip != NULL ? port->host_ip : "";
		char host_port[16] = "";

		if (port->host_port > 0)
			snprintf(host_port, sizeof(host_port), "%d", port->host_port);
		if (strv_addf(&ports, "%s:%s:%d/%s", ip, host_port, port->container_port,
			port->protocol) < 0)
			return error_memory(err);
	}
	return put_sorted(options, "ports", &ports, service, err);
}

/* "/dev/a" means "/dev/a:/dev/a:rwm", as in Compose. */
static int put_devices(json_t *options, const struct service *service, struct error *err)
{
	CLEANUP_STRV struct strv devices = {0};

	for (size_t i = 0; i < service->devices.n; i++) {
		CLEANUP_STRV struct strv parts = {0};

		if (strv_split(&parts, service->devices.v[i], ":") < 0 || parts.n == 0 ||
		    strv_addf(&devices, "%s:%s:%s", parts.v[0],
			parts.n > 1 ? parts.v[1] : parts.v[0],
			parts.n > 2 ? parts.v[2] : "rwm") < 0)
			return error_memory(err);
	}
	return put_sorted(options, "devices", &devices, service, err);
}

static int put_healthcheck(json_t *options, const struct service *service, struct error *err)
{
	const struct healthcheck *check = &service->healthcheck;
	const struct {
		const char *key;
		int64_t value;
	} numbers[] = {
	    {"interval_ms", check->interval_ms},
	    {"timeout_ms", check->timeout_ms},
	    {"start_period_ms", check->start_period_ms},
	    {"start_interval_ms", check->start_interval_ms},
	    {"retries", check->retries},
	};
	CLEANUP_JSON json_t *all = json_object();

	if (!check->set)
		return 0;
	if (all == NULL)
		return error_memory(err);
	if (check->disable && json_set(all, "disable", json_true()) < 0)
		return error_memory(err);
	if (!check->disable && check->test.n > 0 &&
	    put_list(all, "test", &check->test, service, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(numbers) && !check->disable; i++)
		if (numbers[i].value > 0 &&
		    json_set(all, numbers[i].key, json_integer(numbers[i].value)) < 0)
			return error_memory(err);
	return put_object(options, "healthcheck", all, err);
}

static int put_process(json_t *options, const struct service *service, struct error *err)
{
	if (service->has_command &&
	    put_list(options, "command", &service->command, service, err) < 0)
		return -1;
	if (service->has_entrypoint &&
	    put_list(options, "entrypoint", &service->entrypoint, service, err) < 0)
		return -1;
	if (service->user != NULL &&
	    put_text(options, "user", service->user, "the value of", err) < 0)
		return -1;
	if (service->restart != NULL && strcmp(service->restart, RESTART_DEFAULT) != 0 &&
	    put_text(options, "restart", service->restart, "the value of", err) < 0)
		return -1;
	if (service->settings != NULL && json_object_update(options, service->settings) < 0)
		return error_memory(err);
	if (service->stop_grace_ms != STOP_GRACE_DEFAULT &&
	    json_set(options, "stop_grace_ms", json_integer(service->stop_grace_ms)) < 0)
		return error_memory(err);
	return 0;
}

int options_make(const struct inventory *inv, const struct environment *env,
    const struct service *service, const struct host *host, json_t **ret, struct error *err)
{
	CLEANUP_FREE char *prefix = inventory_prefix(inv, env);
	CLEANUP_JSON json_t *options = json_object();

	if (options == NULL || prefix == NULL)
		return error_memory(err);
	if (put_process(options, service, err) < 0 ||
	    put_environment(options, env, service, host, err) < 0 ||
	    put_secret_files(options, service, err) < 0 || put_labels(options, service, err) < 0 ||
	    put_ports(options, service, err) < 0 ||
	    put_resources(options, inv, prefix, service, err) < 0 ||
	    put_devices(options, service, err) < 0 || put_healthcheck(options, service, err) < 0)
		return -1;
	*ret = steal_ptr(options);
	return 0;
}

int options_hash(
    const json_t *options, const char *image_config, char out[CONFIG_HASH_SIZE], struct error *err)
{
	CLEANUP_JSON json_t *hashed = json_copy((json_t *)(uintptr_t)options);
	CLEANUP_FREE char *text = NULL;
	CLEANUP_FREE char *all = NULL;
	char hex[DIGEST_HEX_SIZE];

	/* json_copy leaves out what it has no memory for. */
	if (hashed == NULL || json_object_size(hashed) != json_object_size(options))
		return error_memory(err);
	json_object_del(hashed, "definitions");
	text = json_canonical(hashed);
	if (text != NULL)
		all = string_printf("%s\n%s\n%s", config_version, image_config, text);
	if (all == NULL)
		return error_memory(err);
	if (digest_sha256_hex(all, strlen(all), hex, err) < 0)
		return -1;
	snprintf(out, CONFIG_HASH_SIZE, "1:%s", hex);
	return 0;
}

const char *options_restart(const json_t *options)
{
	return json_str(options, "restart", RESTART_DEFAULT);
}

int64_t options_stop_grace_ms(const json_t *options)
{
	return json_int(options, "stop_grace_ms", STOP_GRACE_DEFAULT);
}

int options_secrets(const json_t *options, struct strv *ret, struct error *err)
{
	json_t *value;
	const char *key;
	size_t i;

	json_object_foreach(json_object_get(options, "secret_environment"), key, value)
	{
		const char *name = json_string_value(value);

		if (!strv_has(ret, name) && strv_add(ret, name) < 0)
			return error_memory(err);
	}
	json_array_foreach(json_object_get(options, "secret_files"), i, value)
	{
		const char *text = json_string_value(value);
		CLEANUP_FREE char *name = strndup(text, strcspn(text, ":"));

		if (name == NULL || (!strv_has(ret, name) && strv_add(ret, name) < 0))
			return error_memory(err);
	}
	strv_sort(ret);
	return 0;
}

/* Digits of that base up to a colon. */
static const char *take_number(const char *text, int base, unsigned long most, unsigned int *ret)
{
	size_t len = strspn(text, base == 8 ? "01234567" : "0123456789");
	unsigned long number = strtoul(text, NULL, base);

	if (len == 0 || len > 10 || text[len] != ':' || number > most)
		return NULL;
	*ret = (unsigned int)number;
	return text + len + 1;
}

int options_secret_file(const char *text, struct options_secret_file *ret)
{
	const char *at = strchr(text, ':');

	if (at == NULL || at == text)
		return -1;
	ret->name_len = (size_t)(at - text);
	at = take_number(at + 1, 8, 07777, &ret->mode);
	at = at != NULL ? take_number(at, 10, INT32_MAX, &ret->uid) : NULL;
	at = at != NULL ? take_number(at, 10, INT32_MAX, &ret->gid) : NULL;
	if (at == NULL || at[0] != '/' || at[1] == '\0' || strstr(at, "/../") != NULL)
		return -1;
	ret->target = at;
	return 0;
}

static int parse_port(const char *text, size_t len)
{
	int port = 0;

	if (len == 0 || len > 5)
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		port = port * 10 + (text[i] - '0');
	}
	return port <= 65535 ? port : -1;
}

/* From the right: an IPv6 address has colons of its own. */
int options_port(const char *text, char ret_ip[PORT_IP_SIZE], int *ret_host_port,
    int *ret_container_port, char ret_protocol[8])
{
	const char *slash = strrchr(text, '/');
	const char *inner, *outer;

	if (slash == NULL || strlen(slash + 1) == 0 || strlen(slash + 1) > 7)
		return -1;
	inner = memrchr(text, ':', (size_t)(slash - text));
	outer = inner != NULL ? memrchr(text, ':', (size_t)(inner - text)) : NULL;
	if (outer == NULL || outer - text >= PORT_IP_SIZE)
		return -1;
	*ret_container_port = parse_port(inner + 1, (size_t)(slash - inner - 1));
	*ret_host_port =
	    outer + 1 == inner ? 0 : parse_port(outer + 1, (size_t)(inner - outer - 1));
	if (*ret_container_port <= 0 || *ret_host_port < 0)
		return -1;
	memcpy(ret_ip, text, (size_t)(outer - text));
	ret_ip[outer - text] = '\0';
	memcpy(ret_protocol, slash + 1, strlen(slash + 1) + 1);
	return 0;
}
