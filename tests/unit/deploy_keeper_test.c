/* The laptop's end of the keeper, against a host that says what it likes. */
#include "tests/unit/deploy_keeper.h"

#include <signal.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "tests/unit/deploy_check.h"

#define HELLO "@shipit hello 1 4242\n"

/* A host that says hello, this, and no more. */
struct talk {
	struct session session;
	struct keeper *keeper;
	struct error err;
	char asked[256]; /* after end(): the commands it got */
};

static void start(struct talk *talk, const char *says)
{
	CLEANUP_FREE char *all = string_printf("%s%s", HELLO, says);

	*talk = (struct talk){.session = {.says = all, .len = strlen(all), .hangs_up = true}};
	if (keeper_start(&talk->session, NULL, -1, &talk->keeper, &talk->err) < 0)
		fail_msg("%s", error_text(&talk->err));
}

static void end(struct talk *talk)
{
	char chunk[65536], *last = chunk;
	size_t n = 0;
	ssize_t got;

	keeper_end(talk->keeper);
	while ((got = read(talk->session.in, chunk + n, sizeof(chunk) - 1 - n)) > 0)
		n += (size_t)got;
	chunk[n] = '\0';
	/* The program comes first; it ends with the last line that is not ours. */
	for (char *at = chunk; (at = strstr(at, "\nfinish\n")) != NULL; at += 1)
		last = at + strlen("\nfinish\n");
	snprintf(talk->asked, sizeof(talk->asked), "%.255s", last);
	session_hang_up(&talk->session);
	error_release(&talk->err);
}

static int try_start(const char *says, const char *complains, const char *lost, struct error *err)
{
	struct session session = {.says = says,
	    .len = strlen(says),
	    .complains = complains,
	    .hangs_up = true,
	    .lost = lost};
	struct keeper *keeper = NULL;
	int rc = keeper_start(&session, NULL, -1, &keeper, err);

	keeper_end(keeper);
	session_hang_up(&session);
	return rc;
}

static void hello_is_found_in_any_noise(void **state UNUSED)
{
	static const char *const good[] = {HELLO, "Welcome!\n\n\x1b[1mfortune\x1b[0m\n" HELLO,
	    "shipit hello 1 1\n@shipithello\n" HELLO, "no newline at its end@shipit \n" HELLO};
	static const struct {
		const char *says, *complains, *lost;
		enum error_kind kind;
		const char *part;
	} bad[] = {
	    {"", NULL, NULL, ERROR_UNREACHABLE, "the keeper on the host ended"},
	    {"This account is disabled.\n", NULL, NULL, ERROR_UNREACHABLE, "account is disabled"},
	    {"", "sh: dd: not found\n", NULL, ERROR_UNREACHABLE, "dd: not found"},
	    {"", NULL, "the link is dead", ERROR_UNREACHABLE, "the link is dead"},
	    {"@shipit hello 2 1\n", NULL, NULL, ERROR_PROTOCOL, NULL},
	    {"@shipit \n", NULL, NULL, ERROR_UNREACHABLE, NULL},
	    {"@shipit bye\n", NULL, NULL, ERROR_UNREACHABLE, NULL},
	    {"@shipit | no timeout\n@shipit error timeout\n", NULL, NULL, ERROR_FAILED,
		"no timeout"},
	    {"@shipit error timeout\n", NULL, NULL, ERROR_FAILED, "timeout"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(try_start(good[i], NULL, NULL, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = {0};

		assert_int_equal(try_start(bad[i].says, bad[i].complains, bad[i].lost, &err), -1);
		assert_contains(error_text(&err), "starting the keeper");
		assert_error(&err, bad[i].kind, bad[i].part);
	}
}

static void an_endless_line_has_an_end(void **state UNUSED)
{
	enum { LEN = 300 * 1024 };
	struct session session = {.len = LEN, .hangs_up = true};
	CLEANUP_FREE char *endless = malloc(LEN);
	struct keeper *keeper = NULL;

	assert_non_null(endless);
	memset(endless, 'x', LEN);
	session.says = endless;
	assert_int_equal(keeper_start(&session, NULL, -1, &keeper, NULL), -1);
	session_hang_up(&session);
}

/* --- commands */

static void engines(void **state UNUSED)
{
	struct talk talk;
	char *path = NULL, *socket = NULL;

	start(&talk, "@shipit engine /usr/bin/docker /var/run/docker.sock\n"
		     "noise\n@shipit engine /usr/bin/podman -\n"
		     "@shipit | permission denied\n@shipit error engine\n@shipit engine /x\n");
	assert_int_equal(keeper_engine(talk.keeper, "docker", false, &socket, &path, NULL), 0);
	assert_string_equal(path, "/usr/bin/docker");
	assert_string_equal(socket, "/var/run/docker.sock");
	free(path);
	free(socket);
	assert_int_equal(keeper_engine(talk.keeper, "podman", true, &socket, &path, NULL), 0);
	assert_string_equal(path, "/usr/bin/podman");
	assert_null(socket);
	free(path);
	assert_int_equal(
	    keeper_engine(talk.keeper, "docker", false, &socket, &path, &talk.err), -1);
	assert_contains(talk.err.hint, "engine:");
	assert_error(&talk.err, ERROR_FAILED, "permission denied");
	assert_int_equal(
	    keeper_engine(talk.keeper, "docker", false, &socket, &path, &talk.err), -1);
	assert_error(&talk.err, ERROR_PROTOCOL, NULL);
	end(&talk);
	assert_string_equal(talk.asked,
	    "engine 0 docker\nengine 1 podman\nengine 0 docker\nengine 0 docker\nend\n");
}

static void locks(void **state UNUSED)
{
	struct talk talk;

	start(&talk, "@shipit locked\n@shipit busy ann@laptop 2026-11-22T17:54:32Z\n"
		     "@shipit busy - -\n@shipit busy\n@shipit | no flock\n@shipit error lock\n");
	assert_int_equal(keeper_lock(talk.keeper, "shop.prod", "me", "now", NULL), 0);
	assert_int_equal(keeper_lock(talk.keeper, "shop.prod", "me", "now", &talk.err), -1);
	assert_non_null(talk.err.hint);
	assert_error(&talk.err, ERROR_LOCKED,
	    "shop.prod is being rolled out by ann@laptop since 2026-11-22T17:54:32Z");
	assert_int_equal(keeper_lock(talk.keeper, "shop.prod", "me", "now", &talk.err), -1);
	assert_error(&talk.err, ERROR_LOCKED, "by somebody");
	assert_int_equal(keeper_lock(talk.keeper, "shop.prod", "me", "now", &talk.err), -1);
	assert_error(&talk.err, ERROR_PROTOCOL, NULL);
	assert_int_equal(keeper_lock(talk.keeper, "shop.prod", "me", "now", &talk.err), -1);
	assert_error(&talk.err, ERROR_FAILED, "no flock");
	assert_int_equal(keeper_lock(talk.keeper, "shop.prod", "me", "now", &talk.err), -1);
	assert_error(&talk.err, ERROR_UNREACHABLE, NULL);
	end(&talk);
}

static void facts(void **state UNUSED)
{
	struct talk talk;
	struct keeper_facts facts;

	start(&talk,
	    "@shipit fact arch x86_64\n@shipit fact free 1000\n@shipit fact clock 1795370072\n"
	    "@shipit fact listen 22\n@shipit fact listen 65535\n@shipit facts\n"
	    "@shipit fact free -\n@shipit facts\n"
	    "@shipit fact\n@shipit fact free\n@shipit fact listen 0\n"
	    "@shipit fact listen 65536\n@shipit fact listen -1\n@shipit fact listen x\n"
	    "@shipit fact free 99999999999999999999\n@shipit fact free -5\n"
	    "@shipit fact clock 99999999999999999999\n@shipit fact of another version\n"
	    "@shipit fact arch a-name-that-is-longer-than-the-room-for-it-is\n@shipit facts\n"
	    "@shipit other\n");
	assert_int_equal(keeper_facts(talk.keeper, "/var/lib", &facts, NULL), 0);
	assert_string_equal(facts.arch, "x86_64");
	assert_int_equal(facts.free_bytes, 1024000);
	assert_int_equal(facts.clock, 1795370072);
	assert_true(keeper_facts_listens(&facts, 22));
	assert_true(keeper_facts_listens(&facts, 65535));
	assert_false(keeper_facts_listens(&facts, 23));
	assert_false(keeper_facts_listens(&facts, 0));
	assert_false(keeper_facts_listens(&facts, 65536));
	assert_false(keeper_facts_listens(&facts, -1));
	assert_int_equal(keeper_facts(talk.keeper, "/", &facts, NULL), 0);
	assert_int_equal(facts.free_bytes, -1);
	assert_false(keeper_facts_listens(&facts, 22));
	assert_int_equal(keeper_facts(talk.keeper, "/", &facts, NULL), 0);
	assert_int_equal(facts.free_bytes, -1);
	assert_int_equal(strlen(facts.arch), sizeof(facts.arch) - 1);
	assert_int_equal(keeper_facts(talk.keeper, "/", &facts, &talk.err), -1);
	assert_error(&talk.err, ERROR_PROTOCOL, "other");
	end(&talk);
}

static void paths(void **state UNUSED)
{
	struct talk talk;

	start(&talk,
	    "@shipit path yes /dev/a\n@shipit path no /dev/b c\n@shipit path unknown /root/x\n");
	assert_int_equal(keeper_path(talk.keeper, "/dev/a", NULL), 1);
	assert_int_equal(keeper_path(talk.keeper, "/dev/b c", NULL), 0);
	assert_int_equal(keeper_path(talk.keeper, "/root/x", &talk.err), -1);
	assert_error(&talk.err, ERROR_FAILED, "/root/x");
	assert_int_equal(keeper_path(talk.keeper, "/a\nend", &talk.err), -1);
	assert_error(&talk.err, ERROR_INVENTORY, "newline");
	end(&talk);
	assert_string_equal(talk.asked, "path /dev/a\npath /dev/b c\npath /root/x\nend\n");
}

/* --- swaps */

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
		    keeper_swap(talk.keeper, &swap, note, said, &talk.err), cases[i].want);
		assert_string_equal(said, cases[i].progress);
		assert_contains(error_text(&talk.err), cases[i].part);
		end(&talk);
		assert_string_equal(talk.asked,
		    "swap shop.prod.web old shop.prod.web.a always 1 new shop.prod.web.b "
		    "on-failure:3 10 3 1 60\nend\n");
	}
}

static void a_first_swap_has_no_old_one(void **state UNUSED)
{
	struct keeper_swap first = swap;
	struct talk talk;

	first.old_id = NULL;
	first.old_runs = false;
	start(&talk, BEGUN "@shipit swap ready\n@shipit swap committed\n");
	assert_int_equal(keeper_swap(talk.keeper, &first, NULL, NULL, NULL), SWAP_READY);
	assert_int_equal(keeper_commit(talk.keeper, NULL), SWAP_COMMITTED);
	end(&talk);
	assert_string_equal(talk.asked,
	    "swap shop.prod.web - - - 0 new shop.prod.web.b on-failure:3 "
	    "10 3 1 60\ncommit\nend\n");
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
		assert_int_equal(keeper_swap(talk.keeper, &swap, NULL, NULL, NULL), SWAP_READY);
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
		assert_int_equal(keeper_swap(talk.keeper, &swap, NULL, NULL, NULL), SWAP_READY);
		assert_int_equal(keeper_watch(talk.keeper, 1000, &talk.err), cases[i].want);
		assert_contains(error_text(&talk.err), cases[i].part);
		end(&talk);
	}
}

/* --- stopping */

static void no_news_is_ready_still(void **state UNUSED)
{
	static const char says[] = HELLO BEGUN "@shipit swap ready\n";
	struct session session = {.says = says, .len = sizeof(says) - 1};
	struct keeper *keeper = NULL;
	int64_t start_ms = clock_now_ms();

	assert_int_equal(keeper_start(&session, NULL, -1, &keeper, NULL), 0);
	assert_int_equal(keeper_swap(keeper, &swap, NULL, NULL, NULL), SWAP_READY);
	assert_int_equal(keeper_watch(keeper, 60, NULL), SWAP_READY);
	assert_in_range(clock_now_ms() - start_ms, 50, 5000);
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
	assert_int_equal(keeper_start(&session, NULL, -1, &keeper, NULL), 0);
	/* The host says nothing more, and ends. */
	shutdown(session.out, SHUT_WR);
	assert_int_equal(keeper_swap(keeper, &stoppable, NULL, NULL, NULL), SWAP_LOST);
	assert_true(read(session.in, asked, sizeof(asked) - 1) > 0);
	assert_contains(asked, "60\nrevert\n");
	assert_null(strstr(strstr(asked, "60\nrevert\n") + 4, "revert\n"));
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
	assert_int_equal(keeper_start(&session, NULL, cancel.fd, &keeper, NULL), 0);
	cancel_fire(&cancel);
	assert_int_equal(keeper_lock(keeper, "shop.prod", "me", "now", &err), -1);
	assert_error(&err, ERROR_CANCELLED, "interrupted");
	assert_int_equal(keeper_swap(keeper, &swap, NULL, NULL, &err), SWAP_LOST);
	assert_error(&err, ERROR_CANCELLED, NULL);
	session_hang_up(&session);
	keeper_end(keeper);
	cancel_release(&cancel);
	keeper_end(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hello_is_found_in_any_noise),
	    cmocka_unit_test(an_endless_line_has_an_end),
	    cmocka_unit_test(engines),
	    cmocka_unit_test(locks),
	    cmocka_unit_test(facts),
	    cmocka_unit_test(paths),
	    cmocka_unit_test(swaps),
	    cmocka_unit_test(a_first_swap_has_no_old_one),
	    cmocka_unit_test(verdicts),
	    cmocka_unit_test(watching),
	    cmocka_unit_test(no_news_is_ready_still),
	    cmocka_unit_test(stop_asks_for_a_revert_once),
	    cmocka_unit_test(cancel_ends_every_wait),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
