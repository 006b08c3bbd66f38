/* One store, many threads. */
#include <pthread.h>

#include "tests/unit/store_place.h"

enum { WRITERS = 3, READERS = 3, ROUNDS = 4, LEN = 600000 };

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

struct worker {
	pthread_t thread;
	unsigned int number;
	char digest[DIGEST_TEXT_SIZE]; /* what a reader reads */
	char failure[256];	       /* "": it went well */
};

static int write_one(enum blob_form form, uint64_t seed, struct blob_info *ret, struct error *err)
{
	unsigned char *data = content(seed, LEN);
	struct blob_writer *writer;
	int rc = blob_begin(place.store, form, &writer, err);

	for (size_t at = 0; rc == 0 && at < LEN; at += LEN / 10)
		rc = blob_write(writer, data + at, LEN / 10, err);
	free(data);
	return rc < 0 ? -1 : blob_commit(writer, NULL, ret, err);
}

/* Everybody writes the same, and something of their own. */
static void *writing(void *context)
{
	struct worker *worker = context;
	struct error err = {0};
	struct blob_info info;
	char name[16];

	snprintf(name, sizeof(name), "repo%u", worker->number);
	for (unsigned int i = 0; i < ROUNDS && err.kind == 0; i++) {
		uint64_t seed = i % 2 == 0 ? i : 100 * (worker->number + 1) + i;

		if (write_one(i % 3 == 2 ? BLOB_AS_IS : BLOB_LAYER, seed, &info, &err) == 0)
			store_blob_link(place.store, name, info.digest, &err);
	}
	snprintf(
	    worker->failure, sizeof(worker->failure), "%s", err.kind != 0 ? error_text(&err) : "");
	error_release(&err);
	return NULL;
}

static void *reading(void *context)
{
	struct worker *worker = context;
	struct error err = {0};
	unsigned char data[7000];
	char text[DIGEST_TEXT_SIZE] = "";

	for (int i = 0; i < ROUNDS && err.kind == 0; i++) {
		struct blob_reader *reader = NULL;
		struct digest *digest = NULL;
		unsigned char raw[DIGEST_RAW_SIZE];
		uint64_t at = 0;
		ssize_t n = -1;

		if (digest_new(&digest, &err) < 0 ||
		    blob_open(place.store, worker->digest, &reader, NULL, &err) < 0)
			break;
		while ((n = blob_read(reader, at, data, sizeof(data), &err)) > 0) {
			digest_add(digest, data, (size_t)n, &err);
			at += (uint64_t)n;
		}
		if (digest_so_far(digest, raw, &err) == 0)
			digest_text_of(raw, text);
		if (err.kind == 0 && strcmp(text, worker->digest) != 0)
			error_set(&err, ERROR_FAILED, "read %s", text);
		digest_free(digest);
		blob_close(reader);
	}
	snprintf(
	    worker->failure, sizeof(worker->failure), "%s", err.kind != 0 ? error_text(&err) : "");
	error_release(&err);
	return NULL;
}

static void *collecting(void *context)
{
	struct worker *worker = context;
	struct store_gc_options options = {.limit = 1 << 30, .cancel_fd = -1};
	struct error err = {0};

	for (int i = 0; i < ROUNDS && err.kind == 0; i++) {
		struct store_gc_result result;
		struct store_images images;

		if (store_gc(place.store, &options, &result, &err) == 0)
			store_gc_result_release(&result);
		if (store_list(place.store, &images, &err) == 0)
			store_images_release(&images);
	}
	snprintf(
	    worker->failure, sizeof(worker->failure), "%s", err.kind != 0 ? error_text(&err) : "");
	error_release(&err);
	return NULL;
}

static void writers_readers_and_a_gc(void **state UNUSED)
{
	static struct worker workers[WRITERS + READERS + 1];
	struct blob_info info = put_content(&place, BLOB_LAYER, 1000, LEN * 2);

	for (unsigned int i = 0; i < ARRAY_SIZE(workers); i++) {
		void *(*run)(void *) = i < WRITERS	       ? writing
				       : i < WRITERS + READERS ? reading
							       : collecting;

		workers[i].number = i;
		memcpy(workers[i].digest, info.digest, sizeof(info.digest));
		assert_int_equal(pthread_create(&workers[i].thread, NULL, run, &workers[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(workers); i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(workers); i++)
		assert_string_equal(workers[i].failure, "");
	assert_int_equal(
	    place_number(&place, "SELECT count(*) = count(DISTINCT hash || recipe) FROM chunks"),
	    1);
	assert_clean(&place);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(writers_readers_and_a_gc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
