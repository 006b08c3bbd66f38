#include "deploy/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cancel.h"

enum { DEPTH_MAX = 200, CHUNK = 64 * 1024 };

struct walk {
	const struct folder *folder;
	struct digest *digest;
	char *chunk;
	size_t files;
};

static int add_text(struct walk *walk, const char *text, struct error *err)
{
	return digest_add(walk->digest, text, strlen(text) + 1, err);
}

/* Its own digest first, so that the bytes of one file cannot stand for the name of another. */
static int add_content(struct walk *walk, int fd, struct digest *own, struct error *err)
{
	unsigned char raw[DIGEST_RAW_SIZE];
	ssize_t n;

	while ((n = read(fd, walk->chunk, CHUNK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, errno, "cannot read it");
		if (digest_add(own, walk->chunk, (size_t)n, err) < 0)
			return -1;
		if (cancel_fd_fired(walk->folder->cancel_fd))
			return error_set(err, ERROR_CANCELLED, "interrupted");
	}
	if (digest_so_far(own, raw, err) < 0)
		return -1;
	return digest_add(walk->digest, raw, sizeof(raw), err);
}

static int add_file(struct walk *walk, const char *path, struct error *err)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct digest *own = NULL;
	int rc;

	if (fd < 0)
		return error_errno(err, errno, "cannot read %s", path);
	rc = digest_new(&own, err);
	if (rc == 0 && (rc = add_content(walk, fd, own, err)) < 0 && err != NULL &&
	    err->kind == ERROR_SYSTEM)
		error_wrap(err, "%s", path);
	digest_free(own);
	walk->files++;
	return rc;
}

static int add_link(struct walk *walk, const char *path, struct error *err)
{
	ssize_t n = readlink(path, walk->chunk, CHUNK - 1);

	if (n < 0)
		return error_errno(err, errno, "cannot read %s", path);
	walk->chunk[n] = '\0';
	walk->files++;
	return add_text(walk, walk->chunk, err);
}

static int add_entry(
    struct walk *walk, const char *path, const char *name, int depth, struct error *err);

static int list(const char *path, struct strv *names, struct error *err)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int rc = 0;

	if (dir == NULL)
		return error_errno(err, errno, "cannot read %s", path);
	while (rc == 0 && (errno = 0, entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			rc = strv_add(names, entry->d_name);
	if (rc < 0)
		error_memory(err);
	else if (errno != 0)
		rc = error_errno(err, errno, "cannot read %s", path);
	closedir(dir);
	strv_sort(names);
	return rc;
}

static int add_folder(
    struct walk *walk, const char *path, const char *name, int depth, struct error *err)
{
	CLEANUP_STRV struct strv names = {0};

	if (depth >= DEPTH_MAX)
		return error_set(
		    err, ERROR_FAILED, "%s is more than %d folders deep", path, DEPTH_MAX);
	if (list(path, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		CLEANUP_FREE char *below = string_printf("%s/%s", path, names.v[i]);
		CLEANUP_FREE char *its =
		    string_printf("%s%s%s", name, *name != '\0' ? "/" : "", names.v[i]);

		if (below == NULL || its == NULL)
			return error_memory(err);
		if (add_entry(walk, below, its, depth + 1, err) < 0)
			return -1;
	}
	return 0;
}

/* Is one of them, or below one? */
static bool is_below_one(const struct strv *folders, const char *path)
{
	for (size_t i = 0; i < folders->n; i++) {
		size_t len = strlen(folders->v[i]);

		while (len > 0 && folders->v[i][len - 1] == '/')
			len--;
		if (strncmp(path, folders->v[i], len) == 0 &&
		    (path[len] == '/' || path[len] == '\0'))
			return true;
	}
	return false;
}

/* Something that counts may be below it. */
static bool is_above_one(const struct strv *paths, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < paths->n; i++)
		if (len == 0 || (strncmp(paths->v[i], name, len) == 0 && paths->v[i][len] == '/'))
			return true;
	return false;
}

static int add_entry(
    struct walk *walk, const char *path, const char *name, int depth, struct error *err)
{
	const struct folder *folder = walk->folder;
	bool counts = folder->only == NULL || is_below_one(folder->only, name);
	bool ignored = folder->ignore != NULL && *name != '\0' && ignore_has(folder->ignore, name);
	struct stat st;
	char head[64];

	if ((!counts && !is_above_one(folder->only, name)) ||
	    (folder->without != NULL && is_below_one(folder->without, path)))
		return 0;
	/* The folder itself may be a link to where it really is. */
	if ((depth == 0 ? stat(path, &st) : lstat(path, &st)) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot look at %s", path);
	if (S_ISDIR(st.st_mode) && (ignored || !counts))
		return ignored && !folder->ignore->negates
			   ? 0
			   : add_folder(walk, path, name, depth, err);
	if (ignored || !counts)
		return 0;
	snprintf(head, sizeof(head), "%o", (unsigned int)st.st_mode);
	if (add_text(walk, name, err) < 0 || add_text(walk, head, err) < 0)
		return -1;
	if (S_ISDIR(st.st_mode))
		return add_folder(walk, path, name, depth, err);
	if (S_ISLNK(st.st_mode))
		return add_link(walk, path, err);
	return S_ISREG(st.st_mode) ? add_file(walk, path, err) : 0;
}

int folder_digest(
    const struct folder *folder, struct digest *digest, size_t *ret_files, struct error *err)
{
	struct walk walk = {.folder = folder, .digest = digest, .chunk = malloc(CHUNK)};
	int rc;

	if (walk.chunk == NULL)
		return error_memory(err);
	rc = add_entry(&walk, folder->path, "", 0, err);
	free(walk.chunk);
	if (ret_files != NULL)
		*ret_files = walk.files;
	return rc;
}
