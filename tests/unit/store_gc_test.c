/* Making room, and what takes room. */
#include "tests/unit/store_place.h"

#include <sched.h>

#include "base/cancel.h"
#include "base/clock.h"

enum { LAYER = 1000000 };

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

static bool has_tag(const char *repository, const char *tag)
{
	struct stored_manifest manifest;

	if (store_manifest_get(place.store, repository, tag, &manifest, NULL) < 0)
		return false;
	stored_manifest_release(&manifest);
	return true;
}

static int64_t count(const char *table)
{
	char sql[64];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", table);
	return place_number(&place, sql);
}

/* As if everything had happened two hours ago, with the order kept. */
static void age(void)
{
	place_sql(&place, "UPDATE blobs SET used = used - 7200000, claimed = claimed - 7200000;"
			  "UPDATE entries SET used = used - 7200000, pushed = pushed - 7200000;"
			  "UPDATE tags SET used = used - 7200000, pushed = pushed - 7200000");
}

static void what_nothing_refers_to_goes_after_an_hour(void **state UNUSED)
{
	struct put_image image = put_image(&place, "web", "v1", 1, LAYER);
	struct blob_info loose = put_content(&place, BLOB_AS_IS, 2, LAYER), info;
	struct store_gc_result result;
	int64_t pages = place_number(&place, "PRAGMA page_count");

	assert_ok(store_blob_link(place.store, "web", loose.digest, OK_ERR));
	result = collect(&place, 0);
	assert_int_equal(result.blobs + result.chunks + result.tags, 0);
	age();
	assert_ok(store_blob_find(place.store, loose.digest, &info, OK_ERR)); /* asked for */
	result = collect(&place, 0);
	assert_int_equal(result.blobs, 0);
	age();
	result = collect(&place, 0);
	assert_int_equal(result.blobs, 1);
	assert_true(result.chunks >= LAYER / 65536);
	assert_true(result.bytes >= LAYER);
	assert_false(result.held);
	assert_int_equal(result.over, 0);
	assert_true(place_number(&place, "PRAGMA page_count") < pages - LAYER / 8192 + 20);
	assert_int_equal(place_number(&place, "PRAGMA freelist_count"), 0);
	assert_int_equal(store_blob_find(place.store, loose.digest, &info, NULL), -1);
	assert_ok(store_blob_find(place.store, image.layer.digest, &info, OK_ERR));
	assert_clean(&place);
}

static void chunks_of_a_broken_import_go(void **state UNUSED)
{
	unsigned char *data = content(1, 3 * LAYER);
	int64_t deadline = clock_now_ms() + 30000;
	struct blob_writer *writer;
	struct store_gc_result result;
	struct store_images list;

	assert_ok(blob_begin(place.store, BLOB_AS_IS, &writer, OK_ERR));
	assert_ok(blob_write(writer, data, 3 * LAYER, OK_ERR));
	/* A thread of the store writes them. */
	while (place_number(&place, "SELECT total(stored) FROM chunks") < 2 * LAYER &&
	       clock_left_ms(deadline) > 0)
		sched_yield();
	result = collect(&place, 0);
	assert_true(result.held); /* it is still being written */
	assert_int_equal(result.chunks, 0);
	blob_abandon(writer);
	assert_ok(store_list(place.store, &list, OK_ERR));
	assert_int_equal(list.n, 0);
	assert_true(list.unreferenced >= 2 * LAYER);
	assert_true(list.file_bytes >= list.unreferenced);
	store_images_release(&list);
	result = collect(&place, 0);
	assert_false(result.held);
	assert_int_equal(count("chunks") + count("bytes"), 0);
	free(data);
}

static void a_hold_keeps_chunks(void **state UNUSED)
{
	struct store_hold *hold, *second;
	struct store_gc_result result;

	put_content(&place, BLOB_AS_IS, 2, LAYER);
	age();
	assert_ok(store_hold(place.store, &hold, OK_ERR));
	assert_ok(store_hold(place.store, &second, OK_ERR));
	store_release(second);
	result = collect(&place, 0);
	assert_true(result.held);
	assert_int_equal(result.blobs, 1);
	assert_int_equal(result.chunks, 0);
	assert_true(count("chunks") > 0);
	store_release(hold);
	store_release(NULL);
	result = collect(&place, 0);
	assert_false(result.held);
	assert_true(result.chunks > 0);
	assert_int_equal(count("chunks"), 0);
}

static void what_was_used_longest_ago_goes_first(void **state UNUSED)
{
	struct store_gc_result result;
	struct stored_manifest manifest;
	int64_t stored;

	put_image(&place, "a", "v1", 1, LAYER);
	stored = place_number(&place, "SELECT sum(stored) FROM chunks");
	age();
	put_image(&place, "a", "v2", 2, LAYER);
	age();
	put_image(&place, "b", "v1", 3, LAYER);
	age();
	assert_ok(store_manifest_get(place.store, "a", "v1", &manifest, OK_ERR));
	stored_manifest_release(&manifest);
	age();
	result = collect(&place, (uint64_t)stored * 5);
	assert_int_equal(result.tags, 0);
	result = collect(&place, (uint64_t)stored * 5 / 2);
	assert_int_equal(result.tags, 1);
	assert_int_equal(result.manifests, 1);
	assert_int_equal(result.blobs, 2);
	assert_string_equal(result.images.v[0], "a:v2");
	assert_true(result.bytes >= LAYER / 4);
	store_gc_result_release(&result);
	assert_true(has_tag("a", "v1") && has_tag("b", "v1") && !has_tag("a", "v2"));
	assert_clean(&place);
}

/* A rollout without change gives an image one more tag: it is still one image. */
static void an_image_is_retained_once(void **state UNUSED)
{
	struct store_gc_result result;

	put_image(&place, "web", "v1", 1, LAYER / 4);
	age();
	for (int i = 0; i < 3; i++) {
		char tag[16];

		snprintf(tag, sizeof(tag), "v2.%d", i);
		put_image(&place, "web", tag, 2, LAYER / 4);
		if (i < 2)
			age();
	}
	assert_ok(store_retain(place.store, "web", 2, OK_ERR));
	assert_true(!has_tag("web", "v2.0") && !has_tag("web", "v2.1") && has_tag("web", "v2.2"));
	result = collect(&place, 1);
	assert_int_equal(result.tags, 0);
	assert_true(has_tag("web", "v1"));
	store_gc_result_release(&result);
	assert_clean(&place);
}

static void what_is_retained_stays(void **state UNUSED)
{
	struct store_gc_result result;
	char tag[8];

	for (unsigned int i = 0; i < 5; i++) {
		snprintf(tag, sizeof(tag), "v%u", i);
		put_image(&place, "web", tag, i, LAYER / 4);
		age();
	}
	assert_ok(store_retain(place.store, "web", 2, OK_ERR));
	result = collect(&place, 1);
	assert_int_equal(result.tags, 3);
	assert_true(result.over > 0);
	assert_true(has_tag("web", "v4") && has_tag("web", "v3") && !has_tag("web", "v2"));
	store_gc_result_release(&result);
	assert_ok(store_retain(place.store, "web", 0, OK_ERR));
	age();
	result = collect(&place, 1);
	assert_int_equal(result.tags, 2);
	assert_int_equal(result.over, 0);
	assert_int_equal(
	    count("chunks") + count("manifests") + count("blobs") + count("repositories"), 0);
	store_gc_result_release(&result);
}

/* Pushed is not yet used: a store that is too full gets rid of it; used within the hour is. */
static void what_is_in_use_stays(void **state UNUSED)
{
	struct store_gc_result result;

	put_image(&place, "a", "v1", 1, LAYER);
	put_image(&place, "b", "v1", 2, LAYER);
	place_sql(&place, "UPDATE tags SET pushed = pushed - 1; UPDATE entries SET pushed = pushed "
			  "- 1, used = used - 1; UPDATE tags SET used = used - 1");
	assert_true(has_tag("a", "v1"));
	result = collect(&place, 1);
	assert_int_equal(result.tags, 1);
	assert_true(result.over > 0);
	assert_true(has_tag("a", "v1") && !has_tag("b", "v1"));
	store_gc_result_release(&result);
}

/* Tags of one image: it goes with the last. */
static void an_image_goes_with_its_last_tag(void **state UNUSED)
{
	struct put_image image = put_image(&place, "a", "v1", 1, LAYER);
	struct store_gc_result result;

	age();
	assert_ok(store_tag_set(place.store, "a", "v2", "v1", OK_ERR));
	assert_ok(store_image_adopt(place.store, image.config, "b", "keep", NULL, OK_ERR));
	assert_ok(store_retain(place.store, "b", 1, OK_ERR));
	result = collect(&place, 1);
	assert_int_equal(result.tags, 2);
	assert_int_equal(result.manifests, 0);
	assert_int_equal(result.blobs, 0);
	assert_true(has_tag("b", "keep"));
	assert_false(has_tag("a", image.manifest));
	store_gc_result_release(&result);
	assert_clean(&place);
}

static void an_index_goes_with_its_parts(void **state UNUSED)
{
	struct put_image one = put_image(&place, "a", NULL, 1, LAYER);
	struct put_image two = put_image(&place, "a", NULL, 2, LAYER);
	struct put_image loose = put_image(&place, "a", NULL, 3, LAYER);
	CLEANUP_FREE char *text = string_printf(
	    "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":["
	    "{\"mediaType\":\"" MEDIA_DOCKER_MANIFEST "\",\"digest\":\"%s\",\"size\":5,"
	    "\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}},"
	    "{\"mediaType\":\"" MEDIA_DOCKER_MANIFEST "\",\"digest\":\"%s\",\"size\":5,"
	    "\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\"}}]}",
	    one.manifest, two.manifest);
	struct store_gc_result result;
	struct store_images list;

	assert_ok(store_manifest_put(
	    place.store, "a", "multi", NULL, text, strlen(text), false, NULL, OK_ERR));
	assert_ok(store_list(place.store, &list, OK_ERR));
	assert_int_equal(list.n, 2);
	assert_string_equal(list.v[0].tag, "multi");
	assert_string_equal(list.v[0].platform, "linux/amd64,linux/arm64");
	assert_null(list.v[1].tag);
	assert_string_equal(list.v[1].digest, loose.manifest);
	assert_true(list.v[0].size >= one.layer.size + two.layer.size);
	store_images_release(&list);
	place_sql(&place, "UPDATE tags SET used = used - 1000, pushed = pushed - 1000;"
			  "UPDATE entries SET used = used - 1000, pushed = pushed - 1000");
	result = collect(&place, one.layer.size + 100000);
	assert_true(result.images.n >= 1);
	store_gc_result_release(&result);
	result = collect(&place, 1);
	assert_int_equal(count("chunks") + count("manifests") + count("entries"), 0);
	store_gc_result_release(&result);
}

static void a_list_says_what_is_shared(void **state UNUSED)
{
	struct store_images list;

	put_image(&place, "a", "v1", 1, LAYER);
	put_image(&place, "b", "v1", 2, LAYER);
	assert_ok(store_image_adopt(
	    place.store, put_image(&place, "a", "v1", 1, LAYER).config, "c", "x", NULL, OK_ERR));
	assert_ok(store_retain(place.store, "b", 1, OK_ERR));
	assert_ok(store_list(place.store, &list, OK_ERR));
	assert_int_equal(list.n, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct store_image *image = &list.v[i];

		assert_string_equal(image->platform, "linux/amd64");
		assert_int_equal(image->size, image->stored);
		assert_int_equal(image->shared, 0);
		assert_int_equal(image->retained, i == 1);
		assert_true(image->pushed_s > 1600000000 && image->used_s >= image->pushed_s);
	}
	assert_true(list.file_bytes >= list.v[0].stored + list.v[1].stored);
	store_images_release(&list);
	/* Another image with the same layer and another config. */
	place_sql(&place,
	    "PRAGMA foreign_keys=OFF; INSERT OR IGNORE INTO manifest_blobs(manifest, blob)"
	    " SELECT m.id, b.id FROM manifests m, blobs b");
	assert_ok(store_list(place.store, &list, OK_ERR));
	assert_true(list.v[0].shared == list.v[0].stored && list.v[0].shared > LAYER / 4);
	store_images_release(&list);
}

struct counting {
	uint64_t calls, done, total;
};

static void progress(void *context, uint64_t done, uint64_t total)
{
	struct counting *counting = context;

	counting->calls++;
	assert_true(done >= counting->done && done <= total);
	counting->done = done;
	counting->total = total;
}

static void it_can_be_stopped(void **state UNUSED)
{
	struct cancel cancel;
	struct counting counting = {0};
	struct store_gc_options options = {.progress = progress, .context = &counting};
	struct store_gc_result result;
	struct error err = {0};

	assert_ok(cancel_init(&cancel, OK_ERR));
	options.cancel_fd = cancel.fd;
	put_content(&place, BLOB_AS_IS, 1, LAYER);
	age();
	cancel_fire(&cancel);
	assert_int_equal(store_gc(place.store, &options, &result, &err), -1);
	assert_error(&err, ERROR_CANCELLED, NULL);
	options.cancel_fd = -1;
	assert_ok(store_gc(place.store, &options, &result, OK_ERR));
	assert_int_equal(count("chunks") + count("pieces"), 0); /* what the first one left, too */
	assert_true(counting.calls > 0 && counting.done == counting.total);
	cancel_release(&cancel);
}

/* The pieces of a blob that is gone are no reason to keep chunks, and go in steps. */
static void pieces_left_over_go(void **state UNUSED)
{
	struct store_gc_result result;

	put_content(&place, BLOB_AS_IS, 1, LAYER);
	place_sql(&place, "DELETE FROM blobs");
	assert_clean(&place);
	assert_true(count("pieces") > 0);
	result = collect(&place, 0);
	assert_true(result.chunks > 0);
	assert_int_equal(count("pieces") + count("chunks"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(what_nothing_refers_to_goes_after_an_hour),
	    TEST(chunks_of_a_broken_import_go),
	    TEST(a_hold_keeps_chunks),
	    TEST(what_was_used_longest_ago_goes_first),
	    TEST(an_image_is_retained_once),
	    TEST(what_is_retained_stays),
	    TEST(what_is_in_use_stays),
	    TEST(an_image_goes_with_its_last_tag),
	    TEST(an_index_goes_with_its_parts),
	    TEST(a_list_says_what_is_shared),
	    TEST(it_can_be_stopped),
	    TEST(pieces_left_over_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
