/* SHA-256 (libcrypto), as hex. */
#ifndef SHIPIT_BASE_DIGEST_H
#define SHIPIT_BASE_DIGEST_H

#include <stddef.h>

#include "base/error.h"

enum { DIGEST_HEX_SIZE = 65 };

int digest_sha256_hex(const void *data, size_t len, char out[DIGEST_HEX_SIZE], struct error *err);
int digest_hmac_hex(const void *key, size_t key_len, const void *data, size_t len,
    char out[DIGEST_HEX_SIZE], struct error *err);
/* `n` random bytes as 2n hex digits and a NUL. */
int digest_random_hex(size_t n, char *out, struct error *err);

#endif
