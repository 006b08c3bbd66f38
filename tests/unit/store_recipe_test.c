/* The recipe stays what it is: a store that was filled by an older shipit finds its chunks again.
 * Who changes this file on purpose gives the recipe a new number (pack.h). */
#include "tests/unit/store_place.h"

#include "transport/registry/cut.h"
#include "transport/registry/pack.h"

enum { LEN = 1000000 };

static void the_recipe_has_not_changed(void **state UNUSED)
{
	static const char *const rows[] = {"0 33385 b86f21a9bdadb162",
	    "20287 12386 bd04823907360a89", "29046 37046 0df63ebec15bf8bf",
	    "48963 33713 a7b1064849d29916", "68962 33197 4c0be2ef8af58e1f",
	    "89053 34007 122df2b08bbb2e54", "106906 41577 ee61c510937e583c",
	    "130618 15348 cd34339a51cc180d", "140069 48487 d51d2ac98ababc61",
	    "169047 34260 3ff95c1161487a20", "188260 20480 92e41c4287cf64a5",
	    "200442 43396 2534c716459e68d8", "225538 33303 d6584753cc87d4ab",
	    "246186 24517 5b91b952203e2dc5", "259809 35667 76e1ce79077ac942",
	    "281465 41420 42a6cf7945850a6d", "305509 39749 9ef1d3956715acb8",
	    "328908 41901 3b4ea3ac6cfde3b2", "353303 20154 2ca49031cbb16e0b",
	    "365284 10637 04a786374fdcae69", "369866 33207 611c15e6a2664a69",
	    "390415 33507 b3b897c300278084", "411305 50164 945d00122e5333a0",
	    "439133 42534 58eedc6a4042575e", "463451 35919 2a0cab580786b8e0",
	    "485397 58013 38283aac425f418d", "519291 37041 a71122527bf70f86",
	    "540798 41750 ac38959d1cecd903", "566009 33235 5e79a79b84bb5d8b"};
	struct place place;
	struct blob_info info;
	sqlite3_stmt *statement = NULL;
	sqlite3 *db = NULL;
	char row[128];
	size_t n = 0;

	place_make(&place);
	place_open(&place);
	info = put_content(&place, BLOB_LAYER, 20221126, LEN);
	assert_int_equal(sqlite3_open(place.path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_prepare_v2(db,
		"SELECT start, size, lower(substr(hex(hash), 1, 16)), recipe FROM pieces p"
		" JOIN chunks c ON c.id = p.chunk ORDER BY start",
		-1, &statement, NULL),
	    SQLITE_OK);
	while (sqlite3_step(statement) == SQLITE_ROW) {
		snprintf(row, sizeof(row), "%lld %lld %s", sqlite3_column_int64(statement, 0),
		    sqlite3_column_int64(statement, 1), sqlite3_column_text(statement, 2));
		assert_int_equal(sqlite3_column_int(statement, 3), RECIPE_NOW);
		if (n < ARRAY_SIZE(rows))
			assert_string_equal(row, rows[n]);
		n++;
	}
	assert_int_equal(n, ARRAY_SIZE(rows));
	sqlite3_finalize(statement);
	sqlite3_close(db);
	assert_string_equal(info.diff_id,
	    "sha256:9a579b1df9463f84e793e64e3a1e9a5a185722e47197c506079e1a477984fd35");
	/* libdeflate does not promise that its output stays the same: when only this one differs,
	 * it is another version of it, and nothing is wrong. */
	assert_string_equal(
	    info.digest, "sha256:99753e286e7a1d41a96826813571fc412d1cf1ce24c323c6c9fa63ff29639465");
	place_remove(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_recipe_has_not_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
