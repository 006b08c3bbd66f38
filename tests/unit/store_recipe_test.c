/* The recipe stays what it is: a store that was filled by an older shipit finds its chunks again.
 * Who changes this file on purpose gives the recipe a new number (pack.h). */
#include "tests/unit/store_place.h"

#include "transport/registry/cut.h"
#include "transport/registry/pack.h"

enum { LEN = 1000000 };

static void the_recipe_has_not_changed(void **state UNUSED)
{
	static const char *const rows[] = {"GOLDEN"};
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
	assert_string_equal(info.diff_id, "DIFF");
	assert_string_equal(info.digest, "BLOB");
	place_remove(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_recipe_has_not_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
