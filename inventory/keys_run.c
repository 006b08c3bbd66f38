/* `run:` of a build step: a container on the laptop, with folders of the project in it. */
#include <stddef.h>
#include <string.h>

#include "base/json.h"
#include "inventory/array.h"
#include "inventory/keys.h"
#include "inventory/paths.h"
#include "inventory/problems.h"

static int read_image(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_command(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_entrypoint(
    struct reader *r, const struct node *value, void *field, const void *arg);
static int read_mounts(struct reader *r, const struct node *value, void *field, const void *arg);

static const struct pairs_rule variables_rule = {"a variable", .inherits = true};

#define AT(field) offsetof(struct step_run, field)
#define SETTINGS  AT(settings)

/* clang-format off */
static const struct key run_keys[] = {
    NEEDED("image", read_image, 0, "a step that builds one, or an image of this machine"),
    KEY("volumes", read_mounts, 0, "folders of this machine in the container"),
    KEY_ARG("environment", read_pairs, &variables_rule, AT(environment), "variables"),
    KEY("command", read_command, 0, "instead of the image's command"),
    KEY("entrypoint", read_entrypoint, 0, "instead of the image's entrypoint"),
    KEY("user", read_text, AT(user), "who it runs as"),
    KEY_ARG("cap_add", setting_list, "cap_add", SETTINGS, "capabilities it has beyond the usual ones"),
    KEY_ARG("cpus", setting_cpus, "cpus", SETTINGS, "processors it may use at most"),
    KEY_ARG("extra_hosts", setting_hosts, "extra_hosts", SETTINGS, "names it knows beside DNS"),
    KEY_ARG("mem_limit", setting_size, "mem_limit", SETTINGS, "memory it may use at most"),
    KEY_ARG("network_mode", setting_network_mode, "network_mode", SETTINGS, "host, none, bridge"),
    KEY_ARG("privileged", setting_flag, "privileged", SETTINGS, "it may do what this machine may"),
    KEY_ARG("shm_size", setting_size, "shm_size", SETTINGS, "of /dev/shm"),
    KEY_ARG("tmpfs", setting_paths, "tmpfs", SETTINGS, "folders in memory"),
    KEY_ARG("ulimits", setting_limits, "ulimits", SETTINGS, "limits of its processes"),
    KEY_ARG("working_dir", setting_text, "working_dir", SETTINGS, "the folder it starts in"),
};
/* clang-format on */

const struct key_table run_table = KEY_TABLE("`run`", run_keys);

int read_run(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct step_run *run = field;

	run->set = true;
	return schema_read(r, value, &run_table, run, NULL);
}

static int read_image(struct reader *r, const struct node *value, void *field, const void *arg)
{
	static const char expected[] = "the name of a step or of an image";
	struct step_run *run = field;
	const char *text;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	run->image_pos = value->pos;
	if (!*text || text[0] == '-' || text[strcspn(text, " \t\r\n")])
		return mistake_value(r, value, expected);
	return read_string(r, value, &run->image, arg);
}

static int read_command(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct step_run *run = field;

	run->has_command = value->kind != NODE_NULL;
	return run->has_command ? read_words(r, value, &run->command, NULL) : 0;
}

static int read_entrypoint(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct step_run *run = field;

	run->has_entrypoint = value->kind != NODE_NULL;
	return run->has_entrypoint ? read_words(r, value, &run->entrypoint, NULL) : 0;
}

/* ---- volumes ---- */

static const char mount_form[] = "PATH:/PATH or NAME:/PATH, perhaps with :ro";

/* A name is a folder beside the file, which the step fills; what begins like a path is one. */
static bool is_output(const char *source)
{
	return is_resource_key(source);
}

static int set_source(
    struct reader *r, const struct node *node, const char *source, struct mount *mount)
{
	char shown[SHOWN_SIZE];

	mount->kind = is_output(source)			     ? MOUNT_OUTPUT
		      : source[0] == '/' || source[0] == '~' ? MOUNT_OTHER
							     : MOUNT_INPUT;
	if (mount->kind == MOUNT_INPUT && source[0] != '.' &&
	    (!strchr(source, '/') || strpbrk(source, "\\")))
		return mistake(r, node,
		    "\"%s\" is neither a name (letters, digits, - and _) nor a path such as ./src",
		    show_text(shown, source));
	mount->source = path_resolve(reader_dir(r, node), source, reader_variable(r, "HOME"));
	if (!mount->source)
		return -1;
	if (strchr(mount->source, ':'))
		return mistake(r, node, "a path with a colon in it cannot be mounted");
	if (mount->kind == MOUNT_OUTPUT && mount->read_only)
		return mistake(r, node, "\"%s\" is what the step makes, so it cannot be read-only",
		    show_text(shown, source));
	return 1;
}

static int set_target(
    struct reader *r, const struct node *node, const struct step_run *run, struct mount *mount)
{
	char shown[SHOWN_SIZE];

	show_text(shown, mount->target);
	if (mount->target[0] != '/')
		return mistake(r, node, "\"%s\" is not an absolute path in the container", shown);
	for (size_t i = 0; i < run->n_mounts; i++)
		if (strcmp(run->mounts[i].target, mount->target) == 0)
			return mistake(r, node, "two volumes are mounted at \"%s\"", shown);
	return 1;
}

/* SOURCE:TARGET[:ro|rw]; 1: it is good. */
static int parse_mount(struct reader *r, const struct node *node, const char *text,
    const struct step_run *run, struct mount *mount)
{
	CLEANUP_FREE char *copy = strdup(text);
	char *target = copy ? strchr(copy, ':') : NULL;
	char *mode = target ? strchr(target + 1, ':') : NULL;
	int good;

	if (!copy)
		return -1;
	if (!target || target == copy)
		return mistake_value(r, node, mount_form);
	*target++ = '\0';
	if (mode)
		*mode++ = '\0';
	mount->read_only = mode && strcmp(mode, "ro") == 0;
	if (mode && !mount->read_only && strcmp(mode, "rw") != 0)
		return mistake_value(r, node, mount_form);
	mount->target = strdup(target);
	if (!mount->target)
		return -1;
	good = set_target(r, node, run, mount);
	return good > 0 ? set_source(r, node, copy, mount) : good;
}

static int add_mount(struct reader *r, const struct node *node, const char *text, void *context)
{
	struct step_run *run = context;
	struct mount mount = {.pos = node->pos};
	int good = parse_mount(r, node, text, run, &mount);

	if (good > 0 && array_grow(&run->mounts, run->n_mounts, sizeof(mount)) < 0)
		good = -1;
	if (good > 0) {
		run->mounts[run->n_mounts++] = mount;
		return 0;
	}
	free(mount.source);
	free(mount.target);
	return good;
}

static int read_mounts(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	if (value->kind != NODE_LIST)
		return mistake_kind(r, value, "a list of volumes");
	return each_text(r, value, mount_form, add_mount, field);
}

static void run_release(struct step_run *run)
{
	free(run->image);
	for (size_t i = 0; i < run->n_mounts; i++) {
		free(run->mounts[i].source);
		free(run->mounts[i].target);
	}
	free(run->mounts);
	pairs_release(&run->environment);
	strv_release(&run->command);
	strv_release(&run->entrypoint);
	free(run->user);
	json_decref(run->settings);
}

void step_release(struct build_step *step)
{
	free(step->name);
	build_release(&step->build);
	run_release(&step->run);
	*step = (struct build_step){0};
}
