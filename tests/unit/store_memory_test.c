/* What the store does without memory: it says so, and nothing half done can be seen. What our code
 * and SQLite ask for fails; libcrypto does not survive all of its failures. */
#include "tests/unit/base_memory.h"

#include "tests/unit/store_place.h"

static struct sqlite3_mem_methods sqlite_own;

static bool sqlite_is_short(void)
{
	void *volatile block = malloc(1); /* counted as ours */
	bool is_short = block == NULL;

	free(block);
	return is_short;
}

static void *sqlite_malloc(int size)
{
	return sqlite_is_short() ? NULL : sqlite_own.xMalloc(size);
}

static void *sqlite_realloc(void *old, int size)
{
	return sqlite_is_short() ? NULL : sqlite_own.xRealloc(old, size);
}

static void make_sqlite_fail(void)
{
	struct sqlite3_mem_methods methods;

	assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_own), SQLITE_OK);
	methods = sqlite_own;
	methods.xMalloc = sqlite_malloc;
	methods.xRealloc = sqlite_realloc;
	assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods), SQLITE_OK);
}

static struct place place;
static unsigned char *data;
enum { LEN = 300000 };

static int setup(void **state UNUSED)
{
	data = content(1, LEN);
	place_make(&place);
	place_open(&place);
	return 0;
}

static int teardown(void **state UNUSED)
{
	free(data);
	place_remove(&place);
	return 0;
}

/* Every allocation in turn, with strides in the long ones; what `try` needs is made before. */
static void fail_each(int (*try)(struct error *), size_t stride)
{
	bool failed = true;

	for (size_t n = 1; failed; n += 1 + n / stride) {
		struct error err = {0};
		int rc;

		memory_fail_at(n, false);
		rc = try(&err);
		failed = memory_is_back();
		if (rc < 0 && err.kind != ERROR_MEMORY)
			dprintf(2, "allocation %zu: %s\n", n, error_text(&err));
		assert_true(rc == 0 || err.kind == ERROR_MEMORY);
		assert_true(failed || rc == 0);
		error_release(&err);
		assert_true(n < 1000000);
	}
	assert_clean(&place);
}

static int open_it(struct error *err)
{
	struct store *store;

	if (store_open(place.path, &store, err) < 0)
		return -1;
	store_close(store);
	return 0;
}

static int write_form(enum blob_form form, struct error *err)
{
	struct blob_writer *writer;
	struct blob_info info;

	if (blob_begin(place.store, form, &writer, err) < 0)
		return -1;
	if (blob_write(writer, data, LEN, err) < 0) {
		blob_abandon(writer);
		return -1;
	}
	return blob_commit(writer, NULL, &info, err);
}

static int write_as_is(struct error *err)
{
	return write_form(BLOB_AS_IS, err);
}

static int write_layer(struct error *err)
{
	return write_form(BLOB_LAYER, err);
}

static struct put_image image;

static int read_it(struct error *err)
{
	struct blob_reader *reader;
	char piece[3000];
	uint64_t at = 0;
	ssize_t n;

	if (blob_open(place.store, image.layer.digest, &reader, NULL, err) < 0)
		return -1;
	while ((n = blob_read(reader, at, piece, sizeof(piece), err)) > 0)
		at += (uint64_t)n;
	blob_close(reader);
	return n < 0 ? -1 : 0;
}

static int names(struct error *err)
{
	struct stored_manifest manifest = {0};
	struct strv list = {0};
	bool more;
	int rc;

	if (store_manifest_get(place.store, "web", "v1", &manifest, err) < 0)
		return -1;
	rc = store_manifest_put(
	    place.store, "web", "v2", NULL, manifest.data, manifest.len, false, NULL, err);
	stored_manifest_release(&manifest);
	if (rc < 0 || store_image_adopt(place.store, image.config, "other", "v1", NULL, err) < 0 ||
	    store_tags(place.store, "web", NULL, 10, &list, &more, err) < 0)
		return -1;
	strv_release(&list);
	return 0;
}

static int care(struct error *err)
{
	struct store_gc_options options = {.limit = 1, .cancel_fd = -1};
	struct store_verify_result verified;
	struct store_gc_result collected;
	struct store_images images;

	if (store_list(place.store, &images, err) < 0)
		return -1;
	store_images_release(&images);
	if (store_verify(place.store, -1, NULL, NULL, &verified, err) < 0)
		return -1;
	store_verify_result_release(&verified);
	if (store_gc(place.store, &options, &collected, err) < 0)
		return -1;
	store_gc_result_release(&collected);
	return 0;
}

static void opening(void **state UNUSED)
{
	fail_each(open_it, 40);
}

static void writing(void **state UNUSED)
{
	fail_each(write_as_is, 40);
	fail_each(write_layer, 40);
}

static void reading(void **state UNUSED)
{
	image = put_image(&place, "web", "v1", 1, LEN);
	fail_each(read_it, 40);
}

static void naming(void **state UNUSED)
{
	image = put_image(&place, "web", "v1", 1, LEN);
	fail_each(names, 40);
}

static void caring(void **state UNUSED)
{
	image = put_image(&place, "web", "v1", 1, LEN);
	fail_each(care, 40);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(opening),
	    TEST(writing),
	    TEST(reading),
	    TEST(naming),
	    TEST(caring),
	};

	if (!memory_can_fail()) {
		print_message("memory cannot be made to fail here\n");
		return 0;
	}
	memory_ours_only = true;
	make_sqlite_fail();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
