#include "deploy/undo.h"

#include <stdbool.h>
#include <string.h>

#include "base/strv.h"

static bool counts(const struct ledger_entry *entry, const char *const *services, size_t n)
{
	if (entry->result != LEDGER_COMMITTED)
		return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(entry->service, services[i]) == 0)
			return true;
	return false;
}

/* The rollout of the last entry that counts; NULL: none. */
static const char *last_of(const struct ledger *ledger, const char *const *services, size_t n)
{
	for (size_t i = ledger->n; i > 0; i--)
		if (counts(&ledger->v[i - 1], services, n))
			return ledger->v[i - 1].rollout;
	return NULL;
}

/* Does this ledger have something else after the last entry of `rollout`? */
static bool is_superseded(
    const struct ledger *ledger, const char *rollout, const char *const *services, size_t n)
{
	bool seen = false, later = false;

	for (size_t i = 0; i < ledger->n; i++) {
		if (!counts(&ledger->v[i], services, n))
			continue;
		if (strcmp(ledger->v[i].rollout, rollout) == 0) {
			seen = true;
			later = false;
		} else {
			later = true;
		}
	}
	return seen && later;
}

static bool superseded_anywhere(const struct ledger *const *ledgers, size_t n_ledgers,
    const char *rollout, const char *const *services, size_t n)
{
	for (size_t i = 0; i < n_ledgers; i++)
		if (is_superseded(ledgers[i], rollout, services, n))
			return true;
	return false;
}

int undo_choose(const struct ledger *const *ledgers, size_t n_ledgers, const char *const *services,
    size_t n_services, char **ret, struct error *err)
{
	const char *chosen = NULL, *some = NULL;

	for (size_t i = 0; i < n_ledgers; i++) {
		const char *last = last_of(ledgers[i], services, n_services);

		some = last != NULL ? last : some;
		if (last == NULL || (chosen != NULL && strcmp(last, chosen) == 0) ||
		    superseded_anywhere(ledgers, n_ledgers, last, services, n_services))
			continue;
		if (chosen != NULL) {
			error_set(err, ERROR_CONFLICT,
			    "two rollouts are the last ones, on different hosts: %s and %s", chosen,
			    last);
			return error_hint(err, "choose with --to RELEASE, or take the hosts of one "
					       "with --limit");
		}
		chosen = last;
	}
	/* An older release that was started by hand is written down with the rollout it is of. */
	if (chosen == NULL && some != NULL) {
		error_set(err, ERROR_CONFLICT,
		    "which rollout is the last one cannot be told: by the hosts' ledgers some come "
		    "after each other, %s among them",
		    some);
		return error_hint(err, "choose with --to RELEASE, or take one host with --limit");
	}
	if (chosen == NULL)
		return error_set(err, ERROR_NOT_FOUND, "nothing was deployed here yet");
	*ret = strdup(chosen);
	return *ret == NULL ? error_memory(err) : 0;
}
