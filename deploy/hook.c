#include "deploy/hook.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/strv.h"
#include "deploy/tail.h"

extern char **environ;

enum { HOOK_MS = 10 * 60 * 1000 };

static const char *const names[] = {"before_deploy", "after_deploy", "on_failure"};

static const struct strv *command_of(const struct inventory *inv, enum hook hook)
{
	switch (hook) {
	case HOOK_BEFORE_DEPLOY:
		return &inv->hooks.before_deploy;
	case HOOK_AFTER_DEPLOY:
		return &inv->hooks.after_deploy;
	case HOOK_ON_FAILURE:
		break;
	}
	return &inv->hooks.on_failure;
}

/* Ours, also those that another hook was given from which shipit was run. */
static bool is_ours(const struct strv *variables, const char *variable)
{
	static const char *const later[] = {"SHIPIT_HOOK=", "SHIPIT_EXIT=", "SHIPIT_ERROR="};
	size_t len = strcspn(variable, "=") + 1;

	for (size_t i = 0; i < ARRAY_SIZE(later); i++)
		if (strncmp(later[i], variable, strlen(later[i])) == 0)
			return true;
	for (size_t i = 0; i < variables->n; i++)
		if (strncmp(variables->v[i], variable, len) == 0)
			return true;
	return false;
}

static int make_environment(
    const struct strv *variables, const char *name, struct strv *ret, struct error *err)
{
	for (char **at = environ; *at != NULL; at++)
		if (!is_ours(variables, *at) && strv_add(ret, *at) < 0)
			return error_memory(err);
	for (size_t i = 0; i < variables->n; i++)
		if (strv_add(ret, variables->v[i]) < 0)
			return error_memory(err);
	return strv_addf(ret, "SHIPIT_HOOK=%s", name) < 0 ? error_memory(err) : 0;
}

int hook_run(const struct hook_call *call, enum hook hook, struct error *err)
{
	const struct event_source source = {.events = call->events, .service = names[hook]};
	const struct strv *command = command_of(call->inventory, hook);
	CLEANUP_STRV struct strv environment = {0};
	CLEANUP_FREE char *what = string_printf("the hook %s", names[hook]);
	struct proc_options program = {.dir = call->inventory->dir};

	if (command->n == 0)
		return 0;
	if (what == NULL || make_environment(call->variables, names[hook], &environment, err) < 0)
		return what == NULL ? error_memory(err) : -1;
	program.argv = (const char *const *)command->v;
	program.env = (const char *const *)environment.v;
	return tail_run(
	    &source, STEP_HOOK, what, &program, clock_now_ms() + HOOK_MS, call->cancel_fd, err);
}
