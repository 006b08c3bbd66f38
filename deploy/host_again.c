/* The link died while an image was on its way: connect again, see whether the plan still holds, go
 * on. Nothing has been swapped yet, so nothing is lost by ending instead. */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "deploy/run.h"

enum {
	AGAIN_MAX = 3,		 /* how often a host's link may die */
	CONNECT_MS = 120 * 1000, /* to be reached again */
	/* The keeper that is cut off ends itself after 15 s of silence; until then it has the lock.
	 */
	LOCK_MS = 40 * 1000,
	FIRST_WAIT_MS = 500,
	LONGEST_WAIT_MS = 8000,
	NOTICE_MS = 500,
};

static bool ended_by_user(const struct host_run *run)
{
	return cancel_fired(&run->rollout->stop) || cancel_fired(&run->rollout->kill);
}

/* What the link takes with it may be heard of a little before its own end is. */
static bool link_died(const struct host_run *run, const struct error *err)
{
	struct pollfd slot = {.events = POLLIN};

	if (run->link.session == NULL || err->kind == ERROR_CANCELLED || ended_by_user(run))
		return false;
	slot.fd = session_lost_fd(run->link.session);
	poll(&slot, 1, NOTICE_MS);
	return session_lost(run->link.session, NULL) < 0 && !ended_by_user(run);
}

/* --- connecting */

/* Half of it and up to as much again, so that hosts that were cut off together come one by one. */
static int with_jitter(int ms)
{
	unsigned char random = 128;

	if (getentropy(&random, sizeof(random)) < 0)
		random = 128; /* no reason to fail */
	return ms / 2 + ms * random / 512;
}

/* -1: the user wants to stop. */
static int wait_some(const struct host_run *run, int ms, struct error *err)
{
	struct pollfd slots[] = {{.fd = run->rollout->stop.fd, .events = POLLIN},
	    {.fd = run->rollout->kill.fd, .events = POLLIN}};

	if (poll(slots, ARRAY_SIZE(slots), with_jitter(ms)) == 0)
		return 0;
	return error_set(err, ERROR_CANCELLED, "interrupted while connecting again");
}

/* Nothing of it is mended by waiting. */
static bool is_final(const struct error *err)
{
	return err->kind == ERROR_HOST_KEY || err->kind == ERROR_AUTH ||
	       err->kind == ERROR_CANCELLED || err->kind == ERROR_INVENTORY ||
	       err->kind == ERROR_MEMORY;
}

static int connect_again(struct host_run *run, struct error *err)
{
	int64_t deadline_ms = clock_now_ms() + CONNECT_MS;
	int wait_ms = FIRST_WAIT_MS;

	while (host_connect(run, err) < 0) {
		if (is_final(err) || ended_by_user(run))
			return -1;
		if (clock_left_ms(deadline_ms) == 0)
			return error_wrap(
			    err, "it could not be reached again within %d s", CONNECT_MS / 1000);
		if (wait_some(run, wait_ms, err) < 0)
			return -1;
		wait_ms = wait_ms * 2 < LONGEST_WAIT_MS ? wait_ms * 2 : LONGEST_WAIT_MS;
	}
	return 0;
}

static int lock_again(struct host_run *run, struct error *err)
{
	int64_t deadline_ms = clock_now_ms() + LOCK_MS;

	while (host_lock(run, err) < 0)
		if (err->kind != ERROR_LOCKED || clock_left_ms(deadline_ms) == 0 ||
		    wait_some(run, 2 * FIRST_WAIT_MS, err) < 0)
			return -1;
	return 0;
}

/* --- does the plan still hold? */

static bool is_same(const struct container *was, const struct container *is)
{
	if (was == NULL || is == NULL)
		return was == is;
	return strcmp(was->id, is->id) == 0 && strcmp(was->name, is->name) == 0 &&
	       was->running == is->running;
}

static int check_service(
    const struct host_run *run, size_t i, const struct facts *now, struct error *err)
{
	const char *service = run->rollout->services[i]->name;
	struct found found = {0};
	bool same;

	if (found_make(now, run->rollout->prefix, service, &found, err) < 0)
		return -1;
	same = is_same(run->found[i].current, found.current);
	found_release(&found);
	if (same)
		return 0;
	error_set(err, ERROR_FAILED,
	    "%s was changed by somebody else while the connection was lost; what was planned no "
	    "longer fits, and nothing was changed here",
	    service);
	return error_hint(err, "look at `shipit history`, and deploy again");
}

static int check_ledger(const struct host_run *run, const struct facts *now, struct error *err)
{
	const struct ledger *ledger = &now->ledger;
	const struct ledger_entry *last = ledger->n > 0 ? &ledger->v[ledger->n - 1] : NULL;

	if (ledger_next_seq(ledger) == ledger_next_seq(&run->facts.ledger))
		return 0;
	error_set(err, ERROR_FAILED,
	    "another rollout was here while the connection was lost (%s, by %s); what was planned "
	    "no longer fits, and nothing was changed here",
	    last != NULL ? last->release : "-", last != NULL ? last->by : "-");
	return error_hint(err, "look at `shipit history`, and deploy again");
}

static int check_plan(struct host_run *run, struct error *err)
{
	struct facts now = {0};
	int rc;

	if (facts_gather(
		run->link.engine, run->link.keeper, run->rollout->prefix, FACTS_ALL, &now, err) < 0)
		return -1;
	rc = check_ledger(run, &now, err);
	for (size_t i = 0; i < run->rollout->n_services && rc == 0; i++)
		rc = check_service(run, i, &now, err);
	facts_release(&now);
	return rc;
}

/* --- all together */

static int come_back(struct host_run *run, struct error *err)
{
	if (connect_again(run, err) < 0)
		return -1;
	if (lock_again(run, err) < 0)
		return error_wrap(err, "the connection was lost, and with it the lock");
	return check_plan(run, err);
}

bool host_again(struct host_run *run, struct error *err)
{
	CLEANUP_ERROR struct error now = {0};

	while (link_died(run, err)) {
		host_explain(run, err);
		if (run->reconnects == AGAIN_MAX) {
			error_wrap(err, "the connection was lost for the %dth time", AGAIN_MAX + 1);
			return false;
		}
		run->reconnects++;
		emit_note(
		    &run->source, "the connection was lost (%s); reconnecting", error_text(err));
		host_link_close(&run->link);
		if (come_back(run, &now) == 0) {
			emit_note(&run->source, "connected and locked again; going on");
			error_release(err);
			return true;
		}
		error_move(err, &now);
	}
	return false;
}
