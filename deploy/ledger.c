#include "deploy/ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "deploy/ledger_json.h"

/* The last of a service's entries for which `matches` says yes. */
static const struct ledger_entry *last_of(const struct ledger *ledger, const char *service,
    bool (*matches)(const struct ledger_entry *entry, const char *release), const char *release)
{
	for (size_t i = ledger->n; i > 0; i--) {
		const struct ledger_entry *entry = &ledger->v[i - 1];

		if (strcmp(entry->service, service) == 0 && matches(entry, release))
			return entry;
	}
	return NULL;
}

static bool is_committed(const struct ledger_entry *entry, const char *release)
{
	if (release == NULL)
		return entry->result == LEDGER_COMMITTED;
	return entry->result == LEDGER_COMMITTED && entry->kind != LEDGER_DOWN &&
	       strcmp(entry->release, release) == 0;
}

static bool is_pending(const struct ledger_entry *entry, const char *release)
{
	(void)release;
	return entry->result == LEDGER_PENDING;
}

const struct ledger_entry *ledger_current(const struct ledger *ledger, const char *service)
{
	const struct ledger_entry *entry = last_of(ledger, service, is_committed, NULL);

	return entry != NULL && entry->kind != LEDGER_DOWN ? entry : NULL;
}

const struct ledger_entry *ledger_release_entry(
    const struct ledger *ledger, const char *service, const char *release)
{
	return last_of(ledger, service, is_committed, release);
}

const struct ledger_entry *ledger_pending(const struct ledger *ledger, const char *service)
{
	return last_of(ledger, service, is_pending, NULL);
}

/* The next committed entry of the same service says where it went from there. */
static bool was_rolled_back(const struct ledger *ledger, size_t i)
{
	for (size_t k = i + 1; k < ledger->n; k++)
		if (ledger->v[k].result == LEDGER_COMMITTED &&
		    strcmp(ledger->v[k].service, ledger->v[i].service) == 0)
			return ledger->v[k].kind == LEDGER_ROLLBACK;
	return false;
}

/* What was found undone by a later command was interrupted: that is nothing against the image. */
static bool was_taken_back(const struct ledger *ledger, size_t i)
{
	const struct ledger_entry *entry = &ledger->v[i];

	if (entry->result == LEDGER_COMMITTED)
		return was_rolled_back(ledger, i);
	return entry->kind == LEDGER_DEPLOY && entry->result != LEDGER_PENDING && !entry->found;
}

int ledger_taken_back(
    const struct ledger *ledger, const char *service, struct strv *ret, struct error *err)
{
	CLEANUP_STRV struct strv seen = {0};

	/* The newest entry of each counts. */
	for (size_t i = ledger->n; i > 0; i--) {
		const struct ledger_entry *entry = &ledger->v[i - 1];

		if (entry->content == NULL || strcmp(entry->service, service) != 0 ||
		    strv_has(&seen, entry->content))
			continue;
		if (strv_add(&seen, entry->content) < 0 ||
		    (was_taken_back(ledger, i - 1) && !strv_has(ret, entry->content) &&
			strv_add(ret, entry->content) < 0))
			return error_memory(err);
	}
	return 0;
}

int ledger_set_fresh(struct ledger *ledger, const char *service, const char *image, const char *at,
    struct error *err)
{
	if (ledger->fresh == NULL)
		ledger->fresh = json_object();
	return json_set(ledger->fresh, service, json_pack("{s:s, s:s}", "image", image, "at", at)) <
		       0
		   ? error_memory(err)
		   : 0;
}

int64_t ledger_fresh_at(const struct ledger *ledger, const char *service, const char *image)
{
	const json_t *fresh = json_object_get(ledger->fresh, service);
	time_t at = 0;

	if (strcmp(json_str(fresh, "image", ""), image) != 0 ||
	    clock_parse_utc(json_str(fresh, "at", ""), &at) < 0)
		return 0;
	return (int64_t)at;
}

const char *ledger_rollout(const struct ledger_entry *entry)
{
	return entry->continues != NULL ? entry->continues : entry->rollout;
}

int64_t ledger_next_seq(const struct ledger *ledger)
{
	return ledger->n > 0 ? ledger->v[ledger->n - 1].seq + 1 : 1;
}

/* Put `entry` (taken over) where its number belongs. An outcome replaces what was pending, never
 * the other way round. */
int ledger_insert(struct ledger *ledger, struct ledger_entry *entry)
{
	size_t at = ledger->n;
	struct ledger_entry *v;

	while (at > 0 && ledger->v[at - 1].seq > entry->seq)
		at--;
	if (at > 0 && ledger->v[at - 1].seq == entry->seq) {
		struct ledger_entry *there = &ledger->v[at - 1];

		if (entry->result == LEDGER_PENDING) {
			ledger_entry_release(entry);
		} else {
			ledger_entry_release(there);
			*there = *entry;
		}
		return 0;
	}
	v = reallocarray(ledger->v, ledger->n + 1, sizeof(*v));
	if (v == NULL) {
		ledger_entry_release(entry);
		return -1;
	}
	memmove(v + at + 1, v + at, (ledger->n - at) * sizeof(*v));
	v[at] = *entry;
	ledger->v = v;
	ledger->n++;
	return 0;
}

void ledger_release(struct ledger *ledger)
{
	for (size_t i = 0; i < ledger->n; i++)
		ledger_entry_release(&ledger->v[i]);
	free(ledger->v);
	json_decref(ledger->fresh);
	*ledger = (struct ledger){0};
}
