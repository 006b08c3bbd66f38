/* A container that nobody told shipit of holds a port that a service wants: with --adopt it gets
 * the service's name, and is from then on what was there before. It is stopped by the swap alone,
 * kept, and what a rollback returns to. */
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "deploy/run.h"

/* The stranger that holds one of the ports; NULL: there is none. */
static const char *holder_of(const struct host_run *run, const json_t *options)
{
	json_t *port;
	size_t i;

	json_array_foreach(json_object_get(options, "ports"), i, port)
	{
		char ip[PORT_IP_SIZE], protocol[8];
		int outer, inner;

		if (options_port(json_string_value(port), ip, &outer, &inner, protocol) < 0)
			continue;
		for (size_t k = 0; k < run->facts.n_ports && outer > 0; k++) {
			const struct taken_port *taken = &run->facts.ports[k];

			if (taken_port_is(taken, ip, outer, protocol) &&
			    strv_has(&run->facts.strangers, taken->holder))
				return taken->holder;
		}
	}
	return NULL;
}

static int adopt_for(
    struct host_run *run, const struct service *service, bool *ret_done, struct error *err)
{
	const struct rollout_options *options = &run->rollout->options;
	struct event_source source = host_source(run, service->name);
	CLEANUP_FREE char *name = name_container(run->rollout->prefix, service->name);
	CLEANUP_JSON json_t *wanted = NULL;
	const char *holder;

	if (name == NULL)
		return error_memory(err);
	if (options_make(
		options->inventory, options->environment, service, run->host, &wanted, err) < 0)
		return -1;
	holder = holder_of(run, wanted);
	if (holder == NULL)
		return 0;
	emit_note(&source, "%s is adopted: it is called %s from now on", holder, name);
	if (options->dry_run)
		return 0;
	if (engine_container_rename(run->link.engine, holder, name, err) < 0)
		return error_wrap(err, "adopting %s", holder);
	*ret_done = true;
	return facts_refresh(run->link.engine, run->rollout->prefix, &run->facts, err);
}

int host_adopt(struct host_run *run, struct error *err)
{
	const struct rollout *rollout = run->rollout;
	bool done = false;

	for (size_t i = 0; i < rollout->n_services && rollout->options.adopt; i++) {
		const struct service *service = rollout->services[i];

		if (run->found[i].current != NULL ||
		    !inventory_runs_on(rollout->options.inventory, rollout->options.environment,
			service, run->host))
			continue;
		if (adopt_for(run, service, &done, err) < 0)
			return -1;
	}
	return done ? host_judge(run, err) : 0;
}
