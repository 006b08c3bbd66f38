/* Connect, lock, facts, repair, plan: what comes before anything new is made on a host. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/proc.h"
#include "deploy/run.h"

int host_connect(struct host_run *run, struct error *err)
{
	const struct rollout *rollout = run->rollout;
	CLEANUP_FREE char *run_dir =
	    string_printf("%s/%zu", rollout->run_dir.path, (size_t)(run - rollout->runs));
	const struct host_link_options options = {
	    .inventory = rollout->options.inventory,
	    .host = run->host,
	    .run_dir = run_dir,
	    .heart = rollout->heart,
	    .stop_fd = rollout->stop.fd,
	    .kill_fd = rollout->kill.fd,
	    .prompt = rollout->options.prompt,
	    .prompt_context = rollout->options.prompt_context,
	    .events = rollout->options.events,
	};

	if (run_dir == NULL)
		return error_memory(err);
	return host_link_open(&options, &run->link, err);
}

/* The keeper takes words of few characters. */
static void plain_word(const char *text, char *out, size_t size)
{
	size_t n = 0;

	for (; *text != '\0' && n + 1 < size; text++) {
		bool plain = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
			     (*text >= '0' && *text <= '9') || strchr("._@-", *text) != NULL;

		out[n++] = plain ? *text : '_';
	}
	if (n == 0 || out[0] == '-')
		out[0] = '_';
	out[n > 0 ? n : 1] = '\0';
}

int host_lock(struct host_run *run, struct error *err)
{
	const struct rollout *rollout = run->rollout;
	char holder[64];

	plain_word(rollout->options.by, holder, sizeof(holder));
	return keeper_lock(run->link.keeper, rollout->prefix, holder, rollout->at, err);
}

int host_judge(struct host_run *run, struct error *err)
{
	const struct rollout *rollout = run->rollout;

	for (size_t i = 0; i < rollout->n_services; i++) {
		found_release(&run->found[i]);
		if (found_make(&run->facts, rollout->prefix, rollout->services[i]->name,
			&run->found[i], err) < 0)
			return -1;
	}
	return 0;
}

int host_facts(struct host_run *run, struct error *err)
{
	if (facts_gather(run->link.engine, run->link.keeper, run->rollout->prefix, FACTS_ALL,
		&run->facts, err) < 0)
		return -1;
	return host_judge(run, err);
}

/* --- repair */

static int repair_one(
    struct host_run *run, struct engine *engine, const struct repair *repair, struct error *err)
{
	const char *id;

	if (repair->kind == REPAIR_LEDGER || repair->container == NULL)
		return record_repair(run, repair, err);
	id = repair->container->id;
	switch (repair->kind) {
	case REPAIR_STOP:
		return engine_container_stop(engine, id, repair->container->stop_grace_s, err);
	case REPAIR_POLICY:
		return engine_container_restart_policy(engine, id, repair->value, err);
	case REPAIR_RENAME:
		return engine_container_rename(engine, id, repair->value, err);
	case REPAIR_START:
		return engine_container_start(engine, id, err);
	case REPAIR_REMOVE:
		return engine_container_remove(engine, id, true, err);
	case REPAIR_LEDGER:
		break;
	}
	return 0;
}

static int repair_service(
    struct host_run *run, struct engine *engine, const struct found *found, struct error *err)
{
	for (size_t i = 0; i < found->words.n; i++)
		emit_note(&run->source, "%s", found->words.v[i]);
	if (found->n_repairs > 0 && !run->facts.has_ledger) {
		if (host_prepare_ledger(run, engine, err) < 0)
			return -1;
		run->facts.has_ledger = true;
	}
	for (size_t i = 0; i < found->n_repairs; i++)
		if (repair_one(run, engine, &found->repairs[i], err) < 0)
			return error_wrap(err,
			    "setting right what an interrupted rollout left of %s", found->service);
	return 0;
}

int host_repair(struct host_run *run, struct engine *engine, struct error *err)
{
	struct rollout *rollout = run->rollout;
	size_t done = 0;

	for (size_t i = 0; i < rollout->n_services; i++) {
		done += run->found[i].n_repairs;
		if (repair_service(run, engine, &run->found[i], err) < 0)
			return -1;
	}
	if (done == 0)
		return 0;
	/* What was found is no longer so: look again, and judge again. */
	if (facts_refresh(engine, rollout->prefix, &run->facts, err) < 0)
		return -1;
	return host_judge(run, err);
}

/* --- plan */

static int check_devices(struct host_run *run, const struct planned *planned, struct error *err)
{
	json_t *device;
	size_t i;

	json_array_foreach(json_object_get(planned->options, "devices"), i, device)
	{
		const char *text = json_string_value(device);
		CLEANUP_FREE char *path = strndup(text, strcspn(text, ":"));
		int there;

		if (path == NULL)
			return error_memory(err);
		there = keeper_path(run->link.keeper, path, err);
		if (there == 0)
			return error_set(err, ERROR_NOT_FOUND,
			    "the device %s, which %s wants, does not exist on the host", path,
			    planned->service->name);
		if (there < 0 && err->kind != ERROR_FAILED)
			return -1;
		error_release(err); /* this user may not look: the engine will say */
	}
	return 0;
}

static int make_plan(struct host_run *run, const struct plan_input *input, struct error *err)
{
	const struct rollout *rollout = run->rollout;

	if (rollout->options.kind == ROLLOUT_DEPLOY)
		return plan_deploy(input, rollout->images, rollout->releases,
		    rollout->options.force, &run->plan, err);
	return plan_rollback(input, rollout->options.to, rollout->undo.rollout, &run->plan, err);
}

/* What no `docker run` can do. */
static int describe_secrets(struct host_run *run, const struct planned *planned, struct error *err)
{
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(planned->options, "secret_files"), i, item)
	{
		const char *text = json_string_value(item);
		struct options_secret_file file;

		if (options_secret_file(text, &file) == 0 &&
		    strv_addf(&run->result->plan, "%s: the secret %.*s is put into it as %s",
			planned->service->name, (int)file.name_len, text, file.target) < 0)
			return error_memory(err);
	}
	return 0;
}

/* For --dry-run: the plan in words, and for each new container the line that would make it. */
static int describe(struct host_run *run, struct error *err)
{
	if (plan_words(&run->plan, &run->result->plan, err) < 0)
		return -1;
	for (size_t i = 0; i < run->plan.n; i++) {
		const struct planned *planned = &run->plan.services[i];
		struct identity identity;
		CLEANUP_FREE char *tag = NULL;

		if (planned->action != PLAN_CREATE)
			continue;
		identity = host_identity(run, planned);
		tag = name_image_tag(identity.prefix, identity.service, identity.release);
		if (tag == NULL || strv_take(&run->result->plan,
				       container_run_line(&identity, planned->options, tag)) < 0)
			return error_memory(err);
		if (describe_secrets(run, planned, err) < 0)
			return -1;
	}
	return 0;
}

/* Where the host has no key yet it gets one when it is made ready for its containers. */
static int know_key(struct host_run *run, struct error *err)
{
	memcpy(run->secret_key, run->facts.ledger.key, sizeof(run->secret_key));
	return *run->secret_key != '\0' ? 0
					: digest_random_hex(DIGEST_RAW_SIZE, run->secret_key, err);
}

static void tell_changed(struct host_run *run, const struct planned *planned)
{
	struct event_source source = host_source(run, planned->service->name);

	for (size_t i = 0; i < planned->changed.n; i++)
		emit_note(&source,
		    "%s is made again with the secret %s as it is now, which is not as it was",
		    planned->release, planned->changed.v[i]);
}

struct plan_input host_plan_input(struct host_run *run)
{
	const struct rollout *rollout = run->rollout;

	return (struct plan_input){
	    .inventory = rollout->options.inventory,
	    .environment = rollout->options.environment,
	    .host = run->host,
	    .prefix = rollout->prefix,
	    .facts = &run->facts,
	    .found = run->found,
	    .services = rollout->services,
	    .n_services = rollout->n_services,
	    .secrets = rollout->secrets,
	    .key = run->secret_key,
	    .find_image = rollout_find_image,
	    .find_context = run->rollout,
	    .refresh = rollout->refresh != NULL ? refresh_judge : NULL,
	    .refresh_context = run,
	};
}

/* --prune-first: before it is asked whether there is room. */
static int prune_first(struct host_run *run, const struct plan_input *input, struct error *err)
{
	const struct rollout_options *options = &run->rollout->options;
	bool removed = false;

	if (!options->prune_first || options->dry_run)
		return 0;
	if (host_prune_first(run, &removed, err) < 0)
		return -1;
	if (!removed)
		return 0;
	plan_release(&run->plan);
	facts_release(&run->facts);
	return host_facts(run, err) < 0 ? -1 : make_plan(run, input, err);
}

int host_plan(struct host_run *run, struct error *err)
{
	const struct plan_input input = host_plan_input(run);

	if (know_key(run, err) < 0 || make_plan(run, &input, err) < 0 ||
	    prune_first(run, &input, err) < 0 || plan_preflight(&input, &run->plan, err) < 0)
		return -1;
	for (size_t i = 0; i < run->plan.n; i++) {
		const struct planned *planned = &run->plan.services[i];

		if (planned->action == PLAN_KEEP) {
			struct event_source source = host_source(run, planned->service->name);

			emit_step(&source, STEP_SWAP, STATE_SKIPPED, -1, "%s", planned->why);
		}
		tell_changed(run, planned);
		if (host_check_resources(run, planned, err) < 0 ||
		    (planned->action == PLAN_CREATE && check_devices(run, planned, err) < 0))
			return -1;
	}
	return describe(run, err);
}
