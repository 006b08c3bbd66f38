/* Manifests, indexes and configs: the forms of OCI and of Docker, and what is refused. */
#include "transport/registry/manifest.h"

#include "base/buf.h"
#include "base/json.h"
#include "tests/unit/base_check.h"

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

#define CONFIG "{\"mediaType\":\"" MEDIA_OCI_CONFIG "\",\"digest\":\"" A "\",\"size\":7}"
#define LAYER                                                                                      \
	"{\"mediaType\":\"" MEDIA_OCI_LAYER_GZIP "\",\"digest\":\"" B "\",\"size\":9,"             \
	"\"annotations\":{\"k\":\"v\"}}"
#define IMAGE "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[" LAYER "]}"

static int parse(const char *text, const char *type, struct manifest *ret, struct error *err)
{
	return manifest_parse(text, strlen(text), type, ret, err);
}

static void an_image(void **state UNUSED)
{
	struct manifest manifest;

	assert_int_equal(parse(IMAGE, NULL, &manifest, NULL), 0);
	assert_false(manifest.is_index);
	assert_string_equal(manifest.media_type, MEDIA_OCI_MANIFEST);
	assert_string_equal(manifest.artifact_type, MEDIA_OCI_CONFIG);
	assert_string_equal(manifest.config.digest, A);
	assert_int_equal(manifest.config.size, 7);
	assert_int_equal(manifest.n, 1);
	assert_string_equal(manifest.entries[0].digest, B);
	assert_string_equal(json_str(manifest.entries[0].annotations, "k", ""), "v");
	assert_string_equal(manifest.subject.digest, "");
	manifest_release(&manifest);
	/* An artifact without layers, about another manifest. */
	assert_int_equal(parse("{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST
			       "\",\"artifactType\":\"a/b\",\"config\":" CONFIG
			       ",\"layers\":[],\"subject\":{\"mediaType\":\"" MEDIA_OCI_MANIFEST
			       "\",\"digest\":\"" C "\",\"size\":1}}",
			     MEDIA_OCI_MANIFEST, &manifest, NULL),
	    0);
	assert_string_equal(manifest.artifact_type, "a/b");
	assert_string_equal(manifest.subject.digest, C);
	manifest_release(&manifest);
}

static void an_index(void **state UNUSED)
{
	static const char text[] =
	    "{\"schemaVersion\":2,\"manifests\":["
	    "{\"digest\":\"" A
	    "\",\"size\":1,\"platform\":{\"os\":\"unknown\",\"architecture\":\"unknown\"}},"
	    "{\"digest\":\"" B
	    "\",\"size\":2,\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\","
	    "\"variant\":\"v8\"}},{\"digest\":\"" C "\",\"size\":3}]}";
	struct manifest index;

	assert_int_equal(parse(text, MEDIA_DOCKER_LIST, &index, NULL), 0);
	assert_true(index.is_index);
	assert_string_equal(index.media_type, MEDIA_DOCKER_LIST);
	assert_int_equal(index.n, 3);
	assert_string_equal(index.entries[1].variant, "v8");
	assert_ptr_equal(manifest_choose(&index, "linux", "arm64"), &index.entries[1]);
	assert_null(manifest_choose(&index, "linux", "amd64"));
	manifest_release(&index);
}

static void what_is_refused(void **state UNUSED)
{
	static const struct {
		const char *text, *type, *want;
	} cases[] = {
	    {"", NULL, "is not valid JSON"},
	    {"[]", NULL, "no JSON object"},
	    {"7", NULL, "no JSON object"},
	    {"{\"schemaVersion\":1}", NULL, "schemaVersion is not 2"},
	    {"{\"schemaVersion\":2}", NULL, "it lists no layers"},
	    {"{\"schemaVersion\":2,\"layers\":[]}", NULL, "names no config"},
	    {"{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[{}]}", NULL,
		"names its layer by \"\""},
	    {"{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[{\"digest\":\"" B
	     "\",\"size\":-1}]}",
		NULL, "no size, or one that makes no sense, of its layer"},
	    {"{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[{\"digest\":\"" B "\"}]}",
		NULL, "no size"},
	    {"{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[{\"digest\":\"" B
	     "\",\"size\":1.5}]}",
		NULL, "no size"},
	    {"{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[\"" B "\"]}", NULL,
		"names no layer"},
	    {"{\"schemaVersion\":2,\"config\":" CONFIG
	     ",\"layers\":[{\"digest\":\"sha256:../../etc/passwd\",\"size\":1}]}",
		NULL, "no sha256 digest"},
	    {"{\"schemaVersion\":2,\"mediaType\":7,\"config\":" CONFIG ",\"layers\":[]}", NULL,
		"\"mediaType\" is no text"},
	    {"{\"schemaVersion\":2,\"manifests\":[],\"layers\":[]}", NULL,
		"an image and an index at once"},
	    {"{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"" A
	     "\",\"size\":1,\"platform\":[]}]}",
		NULL, "a platform is no object"},
	    {"{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[],\"annotations\":{\"a\":1}}",
		NULL, "an annotation is no text"},
	    {"{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[],\"subject\":{}}", NULL,
		"names its subject by"},
	    {IMAGE, MEDIA_OCI_INDEX, "is not the media type of an image's manifest"},
	    {IMAGE, "text/html", "is not the media type of an image's manifest"},
	    {"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_DOCKER_MANIFEST "\",\"config\":" CONFIG
	     ",\"layers\":[]}",
		MEDIA_OCI_MANIFEST, "was announced as " MEDIA_OCI_MANIFEST},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct manifest manifest;
		struct error err = {0};

		assert_int_equal(parse(cases[i].text, cases[i].type, &manifest, &err), -1);
		assert_int_equal(err.kind, ERROR_PROTOCOL);
		if (strstr(error_text(&err), cases[i].want) == NULL)
			fail_msg("%s: %s", cases[i].text, error_text(&err));
		error_release(&err);
	}
}

/* More than anybody needs: refused before anything is allocated for it. */
static void what_is_too_much(void **state UNUSED)
{
	struct buf text = BUF_INIT(2 * MANIFEST_MAX);
	struct manifest manifest;
	struct error err = {0};

	buf_adds(&text, "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[" LAYER);
	for (int i = 0; i < MANIFEST_ENTRIES_MAX; i++)
		buf_adds(&text, "," LAYER);
	buf_adds(&text, "]}");
	assert_int_equal(manifest_parse(text.data, text.len, NULL, &manifest, &err), -1);
	assert_non_null(strstr(error_text(&err), "more than 4096"));
	buf_clear(&text);
	for (int i = 0; i < 100000; i++)
		buf_addc(&text, '[');
	assert_int_equal(manifest_parse(text.data, text.len, NULL, &manifest, &err), -1);
	assert_non_null(strstr(error_text(&err), "is not valid JSON"));
	while (text.len <= MANIFEST_MAX)
		buf_adds(&text, "                                                                ");
	assert_int_equal(manifest_parse(text.data, text.len, NULL, &manifest, &err), -1);
	assert_non_null(strstr(error_text(&err), "bytes, more than"));
	error_release(&err);
	buf_release(&text);
}

static void sizes_cannot_overflow(void **state UNUSED)
{
#define HUGE_LAYER "{\"digest\":\"" B "\",\"size\":9223372036854775807}"
	static const char text[] = "{\"schemaVersion\":2,\"config\":" CONFIG
				   ",\"layers\":[" HUGE_LAYER "," HUGE_LAYER "," HUGE_LAYER "]}";
	struct manifest manifest;
	struct error err = {0};

	assert_int_equal(parse(text, NULL, &manifest, &err), -1);
	assert_non_null(strstr(error_text(&err), "sizes make no sense"));
	error_release(&err);
}

static void configs(void **state UNUSED)
{
	static const char good[] = "{\"architecture\":\"arm64\",\"os\":\"linux\",\"rootfs\":"
				   "{\"type\":\"layers\",\"diff_ids\":[\"" A "\",\"" B "\"]}}";
	static const char *const bad[] = {"{}", "[]", "{\"rootfs\":{\"diff_ids\":[7]}}",
	    "{\"rootfs\":{\"diff_ids\":[\"x\"]}}", "{\"rootfs\":[]}"};
	struct image_config config;
	struct error err = {0};

	assert_int_equal(image_config_parse(good, strlen(good), &config, NULL), 0);
	assert_string_equal(config.arch, "arm64");
	assert_int_equal(json_array_size(config.diff_ids), 2);
	image_config_release(&config);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(image_config_parse(bad[i], strlen(bad[i]), &config, &err), -1);
		assert_int_equal(err.kind, ERROR_PROTOCOL);
	}
	error_release(&err);
}

/* What we make is what we take, and always the same bytes: its digest is part of a release. */
static void what_we_make(void **state UNUSED)
{
	static const struct manifest_layer layers[] = {{B, 9}, {C, 1234567890123}};
	CLEANUP_FREE char *text = NULL;
	struct manifest manifest;

	assert_int_equal(manifest_make(A, 7, layers, 2, &text, NULL), 0);
	assert_string_equal(text,
	    "{\"config\":{\"digest\":\"" A "\",\"mediaType\":\"" MEDIA_DOCKER_CONFIG
	    "\",\"size\":7},\"layers\":[{\"digest\":\"" B "\",\"mediaType\":\"" MEDIA_DOCKER_LAYER
	    "\",\"size\":9},{\"digest\":\"" C "\",\"mediaType\":\"" MEDIA_DOCKER_LAYER
	    "\",\"size\":1234567890123}],\"mediaType\":\"" MEDIA_DOCKER_MANIFEST
	    "\",\"schemaVersion\":2}");
	assert_int_equal(parse(text, MEDIA_DOCKER_MANIFEST, &manifest, NULL), 0);
	assert_int_equal(manifest.n, 2);
	assert_int_equal(manifest.entries[1].size, 1234567890123);
	manifest_release(&manifest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_image),
	    cmocka_unit_test(an_index),
	    cmocka_unit_test(what_is_refused),
	    cmocka_unit_test(what_is_too_much),
	    cmocka_unit_test(sizes_cannot_overflow),
	    cmocka_unit_test(configs),
	    cmocka_unit_test(what_we_make),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
