/* The secrets of a rollout: had before anything is done, and kept out of all that is told. */
#include <string.h>
#include <sys/resource.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "base/clock.h"
#include "base/json.h"
#include "deploy/run.h"

/* What this process holds is not to be left in a file when it crashes. */
static void no_core_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_CORE, &limit) == 0) {
		limit.rlim_cur = 0;
		setrlimit(RLIMIT_CORE, &limit);
	}
#ifdef __linux__
	prctl(PR_SET_DUMPABLE, 0, 0, 0,
	    0); /* the limit does not hold for a core_pattern that is a pipe */
#endif
}

static void mask(void *context, char *text)
{
	secrets_mask(context, text);
}

void rollout_mask(const struct rollout *rollout, struct error *err)
{
	if (err->kind == ERROR_NONE || err->is_static || rollout->secrets == NULL)
		return;
	secrets_mask(rollout->secrets, err->message);
	secrets_mask(rollout->secrets, err->hint);
}

/* Those that the chosen services need on the chosen hosts, each once. */
static int list_needed(const struct rollout *rollout, struct strv *names, struct error *err)
{
	const struct rollout_options *chosen = &rollout->options;

	for (size_t i = 0; i < rollout->n_runs; i++)
		for (size_t k = 0; k < rollout->n_services; k++) {
			const struct service *service = rollout->services[k];
			CLEANUP_JSON json_t *options = NULL;

			if (!inventory_runs_on(chosen->inventory, chosen->environment, service,
				rollout->runs[i].host))
				continue;
			if (options_make(chosen->inventory, chosen->environment, service,
				rollout->runs[i].host, &options, err) < 0 ||
			    options_secrets(options, names, err) < 0)
				return -1;
		}
	return 0;
}

static int have(struct rollout *rollout, const struct strv *names, struct error *err)
{
	const struct event_source source = {.events = rollout->options.events};
	int64_t start_ms = clock_now_ms();
	struct secret_value ignored;

	if (names->n == 0)
		return 0;
	emit_step(&source, STEP_SECRETS, STATE_START, -1, NULL);
	for (size_t i = 0; i < names->n; i++)
		if (secrets_get(rollout->secrets, names->v[i], &ignored, err) < 0) {
			emit_failed(&source, STEP_SECRETS, clock_now_ms() - start_ms, err);
			return -1;
		}
	emit_step(&source, STEP_SECRETS, STATE_OK, clock_now_ms() - start_ms, NULL);
	return 0;
}

/* What a container says of them is masked, also where none is needed. No program is run for that.
 */
static void know_for_masking(struct rollout *rollout)
{
	const struct inventory *inv = rollout->options.inventory;
	struct secret_value ignored;

	for (size_t i = 0; i < inv->n_secrets; i++)
		if (inv->secrets[i].kind != SECRET_COMMAND)
			secrets_get(rollout->secrets, inv->secrets[i].name, &ignored, NULL);
}

/* A rollback needs some only where a container has to be made again: then it asks. */
int rollout_secrets(struct rollout *rollout, struct error *err)
{
	CLEANUP_STRV struct strv names = {0};

	if (rollout->options.inventory->n_secrets == 0)
		return 0;
	no_core_files();
	if (secrets_new(rollout->options.inventory, rollout->stop.fd, &rollout->secrets, err) < 0)
		return -1;
	events_set_mask(rollout->options.events, mask, rollout->secrets);
	if (rollout->options.kind != ROLLOUT_DEPLOY) {
		know_for_masking(rollout);
		return 0;
	}
	return list_needed(rollout, &names, err) < 0 ? -1 : have(rollout, &names, err);
}
