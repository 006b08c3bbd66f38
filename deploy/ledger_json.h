/* Inside of the ledger: one entry as text, and a list that is being read. */
#ifndef SHIPIT_DEPLOY_LEDGER_JSON_H
#define SHIPIT_DEPLOY_LEDGER_JSON_H

#include "deploy/ledger.h"

enum { LEDGER_VERSION = 1 };

/* No ledger comes near it; a larger number is a mistake, and the one after it must be a number,
 * too. */
#define LEDGER_SEQ_MAX INT64_C(999999999999)

/* Takes the entry over, also on failure (out of memory). */
int ledger_insert(struct ledger *ledger, struct ledger_entry *entry);

#endif
