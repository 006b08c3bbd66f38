#include "cmd/resolved.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cmd/ui/json.h"
#include "deploy/image.h"
#include "deploy/options.h"

static json_t *text_list(const struct strv *list)
{
	json_t *array = json_array();

	for (size_t i = 0; array != NULL && i < list->n; i++)
		json_array_append_new(array, json_string(list->v[i]));
	return array;
}

static const char *const deliveries[] = {
    [DELIVERY_AUTO] = "auto", [DELIVERY_PULL] = "pull", [DELIVERY_LOAD] = "load"};

static json_t *engine_value(const struct engine_settings *engine)
{
	json_t *value = json_object();

	if (value == NULL)
		return NULL;
	json_put(value, "command", engine->command);
	json_object_set_new(value, "sudo", json_boolean(engine->sudo));
	return value;
}

json_t *resolved_project(const struct inventory *inv)
{
	static const char *const transports[] = {
	    [TRANSPORT_AUTO] = "auto",
	    [TRANSPORT_LIBSSH2] = "libssh2",
	    [TRANSPORT_OPENSSH] = "openssh",
	};
	json_t *all = json_object(), *ssh = json_object();

	if (all == NULL || ssh == NULL) {
		json_decref(all);
		json_decref(ssh);
		return NULL;
	}
	json_put(ssh, "user", inv->ssh.user);
	json_put(ssh, "config", inv->ssh.config);
	json_put(ssh, "transport", transports[inv->ssh.transport]);
	json_put(
	    ssh, "host_keys", inv->ssh.host_keys == HOST_KEYS_STRICT ? "strict" : "accept-new");
	json_put(all, "file", inv->path);
	json_put(all, "project", inv->project);
	json_object_set_new(all, "ssh", ssh);
	json_put(all, "registry", inv->registry != NULL ? inv->registry : "embedded");
	json_put(all, "delivery", deliveries[inv->delivery]);
	if (inv->hooks.before_deploy.n + inv->hooks.after_deploy.n + inv->hooks.on_failure.n > 0)
		json_object_set_new(all, "hooks",
		    json_pack("{s:o, s:o, s:o}", "before_deploy",
			json_words(&inv->hooks.before_deploy), "after_deploy",
			json_words(&inv->hooks.after_deploy), "on_failure",
			json_words(&inv->hooks.on_failure)));
	if (inv->n_steps > 0)
		json_object_set_new(all, "builds", resolved_steps(inv));
	json_object_set_new(all, "environments", json_object());
	return all;
}

static json_t *host_value(const struct inventory *inv, const struct host *host)
{
	const char *user = host->user != NULL ? host->user : inv->ssh.user;
	json_t *value = json_object();

	if (value == NULL)
		return NULL;
	json_put(value, "address", host->address);
	json_put(value, "user", user);
	if (host->port > 0)
		json_put_int(value, "port", host->port);
	json_put(value, "host_key", host->host_key);
	if (host->tags.n > 0)
		json_object_set_new(value, "tags", text_list(&host->tags));
	json_object_set_new(value, "engine", engine_value(&host->engine));
	json_put(value, "delivery", deliveries[host->delivery]);
	return value;
}

static json_t *probe_value(const struct probe *probe)
{
	static const char *const names[] = {"http", "tcp", "exec"};
	json_t *value = json_object(), *headers;

	if (probe->kind == PROBE_EXEC)
		json_object_set_new(value, names[probe->kind], json_words(&probe->command));
	else
		json_put(value, names[probe->kind],
		    probe->kind == PROBE_TCP ? probe->text + strlen("tcp ") : probe->text);
	if (probe->kind == PROBE_HTTP)
		json_object_set_new(
		    value, "status", json_pack("[ii]", probe->status[0], probe->status[1]));
	if (probe->headers.n > 0) {
		headers = json_object();
		for (size_t i = 0; i < probe->headers.n; i++)
			json_put(headers, probe->headers.v[i].key, probe->headers.v[i].value);
		json_object_set_new(value, "headers", headers);
	}
	json_put(value, "body", probe->body);
	json_put_int(value, "timeout_ms", probe->timeout_ms);
	json_put_int(value, "interval_ms", probe->interval_ms);
	json_put_int(value, "successes", probe->successes);
	return value;
}

static json_t *ready_value(const struct ready *ready)
{
	json_t *value = json_object();

	if (value == NULL)
		return NULL;
	json_put_int(value, "running_ms", ready->running_ms);
	if (ready->healthy_set)
		json_object_set_new(value, "healthy", json_boolean(ready->healthy));
	json_put_int(value, "timeout_ms", ready->timeout_ms);
	if (ready->n_probes > 0) {
		json_t *probes = json_array();

		for (size_t i = 0; i < ready->n_probes; i++)
			json_array_append_new(probes, probe_value(&ready->probes[i]));
		json_object_set_new(value, "asks", probes);
	}
	return value;
}

/* The options on each host: `options` where all have the same, else `options_on.HOST`. */
static int add_options(json_t *value, const struct inventory *inv, const struct environment *env,
    const struct service *service, const struct host **hosts, size_t n, struct error *err)
{
	CLEANUP_JSON json_t *on = json_object(), *names = json_array();
	const json_t *first = NULL;
	bool same = true;

	if (on == NULL || names == NULL)
		return error_memory(err);
	for (size_t i = 0; i < n; i++) {
		json_t *options = NULL;

		if (!inventory_runs_on(inv, env, service, hosts[i]))
			continue;
		if (options_make(inv, env, service, hosts[i], &options, err) < 0)
			return -1;
		json_array_append_new(names, json_string(hosts[i]->name));
		json_object_set_new(on, hosts[i]->name, options);
		if (first == NULL)
			first = options;
		same = same && json_equal(first, options);
	}
	json_object_set(value, "hosts", names);
	if (same && first != NULL)
		json_object_set(value, "options",
		    json_object_get(on, json_string_value(json_array_get(names, 0))));
	else
		json_object_set(value, "options_on", on);
	return 0;
}

static json_t *dependencies(const struct service *service)
{
	json_t *value = json_array();

	for (size_t i = 0; i < service->n_depends_on; i++)
		json_array_append_new(value, json_string(service->depends_on[i].name));
	return value;
}

static int add_service(json_t *services, const struct inventory *inv, const struct environment *env,
    const struct service *service, const struct host **hosts, size_t n, struct error *err)
{
	CLEANUP_FREE char *image = image_local_name(inv, service);
	CLEANUP_JSON json_t *value = json_object();

	if (value == NULL || image == NULL)
		return error_memory(err);
	json_put(value, "image", image);
	json_put(value, "platform", service->platform);
	if (service->build.set)
		json_object_set_new(value, "build", resolved_build(&service->build));
	if (add_options(value, inv, env, service, hosts, n, err) < 0)
		return -1;
	json_object_set_new(value, "ready", ready_value(&service->ready));
	if (service->order == ORDER_START_FIRST)
		json_put(value, "order", "start-first");
	if (service->before.command.n > 0)
		json_object_set_new(value, "before",
		    json_pack("{s:o, s:I}", "command", json_words(&service->before.command),
			"timeout_ms", (json_int_t)service->before.timeout_ms));
	if (service->n_depends_on > 0)
		json_object_set_new(value, "depends_on", dependencies(service));
	json_put_int(value, "retain", service->retain);
	json_object_set(services, service->name, value);
	return 0;
}

static json_t *share_value(const struct share *share)
{
	return share->percent ? json_sprintf("%d%%", share->n) : json_integer(share->n);
}

static json_t *rollout_value(const struct rollout_policy *policy)
{
	static const char *const ends[] = {"rollback", "stop", "continue"};
	json_t *value = json_object();

	if (value == NULL)
		return NULL;
	if (policy->batch.n > 0)
		json_object_set_new(value, "batch", share_value(&policy->batch));
	json_put_int(value, "canary", policy->canary);
	if (policy->confirm)
		json_put(value, "pause", "confirm");
	else if (policy->pause_ms > 0)
		json_object_set_new(
		    value, "pause", json_sprintf("%lldms", (long long)policy->pause_ms));
	json_object_set_new(value, "max_failures", share_value(&policy->max_failures));
	json_put(value, "on_failure", ends[policy->on_failure]);
	return value;
}

static int fill_environment(json_t *value, const struct inventory *inv,
    const struct environment *env, const struct host **hosts, size_t n, struct error *err)
{
	CLEANUP_FREE char *prefix = inventory_prefix(inv, env);
	CLEANUP_JSON json_t *machines = json_object(), *services = json_object();

	if (prefix == NULL || machines == NULL || services == NULL)
		return error_memory(err);
	json_put(value, "prefix", prefix);
	json_object_set_new(value, "rollout", rollout_value(&env->rollout));
	if (env->max_age_s > 0)
		json_object_set_new(
		    value, "max_age", json_sprintf("%lldh", (long long)env->max_age_s / 3600));
	for (size_t i = 0; i < n; i++)
		json_object_set_new(machines, hosts[i]->name, host_value(inv, hosts[i]));
	for (size_t i = 0; i < inv->n_services; i++) {
		const struct service *service = inventory_service_in(env, &inv->services[i]);

		if (env->services.n > 0 && !strv_has(&env->services, service->name))
			continue;
		if (add_service(services, inv, env, service, hosts, n, err) < 0)
			return -1;
	}
	json_object_set(value, "hosts", machines);
	json_object_set(value, "services", services);
	return 0;
}

int resolved_add_environment(
    json_t *all, const struct inventory *inv, const struct environment *env, struct error *err)
{
	CLEANUP_FREE const struct host **hosts = NULL;
	CLEANUP_JSON json_t *value = json_object();
	size_t n = 0;

	if (value == NULL)
		return error_memory(err);
	if (inventory_hosts_of(inv, env, &hosts, &n, err) < 0 ||
	    fill_environment(value, inv, env, hosts, n, err) < 0)
		return -1;
	json_object_set(json_object_get(all, "environments"), env->name, value);
	return 0;
}
