/* Which lines of a ledger stay. An engine's archives cannot remove a file, so a line that is not
 * needed any more makes room by giving its file to a new one. */
#include <string.h>

#include "deploy/ledger_json.h"

/* How many different releases of the service have a committed line after `at`, if not `release` and
 * as long as the service was not taken down since; `most`: it is one of them, or was. */
static size_t releases_after(const struct ledger *ledger, size_t at, size_t most)
{
	const struct ledger_entry *entry = &ledger->v[at];
	size_t n = 0;

	for (size_t i = ledger->n; i > at + 1 && n < most; i--) {
		const struct ledger_entry *later = &ledger->v[i - 1];

		if (later->result != LEDGER_COMMITTED ||
		    strcmp(later->service, entry->service) != 0)
			continue;
		if (later->kind == LEDGER_DOWN)
			return most;
		if (strcmp(later->release, entry->release) == 0) {
			/* The deploy's own line knows where the image can be had. */
			if (entry->kind != LEDGER_DEPLOY || later->kind == LEDGER_DEPLOY)
				return most;
			continue;
		}
		/* Its last line counts, and no other. */
		if (ledger_release_entry(ledger, later->service, later->release) == later)
			n++;
	}
	return n;
}

/* A swap whose end is not recorded, and what a service can still go back to. */
static bool is_needed(const struct ledger *ledger, size_t at)
{
	const struct ledger_entry *entry = &ledger->v[at];
	size_t keep = ledger->keep > 0 ? ledger->keep : LEDGER_KEEP;

	if (entry->result != LEDGER_COMMITTED)
		return entry->result == LEDGER_PENDING;
	return releases_after(ledger, at, keep) < keep;
}

/* A younger line is on its way into the same file: its outcome is not recorded yet. */
static bool is_shared(const struct ledger *ledger, size_t at)
{
	for (size_t i = at + 1; i < ledger->n; i++)
		if (ledger->v[i].file == ledger->v[at].file)
			return true;
	return false;
}

static void forget(struct ledger *ledger, size_t at)
{
	ledger_entry_release(&ledger->v[at]);
	ledger->n--;
	memmove(&ledger->v[at], &ledger->v[at + 1], (ledger->n - at) * sizeof(*ledger->v));
}

int64_t ledger_file_for(struct ledger *ledger, int64_t seq)
{
	bool full = ledger->n >= LEDGER_LINES || ledger->bytes >= LEDGER_BYTES;

	for (size_t i = ledger->n; i > 0 && ledger->v[i - 1].seq >= seq; i--)
		if (ledger->v[i - 1].seq == seq)
			return ledger->v[i - 1].file;
	for (size_t i = 0; i < ledger->n && full; i++) {
		int64_t file = ledger->v[i].file;

		if (is_needed(ledger, i) || is_shared(ledger, i))
			continue;
		forget(ledger, i);
		return file;
	}
	return ledger->last_file + 1;
}
