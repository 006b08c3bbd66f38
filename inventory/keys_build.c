/* `build:` and `env_file:`: what a service takes from the laptop. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "inventory/envfile.h"
#include "inventory/keys.h"
#include "inventory/paths.h"
#include "inventory/problems.h"

/* ---- build ---- */

/* What the keys say, before `dockerfile` is put below `context`. */
struct build_draft {
	struct build *build;
	char *context, *dockerfile;
	struct json_t *settings;
};

static const struct pairs_rule args_rule = {"a build argument", .inherits = true};

#define AT(field) offsetof(struct build_draft, field)

static int read_args(struct reader *r, const struct node *value, void *field, const void *arg)
{
	const struct build_draft *draft = field;

	return read_pairs(r, value, &draft->build->args, arg);
}

#define SETTINGS offsetof(struct build_draft, settings)

/* clang-format off */
static const struct key build_keys[] = {
    NEEDED("context", read_text, AT(context), "the folder that is built"),
    KEY("dockerfile", read_text, AT(dockerfile), "the recipe, a path in the context"),
    KEY_ARG("args", read_args, &args_rule, 0, "build arguments"),
    KEY_ARG("cache_from", setting_list, "cache_from", SETTINGS, "images whose layers may be taken"),
    KEY_ARG("extra_hosts", setting_hosts, "extra_hosts", SETTINGS, "names it knows beside DNS: NAME:ADDRESS"),
    KEY_ARG("labels", setting_pairs, "labels", SETTINGS, "labels of the image"),
    KEY_ARG("network", setting_text, "network", SETTINGS, "of its commands: host, none, ..."),
    KEY_ARG("no_cache", setting_flag, "no_cache", SETTINGS, "every step is run again"),
    KEY_ARG("pull", setting_flag, "pull", SETTINGS, "newer base images are asked for"),
    KEY_ARG("shm_size", setting_size, "shm_size", SETTINGS, "of its commands' /dev/shm"),
    KEY_ARG("tags", setting_list, "tags", SETTINGS, "more names of the image, here"),
    KEY_ARG("target", setting_text, "target", SETTINGS, "the stage that is built"),
    KEY_ARG("ulimits", setting_limits, "ulimits", SETTINGS, "limits of its commands"),
    LATER("additional_contexts"),
    LATER("cache_to"),
    LATER("dockerfile_inline"),
    LATER("entitlements"),
    LATER("isolation"),
    LATER("platforms"),
    LATER("privileged"),
    LATER("provenance"),
    LATER("sbom"),
    LATER("secrets"),
    LATER("ssh"),
};
/* clang-format on */

const struct key_table build_table = KEY_TABLE("`build`", build_keys);

static bool is_remote(const char *context)
{
	return strstr(context, "://") || strncmp(context, "git@", 4) == 0;
}

static int finish_build(struct reader *r, const struct node *value, const struct build_draft *draft)
{
	struct build *build = draft->build;
	const char *home = reader_variable(r, "HOME");
	char shown[SHOWN_SIZE];

	if (!draft->context)
		return 0;
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

int read_build(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct build_draft draft = {.build = field};
	const struct node *context = value;
	int result;

	draft.build->set = true;
	if (value->kind == NODE_SCALAR && !value->bad) {
		result = read_text(r, value, &draft.context, NULL);
	} else if (value->kind == NODE_MAP) {
		const struct entry *entry = node_find(value, "context");

		context = entry ? entry->value : value;
		result = schema_read(r, value, &build_table, &draft, NULL);
	} else {
		result = mistake_kind(r, value, "a folder, or a mapping with `context`");
	}
	if (result == 0)
		result = finish_build(r, context, &draft);
	draft.build->settings = draft.settings;
	free(draft.context);
	free(draft.dockerfile);
	return result;
}

/* ---- env_file ---- */

struct env_file {
	char *path;
	bool required;
};

#undef AT
#define AT(field) offsetof(struct env_file, field)

static const struct key env_file_keys[] = {
    NEEDED("path", read_text, AT(path), "the file"),
    KEY("required", read_bool, AT(required), "whether it has to be there"),
    REFUSED("format", "there is one format; `$$` and single quotes keep a dollar sign"),
};

const struct key_table env_file_table = KEY_TABLE("`env_file`", env_file_keys);

/* What the file is called in messages: as seen from where the inventory was named. */
static char *shown_path(const struct reader *r, const char *path)
{
	bool absolute = path[0] == '/' || path[0] == '~';

	return string_printf("%s%s", absolute ? "" : r->shown_dir, path);
}

static int report_unreadable(
    struct reader *r, const struct node *node, const struct env_file *file, struct error *err)
{
	bool optional = err->code == ENOENT && !file->required;
	bool no_memory = err->kind == ERROR_MEMORY;
	int result = no_memory ? -1 : 0;

	if (!no_memory && !optional)
		result = mistake(r, node, "%s", error_text(err));
	if (result == 0 && !no_memory && !optional && err->code == ENOENT)
		result =
		    mistake_hint(r, "if it may be missing, write {path: FILE, required: false}");
	error_release(err);
	return result;
}

static int load_env_file(
    struct reader *r, const struct node *node, const struct env_file *file, struct pairs *out)
{
	struct variables variables = {r, reader_variable};
	CLEANUP_ERROR struct error err = {0};
	CLEANUP_FREE char *text = NULL;
	CLEANUP_FREE char *path =
	    path_resolve(reader_dir(r, node), file->path, reader_variable(r, "HOME"));
	CLEANUP_FREE char *shown = shown_path(r, file->path);
	size_t len;

	if (!path || !shown)
		return -1;
	if (r->source->read_file(r->source->context, path, ENVFILE_MAX_BYTES, &text, &len, &err) <
	    0)
		return report_unreadable(r, node, file, &err);
	return envfile_parse(text, len, shown, &variables, out, r->problems);
}

static int read_env_file(struct reader *r, const struct node *item, struct pairs *out)
{
	struct env_file file = {.required = true};
	int result;

	if (item->kind == NODE_MAP)
		result = schema_read(r, item, &env_file_table, &file, NULL);
	else
		result = read_text(r, item, &file.path, NULL);
	if (result == 0 && file.path)
		result = load_env_file(r, item, &file, out);
	free(file.path);
	return result;
}

int read_env_files(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	if (value->kind != NODE_LIST)
		return read_env_file(r, value, field);
	for (size_t i = 0; i < value->n; i++)
		if (read_env_file(r, value->items[i], field) < 0)
			return -1;
	return 0;
}
