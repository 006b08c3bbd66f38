#include "transport/ssh/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "transport/ssh/wire.h"

enum { FILE_MAX = 64 * 1024 };

static const char openssh_begin[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
static const char openssh_end[] = "-----END OPENSSH PRIVATE KEY-----";
static const char openssh_magic[] = "openssh-key-v1"; /* and its NUL (PROTOCOL.key) */

/* The whole of a small file; 0, or -1 with errno. Key material: the caller wipes it. */
static int slurp(const char *path, bool is_private, struct buf *ret)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	char chunk[4096];
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (is_private && st.st_uid == getuid() && (st.st_mode & 077) != 0) {
		errno = EPERM;
		return -1;
	}
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		if (buf_add(ret, chunk, (size_t)n) < 0) {
			errno = EFBIG;
			return -1;
		}
	explicit_bzero(chunk, sizeof(chunk));
	return n < 0 ? -1 : 0;
}

/* base64 with line breaks in it; how many bytes, or -1. `out` has room for FILE_MAX. */
static int decode(const char *text, size_t len, unsigned char *out)
{
	EVP_ENCODE_CTX *context = EVP_ENCODE_CTX_new();
	int n = 0, tail = 0, rc;

	if (context == NULL)
		return -1;
	EVP_DecodeInit(context);
	rc = EVP_DecodeUpdate(context, out, &n, (const unsigned char *)text, (int)len);
	if (rc >= 0)
		rc = EVP_DecodeFinal(context, out + n, &tail);
	EVP_ENCODE_CTX_free(context);
	return rc < 0 ? -1 : n + tail;
}

static int set_blob(struct keyfile *key, const unsigned char *blob, size_t len)
{
	key->type = wire_blob_type(blob, len);
	key->blob = key->type != NULL ? malloc(len) : NULL;
	if (key->blob == NULL)
		return -1;
	memcpy(key->blob, blob, len);
	key->len = len;
	return 0;
}

static void parse_openssh(struct keyfile *key, const char *begin)
{
	const char *body = begin + sizeof(openssh_begin) - 1;
	const char *end = strstr(body, openssh_end);
	unsigned char *bytes = malloc(FILE_MAX);
	int n = bytes != NULL && end != NULL ? decode(body, (size_t)(end - body), bytes) : -1;
	struct wire wire = {0};
	const unsigned char *cipher, *blob;
	size_t cipher_len, len;

	if (n > (int)sizeof(openssh_magic) &&
	    memcmp(bytes, openssh_magic, sizeof(openssh_magic)) == 0) {
		wire.data = bytes + sizeof(openssh_magic);
		wire.len = (size_t)n - sizeof(openssh_magic);
		cipher = wire_string(&wire, &cipher_len);
		wire_string(&wire, &len); /* kdf */
		wire_string(&wire, &len); /* its options */
		wire_u32(&wire);	  /* number of keys: 1 */
		blob = wire_string(&wire, &len);
		if (!wire.failed) {
			key->encrypted = cipher_len != 4 || memcmp(cipher, "none", 4) != 0;
			set_blob(key, blob, len);
		}
	}
	if (bytes != NULL)
		explicit_bzero(bytes, FILE_MAX);
	free(bytes);
}

/* "TYPE BASE64 COMMENT" */
static void parse_public(struct keyfile *key, const char *text)
{
	const char *base64 = strchr(text, ' ');
	unsigned char *bytes = malloc(FILE_MAX);
	int n = -1;

	if (base64 != NULL && bytes != NULL)
		n = decode(base64 + 1, strcspn(base64 + 1, " \r\n"), bytes);
	if (n > 0)
		set_blob(key, bytes, (size_t)n);
	free(bytes);
}

static int read_public(struct keyfile *key, const char *path)
{
	CLEANUP_FREE char *name = string_printf("%s.pub", path);
	CLEANUP_BUF struct buf text = BUF_INIT(FILE_MAX / 2);

	if (name == NULL || slurp(name, false, &text) < 0)
		return -1;
	parse_public(key, text.data);
	return key->blob != NULL ? 0 : -1;
}

static int refuse(int errnum, const char *path, struct error *err)
{
	if (errnum == ENOENT || errnum == ENOTDIR)
		return error_set(err, ERROR_NOT_FOUND, "%s: no such file", path);
	if (errnum == EPERM)
		return error_set(err, ERROR_AUTH,
		    "%s: others may read it, so it is not used (chmod 600 it)", path);
	return error_set(err, ERROR_AUTH, "%s: %s", path, strerror(errnum));
}

int keyfile_read(const char *path, struct keyfile *ret, struct error *err)
{
	struct buf text = BUF_INIT(FILE_MAX / 2);
	struct keyfile key = {0};
	const char *begin;
	int rc = slurp(path, true, &text), why = errno;

	if (rc < 0) {
		buf_wipe(&text);
		if (why != ENOENT || read_public(&key, path) < 0)
			return refuse(why, path, err);
		*ret = key;
		return 0;
	}
	begin = strstr(text.data, openssh_begin);
	if (begin != NULL) {
		parse_openssh(&key, begin);
	} else {
		key.encrypted = strstr(text.data, "ENCRYPTED") != NULL;
		read_public(&key, path);
	}
	buf_wipe(&text);
	*ret = key;
	return 0;
}

void keyfile_release(struct keyfile *key)
{
	free(key->type);
	free(key->blob);
	key->type = NULL;
	key->blob = NULL;
	key->len = 0;
}
