#include "deploy/host_learn.h"

#include <poll.h>
#include <string.h>

#include "base/clock.h"

enum { LEARN_MS = 90 * 1000, AGAIN_MS = 1500 };

static bool pause_or_killed(const struct host_run *run)
{
	struct pollfd slot = {.fd = run->rollout->kill.fd, .events = POLLIN};

	return poll(&slot, 1, AGAIN_MS) > 0;
}

static int connect_and_lock(struct host_run *run, struct error *err)
{
	if (run->link.session == NULL && host_connect(run, err) < 0)
		return -1;
	if (host_lock(run, err) == 0)
		return 0;
	if (err->kind != ERROR_LOCKED)
		host_link_close(&run->link);
	return -1;
}

/* The plan points into the facts that it was made from: those are kept. */
static int read_anew(struct host_run *run, struct error *err)
{
	struct facts facts = {0};

	if (facts_gather(
		run->link.care, run->link.keeper, run->rollout->prefix, FACTS_ALL, &facts, err) < 0)
		return -1;
	if (run->before.arch == NULL)
		run->before = run->facts;
	else
		facts_release(&run->facts);
	run->facts = facts;
	return host_judge(run, err);
}

/* What the host says of it, after the repairs: they may have started what was left stopped. */
static enum swap_end end_of(const struct host_run *run, const struct work *work)
{
	const struct planned *planned = work->planned;
	const struct container *current = run->found[work - run->works].current;

	if (current != NULL && current->running && strcmp(current->release, planned->release) == 0)
		return SWAP_COMMITTED;
	if (current == NULL || current->running || planned->old == NULL || !planned->old->running)
		return SWAP_REVERTED;
	return SWAP_DOWN;
}

enum swap_end host_learn(struct host_run *run, struct work *work, struct error *err)
{
	int64_t deadline_ms = clock_now_ms() + LEARN_MS;
	CLEANUP_ERROR struct error now = {0};
	enum swap_end end;

	if (err->kind == ERROR_CANCELLED || cancel_fired(&run->rollout->kill)) {
		error_hint(err, "the host takes the swap back by itself within 15 s");
		return SWAP_LOST;
	}
	emit_note(&run->source, "the link was lost (%s); asking the host again", error_text(err));
	host_link_close(&run->link);
	while (connect_and_lock(run, &now) < 0)
		if (clock_now_ms() > deadline_ms || pause_or_killed(run)) {
			error_wrap(err, "the host cannot be asked what became of it (%s)",
			    error_text(&now));
			error_hint(err,
			    "look at it with `shipit status`: without a confirmation it "
			    "takes the swap back by itself");
			host_link_close(&run->link);
			return SWAP_LOST;
		}
	if (read_anew(run, &now) < 0) {
		error_wrap(err, "%s", error_text(&now));
		return SWAP_LOST;
	}
	if (host_repair(run, run->link.care, &now) < 0)
		emit_note(&run->source, "what the lost link left behind could not be set right: %s",
		    error_text(&now));
	end = end_of(run, work);
	work->seq = 0; /* its line is written */
	if (end == SWAP_COMMITTED)
		error_release(err);
	return end;
}
