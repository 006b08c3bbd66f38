/* Paths, names, tags, paging and ranges: what is what, and what is refused. */
#include "transport/registry/range.h"
#include "transport/registry/route.h"

#include "tests/unit/base_check.h"

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void endpoints(void **state UNUSED)
{
	static const struct {
		const char *method, *path;
		enum route_what what;
		const char *repository, *reference;
	} cases[] = {
	    {"GET", "/v2/", ROUTE_BASE, "", ""},
	    {"GET", "/v2", ROUTE_BASE, "", ""},
	    {"GET", "/v2/_catalog", ROUTE_CATALOG, "", ""},
	    {"HEAD", "/v2/a/b/blobs/" A, ROUTE_BLOB, "a/b", A},
	    {"DELETE", "/v2/a/blobs/" A, ROUTE_BLOB, "a", A},
	    {"POST", "/v2/a/blobs/uploads/", ROUTE_UPLOADS, "a", ""},
	    {"POST", "/v2/a/blobs/uploads", ROUTE_UPLOADS, "a", ""},
	    {"PATCH", "/v2/a/blobs/uploads/77", ROUTE_UPLOAD, "a", "77"},
	    {"PUT", "/v2/a/manifests/v1.0", ROUTE_MANIFEST, "a", "v1.0"},
	    {"GET", "/v2/a/manifests/" A, ROUTE_MANIFEST, "a", A},
	    {"GET", "/v2/a/tags/list", ROUTE_TAGS, "a", ""},
	    {"GET", "/v2/a/referrers/" A, ROUTE_REFERRERS, "a", A},
	    /* Repositories that are called like endpoints. */
	    {"GET", "/v2/blobs/blobs/" A, ROUTE_BLOB, "blobs", A},
	    {"POST", "/v2/a/blobs/uploads/blobs/uploads/", ROUTE_UPLOADS, "a/blobs/uploads", ""},
	    {"GET", "/v2/a/manifests/b/manifests/c", ROUTE_MANIFEST, "a/manifests/b", "c"},
	    {"GET", "/v2/a/tags/list/tags/list", ROUTE_TAGS, "a/tags/list", ""},
	    {"GET", "/v2/tags/manifests/list", ROUTE_MANIFEST, "tags", "list"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct route route;
		unsigned int allowed;

		assert_int_equal(
		    route_parse(cases[i].method, cases[i].path, &route, &allowed), ROUTE_OK);
		assert_int_equal(route.what, cases[i].what);
		assert_string_equal(route.repository, cases[i].repository);
		assert_string_equal(route.reference, cases[i].reference);
	}
}

static void what_is_none(void **state UNUSED)
{
	static const struct {
		const char *method, *path;
		enum route_error want;
	} cases[] = {
	    {"GET", "/", ROUTE_NO_ENDPOINT},
	    {"GET", "", ROUTE_NO_ENDPOINT},
	    {"GET", "/v1/_ping", ROUTE_NO_ENDPOINT},
	    {"GET", "/v2x/a/tags/list", ROUTE_NO_ENDPOINT},
	    {"GET", "/v2/a/nothing", ROUTE_NO_ENDPOINT},
	    {"GET", "/v2/a/tags/list/", ROUTE_NO_ENDPOINT},
	    {"POST", "/v2/a/tags/list", ROUTE_UNSUPPORTED},
	    {"BREW", "/v2/a/tags/list", ROUTE_UNSUPPORTED},
	    {"PATCH", "/v2/a/manifests/x", ROUTE_UNSUPPORTED},
	    {"GET", "/v2//tags/list", ROUTE_NAME_INVALID},
	    {"GET", "/v2/tags/list", ROUTE_NAME_INVALID},
	    {"GET", "/v2/UPPER/tags/list", ROUTE_NAME_INVALID},
	    {"GET", "/v2/a/../b/tags/list", ROUTE_NAME_INVALID},
	    {"GET", "/v2/a/blobs/x", ROUTE_DIGEST_INVALID},
	    {"GET", "/v2/a/blobs/" A "0", ROUTE_DIGEST_INVALID},
	    {"GET", "/v2/a/referrers/latest", ROUTE_DIGEST_INVALID},
	    {"GET", "/v2/a/manifests/md5:00", ROUTE_DIGEST_INVALID},
	    {"GET", "/v2/a/manifests/-x", ROUTE_MANIFEST_UNKNOWN},
	    {"PUT", "/v2/a/manifests/-x", ROUTE_MANIFEST_INVALID},
	    {"GET", "/v2/a/manifests/", ROUTE_MANIFEST_UNKNOWN},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct route route;
		unsigned int allowed;

		assert_int_equal(
		    route_parse(cases[i].method, cases[i].path, &route, &allowed), cases[i].want);
	}
}

static bool is_name(const char *name)
{
	return route_is_name(name, strlen(name));
}

static void names(void **state UNUSED)
{
	static const char *const good[] = {
	    "a", "0", "a/b/c", "a.b", "a_b", "a__b", "a-b", "a----b", "a.b_c-d/e"};
	static const char *const bad[] = {"", "/", "a/", "/a", "a//b", "A", "a..b", "a___b", "-a",
	    "a-", "a.", "_a", "a._b", "a b", "a:b", "\xc3\xa4"};
	char longest[257];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(is_name(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(is_name(bad[i]));
	memset(longest, 'a', 256);
	longest[255] = '\0';
	assert_true(is_name(longest));
	longest[255] = 'a';
	longest[256] = '\0';
	assert_false(is_name(longest));
}

static void tags(void **state UNUSED)
{
	char longest[130];

	assert_true(route_is_tag("v1.0-rc_1") && route_is_tag("_") && route_is_tag("LATEST"));
	assert_false(route_is_tag("") || route_is_tag(".a") || route_is_tag("-a"));
	assert_false(route_is_tag("a/b") || route_is_tag("a:b") || route_is_tag("a b"));
	memset(longest, 'a', 129);
	longest[128] = '\0';
	assert_true(route_is_tag(longest));
	longest[128] = 'a';
	longest[129] = '\0';
	assert_false(route_is_tag(longest));
}

static void counts(void **state UNUSED)
{
	char methods[ROUTE_METHODS_SIZE];
	size_t n;

	assert_int_equal(route_count(NULL, 100, &n), 0);
	assert_int_equal(n, 100);
	assert_int_equal(route_count("0", 100, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(route_count("99", 100, &n), 0);
	assert_int_equal(n, 99);
	assert_int_equal(route_count("99999999999999999999999999", 100, &n), 0);
	assert_int_equal(n, 100);
	assert_true(route_count("", 100, &n) < 0 && route_count("-1", 100, &n) < 0);
	assert_true(route_count("1e3", 100, &n) < 0);
	route_methods(ROUTE_GET | ROUTE_PATCH | ROUTE_DELETE, methods);
	assert_string_equal(methods, "GET, PATCH, DELETE");
	route_methods(~0U, methods);
	assert_string_equal(methods, "GET, HEAD, POST, PUT, PATCH, DELETE");
}

static void ranges(void **state UNUSED)
{
	static const struct {
		const char *header;
		enum range_kind kind;
		uint64_t start, length;
	} cases[] = {
	    {NULL, RANGE_WHOLE, 0, 100},
	    {"bytes=0-0", RANGE_PART, 0, 1},
	    {"bytes=5-", RANGE_PART, 5, 95},
	    {"Bytes=5-9", RANGE_PART, 5, 5},
	    {"bytes= 5-9 ", RANGE_PART, 5, 5},
	    {"bytes=99-", RANGE_PART, 99, 1},
	    {"bytes=90-1000", RANGE_PART, 90, 10},
	    {"bytes=0-18446744073709551615", RANGE_PART, 0, 100},
	    {"bytes=-1", RANGE_PART, 99, 1},
	    {"bytes=-1000", RANGE_PART, 0, 100},
	    {"bytes=100-", RANGE_UNFITTING, 0, 100},
	    {"bytes=-0", RANGE_UNFITTING, 0, 100},
	    {"bytes=9-5", RANGE_WHOLE, 0, 100},
	    {"bytes=0-1,3-4", RANGE_WHOLE, 0, 100},
	    {"bytes=a-b", RANGE_WHOLE, 0, 100},
	    {"bytes=", RANGE_WHOLE, 0, 100},
	    {"bytes=-", RANGE_WHOLE, 0, 100},
	    {"lines=0-5", RANGE_WHOLE, 0, 100},
	    {"bytes=99999999999999999999-", RANGE_WHOLE, 0, 100},
	};
	struct range range;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(range_parse(cases[i].header, 100, &range), cases[i].kind);
		assert_int_equal(range.start, cases[i].start);
		assert_int_equal(range.length, cases[i].length);
	}
	assert_int_equal(range_parse("bytes=0-", 0, &range), RANGE_UNFITTING);
	assert_int_equal(range_parse("bytes=-5", 0, &range), RANGE_UNFITTING);
}

static void chunks(void **state UNUSED)
{
	static const char *const bad[] = {"", "-", "0", "5-4", "bytes 0-9/10", "0-9 ", "a-b",
	    "0-99999999999999999999", "0-18446744073709551615", "-5"};
	struct range range;

	assert_int_equal(range_parse_chunk("10-19", &range), 0);
	assert_int_equal(range.start, 10);
	assert_int_equal(range.length, 10);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(range_parse_chunk(bad[i], &range), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(endpoints),
	    cmocka_unit_test(what_is_none),
	    cmocka_unit_test(names),
	    cmocka_unit_test(tags),
	    cmocka_unit_test(counts),
	    cmocka_unit_test(ranges),
	    cmocka_unit_test(chunks),
	};

	return cmocka_run_group_tests_name("registry_route", tests, NULL, NULL);
}
