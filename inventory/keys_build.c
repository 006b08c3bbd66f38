/* `build:` of a service, and the steps of building: how images are made on the laptop. */
#include <stddef.h>
#include <string.h>

#include "base/json.h"
#include "inventory/array.h"
#include "inventory/keys.h"
#include "inventory/paths.h"
#include "inventory/problems.h"

/* What the keys say, before paths are put below the folders they are meant from. */
struct build_draft {
	struct build *build;
	struct step_run *run; /* NULL: it is a service's */
	char *context, *dockerfile;
	struct pairs contexts;
	struct json_t *settings;
	const char *last; /* of its own steps; borrowed */
};

static const struct pairs_rule args_rule = {"a build argument", .inherits = true};
static const struct pairs_rule contexts_rule = {"a context", .inherits = false};

static int read_args(struct reader *r, const struct node *value, void *field, const void *arg)
{
	const struct build_draft *draft = field;

	return read_pairs(r, value, &draft->build->args, arg);
}

static int read_own_secrets(
    struct reader *r, const struct node *value, void *field, const void *arg)
{
	const struct build_draft *draft = field;

	return read_build_secrets(r, value, draft->build, arg);
}

int add_need(struct build *build, const struct position *pos, const char *name)
{
	struct dependency *need;

	for (size_t i = 0; i < build->n_needs; i++)
		if (strcmp(build->needs[i].name, name) == 0)
			return 0;
	if (array_grow(&build->needs, build->n_needs, sizeof(*need)) < 0)
		return -1;
	need = &build->needs[build->n_needs];
	*need = (struct dependency){.name = strdup(name), .pos = *pos};
	if (!need->name)
		return -1;
	build->n_needs++;
	return 0;
}

static int take_need(struct reader *r, const struct node *node, const char *text, void *context)
{
	const struct build *build = context;

	if (build->n_needs >= MAX_STEPS)
		return mistake(r, node, "more than %d steps are needed", MAX_STEPS);
	return add_need(context, &node->pos, text);
}

static int read_needs(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	const struct build_draft *draft = field;

	return each_text(r, value, "a list of steps", take_need, draft->build);
}

/* What an engine's own build makes is one image. */
static int read_platforms(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct build_draft *draft = field;
	const struct node *one =
	    value->kind == NODE_LIST && value->n == 1 ? value->items[0] : value;

	if (value->kind != NODE_LIST || value->n <= 1)
		return setting_text(r, one, &draft->settings, "platform");
	if (mistake(r, value, "an engine builds for one platform at a time, these are %zu",
		value->n) < 0)
		return -1;
	return mistake_hint(r, "an image for several goes in a file: `image: oci:PATH`");
}

/* Steps of a service are known to all, as those of `builds:` are. */
static int read_own_steps(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct build_draft *draft = field;

	return draft->run ? 0 : read_steps(r, value, &draft->last);
}

static int read_own_run(struct reader *r, const struct node *value, void *field, const void *arg)
{
	const struct build_draft *draft = field;

	return draft->run ? read_run(r, value, draft->run, arg) : 0;
}

static int read_step_name(struct reader *r, const struct node *value, void *field, const void *arg)
{
	const struct build_draft *draft = field;

	draft->build->step_pos = value->pos;
	return draft->run ? 0 : read_text(r, value, &draft->build->step, arg);
}

#define AT(field) offsetof(struct build_draft, field)
#define SETTINGS  AT(settings)

/* clang-format off */
static const struct key build_keys[] = {
    KEY("context", read_text, AT(context), "the folder that is built"),
    KEY("dockerfile", read_text, AT(dockerfile), "the recipe, a path in the context"),
    KEY("needs", read_needs, 0, "steps that come before"),
    KEY("steps", read_own_steps, 0, "steps, each with a name; the last makes the image"),
    KEY("step", read_step_name, 0, "the step that makes the image"),
    KEY("run", read_own_run, 0, "of a step: a container that is run instead of a build"),
    KEY_ARG("args", read_args, &args_rule, 0, "build arguments"),
    KEY_ARG("additional_contexts", read_pairs, &contexts_rule, AT(contexts), "more folders or images, by name"),
    KEY_ARG("cache_from", setting_list, "cache_from", SETTINGS, "images whose layers may be taken"),
    KEY_ARG("extra_hosts", setting_hosts, "extra_hosts", SETTINGS, "names it knows beside DNS: NAME:ADDRESS"),
    KEY_ARG("labels", setting_pairs, "labels", SETTINGS, "labels of the image"),
    KEY_ARG("network", setting_text, "network", SETTINGS, "of its commands: host, none, ..."),
    KEY_ARG("no_cache", setting_flag, "no_cache", SETTINGS, "every step is run again"),
    KEY("platforms", read_platforms, 0, "the platform that it is built for"),
    KEY_ARG("pull", setting_flag, "pull", SETTINGS, "newer base images are asked for"),
    KEY("secrets", read_own_secrets, 0, "secrets that its commands see as files"),
    KEY_ARG("shm_size", setting_size, "shm_size", SETTINGS, "of its commands' /dev/shm"),
    KEY_ARG("tags", setting_list, "tags", SETTINGS, "more names of the image, here"),
    KEY_ARG("target", setting_text, "target", SETTINGS, "the stage that is built"),
    KEY_ARG("ulimits", setting_limits, "ulimits", SETTINGS, "limits of its commands"),
    LATER("cache_to"),
    LATER("dockerfile_inline"),
    LATER("entitlements"),
    LATER("isolation"),
    LATER("privileged"),
    LATER("provenance"),
    LATER("sbom"),
    LATER("ssh"),
};
/* clang-format on */

const struct key_table build_table = KEY_TABLE("`build`", build_keys);

/* ---- paths ---- */

static bool is_remote(const char *context)
{
	return strstr(context, "://") || strncmp(context, "git@", 4) == 0;
}

static int finish_paths(struct reader *r, const struct node *value, const struct build_draft *draft)
{
	struct build *build = draft->build;
	const char *home = reader_variable(r, "HOME");
	char shown[SHOWN_SIZE];

	if (is_remote(draft->context))
		return mistake(r, value, "the context \"%s\" is not a folder on this computer",
			   show_text(shown, draft->context)) < 0
			   ? -1
			   : mistake_hint(r, "clone it, and write its folder");
	build->context = path_resolve(reader_dir(r, value), draft->context, home);
	if (!build->context)
		return -1;
	if (draft->dockerfile)
		build->dockerfile = path_resolve(build->context, draft->dockerfile, home);
	return draft->dockerfile && !build->dockerfile ? -1 : 0;
}

static int finish_contexts(
    struct reader *r, const struct node *value, const struct build_draft *draft)
{
	for (size_t i = 0; i < draft->contexts.n; i++) {
		const struct pair *context = &draft->contexts.v[i];
		CLEANUP_FREE char *path = NULL;

		if (!context->value || strncmp(context->value, "service:", 8) == 0) {
			if (mistake(r, value, "the context `%s` is neither a folder nor an image",
				context->key) < 0)
				return -1;
			continue;
		}
		path = is_remote(context->value) ? strdup(context->value)
						 : path_resolve(reader_dir(r, value),
						       context->value, reader_variable(r, "HOME"));
		if (!path || pairs_set(&draft->build->contexts, context->key, path) < 0)
			return -1;
	}
	return 0;
}

/* ---- which keys go together ---- */

/* Complain of the first key that is none of the `good` ones. */
static int refuse_keys(struct reader *r, const struct node *map, const char *const *good,
    const char *why, const char *hint)
{
	for (size_t i = 0; map->kind == NODE_MAP && i < map->n; i++) {
		const struct node *key = map->entries[i].key;
		bool fine = strncmp(key->text, "x-", 2) == 0;

		for (size_t k = 0; good[k] && !fine; k++)
			fine = strcmp(good[k], key->text) == 0;
		if (fine)
			continue;
		if (mistake(r, key, why, key->text) < 0)
			return -1;
		return mistake_hint(r, "%s", hint);
	}
	return 0;
}

static int refuse_key(
    struct reader *r, const struct node *map, const char *name, const char *why, const char *hint)
{
	const struct entry *entry = map->kind == NODE_MAP ? node_find(map, name) : NULL;

	if (!entry)
		return 0;
	return mistake(r, entry->key, why, name) < 0 ? -1 : mistake_hint(r, "%s", hint);
}

static const char *const run_only[] = {"run", "needs", NULL};
static const char *const step_only[] = {"steps", "step", NULL};

static int check_step_keys(
    struct reader *r, const struct node *map, const struct build_draft *draft)
{
	if (refuse_key(r, map, "steps", "a step has no `%s` of its own",
		"write them beside it, and name them in `needs`") < 0 ||
	    refuse_key(r, map, "step", "a step has no `%s` of its own", "name it in `needs`") < 0)
		return -1;
	return draft->run->set
		   ? refuse_keys(r, map, run_only,
			 "`%s` is for an image that is built, and this step runs one",
			 "make two steps of it: one that builds, and one that runs what "
			 "the first has built")
		   : 0;
}

/* What stands beside its context comes before it. */
static int need_own_steps(const struct node *map, struct build *build)
{
	const struct entry *steps = node_find(map, "steps");

	for (size_t i = 0; steps && i < steps->value->n; i++) {
		const struct node *key = steps->value->entries[i].key;

		if (add_need(build, &key->pos, key->text) < 0)
			return -1;
	}
	return 0;
}

/* A service's image comes from a step, or the build is its own. */
static int check_service_keys(
    struct reader *r, const struct node *map, const struct build_draft *draft)
{
	struct build *build = draft->build;

	if (refuse_key(r, map, "run", "the image of a service is built, so its build has no `%s`",
		"put it into a step: `steps: {NAME: {run: ...}}`") < 0)
		return -1;
	if (draft->context && need_own_steps(map, build) < 0)
		return -1;
	if (draft->context)
		return refuse_key(r, map, "step",
		    "`%s` says which step makes the image, and `context` how it is built here",
		    "take one of the two away");
	if (!build->step && draft->last) {
		build->step_pos = node_find(map, "steps")->key->pos;
		if (set_string(&build->step, draft->last) < 0)
			return -1;
	}
	return refuse_keys(r, map, step_only,
	    "`%s` is for a build with a `context`, and here a step makes the image",
	    "write it into the step");
}

static int check_keys(struct reader *r, const struct node *map, const struct build_draft *draft)
{
	return draft->run ? check_step_keys(r, map, draft) : check_service_keys(r, map, draft);
}

/* Is it said where a service's image comes from? */
static bool has_origin(const struct seen *seen)
{
	return schema_seen(&build_table, seen, "context") ||
	       schema_seen(&build_table, seen, "steps") || schema_seen(&build_table, seen, "step");
}

static int read_mapping(struct reader *r, const struct node *map, struct build_draft *draft)
{
	const struct entry *context = node_find(map, "context");
	size_t before = r->problems->n;
	struct seen seen = {0};

	if (schema_read(r, map, &build_table, draft, &seen) < 0)
		return -1;
	if (!draft->run && !has_origin(&seen) &&
	    (mistake(r, map, "the key `context` is missing in `build`") < 0 ||
		mistake_hint(r, "for instance `context: .`") < 0))
		return -1;
	/* Else a key that is unknown may be any of those that count here. */
	if (r->problems->n == before && check_keys(r, map, draft) < 0)
		return -1;
	if (draft->run && draft->run->set)
		return 0;
	if (draft->run && !draft->context && !(draft->context = strdup(".")))
		return -1;
	if (draft->context && finish_paths(r, context ? context->value : map, draft) < 0)
		return -1;
	return finish_contexts(r, map, draft);
}

static int release_draft(struct build_draft *draft, int result)
{
	draft->build->settings = draft->settings;
	free(draft->context);
	free(draft->dockerfile);
	pairs_release(&draft->contexts);
	return result;
}

int read_build(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct build_draft draft = {.build = field};
	int result;

	draft.build->set = true;
	if (value->kind == NODE_MAP)
		return release_draft(&draft, read_mapping(r, value, &draft));
	if (value->kind != NODE_SCALAR || value->bad)
		return mistake_kind(r, value, "a folder, or a mapping with `context`");
	result = read_text(r, value, &draft.context, NULL);
	if (result == 0 && draft.context)
		result = finish_paths(r, value, &draft);
	return release_draft(&draft, result);
}

int read_step(struct reader *r, const struct node *map, struct build_step *step)
{
	struct build_draft draft = {.build = &step->build, .run = &step->run};
	int result;

	if (map->kind != NODE_MAP)
		return mistake_kind(r, map, "a mapping with `dockerfile` or `run`");
	result = read_mapping(r, map, &draft);
	step->build.set = !step->run.set;
	return release_draft(&draft, result);
}

void build_release(struct build *build)
{
	free(build->step);
	free(build->context);
	free(build->dockerfile);
	pairs_release(&build->args);
	pairs_release(&build->contexts);
	json_decref(build->settings);
	for (size_t i = 0; i < build->n_secrets; i++) {
		free(build->secrets[i].secret);
		free(build->secrets[i].id);
	}
	free(build->secrets);
	for (size_t i = 0; i < build->n_needs; i++)
		free(build->needs[i].name);
	free(build->needs);
	*build = (struct build){0};
}
