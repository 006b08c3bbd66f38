/* Builds and their steps, as JSON values. */
#include <string.h>

#include "base/json.h"
#include "cmd/resolved.h"
#include "cmd/ui/json.h"

static json_t *pairs_value(const struct pairs *pairs)
{
	json_t *value = json_object();

	for (size_t i = 0; value != NULL && i < pairs->n; i++) {
		const struct pair *pair = &pairs->v[i];

		if (pair->value != NULL)
			json_put(value, pair->key, pair->value);
		else
			json_object_set_new(value, pair->key, json_null());
	}
	return value;
}

static void put_pairs(json_t *value, const char *key, const struct pairs *pairs)
{
	if (pairs->n > 0)
		json_object_set_new(value, key, pairs_value(pairs));
}

static void put_secrets(json_t *value, const struct build *build)
{
	json_t *list = build->n_secrets > 0 ? json_array() : NULL;

	for (size_t i = 0; list != NULL && i < build->n_secrets; i++)
		json_array_append_new(
		    list, json_pack("{s:s, s:s}", "source", build->secrets[i].secret, "target",
			      build->secrets[i].id));
	if (list != NULL)
		json_object_set_new(value, "secrets", list);
}

static void put_needs(json_t *value, const struct build *build)
{
	json_t *list = build->n_needs > 0 ? json_array() : NULL;

	for (size_t i = 0; list != NULL && i < build->n_needs; i++)
		json_array_append_new(list, json_string(build->needs[i].name));
	if (list != NULL)
		json_object_set_new(value, "needs", list);
}

json_t *resolved_build(const struct build *build)
{
	json_t *value = json_object();

	if (value == NULL)
		return NULL;
	json_put(value, "step", build->step);
	json_put(value, "context", build->context);
	json_put(value, "dockerfile", build->dockerfile);
	if (build->settings != NULL)
		json_object_update(value, build->settings);
	put_pairs(value, "args", &build->args);
	put_pairs(value, "additional_contexts", &build->contexts);
	put_secrets(value, build);
	put_needs(value, build);
	return value;
}

static json_t *run_value(const struct step_run *run)
{
	json_t *value = json_object(), *volumes = json_array();

	for (size_t i = 0; volumes != NULL && i < run->n_mounts; i++)
		json_array_append_new(
		    volumes, json_sprintf("%s:%s%s", run->mounts[i].source, run->mounts[i].target,
				 run->mounts[i].read_only ? ":ro" : ""));
	if (value == NULL || volumes == NULL) {
		json_decref(value);
		json_decref(volumes);
		return NULL;
	}
	if (run->settings != NULL)
		json_object_update(value, run->settings);
	json_put(value, "image", run->image);
	json_object_set_new(value, "volumes", volumes);
	put_pairs(value, "environment", &run->environment);
	json_put(value, "user", run->user);
	if (run->has_command)
		json_object_set_new(value, "command", json_words(&run->command));
	if (run->has_entrypoint)
		json_object_set_new(value, "entrypoint", json_words(&run->entrypoint));
	return value;
}

json_t *resolved_steps(const struct inventory *inv)
{
	json_t *all = json_object();

	for (size_t i = 0; all != NULL && i < inv->n_steps; i++) {
		const struct build_step *step = &inv->steps[i];
		json_t *value = resolved_build(&step->build);

		if (step->run.set && value != NULL)
			json_object_set_new(value, "run", run_value(&step->run));
		json_object_set_new(all, step->name, value);
	}
	return all;
}
