/* What a host says where a keeper is expected: any lines, in the middle of any command. */
#include <signal.h>
#include <stdint.h>

#include "tests/unit/deploy_keeper.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct keeper_swap swap = {.name = "shop.prod.web",
    .old_id = "old",
    .old_name = "shop.prod.web.a",
    .old_policy = "always",
    .old_runs = true,
    .new_id = "new",
    .new_name = "shop.prod.web.b",
    .policy = "always",
    .grace_s = 1,
    .running_s = 1,
    .timeout_s = 1,
    .stop_fd = -1};

static void on_progress(void *context, const char *state)
{
	size_t *seen = context;

	*seen += strlen(state);
}

static void talk(struct keeper *keeper)
{
	struct keeper_facts facts;
	struct error err = {0};
	char *socket = NULL, *path = NULL;
	size_t seen = 0;
	enum swap_end end;

	if (keeper_engine(keeper, "docker", false, &socket, &path, &err) == 0) {
		free(socket);
		free(path);
	}
	keeper_lock(keeper, "shop.prod", "ann@laptop", "2026-11-22T17:54:32Z", &err);
	if (keeper_facts_ask(keeper, "/", &err) == 0 && keeper_facts(keeper, &facts, &err) == 0 &&
	    keeper_facts_listens(&facts, 80))
		seen++;
	keeper_path(keeper, "/dev/x", &err);
	end = keeper_swap(keeper, &swap, on_progress, &seen, &err);
	if (end == SWAP_STARTED)
		end = seen % 3 == 0 ? keeper_await_ready(keeper, on_progress, &seen, &err)
				    : keeper_watch(keeper, 0, on_progress, &seen, &err);
	if (end == SWAP_READY)
		end = keeper_watch(keeper, 0, on_progress, &seen, &err);
	if (end == SWAP_READY)
		end = seen % 2 == 0 ? keeper_commit(keeper, &err) : keeper_revert(keeper, &err);
	/* Whoever is told of an end without success is told why. */
	if (end == SWAP_DOWN && err.kind == ERROR_NONE)
		abort();
	error_release(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session session = {.says = (const char *)data, .len = size, .hangs_up = true};
	struct keeper *keeper = NULL;

	signal(SIGPIPE, SIG_IGN);
	if (keeper_start(&session, NULL, -1, NULL, &keeper, NULL) == 0)
		talk(keeper);
	keeper_end(keeper);
	session_hang_up(&session);
	return 0;
}
