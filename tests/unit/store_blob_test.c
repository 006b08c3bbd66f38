/* Blobs go in and come out. */
#include "tests/unit/store_place.h"

#include <zlib.h>

#include "transport/registry/cut.h"

static struct place place;

static int setup(void **state UNUSED)
{
	place_make(&place);
	place_open(&place);
	return 0;
}

static int teardown(void **state UNUSED)
{
	place_remove(&place);
	return 0;
}

static void assert_digest(const void *data, size_t len, const char *digest)
{
	char text[DIGEST_TEXT_SIZE];

	assert_int_equal(digest_text(data, len, text, NULL), 0);
	assert_string_equal(text, digest);
}

/* zlib, which no one here wrote, unpacks a series of members. */
static unsigned char *gunzip(const unsigned char *data, size_t len, size_t size)
{
	unsigned char *out = malloc(size + 1);
	z_stream stream = {.next_in = (unsigned char *)(uintptr_t)data,
	    .avail_in = (unsigned int)len,
	    .next_out = out,
	    .avail_out = (unsigned int)size + 1};
	int rc;

	assert_non_null(out);
	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
	while ((rc = inflate(&stream, Z_NO_FLUSH)) == Z_STREAM_END && stream.avail_in > 0)
		assert_int_equal(inflateReset(&stream), Z_OK);
	assert_int_equal(rc, Z_STREAM_END);
	assert_int_equal(stream.next_out - out, size);
	inflateEnd(&stream);
	return out;
}

static void assert_layer(size_t len)
{
	unsigned char *data = content(len, len), *packed, *unpacked;
	struct blob_info info = put_blob(&place, BLOB_LAYER, data, len), found;
	size_t packed_len;

	assert_digest(data, len, info.diff_id);
	packed = get_blob(&place, info.digest, &packed_len);
	assert_int_equal(packed_len, info.size);
	assert_digest(packed, packed_len, info.digest);
	unpacked = gunzip(packed, packed_len, len);
	assert_memory_equal(data, unpacked, len);
	assert_ok(store_layer_find(place.store, info.diff_id, &found, OK_ERR));
	assert_string_equal(found.digest, info.digest);
	assert_ok(store_blob_find(place.store, info.digest, &found, OK_ERR));
	assert_string_equal(found.diff_id, info.diff_id);
	free(data);
	free(packed);
	free(unpacked);
}

static void a_layer_is_a_gzip_file(void **state UNUSED)
{
	static const size_t sizes[] = {0, 1, CUT_MIN - 1, CUT_MIN, CUT_MAX, CUT_MAX + 1, 3000000};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		assert_layer(sizes[i]);
	assert_clean(&place);
}

/* The same in whatever pieces it comes. */
static void a_layer_does_not_depend_on_writes(void **state UNUSED)
{
	enum { LEN = 2000000 };
	unsigned char *data = content(5, LEN);
	struct blob_info whole = put_blob(&place, BLOB_LAYER, data, LEN), info;
	struct blob_writer *writer;
	uint64_t random = 11;

	place_remove(&place);
	place_make(&place);
	place_open(&place);
	assert_ok(blob_begin(place.store, BLOB_LAYER, &writer, OK_ERR));
	for (size_t at = 0, n; at < LEN; at += n) {
		n = check_below(&random, 70000);
		n = n < LEN - at ? n : LEN - at;
		assert_ok(blob_write(writer, data + at, n, OK_ERR));
	}
	assert_ok(blob_commit(writer, whole.diff_id, &info, OK_ERR));
	assert_string_equal(info.digest, whole.digest);
	free(data);
}

static void as_is_is_kept_byte_for_byte(void **state UNUSED)
{
	static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 1000000};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned char *data = content(i, sizes[i]), *back;
		struct blob_info info = put_blob(&place, BLOB_AS_IS, data, sizes[i]);
		size_t len;

		assert_digest(data, sizes[i], info.digest);
		assert_string_equal(info.diff_id, "");
		back = get_blob(&place, info.digest, &len);
		assert_int_equal(len, sizes[i]);
		assert_memory_equal(data, back, len);
		free(data);
		free(back);
	}
	assert_clean(&place);
}

static void any_range_can_be_read(void **state UNUSED)
{
	struct blob_info infos[] = {put_content(&place, BLOB_LAYER, 9, 1500000),
	    put_content(&place, BLOB_AS_IS, 9, 500000)};
	uint64_t random = 5;

	for (size_t i = 0; i < 2 * ARRAY_SIZE(infos); i++) {
		const char *digest = infos[i / 2].digest;
		struct blob_reader *reader;
		size_t size;
		unsigned char *whole = get_blob(&place, digest, &size);
		unsigned char *part = malloc(size);

		assert_ok(blob_open(place.store, digest, &reader, NULL, OK_ERR));
		if (i % 2 == 1)
			blob_trust(reader);
		for (int round = 0; round < 400; round++) {
			size_t at = check_below(&random, size + 2);
			size_t len = check_below(&random, round % 4 == 0 ? size : 3000) + 1;
			ssize_t n = blob_read(reader, at, part, len, NULL);

			if (at >= size) {
				assert_int_equal(n, 0);
				continue;
			}
			assert_true(n > 0 && (size_t)n <= len && (size_t)n <= size - at);
			assert_memory_equal(part, whole + at, (size_t)n);
		}
		blob_close(reader);
		free(whole);
		free(part);
	}
}

static void the_same_again_adds_nothing(void **state UNUSED)
{
	struct blob_info first = put_content(&place, BLOB_LAYER, 1, 3000000), again;
	int64_t chunks = place_number(&place, "SELECT count(*) FROM chunks");
	int64_t pages;

	put_content(&place, BLOB_AS_IS, 1, 300000);
	pages = place_number(&place, "PRAGMA page_count");
	again = put_content(&place, BLOB_LAYER, 1, 3000000);
	assert_string_equal(again.digest, first.digest);
	put_content(&place, BLOB_AS_IS, 1, 300000);
	assert_int_equal(place_number(&place, "PRAGMA page_count"), pages);
	assert_int_equal(place_number(&place, "SELECT count(*) FROM blobs"), 2);
	assert_true(place_number(&place, "SELECT count(*) FROM chunks WHERE recipe > 0") == chunks);
}

/* Within one layer, too, and while the first copy is still being packed. */
static void what_repeats_is_there_once(void **state UNUSED)
{
	enum { LEN = 400000 };
	unsigned char *data = content(3, LEN), *twice = malloc(20 * LEN), *packed, *unpacked;
	struct blob_info info;
	size_t len;

	for (size_t i = 0; i < 20; i++)
		memcpy(twice + i * LEN, data, LEN);
	info = put_blob(&place, BLOB_LAYER, twice, (size_t)20 * LEN);
	assert_true(
	    place_number(&place, "SELECT sum(stored) FROM chunks") * 4 < (int64_t)info.size);
	packed = get_blob(&place, info.digest, &len);
	unpacked = gunzip(packed, len, (size_t)20 * LEN);
	assert_memory_equal(unpacked, twice, (size_t)20 * LEN);
	assert_clean(&place);
	free(data);
	free(twice);
	free(packed);
	free(unpacked);
}

static void the_wrong_digest_is_refused(void **state UNUSED)
{
	static const enum blob_form forms[] = {BLOB_LAYER, BLOB_AS_IS};
	char other[DIGEST_TEXT_SIZE];

	assert_int_equal(digest_text("y", 1, other, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct blob_writer *writer;
		struct blob_info info;
		struct error err = {0};

		assert_ok(blob_begin(place.store, forms[i], &writer, OK_ERR));
		assert_ok(blob_write(writer, "x", 1, OK_ERR));
		assert_int_equal(blob_commit(writer, other, &info, &err), -1);
		assert_error(&err, ERROR_PROTOCOL, other);
	}
	assert_int_equal(place_number(&place, "SELECT count(*) FROM blobs"), 0);
	assert_int_equal(store_blob_find(place.store, other, NULL, NULL), -1);
}

static void nobody_sees_it_before_it_is_whole(void **state UNUSED)
{
	unsigned char *data = content(1, 3000000);
	struct blob_writer *writer;
	struct blob_info info;

	assert_ok(blob_begin(place.store, BLOB_LAYER, &writer, OK_ERR));
	assert_ok(blob_write(writer, data, 3000000, OK_ERR));
	assert_int_equal(place_number(&place, "SELECT count(*) FROM blobs"), 0);
	assert_int_equal(place_number(&place, "SELECT count(*) FROM pieces"), 0);
	blob_abandon(writer);
	assert_int_equal(place_number(&place, "SELECT count(*) FROM blobs"), 0);
	assert_clean(&place);
	info = put_blob(&place, BLOB_LAYER, data, 3000000); /* with the chunks of before */
	assert_int_equal(place_number(&place, "SELECT count(*) FROM blobs"), 1);
	assert_true(info.size > 0);
	blob_abandon(NULL);
	free(data);
}

/* What came as it is (from another store) is recognized as the layer when that comes unpacked. */
static void a_blob_becomes_a_layer(void **state UNUSED)
{
	struct blob_info layer = put_content(&place, BLOB_LAYER, 6, 700000), info;
	size_t len, again_len;
	unsigned char *packed = get_blob(&place, layer.digest, &len), *again;

	place_remove(&place);
	place_make(&place);
	place_open(&place);
	info = put_blob(&place, BLOB_AS_IS, packed, len);
	assert_string_equal(info.digest, layer.digest);
	assert_string_equal(info.diff_id, "");
	info = put_content(&place, BLOB_LAYER, 6, 700000);
	assert_string_equal(info.digest, layer.digest);
	assert_string_equal(info.diff_id, layer.diff_id);
	assert_ok(store_layer_find(place.store, layer.diff_id, &info, OK_ERR));
	again = get_blob(&place, layer.digest, &again_len);
	assert_int_equal(len, again_len);
	assert_memory_equal(packed, again, len);
	assert_clean(&place);
	free(packed);
	free(again);
}

static void a_blob_that_goes_away_is_not_found(void **state UNUSED)
{
	struct blob_info info = put_content(&place, BLOB_AS_IS, 2, 300000);
	struct blob_reader *reader;
	struct store_gc_result result;
	struct error err = {0};
	char byte;

	assert_ok(blob_open(place.store, info.digest, &reader, NULL, OK_ERR));
	assert_int_equal(blob_read(reader, 100000, &byte, 1, NULL), 1);
	place_sql(&place, "UPDATE blobs SET used = 0");
	result = collect(&place, 0);
	assert_int_equal(result.blobs, 1);
	store_gc_result_release(&result);
	assert_int_equal(blob_read(reader, 200000, &byte, 1, &err), -1);
	assert_error(&err, ERROR_NOT_FOUND, info.digest);
	assert_int_equal(blob_open(place.store, info.digest, &reader, NULL, &err), -1);
	assert_error(&err, ERROR_NOT_FOUND, info.digest);
	assert_int_equal(blob_open(place.store, "sha256:../../x", &reader, NULL, &err), -1);
	assert_error(&err, ERROR_NOT_FOUND, NULL);
	blob_close(reader);
}

/* Trust is in what the bytes are, not in that they are there. */
static void trust_ends_where_something_is_missing(void **state UNUSED)
{
	static const char *const harm[] = {"UPDATE bytes SET data = substr(data, 2) WHERE chunk IN"
					   " (SELECT chunk FROM pieces WHERE start = 0)",
	    "PRAGMA foreign_keys=OFF; DELETE FROM bytes WHERE chunk IN"
	    " (SELECT chunk FROM pieces WHERE start = 0)"};
	struct blob_info info = put_content(&place, BLOB_AS_IS, 4, 300000);
	struct blob_reader *reader;
	struct error err = {0};
	char bytes[100];

	assert_ok(blob_open(place.store, info.digest, &reader, NULL, OK_ERR));
	blob_trust(reader);
	assert_int_equal(blob_read(reader, 0, bytes, sizeof(bytes), NULL), sizeof(bytes));
	for (size_t i = 0; i < ARRAY_SIZE(harm); i++) {
		place_sql(&place, harm[i]);
		assert_int_equal(blob_read(reader, 0, bytes, sizeof(bytes), &err), -1);
		assert_error(&err, ERROR_PROTOCOL, "damaged");
	}
	blob_close(reader);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_layer_is_a_gzip_file),
	    TEST(a_layer_does_not_depend_on_writes),
	    TEST(as_is_is_kept_byte_for_byte),
	    TEST(any_range_can_be_read),
	    TEST(the_same_again_adds_nothing),
	    TEST(what_repeats_is_there_once),
	    TEST(the_wrong_digest_is_refused),
	    TEST(nobody_sees_it_before_it_is_whole),
	    TEST(a_blob_becomes_a_layer),
	    TEST(a_blob_that_goes_away_is_not_found),
	    TEST(trust_ends_where_something_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
