/* `volumes:`, the short form and the long one. */
#include <stddef.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "inventory/array.h"
#include "inventory/keys.h"
#include "inventory/problems.h"

static const char volume_form[] = "NAME:/PATH, /HOST/PATH:/PATH or /PATH, perhaps with :ro";

/* What the engine takes behind a volume's paths. */
struct modes {
	char *selinux;	   /* "z", "Z" */
	char *propagation; /* "rslave" */
	bool nocopy;
};

struct volume_draft {
	struct volume volume;
	unsigned type; /* enum volume_type */
	bool type_set;
	struct modes modes;
	bool create_host_path;
	char *subpath;
	int64_t size;	 /* of a tmpfs; -1: not said */
	int permissions; /* -1: not said */
	bool bind_set, volume_set, tmpfs_set;
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

	if (good > 0 && volume->source)
		good = volume->kind == VOLUME_BIND ? check_bind(r, node, volume->source)
						   : check_named(r, node, volume->source);
	if (good > 0 &&
	    array_grow(&service->volumes, service->n_volumes, sizeof(*service->volumes)) < 0)
		good = -1;
	if (good > 0) {
		service->volumes[service->n_volumes++] = *volume;
		return 0;
	}
	volume_release(volume);
	return good;
}

/* A source that is a path; Compose takes what begins so for one. */
static bool is_path(const char *source)
{
	return strchr("/.~", source[0]) != NULL;
}

/* ---- modes ---- */

static const char *const propagations[] = {
    "private", "rprivate", "shared", "rshared", "slave", "rslave"};
/* Docker Desktop's, without effect elsewhere. */
static const char *const consistencies[] = {"consistent", "cached", "delegated"};

static bool is_one_of(const char *text, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(text, list[i]) == 0)
			return true;
	return false;
}

static void modes_release(struct modes *modes)
{
	free(modes->selinux);
	free(modes->propagation);
}

static int read_mode(struct reader *r, const struct node *node, const char *mode,
    struct modes *modes, bool *ret_read_only)
{
	char shown[SHOWN_SIZE];

	if (strcmp(mode, "rw") == 0 || is_one_of(mode, consistencies, ARRAY_SIZE(consistencies)))
		return 1;
	if (strcmp(mode, "ro") == 0) {
		*ret_read_only = true;
	} else if (strcmp(mode, "nocopy") == 0) {
		modes->nocopy = true;
	} else if (strcmp(mode, "z") == 0 || strcmp(mode, "Z") == 0) {
		return set_string(&modes->selinux, mode) < 0 ? -1 : 1;
	} else if (is_one_of(mode, propagations, ARRAY_SIZE(propagations))) {
		return set_string(&modes->propagation, mode) < 0 ? -1 : 1;
	} else {
		if (mistake(r, node, "there is no mount option \"%s\"", show_text(shown, mode)) < 0)
			return -1;
		return mistake_hint(r,
		    "there are ro, rw, z, Z, nocopy, and for propagation private, "
		    "rprivate, shared, rshared, slave, rslave");
	}
	return 1;
}

/* "ro,z,rslave" */
static int read_modes(
    struct reader *r, const struct node *node, char *text, struct modes *modes, bool *ret_read_only)
{
	char *mode;

	while ((mode = strsep(&text, ",")) != NULL) {
		int good = read_mode(r, node, mode, modes, ret_read_only);

		if (good <= 0)
			return good;
	}
	return 1;
}

/* In one order, whatever the file's; and whether they go with such a volume. */
static int take_modes(
    struct reader *r, const struct node *node, const struct modes *modes, struct volume *volume)
{
	CLEANUP_BUF struct buf text = BUF_INIT(64);

	if (modes->nocopy && volume->kind == VOLUME_BIND)
		return mistake(
		    r, node, "`nocopy` is of volumes: nothing is copied to a host's folder");
	if (modes->propagation && volume->kind != VOLUME_BIND)
		return mistake(r, node, "`%s` is of folders of the host, and this is none",
		    modes->propagation);
	if (volume->kind == VOLUME_ANONYMOUS && modes->selinux)
		return mistake(r, node, "`%s` takes a volume with a name, or a folder of the host",
		    modes->selinux);
	/* Without a name it cannot be written the short way. */
	if (volume->kind == VOLUME_ANONYMOUS && modes->nocopy)
		return settings_set(&volume->mount, "nocopy", json_true()) < 0 ? -1 : 1;
	if ((modes->selinux && buf_addf(&text, ",%s", modes->selinux) < 0) ||
	    (modes->nocopy && buf_adds(&text, ",nocopy") < 0) ||
	    (modes->propagation && buf_addf(&text, ",%s", modes->propagation) < 0))
		return -1;
	return text.len > 0 && set_string(&volume->modes, text.data + 1) < 0 ? -1 : 1;
}

/* ---- the short form ---- */

/* [SOURCE:]TARGET[:MODES] */
static int cut_short(struct reader *r, const struct node *node, char *rest, struct modes *modes,
    struct volume *volume)
{
	char *source = strsep(&rest, ":");
	char *target = strsep(&rest, ":");
	char *options = strsep(&rest, ":");
	int good = 1;

	if (rest || !*source || (target && !*target))
		return mistake_value(r, node, volume_form);
	if (target && !options && is_absolute(source) && !is_absolute(target)) {
		/* "/PATH:ro" is an anonymous volume. */
		options = target;
		target = NULL;
	}
	if (target) {
		volume->kind = is_path(source) ? VOLUME_BIND : VOLUME_NAMED;
		if (set_string(&volume->source, source) < 0)
			return -1;
	}
	if (set_string(&volume->target, target ? target : source) < 0)
		return -1;
	if (options)
		good = read_modes(r, node, options, modes, &volume->read_only);
	return good > 0 ? take_modes(r, node, modes, volume) : good;
}

static int read_short_volume(struct reader *r, const struct node *node, void *service)
{
	struct volume volume = {.kind = VOLUME_ANONYMOUS, .pos = node->pos};
	struct modes modes = {0};
	CLEANUP_FREE char *text = strdup(node->text);
	size_t before = r->problems->n;
	int good = text ? cut_short(r, node, text, &modes, &volume) : -1;

	modes_release(&modes);
	if (good < 0 || r->problems->n > before) {
		volume_release(&volume);
		return good < 0 ? -1 : 0;
	}
	return add_volume(r, node, service, &volume);
}

/* ---- the long form ---- */

static int read_type(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_part(struct reader *r, const struct node *value, void *field, const void *arg);

static int read_propagation(
    struct reader *r, const struct node *value, void *field, const void *arg)
{
	static const char expected[] = "private, rprivate, shared, rshared, slave or rslave";
	const char *text;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	return is_one_of(text, propagations, ARRAY_SIZE(propagations))
		   ? read_string(r, value, field, arg)
		   : mistake_value(r, value, expected);
}

static int read_selinux(struct reader *r, const struct node *value, void *field, const void *arg)
{
	const char *text;
	int got = scalar_text(r, value, "z or Z", &text);

	if (got <= 0)
		return got;
	return strcmp(text, "z") == 0 || strcmp(text, "Z") == 0 ? read_string(r, value, field, arg)
								: mistake_value(r, value, "z or Z");
}

static int read_subpath(struct reader *r, const struct node *value, void *field, const void *arg)
{
	static const char expected[] = "a path in the volume, such as shop/data";
	const char *text;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	return *text && !is_absolute(text) && strncmp(text, "..", 2) != 0 && !strstr(text, "/..")
		   ? read_string(r, value, field, arg)
		   : mistake_value(r, value, expected);
}

static int read_permissions(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	static const char expected[] = "permissions in octal, such as 1777";
	const char *text;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	if (strncmp(text, "0o", 2) == 0)
		text += 2;
	if (!*text || text[strspn(text, "01234567")] || strlen(text) > 5)
		return mistake_value(r, value, expected);
	*(int *)field = (int)strtol(text, NULL, 8);
	return 0;
}

#define AT(field) offsetof(struct volume_draft, field)

static const struct key bind_keys[] = {
    KEY("propagation", read_propagation, AT(modes.propagation), "of mounts below it"),
    KEY("create_host_path", read_bool, AT(create_host_path), "whether the folder is made"),
    KEY("selinux", read_selinux, AT(modes.selinux), "z or Z: relabel it"),
    REFUSED("recursive", "a folder is mounted with what is mounted below it"),
};

const struct key_table bind_table = INNER_TABLE("`bind` of a mount", bind_keys);

static const struct key volume_options_keys[] = {
    KEY("nocopy", read_bool, AT(modes.nocopy), "what the image has there is not copied into it"),
    KEY("subpath", read_subpath, AT(subpath), "a folder in the volume instead of all of it"),
    REFUSED("labels", "a volume's labels stand with it in `volumes` at the top of the file"),
};

const struct key_table volume_options_table =
    INNER_TABLE("`volume` of a mount", volume_options_keys);

static const struct key tmpfs_keys[] = {
    KEY("size", read_size, AT(size), "how large it may become"),
    KEY("mode", read_permissions, AT(permissions), "its permissions, in octal"),
};

const struct key_table tmpfs_table = INNER_TABLE("`tmpfs` of a mount", tmpfs_keys);

static const struct key volume_keys[] = {
    KEY("type", read_type, 0, "volume, bind or tmpfs"),
    KEY("source", read_text, AT(volume.source), "the volume's name, or a path on the host"),
    NEEDED("target", read_text, AT(volume.target), "the path in the container"),
    KEY("read_only", read_bool, AT(volume.read_only), "the container cannot write there"),
    KEY_ARG("bind", read_part, &bind_table, 0, "of a host's folder"),
    KEY_ARG("volume", read_part, &volume_options_table, 0, "of a volume"),
    KEY_ARG("tmpfs", read_part, &tmpfs_table, 0, "of a folder in memory"),
    IGNORED("consistency", "only Docker Desktop looks at it; without effect"),
    REFUSED("image", "an image is no volume here; copy what it has in the recipe (COPY --from)"),
};

const struct key_table volume_table = KEY_TABLE("a volume", volume_keys);

static int read_part(struct reader *r, const struct node *value, void *field, const void *arg)
{
	struct volume_draft *draft = field;

	draft->bind_set |= arg == &bind_table;
	draft->volume_set |= arg == &volume_options_table;
	draft->tmpfs_set |= arg == &tmpfs_table;
	return schema_read(r, value, arg, field, NULL);
}

static int read_type(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	static const struct {
		const char *name, *hint;
	} later[] = {
	    {"cluster", "there is no Swarm whose volumes these are"},
	    {"image", "an image is no volume here; copy what it has in the recipe (COPY --from)"},
	    {"npipe", "it is of Windows"},
	};
	static const char *const names[] = {"volume", "bind", "tmpfs"};
	static const struct choices types = {"volume, bind or tmpfs", names, ARRAY_SIZE(names)};
	struct volume_draft *draft = field;

	draft->type_set = true;
	for (size_t i = 0; i < ARRAY_SIZE(later); i++)
		if (value->kind == NODE_SCALAR && strcmp(value->text, later[i].name) == 0) {
			if (mistake(r, value, "`%s` is not supported by this version of shipit",
				later[i].name) < 0)
				return -1;
			return mistake_hint(r, "%s", later[i].hint);
		}
	return read_choice(r, value, &draft->type, &types);
}

/* What Docker takes only of a mount. */
static int make_mount(const struct volume_draft *draft, json_t **ret)
{
	int rc = 0;

	if (draft->type == TYPE_BIND && !draft->create_host_path)
		rc = settings_set(ret, "create_host_path", json_false());
	if (rc == 0 && draft->subpath)
		rc = settings_set(ret, "subpath", json_string(draft->subpath));
	if (rc == 0 && draft->type == TYPE_TMPFS)
		rc = settings_set(ret, "type", json_string("tmpfs"));
	if (rc == 0 && draft->size >= 0)
		rc = settings_set(ret, "size", json_integer(draft->size));
	if (rc == 0 && draft->permissions >= 0)
		rc = settings_set(ret, "mode", json_integer(draft->permissions));
	if (*ret == NULL || rc < 0)
		return rc;
	if (draft->modes.nocopy)
		rc = settings_set(ret, "nocopy", json_true());
	if (rc == 0 && draft->modes.propagation)
		rc = settings_set(ret, "propagation", json_string(draft->modes.propagation));
	return rc;
}

static int check_long(struct reader *r, const struct node *node, const struct volume_draft *draft)
{
	static const char *const parts[] = {"volume", "bind", "tmpfs"};
	const bool set[] = {draft->volume_set, draft->bind_set, draft->tmpfs_set};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (set[i] && draft->type != i)
			return mistake(r, node, "`%s` is said of a mount of the type %s", parts[i],
			    parts[draft->type]);
	if (draft->type == TYPE_BIND && !draft->volume.source)
		return mistake(r, node, "a bind mount needs `source`");
	if (draft->type == TYPE_TMPFS && draft->volume.source)
		return mistake(r, node, "a folder in memory has no `source`");
	if (draft->subpath && !draft->volume.source)
		return mistake(r, node, "`subpath` is of a volume with a name: it has no `source`");
	if (draft->modes.selinux && !draft->create_host_path)
		return mistake(
		    r, node, "no engine takes `selinux` together with `create_host_path: false`");
	return 1;
}

/* Takes the strings of `draft->volume` over. */
static int finish_long(
    struct reader *r, const struct node *node, struct volume_draft *draft, struct service *service)
{
	struct volume *volume = &draft->volume;
	int good;

	if (!draft->type_set && volume->source && is_path(volume->source))
		draft->type = TYPE_BIND;
	volume->kind = draft->type == TYPE_BIND	   ? VOLUME_BIND
		       : draft->type == TYPE_TMPFS ? VOLUME_TMPFS
		       : volume->source		   ? VOLUME_NAMED
						   : VOLUME_ANONYMOUS;
	good = check_long(r, node, draft);
	if (good > 0)
		good = make_mount(draft, &volume->mount) < 0 ? -1 : 1;
	if (good > 0 && volume->mount == NULL)
		good = take_modes(r, node, &draft->modes, volume);
	if (good > 0)
		return add_volume(r, node, service, volume);
	volume_release(volume);
	return good;
}

static int read_long_volume(struct reader *r, const struct node *node, void *service)
{
	struct volume_draft draft = {
	    .volume.pos = node->pos, .create_host_path = true, .size = -1, .permissions = -1};
	size_t before = r->problems->n;
	int result = schema_read(r, node, &volume_table, &draft, NULL);

	if (result < 0 || r->problems->n > before || !draft.volume.target)
		volume_release(&draft.volume);
	else
		result = finish_long(r, node, &draft, service);
	modes_release(&draft.modes);
	free(draft.subpath);
	return result;
}

int read_volumes(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	static const struct forms forms = {
	    "a list of volumes", volume_form, read_short_volume, read_long_volume};

	return each_form(r, value, &forms, field);
}
