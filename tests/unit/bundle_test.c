/* Images as archives for an engine's load. */
#include "base/json.h"
#include "tests/unit/store_place.h"
#include "transport/registry/bundle.h"
#include "transport/tar.h"

enum { LAYER_LEN = 200 * 1000, SMALL_LEN = 3000, ARCHIVE_MAX = 4 * 1024 * 1024 };

struct scene {
	struct place place;
	struct blob_info layers[3]; /* the third is the first once more */
	char config[DIGEST_TEXT_SIZE], manifest[DIGEST_TEXT_SIZE];
};

static void make_image(struct scene *scene)
{
	struct manifest_layer layers[3];
	char text[1024], *manifest = NULL;
	struct blob_info config;
	int len;

	scene->layers[0] = put_content(&scene->place, BLOB_LAYER, 1, LAYER_LEN);
	scene->layers[1] = put_content(&scene->place, BLOB_LAYER, 2, SMALL_LEN);
	scene->layers[2] = scene->layers[0];
	len = snprintf(text, sizeof(text),
	    "{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\","
	    "\"diff_ids\":[\"%s\",\"%s\",\"%s\"]}}",
	    scene->layers[0].diff_id, scene->layers[1].diff_id, scene->layers[2].diff_id);
	config = put_blob(&scene->place, BLOB_AS_IS, text, (size_t)len);
	memcpy(scene->config, config.digest, sizeof(scene->config));
	assert_ok(store_blob_link(scene->place.store, "shop", config.digest, OK_ERR));
	for (size_t i = 0; i < 3; i++) {
		layers[i] = (struct manifest_layer){scene->layers[i].digest, scene->layers[i].size};
		assert_ok(
		    store_blob_link(scene->place.store, "shop", scene->layers[i].digest, OK_ERR));
	}
	assert_ok(manifest_make(config.digest, config.size, layers, 3, &manifest, OK_ERR));
	assert_ok(store_manifest_put(scene->place.store, "shop", "1", NULL, manifest,
	    strlen(manifest), false, scene->manifest, OK_ERR));
	free(manifest);
}

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	place_make(&scene->place);
	place_open(&scene->place);
	make_image(scene);
	*state = scene;
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;

	place_remove(&scene->place);
	free(scene);
	return 0;
}

static int collect_piece(void *context, const void *data, size_t len, struct error *err)
{
	struct buf *out = context;

	assert_in_range(len, 1, 64 * 1024);
	return buf_add(out, data, len) < 0 ? buf_error(out, err, "the archive") : 0;
}

static int list_member(void *context, const struct tar_member *member, struct error *err UNUSED)
{
	unsigned char raw[DIGEST_RAW_SIZE];
	char digest[DIGEST_TEXT_SIZE] = "";
	struct buf *out = context;

	assert_int_equal(digest_raw(member->data, member->len, raw, NULL), 0);
	digest_text_of(raw, digest);
	buf_addf(out, "%s %zu %s\n", member->name, member->len, digest);
	if (strcmp(member->name, "manifest.json") == 0)
		buf_addf(out, "%s\n", member->data);
	return 0;
}

static const char *hex(const char *digest)
{
	return strchr(digest, ':') + 1;
}

static void add_file(struct buf *out, const char *digest, const char *suffix, uint64_t size)
{
	buf_addf(out, "%s%s %llu %s\n", hex(digest), suffix, (unsigned long long)size, digest);
}

/* What manifest.json says: the same whatever is left out. */
static void add_list(struct buf *out, const struct scene *scene)
{
	CLEANUP_FREE char *list = string_printf(
	    "[{\"Config\":\"%s.json\",\"RepoTags\":null,\"Layers\":[\"%s.tar.gz\",\"%s.tar.gz\","
	    "\"%s.tar.gz\"]}]",
	    hex(scene->config), hex(scene->layers[0].digest), hex(scene->layers[1].digest),
	    hex(scene->layers[2].digest));
	char digest[DIGEST_TEXT_SIZE];
	size_t config_len;

	free(get_blob((struct place *)(uintptr_t)&scene->place, scene->config, &config_len));
	add_file(out, scene->config, ".json", config_len);
	assert_int_equal(digest_text(list, strlen(list), digest, NULL), 0);
	buf_addf(out, "manifest.json %zu %s\n%s\n", strlen(list), digest, list);
}

static struct bundle *open_bundle(const struct scene *scene)
{
	struct bundle *bundle = NULL;

	assert_ok(bundle_open(scene->place.store, "shop", scene->manifest, &bundle, OK_ERR));
	return bundle;
}

static void check_listing(const struct scene *scene, size_t left_out, const char *expected)
{
	CLEANUP_BUF struct buf archive = BUF_INIT(ARCHIVE_MAX), listing = BUF_INIT(64 * 1024);
	struct bundle *bundle = open_bundle(scene);

	bundle_leave_out(bundle, left_out);
	assert_ok(bundle_write(bundle, collect_piece, &archive, OK_ERR));
	assert_int_equal(archive.len, bundle_bytes(bundle));
	assert_ok(tar_walk(archive.data, archive.len, ARCHIVE_MAX, list_member, &listing, OK_ERR));
	assert_string_equal(listing.data, expected);
	bundle_close(bundle);
}

static void test_whole(void **state)
{
	const struct scene *scene = *state;
	CLEANUP_BUF struct buf expected = BUF_INIT(64 * 1024);

	add_file(&expected, scene->layers[0].digest, ".tar.gz", scene->layers[0].size);
	add_file(&expected, scene->layers[1].digest, ".tar.gz", scene->layers[1].size);
	add_list(&expected, scene);
	check_listing(scene, 0, expected.data);
}

/* The third layer is the first: it is needed once more where the first is left out. */
static void test_left_out(void **state)
{
	const struct scene *scene = *state;
	CLEANUP_BUF struct buf expected = BUF_INIT(64 * 1024);

	add_file(&expected, scene->layers[0].digest, ".tar.gz", scene->layers[0].size);
	add_list(&expected, scene);
	check_listing(scene, 2, expected.data);
	buf_clear(&expected);
	add_list(&expected, scene);
	check_listing(scene, 3, expected.data);
	check_listing(scene, 4, expected.data);
}

static void test_common(void **state UNUSED)
{
	static const struct {
		const char *ours, *others;
		size_t n;
	} cases[] = {
	    {"[\"a\",\"b\",\"c\"]", "[\"a\",\"b\",\"d\"]", 2},
	    {"[\"a\",\"b\"]", "[\"a\",\"b\",\"c\"]", 2},
	    {"[\"a\",\"b\"]", "[\"a\"]", 1},
	    {"[\"a\",\"b\"]", "[\"b\",\"a\"]", 0},
	    {"[\"a\"]", "[]", 0},
	    {"[]", "[\"a\"]", 0},
	    {"[\"a\"]", "[1]", 0},
	    {"[\"a\"]", "{\"a\":\"a\"}", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_JSON json_t *ours = json_loads(cases[i].ours, 0, NULL);
		CLEANUP_JSON json_t *others = json_loads(cases[i].others, 0, NULL);

		assert_int_equal(bundle_common(ours, others), cases[i].n);
	}
	assert_int_equal(bundle_common(NULL, NULL), 0);
}

static int refuse_after(void *context, const void *data UNUSED, size_t len, struct error *err)
{
	size_t *left = context;

	if (len > *left)
		return error_set(err, ERROR_CANCELLED, "enough");
	*left -= len;
	return 0;
}

static void test_reader_refuses(void **state)
{
	struct bundle *bundle = open_bundle(*state);
	uint64_t bytes = bundle_bytes(bundle);

	for (size_t room = 0; room < bytes; room += 511) {
		CLEANUP_ERROR struct error err = {0};
		size_t left = room;

		assert_int_equal(bundle_write(bundle, refuse_after, &left, &err), -1);
		assert_int_equal(err.kind, ERROR_CANCELLED);
	}
	bundle_close(bundle);
}

static void test_refused(void **state)
{
	const struct scene *scene = *state;
	CLEANUP_ERROR struct error err = {0};
	struct bundle *bundle = NULL;

	assert_int_equal(bundle_open(scene->place.store, "shop", scene->config, &bundle, &err), -1);
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
	assert_int_equal(
	    bundle_open(scene->place.store, "other", scene->manifest, &bundle, &err), -1);
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
	assert_null(bundle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_left_out, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_reader_refuses, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
	    cmocka_unit_test(test_common),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
