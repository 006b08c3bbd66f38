/* `env_file:`: variables out of files. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "inventory/envfile.h"
#include "inventory/keys.h"
#include "inventory/paths.h"
#include "inventory/problems.h"

struct env_file {
	char *path;
	bool required;
};

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
