/* Inside of the ledger: one entry as text, a list that is being read, and which lines stay. */
#ifndef SHIPIT_DEPLOY_LEDGER_JSON_H
#define SHIPIT_DEPLOY_LEDGER_JSON_H

#include "base/buf.h"
#include "deploy/ledger.h"

enum { LEDGER_VERSION = 1 };

/* No ledger comes near it; a larger number is a mistake, and the one after it must be a number,
 * too. */
#define LEDGER_SEQ_MAX INT64_C(999999999999)

/* Takes the entry over, also on failure (out of memory). */
int ledger_insert(struct ledger *ledger, struct ledger_entry *entry);

/* A line as an archive for its folder; `taken`: its file was another line's. */
int ledger_make_tar(const struct ledger_entry *entry, bool taken, struct buf *tar,
    size_t *ret_bytes, struct error *err);

/* Which file the line with this number goes into: the one that it has; a new one; or, where there
 * are enough, that of the oldest line that no rollback needs, which is forgotten. */
int64_t ledger_file_for(struct ledger *ledger, int64_t seq);

#endif
