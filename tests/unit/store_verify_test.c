/* Damage is found, and said. */
#include "tests/unit/store_place.h"

#include "base/cancel.h"

enum { LAYER = 1000000 };

static struct place place;
static struct put_image image;

static int setup(void **state UNUSED)
{
	place_make(&place);
	place_open(&place);
	image = put_image(&place, "web", "v1", 1, LAYER);
	return 0;
}

static int teardown(void **state UNUSED)
{
	place_remove(&place);
	return 0;
}

/* One of the lines says all of these. */
static void assert_wrong(const char *one, const char *other)
{
	struct store_verify_result result;
	bool found = false;

	assert_ok(store_verify(place.store, -1, NULL, NULL, &result, OK_ERR));
	for (size_t i = 0; i < result.wrong.n; i++)
		found = found || (strstr(result.wrong.v[i], one) != NULL &&
				     strstr(result.wrong.v[i], other) != NULL);
	if (!found) {
		print_error("none of %zu says \"%s\", \"%s\"\n", result.wrong.n, one, other);
		for (size_t i = 0; i < result.wrong.n; i++)
			print_error("  %s\n", result.wrong.v[i]);
	}
	assert_true(found);
	store_verify_result_release(&result);
}

static void all_of_it_is_looked_at(void **state UNUSED)
{
	struct store_verify_result result;

	assert_ok(store_verify(place.store, -1, NULL, NULL, &result, OK_ERR));
	assert_int_equal(result.chunks, place_number(&place, "SELECT count(*) FROM chunks"));
	assert_int_equal(result.blobs, 2);
	assert_int_equal(result.manifests, 1);
	assert_int_equal(result.bytes,
	    place_number(&place, "SELECT (SELECT sum(stored) FROM chunks) + sum(size) FROM blobs"));
	assert_int_equal(result.wrong.n, 0);
	store_verify_result_release(&result);
}

static ssize_t read_all(struct error *err)
{
	struct blob_reader *reader;
	char data[4096];
	uint64_t at = 0;
	ssize_t n;

	assert_ok(blob_open(place.store, image.layer.digest, &reader, NULL, OK_ERR));
	while ((n = blob_read(reader, at, data, sizeof(data), err)) > 0)
		at += (uint64_t)n;
	blob_close(reader);
	return n;
}

static void flipped_bytes(void **state UNUSED)
{
	struct error err = {0};

	place_sql(&place, "UPDATE bytes SET data = CAST(substr(data, 1, 1000) || x'00ff00ff' ||"
			  " substr(data, 1005) AS BLOB) WHERE chunk = 3");
	assert_wrong("chunk 3 ", "CRC");
	assert_wrong(image.layer.digest, "damaged");
	assert_int_equal(read_all(&err), -1);
	assert_error(&err, ERROR_PROTOCOL, "chunk 3 is not what was written");
}

/* With a checksum that fits: only the digest tells. */
static void another_chunk_in_its_place(void **state UNUSED)
{
	place_sql(&place, "UPDATE bytes SET crc = (SELECT crc FROM bytes WHERE chunk = 2),"
			  " data = (SELECT data FROM bytes WHERE chunk = 2) WHERE chunk = 3;"
			  "UPDATE chunks SET stored = (SELECT stored FROM chunks WHERE id = 2),"
			  " size = (SELECT size FROM chunks WHERE id = 2) WHERE id = 3");
	assert_wrong("chunk 3 ", "digest");
	assert_wrong("blob", image.layer.digest);
}

static void bytes_that_are_gone(void **state UNUSED)
{
	struct error err = {0};

	place_sql(&place, "DELETE FROM bytes WHERE chunk = 2");
	assert_wrong("chunk 2 ", "no bytes");
	assert_wrong(image.layer.digest, "damaged");
	assert_int_equal(read_all(&err), -1);
	assert_error(&err, ERROR_PROTOCOL, "chunk 2 is missing");
}

static void a_piece_that_is_gone(void **state UNUSED)
{
	struct error err = {0};

	place_sql(&place, "DELETE FROM pieces WHERE blob = 1 AND start = (SELECT start FROM pieces"
			  " WHERE blob = 1 LIMIT 1 OFFSET 4)");
	assert_wrong(image.layer.digest, "lacks a piece");
	assert_int_equal(read_all(&err), -1);
	assert_error(&err, ERROR_PROTOCOL, "lacks a piece");
}

static void the_last_piece_is_gone(void **state UNUSED)
{
	struct error err = {0};

	place_sql(&place, "DELETE FROM pieces WHERE blob = 1 AND start = (SELECT max(start) FROM"
			  " pieces WHERE blob = 1)");
	assert_wrong(image.layer.digest, "lacks a piece");
	assert_int_equal(read_all(&err), -1);
	assert_error(&err, ERROR_PROTOCOL, "lacks a piece");
}

static void a_piece_too_much(void **state UNUSED)
{
	place_sql(&place, "UPDATE blobs SET size = size - 1 WHERE id = 1");
	assert_wrong(image.layer.digest, "longer");
}

static void another_digest(void **state UNUSED)
{
	place_sql(&place, "UPDATE blobs SET digest = zeroblob(32) WHERE id = 1");
	assert_wrong("sha256:0000", "does not have that digest");
}

static void another_layer(void **state UNUSED)
{
	place_sql(&place, "UPDATE blobs SET diff_id = zeroblob(32) WHERE id = 1");
	assert_wrong(image.layer.digest, "does not unpack");
}

static void a_manifest_that_was_changed(void **state UNUSED)
{
	struct stored_manifest manifest;
	struct error err = {0};

	place_sql(&place, "UPDATE manifests SET data = CAST(data || x'20' AS BLOB)");
	assert_wrong(image.manifest, "not what was written");
	assert_int_equal(store_manifest_get(place.store, "web", "v1", &manifest, &err), -1);
	assert_error(&err, ERROR_PROTOCOL, image.manifest);
}

static void a_blob_that_is_gone(void **state UNUSED)
{
	place_sql(&place, "PRAGMA foreign_keys=OFF; DELETE FROM blobs WHERE id = 1");
	assert_wrong(image.manifest, image.layer.digest);
	assert_wrong("table", "gone");
}

/* A page of the file itself. */
static void a_file_that_is_damaged(void **state UNUSED)
{
	struct store_verify_result result;
	static const char garbage[4000] = "garbage";
	char path[128];
	int64_t page;
	int fd;

	place_sql(&place, "PRAGMA wal_checkpoint(TRUNCATE)");
	page = place_number(&place, "SELECT rootpage FROM sqlite_schema WHERE name = 'chunks'");
	place_close(&place);
	snprintf(path, sizeof(path), "%s", place.path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, garbage, sizeof(garbage), (page - 1) * 8192), sizeof(garbage));
	close(fd);
	place_open(&place);
	assert_ok(store_verify(place.store, -1, NULL, NULL, &result, OK_ERR));
	assert_true(result.wrong.n > 0);
	store_verify_result_release(&result);
}

static void progress(void *context, uint64_t done, uint64_t total)
{
	uint64_t *last = context;

	assert_true(done >= *last && done <= total);
	*last = done;
}

static void it_can_be_stopped(void **state UNUSED)
{
	struct store_verify_result result;
	struct cancel cancel;
	struct error err = {0};
	uint64_t done = 0;

	assert_ok(store_verify(place.store, -1, progress, &done, &result, OK_ERR));
	assert_true(done > LAYER / 4);
	assert_ok(cancel_init(&cancel, OK_ERR));
	cancel_fire(&cancel);
	assert_int_equal(store_verify(place.store, cancel.fd, NULL, NULL, &result, &err), -1);
	assert_error(&err, ERROR_CANCELLED, NULL);
	cancel_release(&cancel);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(all_of_it_is_looked_at),
	    TEST(flipped_bytes),
	    TEST(another_chunk_in_its_place),
	    TEST(bytes_that_are_gone),
	    TEST(a_piece_that_is_gone),
	    TEST(the_last_piece_is_gone),
	    TEST(a_piece_too_much),
	    TEST(another_digest),
	    TEST(another_layer),
	    TEST(a_manifest_that_was_changed),
	    TEST(a_blob_that_is_gone),
	    TEST(a_file_that_is_damaged),
	    TEST(it_can_be_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
