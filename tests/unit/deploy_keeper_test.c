/* The laptop's end of the keeper, against a host that says what it likes: the start, and commands.
 */
#include <signal.h>

#include "tests/unit/deploy_talk.h"

static int try_start(const char *says, const char *complains, const char *lost, struct error *err)
{
	struct session session = {.says = says,
	    .len = strlen(says),
	    .complains = complains,
	    .hangs_up = true,
	    .lost = lost};
	struct keeper *keeper = NULL;
	int rc = keeper_start(&session, NULL, -1, NULL, &keeper, err);

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
	assert_int_equal(keeper_start(&session, NULL, -1, NULL, &keeper, NULL), -1);
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

static int ask_facts(
    struct keeper *keeper, const char *dir, struct keeper_facts *facts, struct error *err)
{
	return keeper_facts_ask(keeper, dir, err) < 0 ? -1 : keeper_facts(keeper, facts, err);
}

static void facts(void **state UNUSED)
{
	struct talk talk;
	struct keeper_facts facts;

	start(&talk, "@shipit fact free 1000\n@shipit fact clock 1795370072\n"
		     "@shipit fact listen 22\n@shipit fact listen 65535\n@shipit facts\n"
		     "@shipit fact free -\n@shipit facts\n"
		     "@shipit fact\n@shipit fact free\n@shipit fact listen 0\n"
		     "@shipit fact listen 65536\n@shipit fact listen -1\n@shipit fact listen x\n"
		     "@shipit fact free 99999999999999999999\n@shipit fact free -5\n"
		     "@shipit fact clock 99999999999999999999\n@shipit fact of another version\n"
		     "@shipit facts\n"
		     "@shipit other\n");
	assert_int_equal(ask_facts(talk.keeper, "/var/lib", &facts, NULL), 0);
	assert_int_equal(facts.free_bytes, 1024000);
	assert_int_equal(facts.clock, 1795370072);
	assert_true(keeper_facts_listens(&facts, 22));
	assert_true(keeper_facts_listens(&facts, 65535));
	assert_false(keeper_facts_listens(&facts, 23));
	assert_false(keeper_facts_listens(&facts, 0));
	assert_false(keeper_facts_listens(&facts, 65536));
	assert_false(keeper_facts_listens(&facts, -1));
	assert_int_equal(ask_facts(talk.keeper, "/", &facts, NULL), 0);
	assert_int_equal(facts.free_bytes, -1);
	assert_false(keeper_facts_listens(&facts, 22));
	assert_int_equal(ask_facts(talk.keeper, "/", &facts, NULL), 0);
	assert_int_equal(facts.free_bytes, -1);
	assert_int_equal(ask_facts(talk.keeper, "/", &facts, &talk.err), -1);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hello_is_found_in_any_noise),
	    cmocka_unit_test(an_endless_line_has_an_end),
	    cmocka_unit_test(engines),
	    cmocka_unit_test(locks),
	    cmocka_unit_test(facts),
	    cmocka_unit_test(paths),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
