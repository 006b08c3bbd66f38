#include "inventory/inventory.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "inventory/keys.h"
#include "inventory/patterns.h"

void volume_release(struct volume *volume)
{
	free(volume->source);
	free(volume->target);
	free(volume->modes);
	json_decref(volume->mount);
}

void service_release(struct service *service)
{
	free(service->name);
	free(service->image);
	free(service->restart);
	free(service->user);
	json_decref(service->settings);
	build_release(&service->build);
	strv_release(&service->hosts);
	for (size_t i = 0; i < service->n_ports; i++)
		free(service->ports[i].host_ip);
	free(service->ports);
	pairs_release(&service->environment);
	for (size_t i = 0; i < service->n_volumes; i++)
		volume_release(&service->volumes[i]);
	free(service->volumes);
	for (size_t i = 0; i < service->n_secrets; i++) {
		free(service->secrets[i].secret);
		free(service->secrets[i].target);
	}
	free(service->secrets);
	strv_release(&service->devices);
	strv_release(&service->networks);
	json_decref(service->network_options);
	free(service->platform);
	strv_release(&service->command);
	strv_release(&service->entrypoint);
	pairs_release(&service->labels);
	strv_release(&service->healthcheck.test);
	ready_release(&service->ready);
	strv_release(&service->before.command);
	for (size_t i = 0; i < service->n_depends_on; i++)
		free(service->depends_on[i].name);
	free(service->depends_on);
	*service = (struct service){0};
}

static void resources_free(struct resource *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(list[i].key);
		free(list[i].name);
		json_decref(list[i].settings);
	}
	free(list);
}

void inventory_free(struct inventory *inventory)
{
	if (!inventory)
		return;
	for (size_t i = 0; i < inventory->n_hosts; i++)
		host_release(&inventory->hosts[i]);
	for (size_t i = 0; i < inventory->n_environments; i++)
		environment_release(&inventory->environments[i]);
	for (size_t i = 0; i < inventory->n_services; i++)
		service_release(&inventory->services[i]);
	for (size_t i = 0; i < inventory->n_secrets; i++)
		secret_release(&inventory->secrets[i]);
	free(inventory->secrets);
	free(inventory->hosts);
	free(inventory->environments);
	free(inventory->services);
	for (size_t i = 0; i < inventory->n_steps; i++)
		step_release(&inventory->steps[i]);
	free(inventory->steps);
	resources_free(inventory->networks, inventory->n_networks);
	resources_free(inventory->volumes, inventory->n_volumes);
	free(inventory->ssh.user);
	free(inventory->ssh.config);
	free(inventory->engine.command);
	free(inventory->registry);
	strv_release(&inventory->hooks.before_deploy);
	strv_release(&inventory->hooks.after_deploy);
	strv_release(&inventory->hooks.on_failure);
	free(inventory->notify.url);
	free(inventory->project);
	free(inventory->path);
	free(inventory->dir);
	problems_release(&inventory->warnings);
	strv_release(&inventory->files);
	json_decref(inventory->origins);
	free(inventory);
}

const struct environment *inventory_environment(const struct inventory *inv, const char *name)
{
	for (size_t i = 0; i < inv->n_environments; i++)
		if (strcmp(inv->environments[i].name, name) == 0)
			return &inv->environments[i];
	return NULL;
}

const struct service *inventory_service(const struct inventory *inv, const char *name)
{
	for (size_t i = 0; i < inv->n_services; i++)
		if (strcmp(inv->services[i].name, name) == 0)
			return &inv->services[i];
	return NULL;
}

const struct service *inventory_service_in(
    const struct environment *env, const struct service *service)
{
	for (size_t i = 0; i < env->n_overrides; i++)
		if (strcmp(env->overrides[i].name, service->name) == 0)
			return &env->overrides[i];
	return service;
}

const struct build_step *inventory_step(const struct inventory *inv, const char *name)
{
	for (size_t i = 0; i < inv->n_steps; i++)
		if (strcmp(inv->steps[i].name, name) == 0)
			return &inv->steps[i];
	return NULL;
}

const struct build *inventory_build(const struct inventory *inv, const struct service *service)
{
	const char *step = service->build.step;

	return step ? &inventory_step(inv, step)->build : &service->build;
}

const struct secret *inventory_secret(const struct inventory *inv, const char *name)
{
	for (size_t i = 0; i < inv->n_secrets; i++)
		if (strcmp(inv->secrets[i].name, name) == 0)
			return &inv->secrets[i];
	return NULL;
}

const struct host *inventory_host(const struct inventory *inv, const char *name)
{
	for (size_t i = 0; i < inv->n_hosts; i++)
		if (strcmp(inv->hosts[i].name, name) == 0)
			return &inv->hosts[i];
	return NULL;
}

int inventory_hosts_of(const struct inventory *inv, const struct environment *env,
    const struct host ***ret, size_t *ret_n, struct error *err)
{
	const struct host **hosts = calloc(inv->n_hosts + 1, sizeof(*hosts));
	size_t n = 0;

	if (!hosts)
		return error_memory(err);
	for (size_t i = 0; i < inv->n_hosts; i++)
		if (patterns_match(&env->hosts, &inv->hosts[i]))
			hosts[n++] = &inv->hosts[i];
	*ret = hosts;
	*ret_n = n;
	return 0;
}

bool inventory_runs_on(const struct inventory *inv UNUSED, const struct environment *env,
    const struct service *service, const struct host *host)
{
	if (env->services.n > 0 && !strv_has(&env->services, service->name))
		return false;
	if (!patterns_match(&env->hosts, host))
		return false;
	return service->hosts.n == 0 || patterns_match(&service->hosts, host);
}

char *inventory_prefix(const struct inventory *inv, const struct environment *env)
{
	if (env->prefix_name)
		return strdup(env->prefix_name);
	return string_printf("%s.%s", inv->project, env->name);
}
