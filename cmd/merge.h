/* The ledgers of many hosts as one history: a line for each rollout of each service. Pure. */
#ifndef SHIPIT_CMD_MERGE_H
#define SHIPIT_CMD_MERGE_H

#include <stddef.h>

#include "base/error.h"
#include "deploy/ledger.h"

enum { N_LEDGER_RESULTS = LEDGER_FAILED + 1 };

struct merged {
	const struct ledger_entry *entry; /* of the host that has it first; borrowed */
	size_t hosts[N_LEDGER_RESULTS];	  /* how many ended how */
	size_t n_hosts;
	const char *error_host, *error; /* of the first host that says why; borrowed; or NULL */
};

struct merge_source {
	const char *host;
	const struct ledger *ledger;
	/* What became of entries whose outcome was never written; NULL: not known. `seq` 0: none.
	 */
	const struct merge_found {
		int64_t seq;
		enum ledger_result result;
	} * found;
	size_t n_found;
};

/* Newest first. On every host the order is that of its sequence numbers; between hosts that share
 * nothing, the time that the entries tell. `ret` is malloc'ed. */
int merge_ledgers(const struct merge_source *sources, size_t n, struct merged **ret, size_t *ret_n,
    struct error *err);

#endif
