/* The laptop's end of the keeper, against a host that says what it likes: swaps. */
#include <signal.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "tests/unit/deploy_talk.h"

static const struct keeper_swap swap = {.name = "shop.prod.web",
    .old_id = "old",
    .old_name = "shop.prod.web.a",
    .old_policy = "always",
    .old_runs = true,
    .new_id = "new",
    .new_name = "shop.prod.web.b",
    .policy = "on-failure:3",
    .grace_s = 10,
    .running_s = 3,
    .timeout_s = 60,
    .healthy = true,
    .stop_fd = -1};

static void note(void *context, const char *text)
{
	char *said = context;

	snprintf(said + strlen(said), 256 - strlen(said), "[%s]", text);
}

#define BEGUN "@shipit swap begun\n"

static enum swap_end swap_until_ready(struct keeper *keeper, const struct keeper_swap *wanted,
    keeper_progress_fn *progress, void *context, struct error *err)
{
	enum swap_end at = keeper_swap(keeper, wanted, progress, context, err);

	return at == SWAP_STARTED ? keeper_await_ready(keeper, progress, context, err) : at;
}

static void swaps(void **state UNUSED)
{
	static const struct {
		const char *says;
		enum swap_end want;
		const char *progress, *part; /* of the error */
	} cases[] = {
	    {BEGUN "@shipit swap stopping\n@shipit swap starting\n@shipit swap started\n"
		   "@shipit swap waiting running starting\n@shipit swap ready\n",
		SWAP_READY, "[stopping][starting][started][waiting running starting]", NULL},
	    {BEGUN "@shipit | no such image\n@shipit swap failed start it does not start\n"
		   "@shipit swap reverted\n",
		SWAP_REVERTED, "", "it does not start: no such image"},
	    {BEGUN "@shipit swap failed ready\n@shipit swap reverted\n", SWAP_REVERTED, "",
		"it failed"},
	    {BEGUN "@shipit swap failed ready exited 1\n@shipit | port taken\n@shipit swap down\n",
		SWAP_DOWN, "", "exited 1; and the old one could not be started again: port taken"},
	    {BEGUN "@shipit swap reverted\n", SWAP_REVERTED, "", "no error"},
	    {BEGUN "@shipit swap down\n", SWAP_DOWN, "",
		"the swap was taken back; and the old one"},
	    {BEGUN "@shipit swap committed\n", SWAP_COMMITTED, "", NULL},
	    {BEGUN "@shipit swap stopping\n", SWAP_LOST, "[stopping]",
		"the keeper on the host ended"},
	    {BEGUN "@shipit swap\n@shipit swap ready\n", SWAP_READY, "[]", NULL},
	    {"@shipit | no engine\n@shipit error swap\n", SWAP_REVERTED, "", "no engine"},
	    {"@shipit error command swap with strange words\n", SWAP_REVERTED, "", "command"},
	    /* What an earlier swap had to say comes late, and is not this one's. */
	    {"@shipit | old text\n@shipit swap reverted\n@shipit swap committed\n"
	     "@shipit error commit\n" BEGUN "@shipit swap ready\n",
		SWAP_READY, "", NULL},
	    {"@shipit swap reverted\n", SWAP_LOST, "", "the keeper on the host ended"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct talk talk;
		char said[256] = "";

		start(&talk, cases[i].says);
		assert_int_equal(
		    swap_until_ready(talk.keeper, &swap, note, said, &talk.err), cases[i].want);
		assert_string_equal(said, cases[i].progress);
		assert_contains(error_text(&talk.err), cases[i].part);
		end(&talk);
		assert_string_equal(talk.asked,
		    "swap shop.prod.web old shop.prod.web.a always 1 new shop.prod.web.b "
		    "on-failure:3 10 3 1 60 0\nend\n");
	}
}

static void a_first_swap_has_no_old_one(void **state UNUSED)
{
	struct keeper_swap first = swap;
	struct talk talk;

	first.old_id = NULL;
	first.old_runs = false;
	first.overlap = true;
	start(&talk, BEGUN "@shipit swap ready\n@shipit swap committed\n");
	assert_int_equal(swap_until_ready(talk.keeper, &first, NULL, NULL, NULL), SWAP_READY);
	assert_int_equal(keeper_commit(talk.keeper, NULL), SWAP_COMMITTED);
	end(&talk);
	assert_string_equal(talk.asked,
	    "swap shop.prod.web - - - 0 new shop.prod.web.b on-failure:3 "
	    "10 3 1 60 1\ncommit\nend\n");
}

/* What the host says is so, whatever was asked for. */
static void verdicts(void **state UNUSED)
{
	static const struct {
		const char *says;
		enum swap_end commit, revert;
	} cases[] = {
	    {"@shipit swap committed\n", SWAP_COMMITTED, SWAP_COMMITTED},
	    {"@shipit swap reverted\n", SWAP_REVERTED, SWAP_REVERTED},
	    {"@shipit swap ready\n@shipit swap committed\n", SWAP_COMMITTED, SWAP_COMMITTED},
	    {"@shipit swap failed commit x\n@shipit swap reverted\n", SWAP_REVERTED, SWAP_REVERTED},
	    {"@shipit swap down\n", SWAP_DOWN, SWAP_DOWN},
	    {"", SWAP_LOST, SWAP_LOST},
	};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		CLEANUP_FREE char *says =
		    string_printf(BEGUN "@shipit swap ready\n%s", cases[i / 2].says);
		struct talk talk;

		start(&talk, says);
		assert_int_equal(
		    swap_until_ready(talk.keeper, &swap, NULL, NULL, NULL), SWAP_READY);
		if (i % 2 == 0)
			assert_int_equal(
			    keeper_commit(talk.keeper, &talk.err), cases[i / 2].commit);
		else
			assert_int_equal(
			    keeper_revert(talk.keeper, &talk.err), cases[i / 2].revert);
		end(&talk);
		assert_contains(talk.asked, i % 2 == 0 ? "\ncommit\n" : "\nrevert\n");
	}
}

static void watching(void **state UNUSED)
{
	static const struct {
		const char *says;
		enum swap_end want;
		const char *part;
	} cases[] = {
	    {"@shipit swap failed ready exited 1\n@shipit swap reverted\n", SWAP_REVERTED,
		"exited 1"},
	    {"@shipit swap failed ready exited 1\n@shipit swap down\n", SWAP_DOWN, "exited 1"},
	    {"@shipit swap reverted\n", SWAP_REVERTED, NULL},
	    {"@shipit swap waiting running -\n", SWAP_READY, NULL},
	    {"@shipit fact free 1\n", SWAP_READY, NULL},
	    {"", SWAP_LOST, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_FREE char *says =
		    string_printf(BEGUN "@shipit swap ready\n%s", cases[i].says);
		struct talk talk;

		start(&talk, says);
		assert_int_equal(
		    swap_until_ready(talk.keeper, &swap, NULL, NULL, NULL), SWAP_READY);
		assert_int_equal(
		    keeper_watch(talk.keeper, 1000, NULL, NULL, &talk.err), cases[i].want);
		assert_contains(error_text(&talk.err), cases[i].part);
		end(&talk);
	}
}

/* From `started` on, who asked may ask something else meanwhile. */
static void watching_what_is_not_ready_yet(void **state UNUSED)
{
	static const struct {
		const char *says;
		enum swap_end want;
		const char *part;
	} cases[] = {
	    {"@shipit swap ready\n", SWAP_READY, NULL},
	    {"@shipit swap waiting running -\n@shipit swap ready\n", SWAP_STARTED, NULL},
	    {"@shipit swap failed ready unhealthy\n@shipit swap reverted\n", SWAP_REVERTED,
		"unhealthy"},
	    {"@shipit swap failed ready unhealthy\n", SWAP_LOST, "unhealthy: "},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_FREE char *says =
		    string_printf(BEGUN "@shipit swap started\n%s", cases[i].says);
		struct talk talk;

		start(&talk, says);
		assert_int_equal(keeper_swap(talk.keeper, &swap, NULL, NULL, NULL), SWAP_STARTED);
		assert_int_equal(
		    keeper_watch(talk.keeper, 1000, NULL, NULL, &talk.err), cases[i].want);
		assert_contains(error_text(&talk.err), cases[i].part);
		end(&talk);
	}
}

/* --- stopping */

static void no_news_is_as_before(void **state UNUSED)
{
	static const char says[] = HELLO BEGUN "@shipit swap started\n";
	static const char ready[] = "@shipit swap ready\n";
	struct session session = {.says = says, .len = sizeof(says) - 1};
	struct keeper *keeper = NULL;
	int64_t start_ms = clock_now_ms();

	assert_int_equal(keeper_start(&session, NULL, -1, NULL, &keeper, NULL), 0);
	assert_int_equal(keeper_swap(keeper, &swap, NULL, NULL, NULL), SWAP_STARTED);
	assert_int_equal(keeper_watch(keeper, 10, NULL, NULL, NULL), SWAP_STARTED);
	assert_int_equal(write(session.out, ready, sizeof(ready) - 1), sizeof(ready) - 1);
	assert_int_equal(keeper_await_ready(keeper, NULL, NULL, NULL), SWAP_READY);
	assert_int_equal(keeper_watch(keeper, 60, NULL, NULL, NULL), SWAP_READY);
	assert_in_range(clock_now_ms() - start_ms, 50, 30000);
	session_hang_up(&session);
	keeper_end(keeper);
}

static void stop_asks_for_a_revert_once(void **state UNUSED)
{
	static const char says[] = HELLO BEGUN;
	struct session session = {.says = says, .len = sizeof(says) - 1};
	struct cancel stop = CANCEL_INIT;
	struct keeper_swap stoppable = swap;
	struct keeper *keeper = NULL;
	char asked[65536] = "";

	assert_int_equal(cancel_init(&stop, NULL), 0);
	cancel_fire(&stop);
	stoppable.stop_fd = stop.fd;
	assert_int_equal(keeper_start(&session, NULL, -1, NULL, &keeper, NULL), 0);
	/* The host says nothing more, and ends. */
	shutdown(session.out, SHUT_WR);
	assert_int_equal(swap_until_ready(keeper, &stoppable, NULL, NULL, NULL), SWAP_LOST);
	assert_true(read(session.in, asked, sizeof(asked) - 1) > 0);
	assert_contains(asked, "60 0\nrevert\n");
	assert_null(strstr(strstr(asked, "60 0\nrevert\n") + 6, "revert\n"));
	session_hang_up(&session);
	keeper_end(keeper);
	cancel_release(&stop);
}

static void cancel_ends_every_wait(void **state UNUSED)
{
	static const char says[] = HELLO;
	struct session session = {.says = says, .len = sizeof(says) - 1};
	struct cancel cancel = CANCEL_INIT;
	struct keeper *keeper = NULL;
	struct error err = {0};

	assert_int_equal(cancel_init(&cancel, NULL), 0);
	assert_int_equal(keeper_start(&session, NULL, cancel.fd, NULL, &keeper, NULL), 0);
	cancel_fire(&cancel);
	assert_int_equal(keeper_lock(keeper, "shop.prod", "me", "now", &err), -1);
	assert_error(&err, ERROR_CANCELLED, "interrupted");
	assert_int_equal(swap_until_ready(keeper, &swap, NULL, NULL, &err), SWAP_LOST);
	assert_error(&err, ERROR_CANCELLED, NULL);
	session_hang_up(&session);
	keeper_end(keeper);
	cancel_release(&cancel);
	keeper_end(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(swaps),
	    cmocka_unit_test(a_first_swap_has_no_old_one),
	    cmocka_unit_test(verdicts),
	    cmocka_unit_test(watching),
	    cmocka_unit_test(watching_what_is_not_ready_yet),
	    cmocka_unit_test(no_news_is_as_before),
	    cmocka_unit_test(stop_asks_for_a_revert_once),
	    cmocka_unit_test(cancel_ends_every_wait),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
