#include "deploy/hosts.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/text.h"

static bool matches(const struct host *host, const char *limit)
{
	if (limit == NULL)
		return true;
	if (strncmp(limit, "tag:", 4) == 0)
		return strv_has(&host->tags, limit + 4);
	return text_glob(limit, host->name);
}

int hosts_choose(const struct inventory *inv, const struct environment *env, const char *limit,
    const struct host ***ret, size_t *ret_n, struct error *err)
{
	const struct host **hosts = NULL;
	size_t n = 0, kept = 0;

	if (inventory_hosts_of(inv, env, &hosts, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (matches(hosts[i], limit))
			hosts[kept++] = hosts[i];
	if (kept == 0) {
		free(hosts);
		if (limit != NULL)
			return error_set(
			    err, ERROR_USAGE, "no host of %s matches --limit %s", env->name, limit);
		return error_set(err, ERROR_USAGE, "the environment %s has no hosts", env->name);
	}
	*ret = hosts;
	*ret_n = kept;
	return 0;
}

/* Room for "/12345/12345.sock" below the 104 bytes that a socket's path may have on macOS. */
static int try_dir(const char *base, char out[RUN_DIR_SIZE])
{
	int len = snprintf(out, RUN_DIR_SIZE, "%s/shipit-XXXXXX", base);

	return len < 0 || len >= RUN_DIR_SIZE || mkdtemp(out) == NULL ? -1 : 0;
}

int run_dir_make(char out[RUN_DIR_SIZE], struct error *err)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (runtime != NULL && *runtime == '/' && try_dir(runtime, out) == 0)
		return 0;
	if (try_dir("/tmp", out) == 0)
		return 0;
	return error_errno(err, errno, "cannot make a private folder in /tmp");
}

void run_dir_remove(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (dir != NULL) {
		while ((entry = readdir(dir)) != NULL) {
			CLEANUP_FREE char *inner = NULL;
			struct stat st;

			if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
				continue;
			inner = string_printf("%s/%s", path, entry->d_name);
			if (inner == NULL || lstat(inner, &st) < 0)
				continue;
			if (S_ISDIR(st.st_mode))
				run_dir_remove(inner);
			else
				unlink(inner);
		}
		closedir(dir);
	}
	rmdir(path);
}
