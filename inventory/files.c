#include "inventory/files.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

enum { NAMES_MAX = 256 * 1024 };

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static bool is_yaml(const char *name)
{
	return ends_with(name, ".yml") || ends_with(name, ".yaml");
}

/* On some file systems everything is executable: what is called a text is one. */
static bool is_program(const char *path, const struct stat *about)
{
	return S_ISREG(about->st_mode) && !is_yaml(path) && !ends_with(path, ".json") &&
	       access(path, X_OK) == 0;
}

/* A folder may hold more than inventories, so its programs are run only where their names say what
 * they are. */
static bool counts_in_folder(const char *path, const char *name, const struct stat *about)
{
	static const char *const backups[] = {"~", ".bak", ".old", ".orig", ".rej", ".swp"};

	if (name[0] == '.' || name[0] == '#' || !S_ISREG(about->st_mode))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(backups); i++)
		if (ends_with(name, backups[i]))
			return false;
	return is_yaml(name) || (strstr(name, "hosts") != NULL && is_program(path, about));
}

/* The absolute folder that the file is in. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	CLEANUP_FREE char *shown = strndup(path, slash ? (size_t)(slash - path) + 1 : 0);

	return shown ? realpath(*shown ? shown : ".", NULL) : NULL;
}

static int unreadable(const char *path, int errnum, struct error *err)
{
	if (errnum == ENOMEM)
		return error_memory(err);
	error_set(err, ERROR_INVENTORY, "cannot read %s: %s", path, strerror(errnum));
	err->code = errnum;
	return -1;
}

static int add_file(
    struct files *files, const char *path, const struct stat *about, struct error *err)
{
	const char *slash = strrchr(path, '/');
	CLEANUP_FREE char *dir = folder_of(path);

	if (files->n == FILES_MAX)
		return error_set(
		    err, ERROR_INVENTORY, "an inventory of more than %d files", FILES_MAX);
	if (!dir)
		return unreadable(path, errno, err);
	struct file *file = &files->v[files->n];
	file->is_program = is_program(path, about);
	file->shown = strdup(path);
	file->path = string_printf(
	    "%s%s%s", dir, strcmp(dir, "/") == 0 ? "" : "/", slash ? slash + 1 : path);
	files->n++;
	return file->shown && file->path ? 0 : error_memory(err);
}

static int add_if_it_counts(
    struct files *files, const char *folder, const char *name, struct error *err)
{
	CLEANUP_FREE char *path =
	    string_printf("%s%s%s", folder, ends_with(folder, "/") ? "" : "/", name);
	struct stat about;

	if (!path)
		return error_memory(err);
	if (stat(path, &about) < 0 || !counts_in_folder(path, name, &about))
		return 0;
	return add_file(files, path, &about, err);
}

static int compare_names(const struct dirent **left, const struct dirent **right)
{
	return strcmp((*left)->d_name, (*right)->d_name);
}

static int add_folder(struct files *files, const char *folder, struct error *err)
{
	struct dirent **entries = NULL;
	int n = scandir(folder, &entries, NULL, compare_names), rc = 0;
	size_t before = files->n;

	if (n < 0)
		return unreadable(folder, errno, err);
	for (int i = 0; i < n; i++) {
		if (rc == 0)
			rc = add_if_it_counts(files, folder, entries[i]->d_name, err);
		free(entries[i]);
	}
	free(entries);
	if (rc < 0 || files->n > before)
		return rc;
	error_set(err, ERROR_INVENTORY, "the folder %s has no inventory in it", folder);
	return error_hint(err, "a folder's files *.yml and *.yaml are read, and its programs with "
			       "\"hosts\" in their names are run");
}

/* The path that the inventory is known by: a folder's own. */
static char *path_named(const struct files *files, const char *named, bool is_folder)
{
	return is_folder ? realpath(named, NULL) : strdup(files->v[files->n - 1].path);
}

static int add_named(
    struct files *files, const char *named, struct buf *path, struct buf *name, struct error *err)
{
	struct stat about;
	bool first = files->n == 0;

	if (stat(named, &about) < 0)
		return unreadable(named, errno, err);
	if ((S_ISDIR(about.st_mode) ? add_folder(files, named, err)
				    : add_file(files, named, &about, err)) < 0)
		return -1;
	CLEANUP_FREE char *absolute = path_named(files, named, S_ISDIR(about.st_mode));
	if (!absolute || buf_addf(path, "%s%s", first ? "" : ":", absolute) < 0 ||
	    buf_addf(name, "%s%s", first ? "" : " + ", named) < 0)
		return error_memory(err);
	return 0;
}

int files_find(const char *const *paths, size_t n, struct files *ret, struct error *err)
{
	CLEANUP_BUF struct buf path = BUF_INIT(NAMES_MAX), name = BUF_INIT(NAMES_MAX);

	*ret = (struct files){0};
	if (n == 0)
		return error_set(err, ERROR_INVENTORY, "no inventory was named");
	for (size_t i = 0; i < n; i++)
		if (add_named(ret, paths[i], &path, &name, err) < 0)
			return -1;
	ret->dir = folder_of(ret->v[0].path);
	ret->path = buf_steal(&path);
	ret->name = buf_steal(&name);
	return ret->dir && ret->path && ret->name ? 0 : error_memory(err);
}

void files_release(struct files *files)
{
	for (size_t i = 0; i < files->n; i++) {
		free(files->v[i].shown);
		free(files->v[i].path);
	}
	free(files->dir);
	free(files->path);
	free(files->name);
	*files = (struct files){0};
}
