#include "deploy/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/proc.h"

enum { STATE_MAX = 1024 * 1024 };

/* $XDG_STATE_HOME/shipit, else ~/.local/state/shipit. */
static char *state_folder(void)
{
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (xdg != NULL && *xdg == '/')
		return string_printf("%s/shipit", xdg);
	return string_printf("%s/.local/state/shipit", home != NULL ? home : "");
}

/* "last-HASH.json": of an inventory, and of one environment unless that is NULL. */
static char *state_path(
    const char *kind, const char *inventory_path, const char *environment, struct error *err)
{
	char hex[DIGEST_HEX_SIZE];
	CLEANUP_FREE char *folder = state_folder();
	CLEANUP_FREE char *whose = environment == NULL
				       ? strdup(inventory_path)
				       : string_printf("%s\n%s", inventory_path, environment);
	char *path = NULL;

	if (whose != NULL && digest_sha256_hex(whose, strlen(whose), hex, err) < 0)
		return NULL;
	if (folder != NULL && whose != NULL)
		path = string_printf("%s/%s-%.16s.json", folder, kind, hex);
	if (path == NULL)
		error_memory(err);
	return path;
}

static int read_file(const char *path, struct buf *out, struct error *err)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char chunk[1024];
	ssize_t n;

	if (fd < 0)
		return error_errno(err, errno, "cannot read %s", path);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		if (buf_add(out, chunk, (size_t)n) < 0)
			return buf_error(out, err, path);
	return n < 0 ? error_errno(err, errno, "cannot read %s", path) : 0;
}

/* What cannot be read is as if it were not there. */
static int read_json(const char *path, json_t **ret, struct error *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT(STATE_MAX);
	CLEANUP_ERROR struct error why = {0};

	if (read_file(path, &text, &why) == 0 &&
	    json_parse(text.data, text.len, path, ret, &why) == 0)
		return 0;
	return why.kind == ERROR_MEMORY ? error_memory(err)
					: error_set(err, ERROR_NOT_FOUND,
					      "no rollout from this inventory is remembered here");
}

int state_read(const char *inventory_path, struct last_rollout *ret, struct error *err)
{
	CLEANUP_FREE char *path = state_path("last", inventory_path, NULL, err);
	CLEANUP_JSON json_t *json = NULL;
	struct last_rollout last = {0};

	if (path == NULL || read_json(path, &json, err) < 0)
		return -1;
	last.environment = strdup(json_str(json, "environment", ""));
	last.rollout = strdup(json_str(json, "rollout", ""));
	last.at = strdup(json_str(json, "at", ""));
	if (last.environment == NULL || last.rollout == NULL || last.at == NULL) {
		last_rollout_release(&last);
		return error_memory(err);
	}
	if (*last.environment == '\0' || *last.rollout == '\0') {
		last_rollout_release(&last);
		return error_set(err, ERROR_NOT_FOUND, "%s says nothing", path);
	}
	*ret = last;
	return 0;
}

static int read_names(const json_t *list, struct strv *ret)
{
	const json_t *name;
	size_t i;

	json_array_foreach(list, i, name)
	{
		if (json_is_string(name) && strv_add(ret, json_string_value(name)) < 0)
			return -1;
	}
	return 0;
}

int state_read_missing(
    const char *inventory_path, const char *environment, struct missing *ret, struct error *err)
{
	CLEANUP_FREE char *path = state_path("missing", inventory_path, environment, err);
	CLEANUP_JSON json_t *json = NULL;
	struct missing missing = {0};

	if (path == NULL || read_json(path, &json, err) < 0)
		return -1;
	missing.rollout = strdup(json_str(json, "rollout", ""));
	if (missing.rollout == NULL ||
	    read_names(json_object_get(json, "hosts"), &missing.hosts) < 0 ||
	    read_names(json_object_get(json, "services"), &missing.services) < 0) {
		missing_release(&missing);
		return error_memory(err);
	}
	*ret = missing;
	return 0;
}

/* Like `mkdir -p`, for this user alone. */
static int make_folders(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST) {
			*slash = '/';
			return -1;
		}
		*slash = '/';
	}
	return 0;
}

static int write_file(char *path, const char *text, struct error *err)
{
	CLEANUP_FREE char *new_path = string_printf("%s.%d", path, getpid());
	CLEANUP_CLOSE int fd = -1;

	if (new_path == NULL)
		return error_memory(err);
	if (make_folders(path) < 0)
		return error_errno(err, errno, "cannot make the folder of %s", path);
	fd = open(new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || fd_write_all(fd, text, strlen(text)) < 0 || rename(new_path, path) < 0) {
		error_errno(err, errno, "cannot write %s", path);
		unlink(new_path);
		return -1;
	}
	return 0;
}

/* Takes `json`, which may be NULL. */
static int write_json(const char *kind, const char *inventory_path, const char *environment,
    json_t *value, struct error *err)
{
	CLEANUP_JSON json_t *json = value;
	CLEANUP_FREE char *path = state_path(kind, inventory_path, environment, err);
	CLEANUP_FREE char *text = NULL;

	if (path == NULL)
		return -1;
	/* For people; a path need not be UTF-8, and then it is not told. */
	json_object_set_new(json, "inventory", json_string(inventory_path));
	if (json != NULL)
		text = json_canonical(json);
	return text != NULL ? write_file(path, text, err) : error_memory(err);
}

int state_write(const char *inventory_path, const struct last_rollout *last, struct error *err)
{
	return write_json("last", inventory_path, NULL,
	    json_pack("{s:i, s:s, s:s, s:s}", "v", 1, "environment", last->environment, "rollout",
		last->rollout, "at", last->at),
	    err);
}

/* NULL: no memory. */
static json_t *names_of(const struct strv *list)
{
	json_t *names = json_array();

	for (size_t i = 0; i < list->n && names != NULL; i++)
		if (json_array_append_new(names, json_string(list->v[i])) < 0) {
			json_decref(names);
			return NULL;
		}
	return names;
}

int state_write_missing(const char *inventory_path, const char *environment,
    const struct missing *missing, struct error *err)
{
	return write_json("missing", inventory_path, environment,
	    json_pack("{s:i, s:s, s:s, s:o, s:o}", "v", 1, "environment", environment, "rollout",
		missing->rollout, "hosts", names_of(&missing->hosts), "services",
		names_of(&missing->services)),
	    err);
}

void missing_release(struct missing *missing)
{
	free(missing->rollout);
	strv_release(&missing->hosts);
	strv_release(&missing->services);
	*missing = (struct missing){0};
}

void last_rollout_release(struct last_rollout *last)
{
	free(last->environment);
	free(last->rollout);
	free(last->at);
	*last = (struct last_rollout){0};
}

/* --- builds */

int state_read_builds(const char *inventory_path, json_t **ret, struct error *err)
{
	CLEANUP_FREE char *path = state_path("builds", inventory_path, NULL, err);

	return path != NULL ? read_json(path, ret, err) : -1;
}

int state_write_builds(const char *inventory_path, json_t *json, struct error *err)
{
	return write_json("builds", inventory_path, NULL, json, err);
}

int state_lock_builds(const char *project, int *ret_fd, struct error *err)
{
	CLEANUP_FREE char *folder = state_folder();
	CLEANUP_FREE char *path =
	    folder != NULL ? string_printf("%s/building-%s.lock", folder, project) : NULL;
	CLEANUP_CLOSE int fd = -1;

	if (path == NULL)
		return error_memory(err);
	if (make_folders(path) < 0)
		return error_errno(err, errno, "cannot make the folder of %s", path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, errno, "cannot write %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			   ? error_set(err, ERROR_LOCKED, "%s is being built already", project)
			   : error_errno(err, errno, "cannot lock %s", path);
	*ret_fd = steal_fd(&fd);
	return 0;
}
