/* A store in a folder of its own, and images to put into it. */
#ifndef SHIPIT_TESTS_UNIT_STORE_PLACE_H
#define SHIPIT_TESTS_UNIT_STORE_PLACE_H

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "tests/unit/base_check.h"
#include "transport/registry/manifest.h"
#include "transport/registry/store.h"

struct place {
	char folder[64], path[80];
	struct store *store;
};

#define assert_ok(call)                                                                            \
	do {                                                                                       \
		struct error ok_err = {0};                                                         \
		int ok_rc = (call);                                                                \
		if (ok_rc < 0)                                                                     \
			print_error("%s\n", error_text(&ok_err));                                  \
		error_release(&ok_err);                                                            \
		assert_true(ok_rc >= 0);                                                           \
	} while (0)
/* `err` of a call in assert_ok(). */
#define OK_ERR (&ok_err)

static inline void place_make(struct place *place)
{
	snprintf(place->folder, sizeof(place->folder), "/tmp/shipit-store-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	snprintf(place->path, sizeof(place->path), "%s/s.db", place->folder);
	place->store = NULL;
}

static inline void place_open(struct place *place)
{
	assert_ok(store_open(place->path, &place->store, OK_ERR));
}

static inline void place_close(struct place *place)
{
	store_close(place->store);
	place->store = NULL;
}

static inline void place_remove(struct place *place)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", ".lock", "-journal"};
	char path[128];

	place_close(place);
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		snprintf(path, sizeof(path), "%s%s", place->path, suffixes[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(place->folder), 0);
}

/* What runs behind the store's back. */
static inline void place_sql(struct place *place, const char *sql)
{
	sqlite3 *db = NULL;
	char *message = NULL;

	assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 10000);
	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
		print_error("%s: %s\n", sql, message);
	assert_null(message);
	sqlite3_close(db);
}

static inline int64_t place_number(struct place *place, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	sqlite3 *db = NULL;
	int64_t number;

	assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 10000);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return number;
}

/* --- content: the same in every run; text that can be packed, with stretches that cannot */

static inline unsigned char *content(uint64_t seed, size_t len)
{
	unsigned char *data = malloc(len + 16);
	uint64_t state = seed * 2654435761U + 88172645463325252ULL;

	assert_non_null(data);
	for (size_t i = 0; i < len;) {
		uint64_t word = check_random(&state);

		if (i / 4096 % 5 == 0) {
			memcpy(data + i, &word, 6);
			i += 6;
		} else {
			i += (size_t)snprintf(
			    (char *)data + i, 16, "%llu;", (unsigned long long)(word & 0xfff));
		}
	}
	return data;
}

/* --- blobs and images */

static inline struct blob_info put_blob(
    struct place *place, enum blob_form form, const void *data, size_t len)
{
	struct blob_writer *writer = NULL;
	struct blob_info info;

	assert_ok(blob_begin(place->store, form, &writer, OK_ERR));
	assert_ok(blob_write(writer, data, len, OK_ERR));
	assert_int_equal(blob_written(writer), len);
	assert_ok(blob_commit(writer, NULL, &info, OK_ERR));
	return info;
}

static inline struct blob_info put_content(
    struct place *place, enum blob_form form, uint64_t seed, size_t len)
{
	unsigned char *data = content(seed, len);
	struct blob_info info = put_blob(place, form, data, len);

	free(data);
	return info;
}

/* All of a blob, malloc'ed. */
static inline unsigned char *get_blob(struct place *place, const char *digest, size_t *ret_len)
{
	struct blob_reader *reader = NULL;
	struct blob_info info;
	unsigned char *data;
	size_t at = 0;

	assert_ok(blob_open(place->store, digest, &reader, &info, OK_ERR));
	data = malloc(info.size + 1);
	assert_non_null(data);
	while (at < info.size) {
		struct error err = {0};
		ssize_t n = blob_read(reader, at, data + at, info.size - at, &err);

		if (n <= 0)
			print_error("%s\n", error_text(&err));
		assert_true(n > 0);
		at += (size_t)n;
	}
	assert_int_equal(blob_read(reader, at, data, 1, NULL), 0);
	blob_close(reader);
	*ret_len = at;
	return data;
}

struct put_image {
	char manifest[DIGEST_TEXT_SIZE], config[DIGEST_TEXT_SIZE];
	struct blob_info layer;
};

/* An image of one layer, whose config says its seed. */
static inline struct put_image put_image(
    struct place *place, const char *repository, const char *tag, uint64_t seed, size_t layer_len)
{
	struct put_image image;
	struct manifest_layer layer;
	struct blob_info config;
	char text[512], *manifest = NULL;
	int len;

	image.layer = put_content(place, BLOB_LAYER, seed, layer_len);
	len = snprintf(text, sizeof(text),
	    "{\"architecture\":\"amd64\",\"os\":\"linux\",\"seed\":%llu,"
	    "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}",
	    (unsigned long long)seed, image.layer.diff_id);
	config = put_blob(place, BLOB_AS_IS, text, (size_t)len);
	memcpy(image.config, config.digest, sizeof(image.config));
	layer = (struct manifest_layer){image.layer.digest, image.layer.size};
	assert_ok(manifest_make(config.digest, config.size, &layer, 1, &manifest, OK_ERR));
	assert_ok(store_blob_link(place->store, repository, image.layer.digest, OK_ERR));
	assert_ok(store_blob_link(place->store, repository, config.digest, OK_ERR));
	assert_ok(store_manifest_put(place->store, repository, tag, NULL, manifest,
	    strlen(manifest), false, image.manifest, OK_ERR));
	free(manifest);
	return image;
}

/* Nothing is wrong with it. */
static inline void assert_clean(struct place *place)
{
	struct store_verify_result result;

	assert_ok(store_verify(place->store, -1, NULL, NULL, &result, OK_ERR));
	for (size_t i = 0; i < result.wrong.n; i++)
		print_error("%s\n", result.wrong.v[i]);
	assert_int_equal(result.wrong.n, 0);
	store_verify_result_release(&result);
}

static inline struct store_gc_result collect(struct place *place, uint64_t limit)
{
	struct store_gc_options options = {.limit = limit, .cancel_fd = -1};
	struct store_gc_result result;

	assert_ok(store_gc(place->store, &options, &result, OK_ERR));
	return result;
}

#endif
