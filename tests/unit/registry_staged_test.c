/* Images in stages: where they are cut, and what the configs and manifests of the stages say. */
#include "transport/registry/staged.h"

#include "base/buf.h"
#include "base/json.h"
#include "tests/unit/base_check.h"

enum { MB = 1024 * 1024, LAYERS_MAX = 16 };

/* An image with layers of so many megabytes. */
static void make(const int *sizes, size_t n, struct staged *ret)
{
	CLEANUP_BUF struct buf manifest = BUF_INIT(65536);
	CLEANUP_BUF struct buf config = BUF_INIT(65536);

	buf_addf(&config, "{\"os\":\"linux\",\"config\":{\"Cmd\":[\"/a\"]},\"history\":["
			  "{\"created_by\":\"ENV\",\"empty_layer\":true}");
	for (size_t i = 0; i < n; i++)
		buf_addf(&config,
		    ",{\"created_by\":\"COPY %zu\"},{\"created_by\":\"E%zu\",\"empty_layer\":true}",
		    i, i);
	buf_addf(&config, "],\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[");
	buf_addf(&manifest,
	    "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"config\":{"
	    "\"mediaType\":\"" MEDIA_OCI_CONFIG "\",\"digest\":\"sha256:%064d\",\"size\":1},"
	    "\"annotations\":{\"k\":\"v\"},\"layers\":[",
	    0);
	for (size_t i = 0; i < n; i++) {
		buf_addf(&config, "%s\"sha256:%064zu\"", i > 0 ? "," : "", 100 + i);
		buf_addf(&manifest,
		    "%s{\"mediaType\":\"" MEDIA_OCI_LAYER_GZIP
		    "\",\"digest\":\"sha256:%064zu\",\"size\":%d}",
		    i > 0 ? "," : "", 200 + i, sizes[i] * MB);
	}
	buf_addf(&config, "]}}");
	buf_addf(&manifest, "]}");
	assert_int_equal(
	    staged_parse(manifest.data, manifest.len, config.data, config.len, ret, NULL), 0);
}

static void where_it_is_cut(void **state UNUSED)
{
	static const struct {
		int sizes[LAYERS_MAX];
		size_t n, there, ends[LAYERS_MAX];
	} cases[] = {
	    {{100, 100, 100}, 3, 0, {1, 2, 3}},
	    {{100, 100, 100}, 3, 1, {2, 3}},
	    {{100, 100, 100}, 3, 2, {3}},
	    {{100, 100, 100}, 3, 3, {3}},
	    {{1, 100, 100, 100}, 4, 0, {2, 3, 4}},
	    /* Small layers go together, and what is little at the end is no stage of its own. */
	    {{10, 10, 10, 10, 10, 10, 10, 10}, 8, 0, {4, 8}},
	    {{100, 1}, 2, 0, {2}},
	    {{30, 30}, 2, 0, {2}},
	    {{400}, 1, 0, {1}},
	    {{0}, 0, 0, {0}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_STAGED struct staged staged = {0};
		size_t at = cases[i].there;

		make(cases[i].sizes, cases[i].n, &staged);
		for (size_t end = 0; end == 0 || at < cases[i].n; end++) {
			at = staged_next(&staged, at);
			assert_int_equal(at, cases[i].ends[end]);
		}
	}
}

static void what_is_shared(void **state UNUSED)
{
	CLEANUP_STAGED struct staged staged = {0};
	CLEANUP_JSON json_t *other = json_array();

	make((const int[]){1, 2, 3}, 3, &staged);
	assert_int_equal(staged_shared(&staged, NULL), 0);
	assert_int_equal(staged_shared(&staged, other), 0);
	json_array_append(other, json_array_get(staged.config.diff_ids, 0));
	json_array_append(other, json_array_get(staged.config.diff_ids, 1));
	assert_int_equal(staged_shared(&staged, other), 2);
	json_array_append(other, json_array_get(staged.config.diff_ids, 1));
	assert_int_equal(staged_shared(&staged, other), 2);
	assert_int_equal(staged_shared(&staged, staged.config.diff_ids), 3);
	assert_true(staged_bytes(&staged, 1, 3) == 5 * MB);
}

/* It is an image: its manifest names its config, both have its layers, and nothing more. */
static void what_a_stage_says(void **state UNUSED)
{
	CLEANUP_STAGED struct staged whole = {0};
	CLEANUP_STAGED struct staged stage = {0};
	CLEANUP_FREE char *config = NULL;
	CLEANUP_FREE char *manifest = NULL;
	char digest[DIGEST_TEXT_SIZE];

	make((const int[]){40, 40, 40}, 3, &whole);
	assert_int_equal(staged_make(&whole, 2, &config, &manifest, NULL), 0);
	assert_int_equal(
	    staged_parse(manifest, strlen(manifest), config, strlen(config), &stage, NULL), 0);
	digest_text(config, strlen(config), digest, NULL);
	assert_string_equal(stage.manifest.config.digest, digest);
	assert_int_equal(stage.manifest.config.size, strlen(config));
	assert_string_equal(stage.manifest.config.media_type, MEDIA_OCI_CONFIG);
	assert_int_equal(stage.manifest.n, 2);
	assert_string_equal(stage.manifest.media_type, MEDIA_OCI_MANIFEST);
	assert_string_equal(stage.manifest.entries[1].digest, whole.manifest.entries[1].digest);
	assert_null(json_object_get(stage.manifest.json, "annotations"));
	assert_int_equal(staged_shared(&whole, stage.config.diff_ids), 2);
	assert_string_equal(json_str(stage.config.json, "rootfs.type", ""), "layers");
	assert_string_equal(
	    json_string_value(json_array_get(json_at(stage.config.json, "config.Cmd"), 0)), "/a");
	/* ENV, COPY 0, E0, COPY 1, E1 */
	assert_int_equal(json_array_size(json_object_get(stage.config.json, "history")), 5);
	/* The image itself is as it was. */
	assert_int_equal(json_array_size(json_object_get(whole.config.json, "history")), 7);
	assert_int_equal(json_array_size(whole.config.diff_ids), 3);
	assert_non_null(json_object_get(whole.manifest.json, "annotations"));
}

static void what_does_not_fit(void **state UNUSED)
{
	static const char manifest[] =
	    "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" MEDIA_OCI_CONFIG
	    "\",\"digest\":\"sha256:"
	    "0000000000000000000000000000000000000000000000000000000000000000"
	    "\",\"size\":1},\"layers\":[]}";
	static const char config[] =
	    "{\"rootfs\":{\"diff_ids\":[\"sha256:"
	    "0000000000000000000000000000000000000000000000000000000000000000\"]}}";
	struct staged staged = {0};
	struct error err = {0};

	assert_int_equal(
	    staged_parse(manifest, strlen(manifest), config, strlen(config), &staged, &err), -1);
	assert_error(&err, ERROR_PROTOCOL, "differ in layers");
	assert_int_equal(staged_parse("{}", 2, config, strlen(config), &staged, &err), -1);
	error_release(&err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(where_it_is_cut),
	    cmocka_unit_test(what_is_shared),
	    cmocka_unit_test(what_a_stage_says),
	    cmocka_unit_test(what_does_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
