/* Ledgers for tests, written as short lines: "SEQ KIND RESULT SERVICE RELEASE PREVIOUS ROLLOUT",
 * and
 * "+ROLLOUT" for what it continues, "-ROLLOUT" for what it undoes. */
#ifndef SHIPIT_TESTS_UNIT_DEPLOY_LEDGER_H
#define SHIPIT_TESTS_UNIT_DEPLOY_LEDGER_H

#include "base/strv.h"
#include "deploy/ledger_json.h"
#include "tests/unit/deploy_check.h"
#include "transport/tar.h"

/* "20261122-175432-000000a": what the letter a is short for. */
static inline const char *release_named(const char *letter)
{
	static char names[26][24];

	assert_true(letter[0] >= 'a' && letter[0] <= 'z' && letter[1] == '\0');
	snprintf(names[letter[0] - 'a'], sizeof(names[0]), "20261122-175432-00000%02x",
	    (unsigned int)(letter[0] - 'a' + 10));
	return names[letter[0] - 'a'];
}

static inline json_t *ledger_line_json(const char *line)
{
	CLEANUP_STRV struct strv words = {0};
	CLEANUP_FREE char *image = NULL;
	json_t *json;

	assert_int_equal(strv_split(&words, line, " "), 0);
	assert_in_range(words.n, 7, 9);
	image = string_printf("sha256:%s", words.v[4]);
	json = json_pack("{s:i,s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:{s:s}}", "v", 1, "seq",
	    (json_int_t)atoll(words.v[0]), "kind", words.v[1], "result", words.v[2], "service",
	    words.v[3], "release", release_named(words.v[4]), "rollout", words.v[6], "image", image,
	    "config", "1:abc", "by", "ann", "from", "laptop", "at", "2026-11-22T17:54:32Z",
	    "options", "user", words.v[4]);
	assert_non_null(json);
	if (strcmp(words.v[5], "-") != 0)
		json_object_set_new(json, "previous", json_string(release_named(words.v[5])));
	for (size_t i = 7; i < words.n; i++)
		json_object_set_new(json, words.v[i][0] == '+' ? "continues" : "undoes",
		    json_string(words.v[i] + 1));
	return json;
}

/* `lines` ends with NULL. */
static inline struct ledger ledger_of(const char *const *lines)
{
	struct ledger ledger = {.newest_version = 1};

	for (; *lines != NULL; lines++) {
		CLEANUP_JSON json_t *json = ledger_line_json(*lines);
		struct ledger_entry entry;

		assert_int_equal(ledger_entry_parse(json, &entry, NULL), 0);
		assert_int_equal(ledger_insert(&ledger, &entry), 0);
	}
	return ledger;
}

/* What lies in the folder. */
struct ledger_file {
	const char *name, *text;
};

static inline struct ledger ledger_parsed(const struct ledger_file *files, size_t n)
{
	struct tar_entry entries[20];
	struct buf tar = BUF_INIT(1 << 20);
	struct error err = {0};
	struct ledger ledger;

	assert_true(n <= ARRAY_SIZE(entries));
	for (size_t i = 0; i < n; i++)
		entries[i] = (struct tar_entry){
		    .name = files[i].name, .data = files[i].text, .len = strlen(files[i].text)};
	assert_int_equal(tar_make(entries, n, &tar, NULL), 0);
	if (ledger_parse_tar(tar.data, tar.len, &ledger, &err) < 0)
		fail_msg("%s", error_text(&err));
	buf_release(&tar);
	return ledger;
}

#endif
