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

static int run(const struct hook_call *call, const char *name, const struct strv *command,
    struct tail *tail, struct error *err)
{
	CLEANUP_STRV struct strv environment = {0};
	CLEANUP_BUF struct buf last = BUF_INIT(64 * 1024);
	struct proc_options options = {
	    .argv = (const char *const *)command->v, .dir = call->inventory->dir};
	int status;

	if (make_environment(call->variables, name, &environment, err) < 0)
		return -1;
	options.env = (const char *const *)environment.v;
	if (proc_run_lines(&options, clock_now_ms() + HOOK_MS, call->cancel_fd, tail_line, tail,
		&status, err) < 0)
		return error_wrap(err, "the hook %s", name);
	if (status == 0)
		return 0;
	tail_text(tail, &last);
	return error_set(err, ERROR_FAILED, "the hook %s failed (%s exited %d)%s%s", name,
	    command->v[0], status, last.len > 0 ? ":" : "", last.len > 0 ? last.data : "");
}

int hook_run(const struct hook_call *call, enum hook hook, struct error *err)
{
	const struct strv *command = command_of(call->inventory, hook);
	struct tail tail = {.source = {.events = call->events, .service = names[hook]}};
	int64_t start_ms = clock_now_ms();
	int rc;

	if (command->n == 0)
		return 0;
	emit_step(&tail.source, STEP_HOOK, STATE_START, -1, NULL);
	rc = run(call, names[hook], command, &tail, err);
	if (rc < 0)
		emit_failed(&tail.source, STEP_HOOK, clock_now_ms() - start_ms, err);
	else
		emit_step(&tail.source, STEP_HOOK, STATE_OK, clock_now_ms() - start_ms, NULL);
	tail_release(&tail);
	return rc;
}
