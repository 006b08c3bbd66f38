/* Names as docs/formats.md pins them. */
#include "deploy/names.h"
#include "tests/unit/deploy_check.h"

static const char digest[] =
    "sha256:9f3c2a1e5d0b4c8f7a6e1d2c3b4a59687f0e1d2c3b4a59687f0e1d2c3b4a5968";

static void releases_are_time_and_image(void **state UNUSED)
{
	char name[RELEASE_SIZE];

	assert_int_equal(name_release(1795370072, digest, name, NULL), 0);
	assert_string_equal(name, "20261122-175432-9f3c2a1");
	assert_true(name_is_release(name));
	assert_int_equal(name_release(0, digest, name, NULL), 0);
	assert_string_equal(name, "19700101-000000-9f3c2a1");
	/* A clock that is beyond all reason gives a name of the same form. */
	assert_int_equal(name_release((time_t)INT64_MAX, digest, name, NULL), 0);
	assert_true(name_is_release(name));
	assert_int_equal(name_release((time_t)253402300800 * 1000, digest, name, NULL), 0);
	assert_true(name_is_release(name));
}

static void only_digests_make_releases(void **state UNUSED)
{
	static const char *const bad[] = {"", "sha256:", "sha256:9f3c2a1",
	    "sha512:9f3c2a1e5d0b4c8f",
	    "9f3c2a1e5d0b4c8f7a6e1d2c3b4a59687f0e1d2c3b4a59687f0e1d2c3b4a5968",
	    "sha256:9F3C2A1E5D0B4C8F7A6E1D2C3B4A59687F0E1D2C3B4A59687F0E1D2C3B4A5968",
	    "sha256:../../.e5d0b4c8f7a6e1d2c3b4a59687f0e1d2c3b4a59687f0e1d2c3b4a5968",
	    "sha256:9f3c2a1e5d0b4c8f7a6e1d2c3b4a59687f0e1d2c3b4a59687f0e1d2c3b4a59680"};
	char name[RELEASE_SIZE] = "as before";
	struct error err = {0};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(name_release(0, bad[i], name, &err), -1);
		assert_error(&err, ERROR_PROTOCOL, "is not a SHA-256 digest");
	}
	assert_string_equal(name, "as before");
}

static void rollouts_are_not_releases(void **state UNUSED)
{
	char one[RELEASE_SIZE], two[RELEASE_SIZE];

	assert_int_equal(name_rollout(1795370072, one, NULL), 0);
	assert_int_equal(name_rollout(1795370072, two, NULL), 0);
	assert_int_equal(strncmp(one, "20261122-175432-r", 17), 0);
	assert_int_equal(strspn(one + 17, "0123456789abcdef"), 6);
	assert_int_equal(strlen(one), 23);
	assert_string_not_equal(one, two);
	assert_false(name_is_release(one));
}

static void releases_are_told(void **state UNUSED)
{
	static const char *const bad[] = {"", "2", "20261122-175432-9f3c2a",
	    "20261122-175432-9f3c2a1 ", "20261122-175432-9f3c2a12", "20261122_175432-9f3c2a1",
	    "2026112x-175432-9f3c2a1", "20261122-175432-9f3c2ag", "20261122-175432-9F3C2A1",
	    "current"};

	assert_true(name_is_release("00000000-000000-0000000"));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(name_is_release(bad[i]));
}

static void names_are_as_documented(void **state UNUSED)
{
	char *const got[] = {
	    name_container("shop.prod", "web"),
	    name_retained("shop.prod", "web", "20261122-175432-9f3c2a1"),
	    name_image("shop.prod", "web"),
	    name_image_tag("shop.prod", "web", "current"),
	    name_default_network("shop.prod"),
	    name_ledger("shop.prod"),
	};
	static const char *const want[] = {
	    "shop.prod.web",
	    "shop.prod.web.20261122-175432-9f3c2a1",
	    "localhost/shipit/shop.prod.web",
	    "localhost/shipit/shop.prod.web:current",
	    "shop.prod.default",
	    "shop.prod.shipit",
	};

	for (size_t i = 0; i < ARRAY_SIZE(got); i++) {
		assert_string_equal(got[i], want[i]);
		free(got[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(releases_are_time_and_image),
	    cmocka_unit_test(only_digests_make_releases),
	    cmocka_unit_test(rollouts_are_not_releases),
	    cmocka_unit_test(releases_are_told),
	    cmocka_unit_test(names_are_as_documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
