/* Every allocation fails in turn, alone and with all that come after it: that is an error like any
 * other, which says so; nothing crashes, nothing leaks, nothing is decided differently. Here what
 * waits, tells and remembers. */
#include "tests/unit/deploy_memory.h"
#include "tests/unit/deploy_keeper.h"

#include <signal.h>

#include "deploy/event.h"
#include "deploy/gate.h"
#include "deploy/state.h"

static int remember(void *context, struct error *err)
{
	struct last_rollout back;

	if (state_write("/x/shipit.yml", context, err) < 0 ||
	    state_read("/x/shipit.yml", &back, err) < 0)
		return -1;
	say(back.environment);
	last_rollout_release(&back);
	return 0;
}

static void remembering(void **state UNUSED)
{
	struct last_rollout last = {.environment = (char *)(uintptr_t) "prod",
	    .rollout = (char *)(uintptr_t) "r",
	    .at = (char *)(uintptr_t) "now"};
	char home[] = "/tmp/shipit-memory-XXXXXX", command[64];

	assert_non_null(mkdtemp(home));
	setenv("XDG_STATE_HOME", home, 1);
	starve("state", remember, &last);
	snprintf(command, sizeof(command), "rm -rf '%s'", home);
	assert_int_equal(system(command), 0);
}

static int new_gates(void *context UNUSED, struct error *err)
{
	struct gates *gates;
	struct events *events;

	if (gates_new(2, 3, NULL, NULL, &gates, err) < 0)
		return -1;
	gates_free(gates);
	if (events_new(3, &events, err) < 0)
		return -1;
	events_free(events);
	return 0;
}

/* Events are told with what words there is room for: they never fail. */
static void events_never_fail(void **state UNUSED)
{
	for (size_t n = 1; n < 12; n++) {
		struct event_source source = {.host = "web1"};
		struct error why = {0};
		struct event event;

		assert_int_equal(events_new(8, &source.events, NULL), 0);
		error_set(&why, ERROR_FAILED, "x");
		error_hint(&why, "y");
		memory_fail_at(n, false);
		emit_step(&source, STEP_SWAP, STATE_OK, 1, "%d", 1);
		emit_progress(&source, STEP_SWAP, 1, 2, "x");
		emit_failed(&source, STEP_SWAP, 1, &why);
		emit_note(&source, "%d", 1);
		emit_log(&source, 1, "x");
		memory_is_back();
		for (int i = 0; i < 5; i++) {
			assert_true(events_take(source.events, 0, &event));
			event_release(&event);
		}
		error_release(&why);
		events_free(source.events);
	}
}

static void gates_and_events(void **state UNUSED)
{
	starve("gates", new_gates, NULL);
}

static int talk(void *context UNUSED, struct error *err)
{
	static const char says[] = "@shipit hello 1 1\n@shipit engine /x /y\n@shipit locked\n"
				   "@shipit path yes /d\n@shipit swap begun\n@shipit swap ready\n"
				   "@shipit swap committed\n@shipit bye\n";
	const struct keeper_swap swap = {.name = "n",
	    .old_id = "o",
	    .old_name = "p",
	    .old_policy = "no",
	    .new_id = "q",
	    .new_name = "r",
	    .policy = "no",
	    .stop_fd = -1};
	struct session session = {.says = says, .len = sizeof(says) - 1, .hangs_up = true};
	struct keeper *keeper = NULL;
	char *socket = NULL, *path = NULL;
	int rc = keeper_start(&session, NULL, -1, NULL, &keeper, err);

	if (rc == 0)
		rc = keeper_engine(keeper, "docker", false, &socket, &path, err);
	if (rc == 0)
		rc = keeper_lock(keeper, "p", "h", "s", err);
	if (rc == 0)
		rc = keeper_path(keeper, "/d", err) == 1 ? 0 : -1;
	if (rc == 0 && keeper_swap(keeper, &swap, NULL, NULL, err) != SWAP_READY)
		rc = -1;
	if (rc == 0 && keeper_commit(keeper, err) != SWAP_COMMITTED)
		rc = -1;
	free(socket);
	free(path);
	keeper_end(keeper);
	if (session.in > 0)
		session_hang_up(&session);
	return rc;
}

static void the_keepers_near_end(void **state UNUSED)
{
	starve("keeper", talk, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(remembering),
	    cmocka_unit_test(gates_and_events),
	    cmocka_unit_test(events_never_fail),
	    cmocka_unit_test(the_keepers_near_end),
	};

	if (!memory_can_fail()) {
		print_message("memory cannot be made to fail here\n");
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
