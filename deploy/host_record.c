/* What a rollout writes into a host's ledger. */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "deploy/run.h"

static struct ledger *ledger_of(struct host_run *run)
{
	const struct inventory *inv = run->rollout->options.inventory;
	const struct environment *env = run->rollout->options.environment;
	struct ledger *ledger = &run->facts.ledger;

	ledger->keep = LEDGER_KEEP;
	for (size_t i = 0; i < inv->n_services; i++) {
		const struct service *service = inventory_service_in(env, &inv->services[i]);

		if ((size_t)service->retain > ledger->keep)
			ledger->keep = (size_t)service->retain;
	}
	return ledger;
}

/* An entry that borrows everything: for ledger_write, which copies. */
static struct ledger_entry entry_of(const struct host_run *run, const struct work *work)
{
	const struct rollout *rollout = run->rollout;
	const struct planned *planned = work->planned;
	const struct identity identity = host_identity(run, planned);

	return (struct ledger_entry){
	    .seq = work->seq,
	    .kind = rollout->options.kind == ROLLOUT_ROLLBACK ? LEDGER_ROLLBACK : LEDGER_DEPLOY,
	    .service = (char *)(uintptr_t)planned->service->name,
	    .rollout = (char *)(uintptr_t)rollout->id,
	    .continues = rollout->undo.continues != NULL
			     ? rollout->undo.continues
			     : (char *)(uintptr_t)rollout->options.continues,
	    .undoes = rollout->undo.rollout,
	    .release = (char *)(uintptr_t)planned->release,
	    .previous = planned->previous,
	    .image = planned->image,
	    .config = (char *)(uintptr_t)planned->config,
	    .by = rollout->user,
	    .from = rollout->machine,
	    .at = (char *)(uintptr_t)rollout->at,
	    .source = (char *)(uintptr_t)identity.source,
	    .content = planned->content,
	    .options = planned->options,
	};
}

static int write_entry(struct host_run *run, const struct ledger_entry *entry, struct error *err)
{
	return ledger_write(run->link.care, run->rollout->prefix, ledger_of(run), entry, err);
}

int record_pending(struct host_run *run, struct work *work, struct error *err)
{
	struct ledger_entry entry;

	work->seq = ledger_next_seq(ledger_of(run));
	entry = entry_of(run, work);
	entry.result = LEDGER_PENDING;
	return write_entry(run, &entry, err);
}

int record_outcome(struct host_run *run, const struct work *work, enum ledger_result result,
    const char *why, struct error *err)
{
	struct ledger_entry entry = entry_of(run, work);
	char now[CLOCK_UTC_SIZE];

	CLEANUP_FREE char *masked = why != NULL ? strdup(why) : NULL;

	if (why != NULL && masked == NULL)
		return error_memory(err);
	secrets_mask(run->rollout->secrets, masked);
	clock_format_utc(time(NULL), now);
	entry.at = now;
	entry.result = result;
	/* What was interrupted may be tried again. */
	if (result != LEDGER_COMMITTED && atomic_load(&run->rollout->interrupts) > 0)
		entry.content = NULL;
	entry.error = masked;
	return write_entry(run, &entry, err);
}

int record_refused(struct host_run *run, struct work *work, const char *why, struct error *err)
{
	CLEANUP_FREE char *line = strndup(why, strcspn(why, "\n"));
	int rc;

	work->seq = ledger_next_seq(ledger_of(run));
	rc = record_outcome(run, work, LEDGER_REVERTED, line, err);
	work->seq = 0;
	return rc;
}

int record_undone(struct host_run *run, const struct work *work, struct error *err)
{
	struct ledger_entry entry = entry_of(run, work);
	const struct ledger_entry *before =
	    entry.previous == NULL
		? NULL
		: ledger_release_entry(ledger_of(run), entry.service, entry.previous);

	if (before == NULL) /* a first deploy: it is as if it had not come into service */
		return record_outcome(
		    run, work, LEDGER_REVERTED, "the rollout was taken back", err);
	entry.seq = ledger_next_seq(ledger_of(run));
	entry.kind = LEDGER_ROLLBACK;
	entry.result = LEDGER_COMMITTED;
	/* All is as it was: what a rollback takes back, and where it leads, too. */
	entry.rollout = before->rollout;
	entry.continues = before->continues;
	entry.undoes = before->undoes;
	entry.previous = before->previous;
	entry.release = before->release;
	entry.image = before->image;
	entry.config = before->config;
	entry.source = before->source;
	entry.content = before->content;
	entry.options = before->options;
	return write_entry(run, &entry, err);
}

static const struct ledger_entry *entry_number(const struct ledger *ledger, int64_t seq)
{
	for (size_t i = 0; i < ledger->n; i++)
		if (ledger->v[i].seq == seq)
			return &ledger->v[i];
	return NULL;
}

/* A line about a container that runs and of which the ledger says nothing. */
static int record_unknown(struct host_run *run, const struct container *container,
    enum ledger_result result, struct error *err)
{
	const struct ledger_entry *current = ledger_current(ledger_of(run), container->service);
	const struct ledger_entry *before =
	    ledger_release_entry(ledger_of(run), container->service, container->release);
	/* Of one that was run by hand this is the only place that remembers it. */
	CLEANUP_JSON json_t *policy = json_pack("{s:s}", "restart", container->policy);
	const struct ledger_entry entry = {
	    .seq = ledger_next_seq(ledger_of(run)),
	    .kind = LEDGER_DEPLOY,
	    .result = result,
	    .service = container->service,
	    .rollout = container->rollout,
	    .release = container->release,
	    .previous = current != NULL ? current->release : NULL,
	    .image = container->image,
	    .config = container->config,
	    .by = container->by,
	    .from = (char *)(uintptr_t) "",
	    .at = container->at,
	    .source = container->source,
	    .options = before != NULL	    ? before->options
		       : container->by_hand ? policy
					    : NULL,
	    .found = true,
	};

	return write_entry(run, &entry, err);
}

int record_down(struct host_run *run, const char *service, const char *release, struct error *err)
{
	const struct rollout *rollout = run->rollout;
	const struct ledger_entry entry = {
	    .seq = ledger_next_seq(ledger_of(run)),
	    .kind = LEDGER_DOWN,
	    .result = LEDGER_COMMITTED,
	    .service = (char *)(uintptr_t)service,
	    .rollout = (char *)(uintptr_t)rollout->id,
	    .release = (char *)(uintptr_t)release,
	    .image = (char *)(uintptr_t) "",
	    .config = (char *)(uintptr_t) "",
	    .by = rollout->user,
	    .from = rollout->machine,
	    .at = (char *)(uintptr_t)rollout->at,
	};

	return write_entry(run, &entry, err);
}

int record_repair(struct host_run *run, const struct repair *repair, struct error *err)
{
	const struct ledger_entry *pending = entry_number(ledger_of(run), repair->seq);
	struct ledger_entry entry;
	int rc;

	if (pending == NULL)
		return repair->container == NULL
			   ? 0
			   : record_unknown(run, repair->container, repair->result, err);
	if (ledger_entry_copy(&entry, pending) < 0)
		return error_memory(err);
	entry.result = repair->result;
	entry.found = true;
	rc = write_entry(run, &entry, err);
	ledger_entry_release(&entry);
	return rc;
}
