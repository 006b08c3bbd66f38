/* What the user's own programs hear of a rollout. */
#include <string.h>

#include "base/buf.h"
#include "base/strv.h"
#include "deploy/hook.h"
#include "deploy/run.h"

static int add_names(const struct rollout *rollout, struct strv *variables)
{
	CLEANUP_BUF struct buf hosts = BUF_INIT(1024 * 1024), services = BUF_INIT(1024 * 1024);

	for (size_t i = 0; i < rollout->n_runs; i++)
		buf_addf(&hosts, "%s%s", i > 0 ? " " : "", rollout->runs[i].host->name);
	for (size_t i = 0; i < rollout->n_services; i++)
		buf_addf(&services, "%s%s", i > 0 ? " " : "", rollout->services[i]->name);
	if (strv_addf(variables, "SHIPIT_HOSTS=%s", hosts.data) < 0)
		return -1;
	return strv_addf(variables, "SHIPIT_SERVICES=%s", services.data);
}

static int add_all(const struct rollout *rollout, struct strv *variables)
{
	const struct rollout_options *options = &rollout->options;

	if (strv_addf(variables, "SHIPIT_COMMAND=%s", rollout_name(options)) < 0 ||
	    strv_addf(variables, "SHIPIT_INVENTORY=%s", options->inventory->path) < 0 ||
	    strv_addf(variables, "SHIPIT_PROJECT=%s", options->inventory->project) < 0 ||
	    strv_addf(variables, "SHIPIT_ENV=%s", options->environment->name) < 0 ||
	    strv_addf(variables, "SHIPIT_PREFIX=%s", rollout->prefix) < 0 ||
	    strv_addf(variables, "SHIPIT_ROLLOUT=%s", rollout->id) < 0 ||
	    strv_addf(variables, "SHIPIT_BY=%s", options->by != NULL ? options->by : "") < 0)
		return -1;
	return add_names(rollout, variables);
}

/* `variables`: those that only this hook gets. */
static int call_hook(struct rollout *rollout, enum hook hook, int cancel_fd, struct strv *variables,
    struct error *err)
{
	const struct hook_call call = {
	    .inventory = rollout->options.inventory,
	    .variables = variables,
	    .cancel_fd = cancel_fd,
	    .events = rollout->options.events,
	};

	if (add_all(rollout, variables) < 0)
		return error_memory(err);
	return hook_run(&call, hook, err);
}

int rollout_hook_before(struct rollout *rollout, struct error *err)
{
	CLEANUP_STRV struct strv variables = {0};

	if (rollout->options.dry_run || rollout->options.kind != ROLLOUT_DEPLOY)
		return 0;
	return call_hook(rollout, HOOK_BEFORE_DEPLOY, rollout->stop.fd, &variables, err);
}

/* --- afterwards */

static void tell_what_stays(const struct rollout *rollout)
{
	for (size_t i = 0; i < rollout->n_services; i++) {
		const struct event_source source = {
		    .events = rollout->options.events, .host = rollout->befores[i]};

		if (rollout->befores[i] != NULL)
			emit_note(&source, "what `before` of %s did stays done",
			    rollout->services[i]->name);
	}
}

static int add_result(const struct rollout_result *result, int code, struct strv *variables)
{
	const char *error = rollout_first_error(result);

	if (strv_addf(variables, "SHIPIT_EXIT=%d", code) < 0)
		return -1;
	return strv_addf(variables, "SHIPIT_ERROR=%.*s", (int)strcspn(error, "\n"), error);
}

void rollout_hook_after(struct rollout *rollout)
{
	const struct event_source source = {.events = rollout->options.events};
	CLEANUP_STRV struct strv variables = {0};
	CLEANUP_ERROR struct error err = {0};
	int code = rollout_exit_code(&rollout->result);

	if (rollout->options.dry_run || rollout->options.kind >= ROLLOUT_START)
		return;
	if (code != 0 && code != 4)
		tell_what_stays(rollout);
	/* Mistakes, locks and Ctrl-C are told to whoever sits there; at a refresh that may be
	 * nobody.
	 */
	if (code == 130 || ((code == 2 || code == 5) && !rollout->options.refresh)) {
		/* Whoever was told that it begins is told that it is over. */
		if (rollout->options.inventory->notify.start)
			rollout_notify(rollout, OCCASION_FAILURE);
		return;
	}
	rollout_notify(rollout, code == 0 ? OCCASION_SUCCESS : OCCASION_FAILURE);
	if (add_result(&rollout->result, code, &variables) < 0)
		error_memory(&err);
	else if (call_hook(rollout, code == 0 ? HOOK_AFTER_DEPLOY : HOOK_ON_FAILURE,
		     rollout->kill.fd, &variables, &err) == 0)
		return;
	emit_note(&source, "%s; the rollout stays as it is", error_text(&err));
}
