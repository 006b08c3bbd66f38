#include "deploy/undo.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/strv.h"

/* A ledger, and which of its lines count: committed, of the services in question, and not undone.
 */
struct view {
	const struct ledger *ledger;
	bool *counts;
};

static bool is_wanted(const struct ledger_entry *entry, const char *const *services, size_t n)
{
	if (entry->result != LEDGER_COMMITTED)
		return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(entry->service, services[i]) == 0)
			return true;
	return false;
}

static bool is_same(const struct ledger_entry *one, const struct ledger_entry *other)
{
	return strcmp(one->service, other->service) == 0 &&
	       strcmp(ledger_rollout(one), ledger_rollout(other)) == 0 &&
	       strcmp(one->release, other->release) == 0;
}

/* A service that was taken back because another one failed has the line of before once more
 * (record_undone): what lies between, and that line, is as if it had not been. */
static void leave_out_undone(struct view *view, size_t at)
{
	const struct ledger_entry *v = view->ledger->v;
	size_t before = at;

	if (v[at].kind != LEDGER_ROLLBACK)
		return;
	while (before > 0 && !(view->counts[before - 1] && is_same(&v[before - 1], &v[at])))
		before--;
	for (size_t i = before; before > 0 && i <= at; i++)
		if (strcmp(v[i].service, v[at].service) == 0)
			view->counts[i] = false;
}

/* Nothing from before a service was taken down can be taken back. */
static void leave_out_all(struct view *view, size_t at)
{
	for (size_t i = 0; i <= at; i++)
		if (strcmp(view->ledger->v[i].service, view->ledger->v[at].service) == 0)
			view->counts[i] = false;
}

static int view_make(
    struct view *view, const struct ledger *ledger, const char *const *services, size_t n)
{
	view->ledger = ledger;
	view->counts = calloc(ledger->n + 1, sizeof(*view->counts));
	for (size_t i = 0; i < ledger->n && view->counts != NULL; i++) {
		view->counts[i] = is_wanted(&ledger->v[i], services, n);
		if (view->counts[i] && ledger->v[i].kind == LEDGER_DOWN)
			leave_out_all(view, i);
		else if (view->counts[i])
			leave_out_undone(view, i);
	}
	return view->counts != NULL ? 0 : -1;
}

/* The rollout of the last line that counts; NULL: none. */
static const char *last_of(const struct view *view)
{
	for (size_t i = view->ledger->n; i > 0; i--)
		if (view->counts[i - 1])
			return ledger_rollout(&view->ledger->v[i - 1]);
	return NULL;
}

/* Does this ledger have something else after the last line of `rollout`? */
static bool is_superseded(const struct view *view, const char *rollout)
{
	bool seen = false, later = false;

	for (size_t i = 0; i < view->ledger->n; i++) {
		if (!view->counts[i])
			continue;
		if (strcmp(ledger_rollout(&view->ledger->v[i]), rollout) == 0) {
			seen = true;
			later = false;
		} else {
			later = true;
		}
	}
	return seen && later;
}

static bool superseded_anywhere(const struct view *views, size_t n, const char *rollout)
{
	for (size_t i = 0; i < n; i++)
		if (is_superseded(&views[i], rollout))
			return true;
	return false;
}

/* The first line that counts of a rollout, or of what it belongs to; NULL: none. */
static const struct ledger_entry *find(const struct view *views, size_t n, const char *rollout)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < views[i].ledger->n; k++) {
			const struct ledger_entry *entry = &views[i].ledger->v[k];

			if (views[i].counts[k] && (strcmp(entry->rollout, rollout) == 0 ||
						      strcmp(ledger_rollout(entry), rollout) == 0))
				return entry;
		}
	return NULL;
}

/* `chosen` may be a rollback that did not come to every host: what it took back is still the last
 * one there. */
static const char *unfinished(const struct view *views, size_t n, const char *chosen)
{
	const struct ledger_entry *entry = find(views, n, chosen);

	if (entry == NULL || entry->kind != LEDGER_ROLLBACK || entry->undoes == NULL)
		return chosen;
	for (size_t i = 0; i < n; i++) {
		const char *last = last_of(&views[i]);

		if (last != NULL && strcmp(last, entry->undoes) == 0)
			return entry->undoes;
	}
	return chosen;
}

static const char *whole(const struct view *views, size_t n, const char *rollout)
{
	const struct ledger_entry *entry = find(views, n, rollout);

	return entry != NULL ? ledger_rollout(entry) : rollout;
}

static int choose(const struct view *views, size_t n, const char **ret, struct error *err)
{
	const char *chosen = NULL, *some = NULL;

	for (size_t i = 0; i < n; i++) {
		const char *last = last_of(&views[i]);

		some = last != NULL ? last : some;
		if (last == NULL || (chosen != NULL && strcmp(last, chosen) == 0) ||
		    superseded_anywhere(views, n, last))
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
	*ret = chosen;
	return 0;
}

static int set(const char *taken_back, const char *chosen, struct undo *ret, struct error *err)
{
	struct undo undo = {.rollout = strdup(taken_back)};

	if (taken_back != chosen)
		undo.continues = strdup(chosen);
	if (undo.rollout == NULL || (taken_back != chosen && undo.continues == NULL)) {
		undo_release(&undo);
		return error_memory(err);
	}
	*ret = undo;
	return 0;
}

void undo_release(struct undo *undo)
{
	free(undo->rollout);
	free(undo->continues);
	*undo = (struct undo){0};
}

int undo_choose(const struct ledger *const *ledgers, size_t n_ledgers, const char *const *services,
    size_t n_services, const char *given, struct undo *ret, struct error *err)
{
	struct view *views = calloc(n_ledgers + 1, sizeof(*views));
	const char *chosen = NULL;
	int rc = 0;

	if (views == NULL)
		return error_memory(err);
	for (size_t i = 0; i < n_ledgers && rc == 0; i++)
		if (view_make(&views[i], ledgers[i], services, n_services) < 0)
			rc = error_memory(err);
	if (rc == 0 && given != NULL)
		chosen = whole(views, n_ledgers, given);
	else if (rc == 0)
		rc = choose(views, n_ledgers, &chosen, err);
	if (rc == 0)
		rc = set(unfinished(views, n_ledgers, chosen), chosen, ret, err);
	for (size_t i = 0; i < n_ledgers; i++)
		free(views[i].counts);
	free(views);
	return rc;
}
