/* The ledger: an entry as its line and back, and a folder of them in any state. */
#include "deploy/ledger.h"
#include "tests/unit/deploy_ledger.h"
#include "transport/tar.h"

static const char documented[] =
    "{\"at\":\"2026-11-22T17:54:32Z\",\"by\":\"ann\",\"config\":\"1:abc\",\"from\":\"laptop\","
    "\"image\":\"sha256:9f3c\",\"kind\":\"deploy\",\"options\":{\"user\":\"1000\"},"
    "\"previous\":\"20261120-091201-77aa001\",\"release\":\"20261122-175432-9f3c2a1\","
    "\"result\":\"committed\",\"rollout\":\"20261122-175432-r04be2c\",\"seq\":42,"
    "\"service\":\"web\",\"source\":\"4f9e2d1\",\"v\":1}";

static void lines_go_round(void **state UNUSED)
{
	static const char *const lines[] = {
	    documented,
	    "{\"at\":\"\",\"by\":\"\",\"config\":\"\",\"content\":\"1:ab\",\"error\":\"exited "
	    "1\",\"found\":true,"
	    "\"from\":\"\",\"image\":\"\",\"kind\":\"rollback\",\"release\":\"r\","
	    "\"result\":\"reverted\",\"rollout\":\"\",\"seq\":999999999999,\"service\":\"web\","
	    "\"v\":1}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		CLEANUP_JSON json_t *json = json_of(lines[i]);
		struct ledger_entry entry, copy;
		json_t *again;
		char *text;

		assert_int_equal(ledger_entry_parse(json, &entry, NULL), 0);
		assert_int_equal(ledger_entry_copy(&copy, &entry), 0);
		again = ledger_entry_json(&copy);
		text = json_canonical(again);
		assert_string_equal(text, lines[i]);
		free(text);
		json_decref(again);
		ledger_entry_release(&entry);
		ledger_entry_release(&copy);
	}
}

static void members_are_read(void **state UNUSED)
{
	CLEANUP_JSON json_t *json = json_of(documented);
	struct ledger_entry entry;

	assert_int_equal(ledger_entry_parse(json, &entry, NULL), 0);
	assert_int_equal(entry.seq, 42);
	assert_int_equal(entry.kind, LEDGER_DEPLOY);
	assert_int_equal(entry.result, LEDGER_COMMITTED);
	assert_string_equal(entry.previous, "20261120-091201-77aa001");
	assert_string_equal(entry.source, "4f9e2d1");
	assert_null(entry.error);
	assert_false(entry.found);
	assert_string_equal(json_str(entry.options, "user", ""), "1000");
	ledger_entry_release(&entry);
	assert_null(entry.service);
	ledger_entry_release(&entry);
	assert_string_equal(
	    ledger_entry_word(&(struct ledger_entry){.kind = LEDGER_ROLLBACK}), "rollback");
	assert_string_equal(
	    ledger_entry_word(&(struct ledger_entry){.content = (char[]){"1:a"}}), "refresh");
	assert_string_equal(ledger_result_name(LEDGER_FAILED), "failed");
}

/* "deploy committed web C": kind, result, service, content ("-": none); a "!": it was found so. */
static struct ledger ledger_from(const char *const *lines)
{
	static char release[] = "r";
	struct ledger ledger = {0};

	for (; *lines != NULL; lines++) {
		char kind[16], result[16], service[16], content[16], found[4] = "";
		CLEANUP_JSON json_t *json = NULL;
		struct ledger_entry *v = reallocarray(ledger.v, ledger.n + 1, sizeof(*v));

		assert_non_null(v);
		ledger.v = v;
		assert_true(sscanf(*lines, "%15s %15s %15s %15s %3s", kind, result, service,
				content, found) >= 4);
		json = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s*, s:b}", "seq", (int)ledger.n + 1,
		    "kind", kind, "result", result, "service", service, "release", release,
		    "content", strcmp(content, "-") == 0 ? NULL : content, "found", *found != '\0');
		assert_int_equal(ledger_entry_parse(json, &v[ledger.n], NULL), 0);
		ledger.n++;
	}
	return ledger;
}

static void what_was_taken_back_is_known(void **state UNUSED)
{
	static const struct {
		const char *lines[6], *expected;
	} cases[] = {
	    {{NULL}, ""},
	    {{"deploy committed web A"}, ""},
	    {{"deploy reverted web A"}, "A "},
	    {{"deploy failed web A"}, "A "},
	    {{"deploy pending web A"}, ""},
	    {{"deploy reverted web A !"}, ""}, /* the laptop went to sleep */
	    {{"deploy reverted api A"}, ""},
	    {{"deploy reverted web -"}, ""},
	    {{"deploy reverted web A", "deploy reverted web B"}, "B A "},
	    {{"deploy reverted web A", "deploy committed web A"}, ""},
	    /* by hand, or because another host failed */
	    {{"deploy committed web A", "rollback committed web -"}, "A "},
	    {{"deploy committed web A", "rollback reverted web -"}, ""},
	    {{"deploy committed web A", "rollback committed api -"}, ""},
	    {{"deploy committed web A", "deploy committed web -", "rollback committed web A"}, ""},
	    {{"deploy committed web A", "deploy committed web B", "rollback committed web A"},
		"B "},
	    {{"deploy committed web A", "rollback committed web -", "rollback committed web A"},
		""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ledger ledger = ledger_from(cases[i].lines);
		CLEANUP_STRV struct strv taken = {0};
		char out[64] = "";

		assert_int_equal(ledger_taken_back(&ledger, "web", &taken, NULL), 0);
		for (size_t k = 0; k < taken.n; k++)
			snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s ", taken.v[k]);
		assert_string_equal(out, cases[i].expected);
		ledger_release(&ledger);
	}
}

static void what_is_no_entry_is_refused(void **state UNUSED)
{
	static const struct {
		const char *member, *value; /* NULL: taken away */
	} changes[] = {{"seq", NULL}, {"seq", "0"}, {"seq", "-1"}, {"seq", "\"42\""},
	    {"seq", "4.2"}, {"seq", "1000000000000"}, {"seq", "9223372036854775807"},
	    {"kind", NULL}, {"kind", "\"restart\""}, {"kind", "0"}, {"result", NULL},
	    {"result", "\"done\""}, {"service", NULL}, {"service", "\"\""}, {"service", "[]"},
	    {"release", NULL}, {"release", "\"\""}, {"release", "null"}};

	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		CLEANUP_JSON json_t *json = json_of(documented);
		struct error err = {0};
		struct ledger_entry entry;

		if (changes[i].value == NULL)
			json_object_del(json, changes[i].member);
		else
			json_object_set_new(json, changes[i].member, json_of(changes[i].value));
		assert_int_equal(ledger_entry_parse(json, &entry, &err), -1);
		assert_error(&err, ERROR_PROTOCOL, NULL);
	}
	assert_int_equal(ledger_entry_parse(NULL, &(struct ledger_entry){0}, NULL), -1);
}

/* Members of another type are as if they were missing; options that are no object are none. */
static void odd_members_are_left_out(void **state UNUSED)
{
	CLEANUP_JSON json_t *json = json_of(
	    "{\"v\":1,\"seq\":1,\"kind\":\"deploy\",\"result\":\"failed\",\"service\":\"web\","
	    "\"release\":\"r\",\"previous\":7,\"image\":[],\"by\":null,\"found\":\"yes\","
	    "\"options\":[1],\"error\":{},\"more\":1}");
	struct ledger_entry entry;

	assert_int_equal(ledger_entry_parse(json, &entry, NULL), 0);
	assert_null(entry.previous);
	assert_null(entry.error);
	assert_null(entry.options);
	assert_string_equal(entry.image, "");
	assert_string_equal(entry.by, "");
	assert_false(entry.found);
	ledger_entry_release(&entry);
}

/* The last words of a container may be anything: its end is to be written down all the same. */
static void text_that_is_no_utf8_is_cleaned(void **state UNUSED)
{
	struct ledger_entry entry = {.seq = 1,
	    .service = (char[]){"web"},
	    .release = (char[]){"r"},
	    .by = (char[]){"J\xfcrgen"},
	    .error = (char[]){"exited 1: \xff\x1b[31m"}};
	CLEANUP_JSON json_t *json = ledger_entry_json(&entry);
	struct ledger_entry copy;

	assert_string_equal(json_str(json, "error", NULL), "exited 1: \\xff\\x1b[31m");
	assert_string_equal(json_str(json, "by", NULL), "J\\xfcrgen");
	assert_int_equal(ledger_entry_copy(&copy, &entry), 0);
	ledger_entry_release(&copy);
}

/* --- a folder */

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

#define LINE(seq, result)                                                                          \
	"{\"v\":1,\"seq\":" #seq ",\"kind\":\"deploy\",\"result\":\"" result                       \
	"\",\"service\":\"web\",\"release\":\"r" #seq "\"}\n"

static void files_become_entries_in_order(void **state UNUSED)
{
	static const struct ledger_file files[] = {
	    {"ledger/", ""},
	    {"ledger/000010.json", LINE(10, "committed")},
	    {"ledger/000002.pending", LINE(2, "pending")},
	    {"ledger/000002.json", LINE(2, "reverted")},
	    {"ledger/1000000.json", LINE(1000000, "committed")},
	    {"ledger/000001.json", LINE(1, "failed")},
	    {"ledger/000001.pending", LINE(1, "pending")},
	    {"./ledger/000003.json", LINE(3, "committed")},
	    {"000004.json", LINE(4, "committed")},
	    {"ledger/000011.pending", LINE(11, "pending")},
	};
	static const int64_t seqs[] = {1, 2, 3, 4, 10, 11, 1000000};
	struct ledger ledger = ledger_parsed(files, ARRAY_SIZE(files));

	assert_int_equal(ledger.n, ARRAY_SIZE(seqs));
	for (size_t i = 0; i < ledger.n; i++)
		assert_int_equal(ledger.v[i].seq, seqs[i]);
	assert_int_equal(ledger.v[0].result, LEDGER_FAILED); /* an outcome, whatever comes first */
	assert_int_equal(ledger.v[1].result, LEDGER_REVERTED);
	assert_int_equal(ledger.v[5].result, LEDGER_PENDING);
	assert_int_equal(ledger_next_seq(&ledger), 1000001);
	assert_int_equal(ledger.newest_version, 1);
	ledger_release(&ledger);
}

static void torn_and_foreign_files_do_not_count(void **state UNUSED)
{
	static const char whole[] = LINE(5, "committed");
	static const struct ledger_file files[] = {
	    {"ledger/000001.json", "{\"v\":1,\"seq\":1,\"kind\":\"dep"},
	    {"ledger/000001.pending", LINE(1, "pending")}, {"ledger/000002.json", ""},
	    {"ledger/000006.json", LINE(6, "pending")},	     /* no outcome */
	    {"ledger/000007.pending", LINE(7, "committed")}, /* an outcome */
	    {"ledger/000008.json", LINE(8, "committed") LINE(8, "committed")},
	    {"ledger/9.json", LINE(9, "committed")}, {"ledger/0000010.json", LINE(10, "committed")},
	    {"ledger/old/000011.json", LINE(11, "committed")},
	    {"ledger/000012.json.bak", LINE(12, "committed")},
	    {"ledger/.000013.json", LINE(13, "committed")},
	    {"ledger/99999999999999999999.json", LINE(1, "committed")},
	    {"ledger/ 000014.json", LINE(14, "committed")},
	    {"ledger/-00015.json", LINE(15, "committed")}, {"ledger/key", "no key\n"},
	    {"ledger/old/key", KEY "\n"}, {"ledger/key", KEY}, /* torn */
	};
	char torn[sizeof(whole)];
	struct ledger ledger = ledger_parsed(files, ARRAY_SIZE(files));

	assert_int_equal(ledger.n, 1); /* of all these, the swap whose outcome is torn */
	assert_int_equal(ledger.v[0].result, LEDGER_PENDING);
	assert_int_equal(ledger.v[0].seq, 1);
	assert_string_equal(ledger.key, "");
	ledger_release(&ledger);
	/* At whatever byte a line is cut: it counts when it is whole, and not before. */
	for (size_t len = 0; len < sizeof(whole); len++) {
		const struct ledger_file cut = {"ledger/000005.json", torn};

		memcpy(torn, whole, len);
		torn[len] = '\0';
		ledger = ledger_parsed(&cut, 1);
		assert_int_equal(ledger.n, len == sizeof(whole) - 1);
		ledger_release(&ledger);
	}
}

/* What makes room for it is forgotten; the old line counts until the new one's outcome is there. */
static void a_line_may_lie_in_the_file_of_an_old_one(void **state UNUSED)
{
	static const struct ledger_file files[] = {
	    {"ledger/000001.json", LINE(300, "committed")},
	    {"ledger/000001.pending", LINE(300, "pending")},
	    {"ledger/000002.json", LINE(2, "committed")},
	    {"ledger/000002.pending", LINE(301, "pending")},
	    {"ledger/000009.json", "torn"},
	};
	struct ledger ledger = ledger_parsed(files, ARRAY_SIZE(files));

	assert_int_equal(ledger.n, 3);
	assert_int_equal(ledger.v[0].seq, 2);
	assert_int_equal(ledger.v[1].seq, 300);
	assert_int_equal(ledger.v[1].result, LEDGER_COMMITTED);
	assert_int_equal(ledger.v[2].result, LEDGER_PENDING);
	assert_int_equal(ledger.v[2].file, 2);
	assert_int_equal(ledger.last_file, 9);
	assert_int_equal(ledger_next_seq(&ledger), 302);
	assert_int_equal(ledger_file_for(&ledger, 301), 2);
	assert_int_equal(ledger_file_for(&ledger, 302), 10);
	ledger_release(&ledger);
}

static void the_key_lies_beside_them(void **state UNUSED)
{
	static const struct ledger_file files[] = {
	    {"ledger/000001.json", LINE(1, "committed")}, {"ledger/key", KEY "\n"}};
	struct ledger ledger = ledger_parsed(files, ARRAY_SIZE(files));

	assert_string_equal(ledger.key, KEY);
	assert_int_equal(ledger.n, 1);
	ledger_release(&ledger);
}

static void newer_versions_are_noticed(void **state UNUSED)
{
	static const struct ledger_file files[] = {
	    {"ledger/000001.json", LINE(1, "committed")},
	    {"ledger/000002.json",
		"{\"v\":3,\"seq\":2,\"kind\":\"deploy\",\"result\":\"committed\","
		"\"service\":\"web\",\"release\":\"r2\",\"new\":{}}\n"},
	    {"ledger/000003.json", "{\"v\":4,\"seq\":3,\"kind\":\"of another kind\"}\n"},
	    {"ledger/foreign", "{\"v\":99}\n"},
	};
	static const struct ledger_file huge = {
	    "ledger/000001.json", "{\"v\":4294967297,\"seq\":1,\"kind\":\"x\"}\n"};
	struct ledger ledger = ledger_parsed(files, ARRAY_SIZE(files));

	assert_int_equal(ledger.n, 2); /* what of it is understood */
	assert_string_equal(ledger_current(&ledger, "web")->release, "r2");
	assert_int_equal(ledger.newest_version, 4);
	ledger_release(&ledger);
	ledger = ledger_parsed(&huge, 1);
	assert_true(ledger.newest_version > LEDGER_VERSION);
	ledger_release(&ledger);
}

/* An older shipit reads what it can, and leaves the writing to the newer one. */
static void a_newer_ledger_is_not_written_to(void **state UNUSED)
{
	struct ledger ledger = {.newest_version = LEDGER_VERSION + 1};
	const struct ledger_entry entry = {.seq = 1};
	struct error err = {0};

	assert_int_equal(ledger_write(NULL, "shop.prod", &ledger, &entry, &err), -1);
	assert_error(&err, ERROR_FAILED, "shop.prod.shipit was written by a newer shipit");
	assert_int_equal(ledger.n, 0);
}

static void what_is_no_archive_is_an_error(void **state UNUSED)
{
	struct error err = {0};
	struct ledger ledger;
	char junk[2000];

	memset(junk, 'x', sizeof(junk));
	assert_int_equal(ledger_parse_tar(junk, sizeof(junk), &ledger, &err), -1);
	assert_error(&err, ERROR_PROTOCOL, "the ledger: ");
	assert_int_equal(ledger_parse_tar("", 0, &ledger, NULL), 0);
	assert_int_equal(ledger.n, 0);
	assert_int_equal(ledger_next_seq(&ledger), 1);
	ledger_release(&ledger);
}

static void the_last_committed_one_is_current(void **state UNUSED)
{
	struct ledger ledger = ledger_of((const char *const[]){"1 deploy committed web a - r1",
	    "2 deploy committed api b - r1", "3 deploy committed web c a r2",
	    "4 deploy reverted web d c r3", "5 rollback committed web a c r4",
	    "6 deploy failed web e a r5", "7 deploy pending api f b r6", NULL});

	assert_int_equal(ledger_current(&ledger, "web")->seq, 5);
	assert_int_equal(ledger_current(&ledger, "api")->seq, 2);
	assert_null(ledger_current(&ledger, "db"));
	assert_int_equal(ledger_release_entry(&ledger, "web", release_named("a"))->seq, 5);
	assert_int_equal(ledger_release_entry(&ledger, "web", release_named("c"))->seq, 3);
	assert_null(ledger_release_entry(&ledger, "web", release_named("d")));
	assert_null(ledger_release_entry(&ledger, "web", release_named("b")));
	assert_null(ledger_pending(&ledger, "web"));
	assert_int_equal(ledger_pending(&ledger, "api")->seq, 7);
	ledger_release(&ledger);
	ledger_release(&ledger);
}

/* Entries in any order give the same ledger. */
static void insertion_order_does_not_matter(void **state UNUSED)
{
	uint64_t random = 5;

	for (int round = 0; round < 200; round++) {
		struct ledger ledger = {0};
		int order[12];

		for (int i = 0; i < 12; i++) {
			size_t j = check_below(&random, (size_t)i + 1);

			order[i] = order[j];
			order[j] = i;
		}
		for (int i = 0; i < 12; i++) { /* six numbers, each pending and committed */
			char line[64];
			CLEANUP_JSON json_t *json = NULL;
			struct ledger_entry entry;

			snprintf(line, sizeof(line), "%d deploy %s web a - r", order[i] / 2 + 1,
			    order[i] % 2 == 0 ? "pending" : "committed");
			json = ledger_line_json(line);
			assert_int_equal(ledger_entry_parse(json, &entry, NULL), 0);
			assert_int_equal(ledger_insert(&ledger, &entry), 0);
		}
		assert_int_equal(ledger.n, 6);
		for (size_t i = 0; i < 6; i++) {
			assert_int_equal(ledger.v[i].seq, i + 1);
			assert_int_equal(ledger.v[i].result, LEDGER_COMMITTED);
		}
		ledger_release(&ledger);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_line_may_lie_in_the_file_of_an_old_one),
	    cmocka_unit_test(lines_go_round),
	    cmocka_unit_test(members_are_read),
	    cmocka_unit_test(what_was_taken_back_is_known),
	    cmocka_unit_test(what_is_no_entry_is_refused),
	    cmocka_unit_test(odd_members_are_left_out),
	    cmocka_unit_test(text_that_is_no_utf8_is_cleaned),
	    cmocka_unit_test(files_become_entries_in_order),
	    cmocka_unit_test(torn_and_foreign_files_do_not_count),
	    cmocka_unit_test(the_key_lies_beside_them),
	    cmocka_unit_test(newer_versions_are_noticed),
	    cmocka_unit_test(a_newer_ledger_is_not_written_to),
	    cmocka_unit_test(what_is_no_archive_is_an_error),
	    cmocka_unit_test(the_last_committed_one_is_current),
	    cmocka_unit_test(insertion_order_does_not_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
