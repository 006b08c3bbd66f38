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

/* The plan points into the facts it was made from: they are kept, and new ones read beside them. */
static enum swap_end look(struct host_run *run, const struct work *work, struct error *err)
{
	struct facts facts = {0};
	struct found found = {0};
	enum swap_end end = SWAP_LOST;
	const char *service = work->planned->service->name;

	if (facts_gather(run->link.care, run->link.keeper, run->rollout->prefix, &facts, err) < 0)
		return SWAP_LOST;
	if (found_make(&facts, run->rollout->prefix, service, &found, err) == 0) {
		const struct container *current = found.current;

		if (current != NULL && current->running &&
		    strcmp(current->release, work->planned->release) == 0)
			end = SWAP_COMMITTED;
		else if (current == NULL || current->running || work->planned->old == NULL ||
			 !work->planned->old->running)
			end = SWAP_REVERTED;
		else
			end = SWAP_DOWN;
		found_release(&found);
	}
	facts_release(&facts);
	return end;
}

/* The same facts in the place of those that the rollout began with, and their repairs. */
static void set_right(struct host_run *run)
{
	CLEANUP_ERROR struct error err = {0};

	run->before = run->facts;
	run->facts = (struct facts){0};
	for (size_t i = 0; i < run->rollout->n_services; i++)
		found_release(&run->found[i]);
	if (host_facts(run, &err) < 0 || host_repair(run, &err) < 0)
		emit_note(&run->source, "what the lost link left behind could not be set right: %s",
		    error_text(&err));
}

enum swap_end host_learn(struct host_run *run, struct work *work, struct error *err)
{
	int64_t deadline_ms = clock_now_ms() + LEARN_MS;
	CLEANUP_ERROR struct error now = {0};
	enum swap_end end = SWAP_LOST;

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
	end = look(run, work, &now);
	if (end == SWAP_LOST) {
		error_wrap(err, "%s", error_text(&now));
		return SWAP_LOST;
	}
	set_right(run);
	work->seq = 0; /* its line is written */
	if (end == SWAP_COMMITTED)
		error_release(err);
	return end;
}
