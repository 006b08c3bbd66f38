/* Inside of the ledger: one entry as text, and a list that is being read. */
#ifndef SHIPIT_DEPLOY_LEDGER_JSON_H
#define SHIPIT_DEPLOY_LEDGER_JSON_H

#include "deploy/ledger.h"

enum { LEDGER_VERSION = 1 };

/* Takes the entry over, also on failure (out of memory). */
int ledger_insert(struct ledger *ledger, struct ledger_entry *entry);

#endif
