#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/proc.h"
#include "transport/ssh/known.h"

enum { HASH_SIZE = 20, HASH_BASE64_SIZE = 32, LINE_MAX_BYTES = 64 * 1024 };

/* "|1|SALT|HMAC-SHA1(SALT, NAME)", both in base64 (OpenSSH's hostfile.c, host_hash). */
static int add_hashed(struct buf *line, const char *name)
{
	unsigned char salt[HASH_SIZE], hash[HASH_SIZE];
	unsigned char salt64[HASH_BASE64_SIZE], hash64[HASH_BASE64_SIZE];
	unsigned int len = sizeof(hash);

	if (RAND_bytes(salt, sizeof(salt)) != 1 ||
	    HMAC(EVP_sha1(), salt, sizeof(salt), (const unsigned char *)name, strlen(name), hash,
		&len) == NULL)
		return -1;
	EVP_EncodeBlock(salt64, salt, sizeof(salt));
	EVP_EncodeBlock(hash64, hash, sizeof(hash));
	return buf_addf(line, "|1|%s|%s", (const char *)salt64, (const char *)hash64);
}

static void make_folder(const char *file)
{
	const char *slash = strrchr(file, '/');
	CLEANUP_FREE char *folder = NULL;

	if (slash == NULL || slash == file)
		return;
	folder = strndup(file, (size_t)(slash - file));
	if (folder != NULL)
		mkdir(folder, 0700);
}

static bool ends_with_newline(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char last;

	return size <= 0 || pread(fd, &last, 1, size - 1) != 1 || last == '\n';
}

static int append(const char *file, struct buf *line, struct error *err)
{
	CLEANUP_CLOSE int fd = -1;

	make_folder(file);
	fd = open(file, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, errno, "cannot add the host's key to %s", file);
	if (flock(fd, LOCK_EX) < 0)
		return error_errno(err, errno, "cannot lock %s", file);
	if (!ends_with_newline(fd) && fd_write_all(fd, "\n", 1) < 0)
		return error_errno(err, errno, "cannot write to %s", file);
	if (fd_write_all(fd, line->data, line->len) < 0)
		return error_errno(err, errno, "cannot write to %s", file);
	return 0;
}

int known_add(
    const struct ssh_config *config, const char *type, const char *base64, struct error *err)
{
	CLEANUP_BUF struct buf line = BUF_INIT(LINE_MAX_BYTES);
	CLEANUP_FREE char *name = known_name(config);
	int rc;

	if (config->user_known_hosts.n == 0)
		return 0;
	if (name == NULL)
		return error_memory(err);
	rc = config->hash_known_hosts ? add_hashed(&line, name) : buf_adds(&line, name);
	if (rc < 0 || buf_addf(&line, " %s %s\n", type, base64) < 0)
		return buf_error(&line, err, "a line for known_hosts");
	return append(config->user_known_hosts.v[0], &line, err);
}
