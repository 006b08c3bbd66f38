/* `volumes:` and `devices:`, the short forms and the long ones. */
#include <stddef.h>
#include <string.h>

#include "inventory/array.h"
#include "inventory/keys.h"
#include "inventory/problems.h"

static const char volume_form[] = "NAME:/PATH, /HOST/PATH:/PATH or /PATH, perhaps with :ro";

struct volume_draft {
	struct volume volume;
	unsigned type; /* enum volume_type */
	bool type_set;
};

enum volume_type { TYPE_VOLUME, TYPE_BIND, TYPE_TMPFS };

static bool is_absolute(const char *path)
{
	return path[0] == '/';
}

/* The ledger keeps the name PREFIX.shipit for itself. */
static int check_named(struct reader *r, const struct node *node, const char *name)
{
	char shown[SHOWN_SIZE];

	if (strcmp(name, "shipit") == 0)
		return mistake(r, node, "the volume name \"shipit\" is shipit's own");
	if (!is_resource_key(name))
		return mistake(r, node,
		    "\"%s\" is no volume name (letters, digits, - and _) and no absolute path",
		    show_text(shown, name));
	return 1;
}

static int check_bind(struct reader *r, const struct node *node, const char *path)
{
	char shown[SHOWN_SIZE];

	if (is_absolute(path) && !strchr(path, ':'))
		return 1;
	if (mistake(r, node, "\"%s\" is not an absolute path on the host", show_text(shown, path)) <
	    0)
		return -1;
	return mistake_hint(r, is_absolute(path)
				   ? "a path with a colon in it cannot be mounted"
				   : "the file is on the laptop, the path on the host: write it "
				     "out from \"/\"");
}

static int check_target(
    struct reader *r, const struct node *node, const struct service *service, const char *target)
{
	char shown[SHOWN_SIZE];

	show_text(shown, target);
	if (!is_absolute(target) || strchr(target, ':'))
		return mistake(r, node, "\"%s\" is not an absolute path in the container", shown);
	for (size_t i = 0; i < service->n_volumes; i++)
		if (strcmp(service->volumes[i].target, target) == 0)
			return mistake(r, node, "two volumes are mounted at \"%s\"", shown);
	return 1;
}

/* Takes `volume`'s strings over in any case. */
static int add_volume(
    struct reader *r, const struct node *node, struct service *service, struct volume *volume)
{
	int good = check_target(r, node, service, volume->target);

	if (good > 0 && volume->kind != VOLUME_ANONYMOUS)
		good = volume->kind == VOLUME_BIND ? check_bind(r, node, volume->source)
						   : check_named(r, node, volume->source);
	if (good > 0 &&
	    array_grow(&service->volumes, service->n_volumes, sizeof(*service->volumes)) < 0)
		good = -1;
	if (good > 0) {
		service->volumes[service->n_volumes++] = *volume;
		return 0;
	}
	free(volume->source);
	free(volume->target);
	return good;
}

/* A source that is a path; Compose takes what begins so for one. */
static bool is_path(const char *source)
{
	return strchr("/.~", source[0]) != NULL;
}

static int read_modes(
    struct reader *r, const struct node *node, const char *modes, struct volume *volume)
{
	char shown[SHOWN_SIZE];

	if (strcmp(modes, "ro") == 0)
		volume->read_only = true;
	else if (strcmp(modes, "rw") != 0)
		return mistake(r, node, "the mount option \"%s\" is not supported; ro and rw are",
		    show_text(shown, modes));
	return 1;
}

/* [SOURCE:]TARGET[:ro|rw] */
static int read_short_volume(struct reader *r, const struct node *node, struct service *service)
{
	struct volume volume = {.kind = VOLUME_ANONYMOUS, .pos = node->pos};
	CLEANUP_FREE char *text = strdup(node->text);
	char *source, *rest = text;

	if (!text)
		return -1;
	source = strsep(&rest, ":");
	char *target = strsep(&rest, ":");
	char *options = strsep(&rest, ":");
	if (rest || !*source || (target && !*target))
		return mistake_value(r, node, volume_form);
	if (target && !options && is_absolute(source) && !is_absolute(target)) {
		/* "/PATH:ro" is an anonymous volume. */
		options = target;
		target = NULL;
	}
	if (options) {
		int good = read_modes(r, node, options, &volume);

		if (good <= 0)
			return good;
	}
	if (target) {
		volume.kind = is_path(source) ? VOLUME_BIND : VOLUME_NAMED;
		volume.source = strdup(source);
	} else {
		target = source;
	}
	volume.target = strdup(target);
	if (!volume.target || (volume.kind != VOLUME_ANONYMOUS && !volume.source)) {
		free(volume.source);
		free(volume.target);
		return -1;
	}
	return add_volume(r, node, service, &volume);
}

static int read_type(struct reader *r, const struct node *value, void *field, const void *arg);

#define AT(field) offsetof(struct volume_draft, field)

static const struct key volume_keys[] = {
    KEY("type", read_type, 0, "volume or bind"),
    KEY("source", read_text, AT(volume.source), "the volume's name, or a path on the host"),
    NEEDED("target", read_text, AT(volume.target), "the path in the container"),
    KEY("read_only", read_bool, AT(volume.read_only), "the container cannot write there"),
    LATER("bind"),
    LATER("consistency"),
    LATER("image"),
    LATER("tmpfs"),
    LATER("volume"),
};

const struct key_table volume_table = KEY_TABLE("a volume", volume_keys);

static int read_type(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	static const char *const later[] = {"tmpfs", "cluster", "image", "npipe"};
	static const char *const names[] = {"volume", "bind"};
	static const struct choices types = {"volume or bind", names, ARRAY_SIZE(names)};
	struct volume_draft *draft = field;

	draft->type_set = true;
	for (size_t i = 0; i < ARRAY_SIZE(later); i++)
		if (value->kind == NODE_SCALAR && strcmp(value->text, later[i]) == 0) {
			draft->type = TYPE_TMPFS;
			return mistake(
			    r, value, "`%s` is not supported by this version of shipit", later[i]);
		}
	return read_choice(r, value, &draft->type, &types);
}

static int read_long_volume(struct reader *r, const struct node *node, struct service *service)
{
	struct volume_draft draft = {.volume.pos = node->pos};
	struct volume *volume = &draft.volume;
	size_t before = r->problems->n;
	int result = schema_read(r, node, &volume_table, &draft, NULL);

	if (result < 0 || r->problems->n > before || !volume->target)
		goto drop;
	if (!draft.type_set && volume->source && is_path(volume->source))
		draft.type = TYPE_BIND;
	volume->kind = draft.type == TYPE_BIND ? VOLUME_BIND
		       : volume->source	       ? VOLUME_NAMED
					       : VOLUME_ANONYMOUS;
	if (volume->kind != VOLUME_BIND || volume->source)
		return add_volume(r, node, service, volume);
	result = mistake(r, node, "a bind mount needs `source`");
drop:
	free(volume->source);
	free(volume->target);
	return result;
}

int read_volumes(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	if (value->kind != NODE_LIST)
		return mistake_kind(r, value, "a list of volumes");
	for (size_t i = 0; i < value->n; i++) {
		const struct node *item = value->items[i];
		int result = item->bad			 ? 0
			     : item->kind == NODE_MAP	 ? read_long_volume(r, item, field)
			     : item->kind == NODE_SCALAR ? read_short_volume(r, item, field)
							 : mistake_kind(r, item, volume_form);
		if (result < 0)
			return -1;
	}
	return 0;
}
