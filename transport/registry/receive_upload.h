/* One upload of an engine's push: a layer packed by gzip, unpacked on its way into the store, or a
 * config. What it is, its first byte tells. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_RECEIVE_UPLOAD_H
#define SHIPIT_TRANSPORT_REGISTRY_RECEIVE_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/error.h"
#include "transport/registry/store.h"

enum { UPLOAD_SPARE = 64 * 1024 * 1024 };

struct upload;

/* `most`: bytes that a layer may have, unpacked. NULL: out of memory. */
struct upload *upload_new(struct store *store, uint64_t most);
/* What goes wrong is kept for upload_failed(), and what comes after it is dropped. */
void upload_add(struct upload *upload, const void *data, size_t len);
uint64_t upload_received(const struct upload *upload);
/* Then `err` says what went wrong. */
bool upload_failed(struct upload *upload, struct error *err);
/* It has come whole. Of a layer, the digest is its diff_id, and it is in the store now; else
 * `ret_text` is what came (borrowed), and the digest its own. */
int upload_end(struct upload *upload, char ret_digest[DIGEST_TEXT_SIZE],
    const struct buf **ret_text, struct error *err);
void upload_free(struct upload *upload); /* takes NULL */

#endif
