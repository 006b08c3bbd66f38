#include "base/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

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
