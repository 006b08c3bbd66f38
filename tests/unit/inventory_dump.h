/* An inventory as text, for the golden tests: everything that is not a default, one thing a line.
 */
#ifndef SHIPIT_TESTS_UNIT_INVENTORY_DUMP_H
#define SHIPIT_TESTS_UNIT_INVENTORY_DUMP_H

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "inventory/inventory.h"

/* In quotes, newlines and tabs visible; `-` for NULL. */
static inline void dump_text(struct buf *out, const char *text)
{
	if (!text) {
		buf_addc(out, '-');
		return;
	}
	buf_addc(out, '"');
	for (; *text; text++) {
		if (*text == '\n')
			buf_adds(out, "\\n");
		else if (*text == '\t')
			buf_adds(out, "\\t");
		else
			buf_addc(out, *text);
	}
	buf_addc(out, '"');
}

static inline void dump_field(
    struct buf *out, const char *indent, const char *key, const char *text)
{
	if (!text)
		return;
	buf_addf(out, "%s%s ", indent, key);
	dump_text(out, text);
	buf_addc(out, '\n');
}

static inline void dump_list(
    struct buf *out, const char *indent, const char *key, const struct strv *list)
{
	if (list->n == 0)
		return;
	buf_addf(out, "%s%s", indent, key);
	for (size_t i = 0; i < list->n; i++) {
		buf_addc(out, ' ');
		dump_text(out, list->v[i]);
	}
	buf_addc(out, '\n');
}

static inline void dump_pairs(
    struct buf *out, const char *indent, const char *key, const struct pairs *pairs)
{
	for (size_t i = 0; i < pairs->n; i++) {
		buf_addf(out, "%s%s %s=", indent, key, pairs->v[i].key);
		dump_text(out, pairs->v[i].value);
		buf_adds(out, pairs->v[i].secret ? " secret\n" : "\n");
	}
}

static inline void dump_host(struct buf *out, const struct host *host)
{
	buf_addf(out, "host %s @%d:%d\n", host->name, host->pos.line, host->pos.column);
	dump_field(out, "  ", "address", host->address);
	dump_field(out, "  ", "user", host->user);
	if (host->port)
		buf_addf(out, "  port %d\n", host->port);
	dump_field(out, "  ", "host_key", host->host_key);
	dump_list(out, "  ", "tags", &host->tags);
	dump_pairs(out, "  ", "environment", &host->environment);
	if (host->delivery != DELIVERY_AUTO)
		buf_addf(out, "  delivery %u\n", host->delivery);
	if (strcmp(host->engine.command, "docker") != 0 || host->engine.sudo)
		buf_addf(out, "  engine %s sudo %d\n", host->engine.command, host->engine.sudo);
}

static inline void dump_health(struct buf *out, const struct healthcheck *h)
{
	if (!h->set)
		return;
	dump_list(out, "  ", "test", &h->test);
	buf_addf(out,
	    "  healthcheck disable %d interval %" PRId64 " timeout %" PRId64
	    " start_period %" PRId64 " retries %d\n",
	    h->disable, h->interval_ms, h->timeout_ms, h->start_period_ms, h->retries);
}

static inline void dump_settings(struct buf *out, const char *name, const json_t *settings)
{
	char *text = settings != NULL ? json_canonical(settings) : NULL;

	if (text != NULL)
		buf_addf(out, "  %s %s\n", name, text);
	free(text);
}

static inline void dump_mounts(struct buf *out, const struct service *s)
{
	static const char *const kinds[] = {"named", "bind", "anonymous", "tmpfs"};

	for (size_t i = 0; i < s->n_ports; i++)
		buf_addf(out, "  port %s %d:%d/%s @%d:%d\n",
		    s->ports[i].host_ip ? s->ports[i].host_ip : "-", s->ports[i].host_port,
		    s->ports[i].container_port, s->ports[i].protocol, s->ports[i].pos.line,
		    s->ports[i].pos.column);
	for (size_t i = 0; i < s->n_volumes; i++) {
		buf_addf(out, "  volume %s %s %s %s\n", kinds[s->volumes[i].kind],
		    s->volumes[i].source ? s->volumes[i].source : "-", s->volumes[i].target,
		    s->volumes[i].read_only ? "ro" : "rw");
		dump_field(out, "    ", "modes", s->volumes[i].modes);
		dump_settings(out, "  mount", s->volumes[i].mount);
	}
}

static inline void dump_ready(struct buf *out, const struct ready *ready)
{
	static const char *const kinds[] = {"http", "tcp", "exec"};

	for (size_t i = 0; i < ready->n_probes; i++) {
		const struct probe *p = &ready->probes[i];

		buf_addf(out, "  ready %s ", kinds[p->kind]);
		dump_text(out, p->text);
		buf_addf(out,
		    " tls %d host %s port %d path %s status %d-%d timeout %" PRId64
		    " interval %" PRId64 " successes %d\n",
		    p->tls, p->host ? p->host : "-", p->port, p->path ? p->path : "-", p->status[0],
		    p->status[1], p->timeout_ms, p->interval_ms, p->successes);
		dump_pairs(out, "    ", "header", &p->headers);
		dump_field(out, "    ", "body", p->body);
		dump_list(out, "    ", "command", &p->command);
	}
}

static inline void dump_build(struct buf *out, const struct build *build)
{
	dump_field(out, "  ", "build step", build->step);
	dump_field(out, "  ", "build context", build->context);
	dump_field(out, "  ", "dockerfile", build->dockerfile);
	dump_pairs(out, "  ", "arg", &build->args);
	dump_pairs(out, "  ", "more context", &build->contexts);
	dump_settings(out, "build settings", build->settings);
	for (size_t i = 0; i < build->n_secrets; i++)
		buf_addf(out, "  build secret %s as %s\n", build->secrets[i].secret,
		    build->secrets[i].id);
	for (size_t i = 0; i < build->n_needs; i++)
		buf_addf(out, "  needs %s @%d:%d\n", build->needs[i].name, build->needs[i].pos.line,
		    build->needs[i].pos.column);
}

static inline void dump_step(struct buf *out, const struct build_step *step)
{
	static const char *const kinds[] = {"takes", "makes", "mounts"};
	const struct step_run *run = &step->run;

	buf_addf(out, "step %s @%d:%d\n", step->name, step->pos.line, step->pos.column);
	dump_build(out, &step->build);
	dump_field(out, "  ", "runs", run->image);
	for (size_t i = 0; i < run->n_mounts; i++)
		buf_addf(out, "  %s %s at %s%s\n", kinds[run->mounts[i].kind],
		    run->mounts[i].source, run->mounts[i].target,
		    run->mounts[i].read_only ? ", read-only" : "");
	dump_pairs(out, "  ", "environment", &run->environment);
	if (run->has_command)
		dump_list(out, "  ", "command", &run->command);
	if (run->has_entrypoint)
		dump_list(out, "  ", "entrypoint", &run->entrypoint);
	dump_field(out, "  ", "user", run->user);
	dump_settings(out, "settings", run->settings);
}

static inline void dump_service(struct buf *out, const struct service *s)
{
	buf_addf(out, "service %s @%d:%d\n", s->name, s->pos.line, s->pos.column);
	dump_field(out, "  ", s->image_is_file ? "image file" : "image", s->image);
	dump_build(out, &s->build);
	dump_list(out, "  ", "hosts", &s->hosts);
	dump_pairs(out, "  ", "environment", &s->environment);
	dump_mounts(out, s);
	for (size_t i = 0; i < s->n_secrets; i++)
		buf_addf(out, "  secret %s at %s %04o %d:%d\n", s->secrets[i].secret,
		    s->secrets[i].target, s->secrets[i].mode, s->secrets[i].uid, s->secrets[i].gid);
	dump_list(out, "  ", "devices", &s->devices);
	dump_list(out, "  ", "networks", &s->networks);
	dump_settings(out, "network options", s->network_options);
	dump_field(out, "  ", "platform", s->platform);
	if (s->has_command)
		buf_addf(out, "  has command of %zu\n", s->command.n);
	if (s->has_entrypoint)
		buf_addf(out, "  has entrypoint of %zu\n", s->entrypoint.n);
	dump_list(out, "  ", "command", &s->command);
	dump_list(out, "  ", "entrypoint", &s->entrypoint);
	dump_pairs(out, "  ", "label", &s->labels);
	dump_field(out, "  ", "user", s->user);
	dump_settings(out, "settings", s->settings);
	dump_health(out, &s->healthcheck);
	buf_addf(out,
	    "  restart %s grace %" PRId64 " retain %d ready running %" PRId64
	    " healthy %d%s timeout %" PRId64 "\n",
	    s->restart, s->stop_grace_ms, s->retain, s->ready.running_ms, s->ready.healthy,
	    s->ready.healthy_set ? " (set)" : "", s->ready.timeout_ms);
	dump_ready(out, &s->ready);
	dump_list(out, "  ", "before", &s->before.command);
	if (s->before.command.n > 0)
		buf_addf(out, "  before timeout %" PRId64 "\n", s->before.timeout_ms);
	for (size_t i = 0; i < s->n_depends_on; i++)
		buf_addf(out, "  depends_on %s @%d:%d\n", s->depends_on[i].name,
		    s->depends_on[i].pos.line, s->depends_on[i].pos.column);
	if (s->order == ORDER_START_FIRST)
		buf_adds(out, "  order start-first\n");
}

static inline void dump_resources(
    struct buf *out, const char *what, const struct resource *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_addf(out, "%s %s name %s%s\n", what, list[i].key,
		    list[i].name ? list[i].name : "-", list[i].external ? " external" : "");
		dump_settings(out, "settings", list[i].settings);
	}
}

static inline void dump_rollout(struct buf *out, const struct rollout_policy *policy)
{
	static const struct rollout_policy none;

	if (memcmp(policy, &none, sizeof(none)) == 0)
		return;
	buf_addf(out,
	    "  rollout batch %d%s canary %d pause %lld%s max_failures %d%s on_failure %d\n",
	    policy->batch.n, policy->batch.percent ? "%" : "", policy->canary,
	    (long long)policy->pause_ms, policy->confirm ? " confirm" : "", policy->max_failures.n,
	    policy->max_failures.percent ? "%" : "", (int)policy->on_failure);
}

static inline void dump_environment(
    struct buf *out, const struct inventory *inv, const struct environment *env)
{
	char *prefix = inventory_prefix(inv, env);

	buf_addf(out, "environment %s prefix %s @%d:%d\n", env->name, prefix, env->pos.line,
	    env->pos.column);
	free(prefix);
	dump_list(out, "  ", "hosts", &env->hosts);
	dump_list(out, "  ", "services", &env->services);
	dump_pairs(out, "  ", "environment", &env->environment);
	dump_rollout(out, &env->rollout);
	if (env->max_age_s > 0)
		buf_addf(out, "  max_age %lld s\n", (long long)env->max_age_s);
	for (size_t i = 0; i < env->n_overrides; i++) {
		buf_adds(out, "  in it ");
		dump_service(out, &env->overrides[i]);
	}
}

static inline void dump_problems(struct buf *out, const char *what, const struct problems *list)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct problem *p = &list->v[i];

		buf_addf(out, "%s%s:%d:%d: %s%s%s\n", what, p->pos.file, p->pos.line, p->pos.column,
		    p->text, p->hint ? "; " : "", p->hint ? p->hint : "");
	}
}

static inline void dump_secret(struct buf *out, const struct secret *secret)
{
	buf_addf(out, "secret %s @%d:%d\n", secret->name, secret->pos.line, secret->pos.column);
	dump_field(out, "  ", "env", secret->variable);
	dump_field(out, "  ", "file", secret->file);
	dump_list(out, "  ", "command", &secret->command);
}

static inline void dump_inventory(struct buf *out, const struct inventory *inv)
{
	buf_addf(out, "project %s\n", inv->project);
	buf_addf(out, "path %s dir %s\n", inv->path, inv->dir);
	dump_field(out, "", "ssh user", inv->ssh.user);
	dump_field(out, "", "ssh config", inv->ssh.config);
	buf_addf(out, "ssh transport %u host_keys %u\n", inv->ssh.transport, inv->ssh.host_keys);
	buf_addf(out, "engine %s sudo %d\n", inv->engine.command, inv->engine.sudo);
	dump_field(out, "", "registry", inv->registry);
	dump_list(out, "", "before_deploy", &inv->hooks.before_deploy);
	dump_list(out, "", "after_deploy", &inv->hooks.after_deploy);
	dump_list(out, "", "on_failure", &inv->hooks.on_failure);
	if (inv->notify.url != NULL)
		buf_addf(out, "notify %s%s%s%s\n", inv->notify.url,
		    inv->notify.start ? " start" : "", inv->notify.success ? " success" : "",
		    inv->notify.failure ? " failure" : "");
	for (size_t i = 0; i < inv->n_secrets; i++)
		dump_secret(out, &inv->secrets[i]);
	for (size_t i = 0; i < inv->n_hosts; i++)
		dump_host(out, &inv->hosts[i]);
	for (size_t i = 0; i < inv->n_steps; i++)
		dump_step(out, &inv->steps[i]);
	for (size_t i = 0; i < inv->n_services; i++)
		dump_service(out, &inv->services[i]);
	for (size_t i = 0; i < inv->n_environments; i++)
		dump_environment(out, inv, &inv->environments[i]);
	dump_resources(out, "network", inv->networks, inv->n_networks);
	dump_resources(out, "volume", inv->volumes, inv->n_volumes);
	dump_problems(out, "warning: ", &inv->warnings);
}

#endif
