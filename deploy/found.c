#include "deploy/found.h"

#include <stdlib.h>
#include <string.h>

#include "deploy/names.h"

static bool is_of(const struct container *container, const char *service)
{
	return strcmp(container->service, service) == 0;
}

/* How well a container qualifies as the current one: what runs decides; of several that run, the
 * one with the name (commit gives the name before the policies, so it was committed), then the one
 * that the ledger names; the same order where none runs. 0: not at all. */
static int rank(
    const struct container *container, const char *name, const struct ledger_entry *committed)
{
	int rank = 0;

	if (container->running)
		rank += 4;
	if (strcmp(container->name, name) == 0)
		rank += 2;
	if (committed != NULL && strcmp(container->release, committed->release) == 0)
		rank += 1;
	return rank;
}

static const struct container *choose(const struct facts *facts, const char *service,
    const char *name, const struct ledger_entry *committed)
{
	const struct container *best = NULL;
	int best_rank = 0;

	for (size_t i = 0; i < facts->n_containers; i++) {
		const struct container *container = &facts->containers[i];
		int r = is_of(container, service) ? rank(container, name, committed) : 0;

		if (r > best_rank) {
			best = container;
			best_rank = r;
		}
	}
	return best;
}

/* `value` is taken over. */
static int add(struct found *found, enum repair_kind kind, const struct container *container,
    char *value, bool value_needed)
{
	struct repair *v;

	if (value == NULL && value_needed)
		return -1;
	v = reallocarray(found->repairs, found->n_repairs + 1, sizeof(*v));
	if (v == NULL) {
		free(value);
		return -1;
	}
	v[found->n_repairs++] =
	    (struct repair){.kind = kind, .container = container, .value = value};
	found->repairs = v;
	return 0;
}

/* Does what was found end with the current one running? */
static bool will_run(const struct found *found)
{
	return found->current != NULL && (found->current->running || found->pending != NULL);
}

/* What runs decides, or what is going to: a current one that does not run has the name, so its
 * commit was past the renames, or it is the old one. */
static enum ledger_result outcome(const struct found *found, const struct ledger_entry *pending)
{
	return found->current != NULL && strcmp(found->current->release, pending->release) == 0
		   ? LEDGER_COMMITTED
		   : LEDGER_REVERTED;
}

static int repair_pending(struct found *found, const struct ledger_entry *pending)
{
	enum ledger_result result = outcome(found, pending);

	if (add(found, REPAIR_LEDGER, NULL, NULL, false) < 0)
		return -1;
	found->repairs[found->n_repairs - 1].seq = pending->seq;
	found->repairs[found->n_repairs - 1].result = result;
	return strv_addf(&found->words, "%s: the %s %s by %s at %s was interrupted; it had been %s",
	    found->service, pending->kind == LEDGER_ROLLBACK ? "rollback to" : "deploy of",
	    pending->release, pending->by, pending->at,
	    result == LEDGER_COMMITTED ? "committed" : "reverted");
}

/* Once it is retired its name counts only with a line about it. */
static bool is_by_hand(const struct container *current)
{
	return current != NULL && current->by_hand;
}

static int repair_ledger(struct found *found, const struct ledger *ledger)
{
	const char *last = NULL; /* what is current by the ledger, when all of it is written */

	for (size_t i = 0; i < ledger->n; i++) {
		const struct ledger_entry *entry = &ledger->v[i];
		enum ledger_result result = entry->result;

		if (strcmp(entry->service, found->service) != 0)
			continue;
		if (result == LEDGER_PENDING) {
			if (repair_pending(found, entry) < 0)
				return -1;
			result = outcome(found, entry);
		}
		if (result == LEDGER_COMMITTED)
			last = entry->kind == LEDGER_DOWN ? NULL : entry->release;
	}
	if ((!will_run(found) && !is_by_hand(found->current)) ||
	    (last != NULL && strcmp(last, found->current->release) == 0))
		return 0;
	if (add(found, REPAIR_LEDGER, found->current, NULL, false) < 0)
		return -1;
	found->repairs[found->n_repairs - 1].result = LEDGER_COMMITTED;
	found->drift = true;
	return strv_addf(&found->words,
	    found->current->by_hand
		? "%s: drift: %s was run by hand; a deploy replaces it, and keeps it stopped"
		: "%s: drift: %s runs, which is not what the ledger calls current",
	    found->service, found->current->release);
}

/* Somebody removed or stopped what ought to run. */
static int look_for_loss(struct found *found, const struct ledger *ledger)
{
	const struct ledger_entry *entry = ledger_current(ledger, found->service);

	if (entry == NULL || found->pending != NULL ||
	    (found->current != NULL && strcmp(found->current->release, entry->release) == 0))
		return 0;
	if (found->current != NULL && found->current->running)
		return 0; /* it was said */
	found->drift = true;
	return strv_addf(&found->words, "%s: drift: %s ought to run, and its container is gone",
	    found->service, entry->release);
}

static bool is_in(const struct ledger *ledger, const char *service, const char *release)
{
	for (size_t i = 0; i < ledger->n; i++)
		if (strcmp(ledger->v[i].service, service) == 0 &&
		    strcmp(ledger->v[i].release, release) == 0)
			return true;
	return false;
}

/* Nobody ever trusted it: it was never started, or the ledger says what it was started for and
 * never that it was committed. One that was started and is in no ledger is older than the ledger,
 * which was lost: it is kept. */
static bool never_served(const struct ledger *ledger, const struct container *container)
{
	bool started = container->running || container->started_at != 0;

	if (ledger_release_entry(ledger, container->service, container->release) != NULL)
		return false;
	return !started || is_in(ledger, container->service, container->release);
}

/* A container that is not the current one: stopped, policy `no`, retained name, or gone. */
static int repair_other(struct found *found, const struct facts *facts, const char *prefix,
    const struct container *container)
{
	CLEANUP_FREE char *name = name_retained(prefix, found->service, container->release);

	if (name == NULL)
		return -1;
	if (container->running &&
	    (add(found, REPAIR_STOP, container, NULL, false) < 0 ||
		strv_addf(&found->words, "%s: %s ran beside the current release", found->service,
		    container->release) < 0))
		return -1;
	if (!container->by_hand && never_served(&facts->ledger, container)) {
		if (strv_addf(&found->words, "%s: %s was created and never came into service",
			found->service, container->release) < 0)
			return -1;
		return add(found, REPAIR_REMOVE, container, NULL, false);
	}
	if (strcmp(container->policy, "no") != 0 && !facts->fixed_policies &&
	    add(found, REPAIR_POLICY, container, strdup("no"), true) < 0)
		return -1;
	if (strcmp(container->name, name) != 0 &&
	    add(found, REPAIR_RENAME, container, steal_ptr(name), true) < 0)
		return -1;
	return 0;
}

static int repair_policy(struct found *found, const struct facts *facts)
{
	const struct container *current = found->current;

	if (current == NULL || facts->fixed_policies ||
	    strcmp(current->policy, current->restart) == 0)
		return 0;
	/* Only `shipit stop` makes it so: no interrupted swap ends like that without a line about
	 * it. */
	if (!current->running && found->pending == NULL && strcmp(current->policy, "no") == 0)
		return strv_addf(&found->words,
		    "%s: it was stopped, and stays so until `shipit start`", found->service);
	if (add(found, REPAIR_POLICY, current, strdup(current->restart), true) < 0)
		return -1;
	return strv_addf(&found->words, "%s: its restart policy was %s instead of %s",
	    found->service, current->policy, current->restart);
}

static int repair_current(struct found *found, const char *name)
{
	const struct container *current = found->current;

	if (current == NULL)
		return 0;
	if (strcmp(current->name, name) != 0 &&
	    (add(found, REPAIR_RENAME, current, strdup(name), true) < 0 ||
		strv_addf(&found->words, "%s: the current container was called %s", found->service,
		    current->name) < 0))
		return -1;
	if (!current->running && found->pending != NULL &&
	    (add(found, REPAIR_START, current, NULL, false) < 0 ||
		strv_addf(&found->words, "%s: %s had been left stopped", found->service,
		    current->release) < 0))
		return -1;
	return 0;
}

static int make(struct found *found, const struct facts *facts, const char *prefix)
{
	CLEANUP_FREE char *name = name_container(prefix, found->service);

	if (name == NULL)
		return -1;
	found->pending = ledger_pending(&facts->ledger, found->service);
	found->current =
	    choose(facts, found->service, name, ledger_current(&facts->ledger, found->service));
	found->pending_result =
	    found->pending != NULL ? outcome(found, found->pending) : LEDGER_REVERTED;
	if (repair_policy(found, facts) < 0)
		return -1;
	for (size_t i = 0; i < facts->n_containers; i++) {
		const struct container *container = &facts->containers[i];

		if (is_of(container, found->service) && container != found->current &&
		    repair_other(found, facts, prefix, container) < 0)
			return -1;
	}
	if (repair_current(found, name) < 0)
		return -1;
	return repair_ledger(found, &facts->ledger) < 0 || look_for_loss(found, &facts->ledger) < 0
		   ? -1
		   : 0;
}

int found_make(const struct facts *facts, const char *prefix, const char *service,
    struct found *ret, struct error *err)
{
	struct found found = {.service = service};

	if (make(&found, facts, prefix) < 0) {
		found_release(&found);
		return error_memory(err);
	}
	*ret = found;
	return 0;
}

void found_release(struct found *found)
{
	for (size_t i = 0; i < found->n_repairs; i++)
		free(found->repairs[i].value);
	free(found->repairs);
	strv_release(&found->words);
	*found = (struct found){0};
}
