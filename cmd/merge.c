#include "cmd/merge.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct group {
	struct merged merged;
	const char *at;	 /* the latest of its entries */
	size_t at_front; /* hosts whose newest entry that is not told yet belongs here */
	bool told;
	size_t last_source; /* whose entry came last, plus one, and how it ended there */
	enum ledger_result last_result;
};

struct groups {
	struct group *v;
	size_t n;
	size_t **of;	/* [source][entry]: which group */
	size_t *cursor; /* [source]: entries not told yet */
};

static bool same(const char *a, const char *b)
{
	return a != NULL && b != NULL ? strcmp(a, b) == 0 : a == b;
}

static bool belongs(const struct group *group, const struct ledger_entry *entry)
{
	const struct ledger_entry *other = group->merged.entry;

	return same(other->rollout, entry->rollout) && same(other->service, entry->service) &&
	       same(other->release, entry->release) && other->kind == entry->kind;
}

/* `guess` first: hosts tell the same story, so the next entry is mostly of the next group. */
static size_t group_of(struct groups *groups, const struct ledger_entry *entry, size_t guess)
{
	if (guess < groups->n && belongs(&groups->v[guess], entry))
		return guess;
	for (size_t i = groups->n; i > 0; i--)
		if (belongs(&groups->v[i - 1], entry))
			return i - 1;
	groups->v[groups->n].merged.entry = entry;
	return groups->n++;
}

static enum ledger_result result_of(
    const struct merge_source *source, const struct ledger_entry *entry)
{
	if (entry->result == LEDGER_PENDING)
		for (size_t i = 0; i < source->n_found; i++)
			if (source->found[i].seq == entry->seq)
				return source->found[i].result;
	return entry->result;
}

/* The last entry of a host is its end of the story: what was committed may be taken back later. */
static void add_entry(struct group *group, const struct merge_source *source, size_t s,
    const struct ledger_entry *entry)
{
	struct merged *merged = &group->merged;
	enum ledger_result result = result_of(source, entry);

	if (group->last_source == s + 1)
		merged->hosts[group->last_result]--;
	else
		merged->n_hosts++;
	merged->hosts[result]++;
	group->last_source = s + 1;
	group->last_result = result;
	if (entry->error != NULL && merged->error == NULL) {
		merged->error = entry->error;
		merged->error_host = source->host;
	}
	if (entry->at != NULL && (group->at == NULL || strcmp(entry->at, group->at) > 0))
		group->at = entry->at;
}

static int collect(struct groups *groups, const struct merge_source *sources, size_t n)
{
	for (size_t s = 0; s < n; s++) {
		const struct ledger *ledger = sources[s].ledger;
		size_t group = SIZE_MAX;

		groups->cursor[s] = ledger->n;
		groups->of[s] = calloc(ledger->n + 1, sizeof(**groups->of));
		if (groups->of[s] == NULL)
			return -1;
		for (size_t i = 0; i < ledger->n; i++) {
			group = group_of(groups, &ledger->v[i], group + 1);
			groups->of[s][i] = group;
			add_entry(&groups->v[group], &sources[s], s, &ledger->v[i]);
		}
	}
	return 0;
}

static bool later(const struct group *a, const struct group *b)
{
	if (a->at == NULL || b->at == NULL)
		return a->at != NULL;
	return strcmp(a->at, b->at) > 0;
}

/* Skip what was told, and let the entry at the front count for its group. */
static void step_back(struct groups *groups, size_t source)
{
	size_t *at = &groups->cursor[source];

	while (*at > 0 && groups->v[groups->of[source][*at - 1]].told)
		(*at)--;
	if (*at > 0)
		groups->v[groups->of[source][*at - 1]].at_front++;
}

/* A group can be told when nothing newer is left on any of its hosts. Ledgers that contradict each
 * other leave none such: then the time decides. */
static size_t next_group(const struct groups *groups)
{
	size_t best = groups->n;
	bool best_free = false;

	for (size_t i = 0; i < groups->n; i++) {
		const struct group *group = &groups->v[i];
		bool is_free = group->at_front >= group->merged.n_hosts;

		if (group->told)
			continue;
		if (best == groups->n || (is_free && !best_free) ||
		    (is_free == best_free && later(group, &groups->v[best]))) {
			best = i;
			best_free = is_free;
		}
	}
	return best;
}

static void tell(struct groups *groups, size_t n_sources, struct merged *out)
{
	for (size_t told = 0; told < groups->n; told++) {
		size_t next;

		for (size_t i = 0; i < groups->n; i++)
			groups->v[i].at_front = 0;
		for (size_t s = 0; s < n_sources; s++)
			step_back(groups, s);
		next = next_group(groups);
		groups->v[next].told = true;
		out[told] = groups->v[next].merged;
	}
}

static void groups_release(struct groups *groups, size_t n)
{
	for (size_t s = 0; s < n && groups->of != NULL; s++)
		free(groups->of[s]);
	free(groups->of);
	free(groups->cursor);
	free(groups->v);
}

int merge_ledgers(const struct merge_source *sources, size_t n, struct merged **ret, size_t *ret_n,
    struct error *err)
{
	struct groups groups = {0};
	struct merged *out = NULL;
	size_t entries = 0;
	int rc = -1;

	for (size_t s = 0; s < n; s++)
		entries += sources[s].ledger->n;
	groups.v = calloc(entries + 1, sizeof(*groups.v));
	groups.of = calloc(n + 1, sizeof(*groups.of));
	groups.cursor = calloc(n + 1, sizeof(*groups.cursor));
	out = calloc(entries + 1, sizeof(*out));
	if (groups.v != NULL && groups.of != NULL && groups.cursor != NULL && out != NULL)
		rc = collect(&groups, sources, n);
	if (rc == 0) {
		tell(&groups, n, out);
		*ret = out;
		*ret_n = groups.n;
		out = NULL;
	}
	groups_release(&groups, n);
	free(out);
	return rc < 0 ? error_memory(err) : 0;
}
