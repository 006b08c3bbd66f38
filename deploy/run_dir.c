#include "deploy/run_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

static const char start[] = "shipit-", unique[] = "XXXXXX";

enum { ATTEMPTS = 10 };

void run_dir_remove_tree(const char *path)
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
				run_dir_remove_tree(inner);
			else
				unlink(inner);
		}
		closedir(dir);
	}
	rmdir(path);
}

/* Ours, and nobody's who lives: then locked, else -1. */
static int claim(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st, there;

	if (fd < 0)
		return -1;
	/* Whoever looked for the left-overs of others may just have removed it. */
	if (fstat(fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 0777) != 0700 ||
	    flock(fd, LOCK_EX | LOCK_NB) < 0 || lstat(path, &there) < 0 ||
	    there.st_ino != st.st_ino || there.st_dev != st.st_dev) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Nothing but folders and sockets: what else has a name like ours is not ours to remove. */
static bool holds_sockets_only(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	bool only = dir != NULL;

	while (only && (entry = readdir(dir)) != NULL) {
		CLEANUP_FREE char *inner = string_printf("%s/%s", path, entry->d_name);
		struct stat st;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		only = inner != NULL && lstat(inner, &st) == 0 &&
		       (S_ISSOCK(st.st_mode) || (S_ISDIR(st.st_mode) && holds_sockets_only(inner)));
	}
	if (dir != NULL)
		closedir(dir);
	return only;
}

static void remove_left_over(const char *base)
{
	DIR *dir = opendir(base);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		CLEANUP_FREE char *path = NULL;
		int lock;

		if (strlen(entry->d_name) != sizeof(start) + sizeof(unique) - 2 ||
		    strncmp(entry->d_name, start, sizeof(start) - 1) != 0)
			continue;
		path = string_printf("%s/%s", base, entry->d_name);
		lock = path != NULL ? claim(path) : -1;
		if (lock < 0)
			continue;
		if (holds_sockets_only(path))
			run_dir_remove_tree(path);
		close(lock);
	}
	if (dir != NULL)
		closedir(dir);
}

/* Room for "/12345/12345.sock" below the 104 bytes that a socket's path may have on macOS. */
static bool try_base(const char *base, struct run_dir *ret)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		int len = snprintf(ret->path, sizeof(ret->path), "%s/%s%s", base, start, unique);

		if (len < 0 || len >= (int)sizeof(ret->path) || mkdtemp(ret->path) == NULL)
			break;
		ret->lock = claim(ret->path);
		if (ret->lock >= 0) {
			remove_left_over(base);
			return true;
		}
		rmdir(ret->path);
	}
	ret->path[0] = '\0';
	return false;
}

int run_dir_make(struct run_dir *ret, struct error *err)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (runtime != NULL && *runtime == '/' && try_base(runtime, ret))
		return 0;
	if (try_base("/tmp", ret))
		return 0;
	return error_errno(err, errno, "cannot make a private folder in /tmp");
}

void run_dir_remove(struct run_dir *dir)
{
	if (dir->path[0] == '\0')
		return;
	run_dir_remove_tree(dir->path);
	close(dir->lock);
	dir->path[0] = '\0';
}
