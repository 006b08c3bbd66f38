#include "inventory/answers.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/proc.h"

#ifdef __APPLE__
#define st_mtim st_mtimespec
#endif

enum { HEAD_MAX = 256 };

static char *cache_folder(void)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (xdg && *xdg == '/')
		return string_printf("%s/shipit", xdg);
	return home && *home == '/' ? string_printf("%s/.cache/shipit", home) : NULL;
}

static char *file_of(const char *path, const char *dir)
{
	CLEANUP_FREE char *folder = cache_folder();
	CLEANUP_FREE char *whose = string_printf("%s\n%s", path, dir);
	char hex[DIGEST_HEX_SIZE];

	if (!folder || !whose || digest_sha256_hex(whose, strlen(whose), hex, NULL) < 0)
		return NULL;
	return string_printf("%s/inventory-%.32s", folder, hex);
}

/* The first line: the format, the program as it was, and a digest of what follows, since a disk may
 * be full. */
static int head_of(const char *path, const char *text, size_t len, char head[HEAD_MAX])
{
	char hex[DIGEST_HEX_SIZE];
	struct stat about;

	if (stat(path, &about) < 0 || digest_sha256_hex(text, len, hex, NULL) < 0)
		return -1;
	int n = snprintf(head, HEAD_MAX, "shipit 1 %" PRIdMAX " %" PRIdMAX ".%09ld %s\n",
	    (intmax_t)about.st_size, (intmax_t)about.st_mtim.tv_sec, about.st_mtim.tv_nsec, hex);
	return n > 0 && n < HEAD_MAX ? n : -1;
}

/* Ours, nobody else's, and not too old; a clock that was set back makes it so. */
static bool is_good(int fd, int64_t age_ms)
{
	struct stat about;
	struct timespec now;

	if (fstat(fd, &about) < 0 || !S_ISREG(about.st_mode) || about.st_uid != geteuid() ||
	    (about.st_mode & 077) != 0 || clock_gettime(CLOCK_REALTIME, &now) < 0)
		return false;
	int64_t age = ((int64_t)now.tv_sec - about.st_mtim.tv_sec) * 1000 +
		      (now.tv_nsec - about.st_mtim.tv_nsec) / 1000000;
	return age >= 0 && age <= age_ms;
}

static int read_whole(int fd, struct buf *out)
{
	char piece[16 * 1024];
	ssize_t got;

	while ((got = read(fd, piece, sizeof(piece))) > 0)
		if (buf_add(out, piece, (size_t)got) < 0)
			return -1;
	return got < 0 ? -1 : 0;
}

int answer_read(
    const char *path, const char *dir, int64_t age_ms, size_t max, char **ret_text, size_t *ret_len)
{
	CLEANUP_BUF struct buf kept = BUF_INIT(max + HEAD_MAX);
	CLEANUP_FREE char *file = file_of(path, dir);
	CLEANUP_CLOSE int fd =
	    file ? open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
	char head[HEAD_MAX];

	if (fd < 0 || !is_good(fd, age_ms) || read_whole(fd, &kept) < 0)
		return -1;
	const char *line = memchr(kept.data, '\n', kept.len);
	if (!line)
		return -1;
	size_t head_len = (size_t)(line - kept.data) + 1;
	int expected = head_of(path, kept.data + head_len, kept.len - head_len, head);
	if (expected < 0 || (size_t)expected != head_len || memcmp(head, kept.data, head_len) != 0)
		return -1;
	buf_drop(&kept, head_len);
	*ret_len = kept.len;
	*ret_text = buf_steal(&kept);
	return *ret_text ? 0 : -1;
}

/* Like `mkdir -p`, for this user alone. */
static int make_folders(char *file)
{
	for (char *slash = strchr(file + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		int rc = mkdir(file, 0700);
		*slash = '/';
		if (rc < 0 && errno != EEXIST)
			return -1;
	}
	return 0;
}

int answer_write(const char *path, const char *dir, const char *text, size_t len)
{
	CLEANUP_FREE char *file = file_of(path, dir);
	CLEANUP_FREE char *part = file ? string_printf("%s.XXXXXX", file) : NULL;
	char head[HEAD_MAX];
	int n = head_of(path, text, len, head);

	if (n < 0 || !part || make_folders(file) < 0)
		return -1;
	int fd = mkostemp(part, O_CLOEXEC);
	if (fd < 0)
		return -1;
	int rc = fd_write_all(fd, head, (size_t)n);
	if (rc == 0)
		rc = fd_write_all(fd, text, len);
	if (close(fd) < 0)
		rc = -1;
	if (rc == 0)
		rc = rename(part, file);
	if (rc < 0)
		unlink(part);
	return rc;
}
