#include "inventory/compose.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "inventory/keys.h"
#include "inventory/overlay.h"
#include "inventory/paths.h"
#include "inventory/values.h"

/* The sections are read later, as the inventory's own. */
static const struct key compose_keys[] = {
    KEY("services", read_elsewhere, 0, "the containers"),
    KEY("networks", read_elsewhere, 0, "networks"),
    KEY("volumes", read_elsewhere, 0, "volumes"),
    KEY("secrets", read_elsewhere, 0, "secrets"),
    IGNORED("version", "without effect"),
    IGNORED("name", "`project` says what all of this is called"),
    REFUSED(
	"configs", "a file of the host is mounted by `volumes`, one of this computer by `secrets`"),
    REFUSED("include", "`compose` takes a list of Compose files"),
    REFUSED("models", "no model runner is on the hosts"),
};

const struct key_table compose_table = KEY_TABLE("a Compose file", compose_keys);

static const char *const sections[] = {"services", "networks", "volumes", "secrets"};

void compose_release(struct compose *compose)
{
	for (size_t i = 0; i < compose->n; i++)
		yaml_release(&compose->files[i]);
	compose->n = 0;
}

/* The folder that a path is meant from: Compose's is that of the first file. */
static int remember_dir(struct reader *r, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (r->compose_dir != NULL)
		return 0;
	r->compose_dir = strndup(path, slash > path ? (size_t)(slash - path) : 1);
	return r->compose_dir != NULL ? 0 : -1;
}

static int parse(
    struct reader *r, const char *text, size_t len, const char *name, struct compose *compose)
{
	struct yaml *yaml = &compose->files[compose->n++];

	if (strv_add(&r->inv->files, name) < 0)
		return -1;
	name = r->inv->files.v[r->inv->files.n - 1];
	if (yaml_parse(text, len, name, r->problems, yaml) < 0)
		return -1;
	if (yaml->root == NULL)
		return 0;
	if (reader_interpolate(r, yaml) < 0)
		return -1;
	return schema_read(r, yaml->root, &compose_table, r->inv, NULL);
}

static int take_file(
    struct reader *r, const struct node *node, const char *name, struct compose *compose)
{
	CLEANUP_FREE char *path = path_resolve(r->inv->dir, name, reader_variable(r, "HOME"));
	CLEANUP_FREE char *shown =
	    string_printf("%s%s", name[0] == '/' || name[0] == '~' ? "" : r->shown_dir, name);
	CLEANUP_FREE char *text = NULL;
	CLEANUP_ERROR struct error err = {0};
	size_t len;

	if (path == NULL || shown == NULL)
		return -1;
	if (r->source->read_file(r->source->context, path, YAML_MAX_BYTES, &text, &len, &err) < 0)
		return err.kind == ERROR_MEMORY ? -1 : mistake(r, node, "%s", error_text(&err));
	if (remember_dir(r, path) < 0)
		return -1;
	return parse(r, text, len, shown, compose);
}

static int add_file(struct reader *r, const struct node *node, const char *text, void *context)
{
	struct compose *compose = context;

	if (*text == '\0')
		return mistake_value(r, node, "a file's name");
	if (compose->n == COMPOSE_MAX)
		return mistake(r, node, "more than %d Compose files", COMPOSE_MAX);
	return take_file(r, node, text, compose);
}

/* The inventory's own keys, and the sections of `whole`: another root for `yaml`. */
static int set_root(struct reader *r, struct yaml *yaml, const struct node *whole)
{
	const struct node *old = yaml->root;
	struct node *root = yaml_add(&r->made, NODE_MAP, &old->pos);

	if (root == NULL)
		return -1;
	for (size_t i = 0; i < old->n; i++)
		if (node_add_entry(root, old->entries[i].key, old->entries[i].value) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		const struct entry *entry = node_find(whole, sections[i]);
		size_t at = 0;

		if (entry == NULL)
			continue;
		while (at < root->n && strcmp(root->entries[at].key->text, sections[i]) != 0)
			at++;
		if (at < root->n)
			root->entries[at] = *entry;
		else if (node_add_entry(root, entry->key, entry->value) < 0)
			return -1;
	}
	yaml->root = root;
	return 0;
}

/* All files over each other, and the inventory's own over them. */
static int put_together(struct reader *r, struct yaml *yaml, const struct compose *compose)
{
	struct node *all = NULL, *whole;

	for (size_t i = 0; i < compose->n; i++) {
		struct node *root = compose->files[i].root;

		if (root == NULL || root->kind != NODE_MAP)
			continue;
		all = all == NULL ? root : overlay(&r->made, all, root, "", OVERLAY_FILE);
		if (all == NULL)
			return -1;
	}
	if (all == NULL)
		return 0;
	whole = overlay(&r->made, all, yaml->root, "", OVERLAY_FILE);
	return whole != NULL ? set_root(r, yaml, whole) : -1;
}

int compose_take(struct reader *r, struct yaml *yaml, struct compose *compose)
{
	const struct entry *entry =
	    yaml->root->kind == NODE_MAP ? node_find(yaml->root, "compose") : NULL;

	if (entry != NULL && entry->value->kind != NODE_NULL &&
	    (each_text(r, entry->value, "a Compose file, or a list of them", add_file, compose) <
		    0 ||
		put_together(r, yaml, compose) < 0))
		return -1;
	/* What environments override is yet to go over services. */
	yaml->root = overlay_finish(&r->made, yaml->root, "environments");
	return yaml->root != NULL ? 0 : -1;
}
