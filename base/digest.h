/* SHA-256 (libcrypto), as hex, as raw bytes, and as the text that registries use. */
#ifndef SHIPIT_BASE_DIGEST_H
#define SHIPIT_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum {
	DIGEST_HEX_SIZE = 65,
	DIGEST_TEXT_SIZE = 72, /* "sha256:", 64 hex digits, NUL (OCI image-spec, descriptor.md) */
	DIGEST_RAW_SIZE = 32,
};

int digest_sha256_hex(const void *data, size_t len, char out[DIGEST_HEX_SIZE], struct error *err);
int digest_hmac_hex(const void *key, size_t key_len, const void *data, size_t len,
    char out[DIGEST_HEX_SIZE], struct error *err);
/* `n` random bytes as 2n hex digits and a NUL. */
int digest_random_hex(size_t n, char *out, struct error *err);

/* Is it "sha256:" and 64 lower-case hex digits, nothing else? */
bool digest_is_text(const char *text);
int digest_text(const void *data, size_t len, char out[DIGEST_TEXT_SIZE], struct error *err);
void digest_text_of(const unsigned char raw[DIGEST_RAW_SIZE], char out[DIGEST_TEXT_SIZE]);
/* -1 when digest_is_text says no; no error is set. */
int digest_raw_of(const char *text, unsigned char out[DIGEST_RAW_SIZE]);
int digest_raw(const void *data, size_t len, unsigned char out[DIGEST_RAW_SIZE], struct error *err);

/* A digest of bytes that come piece by piece. A copy is taken of what came so far, so one running
 * digest can be asked as often as one likes. */
struct digest;
int digest_new(struct digest **ret, struct error *err);
int digest_add(struct digest *digest, const void *data, size_t len, struct error *err);
int digest_so_far(
    const struct digest *digest, unsigned char out[DIGEST_RAW_SIZE], struct error *err);
void digest_free(struct digest *digest); /* takes NULL */

#endif
