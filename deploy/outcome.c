/* What a rollout came to, from its result alone: names, counts, the exit code. */
#include "base/attr.h"
#include "deploy/rollout.h"

const char *host_outcome_name(enum host_outcome outcome)
{
	static const char *const names[] = {
	    [HOST_UNTOUCHED] = "untouched",
	    [HOST_UNCHANGED] = "unchanged",
	    [HOST_DONE] = "done",
	    [HOST_REVERTED] = "reverted",
	    [HOST_PARTIAL] = "partial",
	    [HOST_DOWN] = "down",
	    [HOST_UNREACHABLE] = "unreachable",
	    [HOST_UNKNOWN] = "unknown",
	};

	return (size_t)outcome < ARRAY_SIZE(names) ? names[outcome] : "unknown";
}

bool host_is_done(const struct host_result *host)
{
	return host->outcome == HOST_DONE || host->outcome == HOST_UNCHANGED;
}

size_t rollout_count(const struct rollout_result *result, enum host_outcome outcome)
{
	size_t n = 0;

	for (size_t i = 0; i < result->n_hosts; i++)
		n += result->hosts[i].outcome == outcome;
	return n;
}

uint64_t rollout_bytes(const struct rollout_result *result)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < result->n_hosts; i++)
		sum += result->hosts[i].bytes;
	return sum;
}

const char *rollout_first_error(const struct rollout_result *result)
{
	if (result->error.kind != ERROR_NONE)
		return error_text(&result->error);
	for (size_t i = 0; i < result->n_hosts; i++)
		if (result->hosts[i].error.kind != ERROR_NONE)
			return error_text(&result->hosts[i].error);
	return "";
}

static bool is_mistake(const struct error *err)
{
	return err->kind == ERROR_USAGE || err->kind == ERROR_INVENTORY;
}

int rollout_exit_code(const struct rollout_result *result)
{
	size_t counts[HOST_UNKNOWN + 1] = {0}, good, changed;
	bool locked = false, failed = result->error.kind != ERROR_NONE;
	bool mistaken = is_mistake(&result->error);

	for (size_t i = 0; i < result->n_hosts; i++) {
		const struct host_result *host = &result->hosts[i];

		counts[host->outcome]++;
		locked = locked || host->error.kind == ERROR_LOCKED;
		mistaken = mistaken || is_mistake(&host->error);
		failed =
		    failed || (host->outcome != HOST_UNREACHABLE && host->error.kind != ERROR_NONE);
	}
	good = counts[HOST_DONE] + counts[HOST_UNCHANGED];
	changed = counts[HOST_DONE] + counts[HOST_REVERTED] + counts[HOST_PARTIAL] +
		  counts[HOST_DOWN] + counts[HOST_UNKNOWN];
	if (result->interrupted)
		return 130;
	if (mistaken && changed == 0)
		return 2;
	if (locked && changed == 0)
		return 5;
	if (counts[HOST_DOWN] > 0)
		return 6;
	if (counts[HOST_UNKNOWN] > 0 || counts[HOST_PARTIAL] > 0 ||
	    (counts[HOST_DONE] > 0 &&
		(failed || counts[HOST_REVERTED] > 0 || counts[HOST_UNTOUCHED] > 0)))
		return 3;
	if (failed || counts[HOST_REVERTED] > 0 || good == 0)
		return 1;
	return counts[HOST_UNREACHABLE] > 0 ? 4 : 0;
}
