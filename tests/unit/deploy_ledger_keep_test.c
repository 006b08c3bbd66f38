/* Which lines of a ledger stay, and what is in the files that they give to others. */
#include "tests/unit/deploy_ledger.h"

enum { HISTORY = 2000, RARE = 700, KEPT = 3 };

/* As a host does it: pending, then an outcome; `files` is what lies there. */
static void write_line(
    struct ledger *ledger, int64_t files[], const char *service, int release, const char *result)
{
	int64_t seq = ledger_next_seq(ledger);

	for (int outcome = 0; outcome < 2; outcome++) {
		char name[24];
		CLEANUP_JSON json_t *json = NULL;
		struct ledger_entry entry;
		int64_t file = ledger_file_for(ledger, seq);

		snprintf(name, sizeof(name), "r%d", release);
		json = json_pack("{s:I,s:s,s:s,s:s,s:s}", "seq", (json_int_t)seq, "kind", "deploy",
		    "result", outcome ? result : "pending", "service", service, "release", name);
		assert_int_equal(ledger_entry_parse(json, &entry, NULL), 0);
		assert_in_range(file, 1, HISTORY);
		entry.file = file;
		if (file > ledger->last_file)
			ledger->last_file = file;
		assert_int_equal(ledger_insert(ledger, &entry), 0);
		/* Only what is on its way shares a file, with its own pending line. */
		assert_true(outcome == 0 || files[file] != seq);
		if (outcome)
			files[file] = seq;
	}
}

static void old_lines_make_room_and_needed_ones_stay(void **state UNUSED)
{
	struct ledger ledger = {.keep = KEPT};
	int64_t files[HISTORY + 1] = {0};

	/* A service that is deployed once, one that is taken down, and one that is deployed often,
	 * not always well and not always anew. */
	write_line(&ledger, files, "rare", 1, "committed");
	for (int i = 0; i < HISTORY; i++) {
		if (i == RARE)
			write_line(&ledger, files, "rare", 2, "committed");
		write_line(&ledger, files, "web", i / 2, i % 3 == 0 ? "reverted" : "committed");
		assert_true(ledger.n <= LEDGER_LINES);
		assert_true(ledger.last_file <= LEDGER_LINES);
	}
	assert_int_equal(ledger.n, LEDGER_LINES);
	assert_string_equal(ledger_current(&ledger, "rare")->release, "r2");
	assert_non_null(ledger_release_entry(&ledger, "rare", "r1"));
	for (int i = 0; i < KEPT; i++) {
		char name[16];

		snprintf(name, sizeof(name), "r%d", HISTORY / 2 - 1 - i);
		assert_non_null(ledger_release_entry(&ledger, "web", name));
	}
	/* What lies in the files is what is remembered. */
	for (size_t i = 0; i < ledger.n; i++)
		assert_int_equal(files[ledger.v[i].file], ledger.v[i].seq);
	ledger_release(&ledger);
}

/* Large lines are fewer. */
static void bytes_are_bounded_too(void **state UNUSED)
{
	struct ledger ledger = {.keep = KEPT, .bytes = LEDGER_BYTES};
	int64_t files[HISTORY + 1] = {0};

	for (int i = 0; i < 20; i++)
		write_line(&ledger, files, "web", i, "committed");
	assert_true(ledger.n <= KEPT + 1);
	assert_true(ledger.last_file <= KEPT + 1);
	ledger_release(&ledger);
}

/* --- the folder */

/* What lies in the folder, as an engine unpacks it: files are replaced. */
struct folder {
	struct {
		char name[32];
		char *text;
	} files[8];
	size_t n;
};

static int unpack(void *context, const struct tar_member *member, struct error *err UNUSED)
{
	struct folder *folder = context;
	size_t i = 0;

	while (i < folder->n && strcmp(folder->files[i].name, member->name) != 0)
		i++;
	if (i == folder->n) {
		assert_true(++folder->n <= ARRAY_SIZE(folder->files));
		snprintf(folder->files[i].name, sizeof(folder->files[i].name), "%s", member->name);
	}
	free(folder->files[i].text);
	folder->files[i].text = strndup(member->data, member->len);
	return 0;
}

static void put(struct folder *folder, int64_t seq, int64_t file, const char *result, bool taken)
{
	struct buf tar = BUF_INIT(1 << 20);
	struct ledger_entry entry;
	CLEANUP_JSON json_t *json = json_pack("{s:I,s:s,s:s,s:s,s:s}", "seq", (json_int_t)seq,
	    "kind", "deploy", "result", result, "service", "web", "release", "r");
	size_t bytes;

	assert_int_equal(ledger_entry_parse(json, &entry, NULL), 0);
	entry.file = file;
	assert_int_equal(ledger_make_tar(&entry, taken, &tar, &bytes, NULL), 0);
	assert_int_equal(tar_walk(tar.data, tar.len, 1 << 20, unpack, folder, NULL), 0);
	ledger_entry_release(&entry);
	buf_release(&tar);
}

static struct ledger read_folder(const struct folder *folder)
{
	struct ledger_file files[8];
	char names[8][48];

	for (size_t i = 0; i < folder->n; i++) {
		snprintf(names[i], sizeof(names[i]), "ledger/%s", folder->files[i].name);
		files[i] = (struct ledger_file){names[i], folder->files[i].text};
	}
	return ledger_parsed(files, folder->n);
}

static void what_was_begun_in_a_taken_file_is_over(void **state UNUSED)
{
	struct folder folder = {0};
	struct ledger ledger;

	put(&folder, 3, 3, "pending", false);
	put(&folder, 3, 3, "committed", false);
	put(&folder, 300, 3, "committed", true); /* without a pending line of its own */
	ledger = read_folder(&folder);
	assert_int_equal(ledger.n, 1);
	assert_int_equal(ledger.v[0].seq, 300);
	ledger_release(&ledger);
	put(&folder, 301, 3, "pending", true); /* now with one: both count until the end is known */
	ledger = read_folder(&folder);
	assert_int_equal(ledger.n, 2);
	assert_int_equal(ledger.v[1].result, LEDGER_PENDING);
	ledger_release(&ledger);
	put(&folder, 301, 3, "reverted", false);
	ledger = read_folder(&folder);
	assert_int_equal(ledger.n, 1);
	assert_int_equal(ledger.v[0].result, LEDGER_REVERTED);
	ledger_release(&ledger);
	for (size_t i = 0; i < folder.n; i++)
		free(folder.files[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(old_lines_make_room_and_needed_ones_stay),
	    cmocka_unit_test(bytes_are_bounded_too),
	    cmocka_unit_test(what_was_begun_in_a_taken_file_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
