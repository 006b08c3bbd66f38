#include "base/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

static void to_hex(const unsigned char *bytes, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * n] = '\0';
}

int digest_sha256_hex(const void *data, size_t len, char out[DIGEST_HEX_SIZE], struct error *err)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	if (EVP_Digest(data, len, hash, &n, EVP_sha256(), NULL) != 1 || n != 32)
		return error_set(err, ERROR_SYSTEM, "libcrypto cannot compute SHA-256");
	to_hex(hash, n, out);
	return 0;
}

int digest_hmac_hex(const void *key, size_t key_len, const void *data, size_t len,
    char out[DIGEST_HEX_SIZE], struct error *err)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	if (key_len > 4096 || HMAC(EVP_sha256(), key, (int)key_len, data, len, hash, &n) == NULL ||
	    n != 32)
		return error_set(err, ERROR_SYSTEM, "libcrypto cannot compute an HMAC");
	to_hex(hash, n, out);
	return 0;
}

int digest_random_hex(size_t n, char *out, struct error *err)
{
	unsigned char bytes[64];

	if (n > sizeof(bytes) || RAND_bytes(bytes, (int)n) != 1)
		return error_set(err, ERROR_SYSTEM, "no random numbers to be had");
	to_hex(bytes, n, out);
	return 0;
}

/* --- as text */

static const char prefix[] = "sha256:";
enum { PREFIX_LEN = sizeof(prefix) - 1 };

bool digest_is_text(const char *text)
{
	return strncmp(text, prefix, PREFIX_LEN) == 0 && strlen(text) == DIGEST_TEXT_SIZE - 1 &&
	       strspn(text + PREFIX_LEN, "0123456789abcdef") == DIGEST_HEX_SIZE - 1;
}

int digest_text(const void *data, size_t len, char out[DIGEST_TEXT_SIZE], struct error *err)
{
	memcpy(out, prefix, PREFIX_LEN);
	return digest_sha256_hex(data, len, out + PREFIX_LEN, err);
}

void digest_text_of(const unsigned char raw[DIGEST_RAW_SIZE], char out[DIGEST_TEXT_SIZE])
{
	memcpy(out, prefix, PREFIX_LEN);
	to_hex(raw, DIGEST_RAW_SIZE, out + PREFIX_LEN);
}

static unsigned int from_hex(char c)
{
	return (unsigned int)(c <= '9' ? c - '0' : c - 'a' + 10);
}

int digest_raw_of(const char *text, unsigned char out[DIGEST_RAW_SIZE])
{
	const char *hex = text + PREFIX_LEN;

	if (!digest_is_text(text))
		return -1;
	for (size_t i = 0; i < DIGEST_RAW_SIZE; i++)
		out[i] = (unsigned char)(from_hex(hex[2 * i]) << 4 | from_hex(hex[2 * i + 1]));
	return 0;
}

/* --- running */

static int no_sha256(struct error *err)
{
	return error_set(err, ERROR_SYSTEM, "libcrypto cannot compute SHA-256");
}

int digest_raw(const void *data, size_t len, unsigned char out[DIGEST_RAW_SIZE], struct error *err)
{
	unsigned int n = 0;

	if (EVP_Digest(data, len, out, &n, EVP_sha256(), NULL) != 1 || n != DIGEST_RAW_SIZE)
		return no_sha256(err);
	return 0;
}

struct digest {
	EVP_MD_CTX *context, *copy;
};

int digest_new(struct digest **ret, struct error *err)
{
	struct digest *digest = calloc(1, sizeof(*digest));

	if (digest == NULL)
		return error_memory(err);
	digest->context = EVP_MD_CTX_new();
	digest->copy = EVP_MD_CTX_new();
	if (digest->context == NULL || digest->copy == NULL ||
	    EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) != 1) {
		digest_free(digest);
		return no_sha256(err);
	}
	*ret = digest;
	return 0;
}

int digest_add(struct digest *digest, const void *data, size_t len, struct error *err)
{
	return EVP_DigestUpdate(digest->context, data, len) == 1 ? 0 : no_sha256(err);
}

int digest_so_far(
    const struct digest *digest, unsigned char out[DIGEST_RAW_SIZE], struct error *err)
{
	unsigned int n = 0;

	if (EVP_MD_CTX_copy_ex(digest->copy, digest->context) != 1 ||
	    EVP_DigestFinal_ex(digest->copy, out, &n) != 1 || n != DIGEST_RAW_SIZE)
		return no_sha256(err);
	return 0;
}

void digest_free(struct digest *digest)
{
	if (digest == NULL)
		return;
	EVP_MD_CTX_free(digest->context);
	EVP_MD_CTX_free(digest->copy);
	free(digest);
}
