/* SHA-256 and HMAC against published vectors: FIPS 180-2 and RFC 4231. */
#include "base/digest.h"
#include "tests/unit/base_check.h"

static void sha256_vectors(void **state UNUSED)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
	    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	};
	CLEANUP_FREE char *million = malloc(1000000);
	char hex[DIGEST_HEX_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(
		    digest_sha256_hex(cases[i].text, strlen(cases[i].text), hex, NULL), 0);
		assert_string_equal(hex, cases[i].want);
	}
	assert_non_null(million);
	memset(million, 'a', 1000000);
	assert_int_equal(digest_sha256_hex(million, 1000000, hex, NULL), 0);
	assert_string_equal(
	    hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void hmac_vectors(void **state UNUSED)
{
	char key[131], data[50], hex[DIGEST_HEX_SIZE];

	assert_int_equal(
	    digest_hmac_hex("Jefe", 4, "what do ya want for nothing?", 28, hex, NULL), 0);
	assert_string_equal(
	    hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	memset(data, 0xdd, sizeof(data));
	assert_int_equal(digest_hmac_hex(key, 20, data, sizeof(data), hex, NULL), 0);
	assert_string_equal(
	    hex, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
	assert_int_equal(
	    digest_hmac_hex(key, sizeof(key),
		"Test Using Larger Than Block-Size Key - Hash Key First", 54, hex, NULL),
	    0);
	assert_string_equal(
	    hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void random_hex_is_random(void **state UNUSED)
{
	struct error err = {0};
	char one[129], two[129];

	assert_int_equal(digest_random_hex(64, one, NULL), 0);
	assert_int_equal(digest_random_hex(64, two, NULL), 0);
	assert_int_equal(strlen(one), 128);
	assert_int_equal(strspn(one, "0123456789abcdef"), 128);
	assert_string_not_equal(one, two);
	assert_int_equal(digest_random_hex(0, one, NULL), 0);
	assert_string_equal(one, "");
	assert_int_equal(digest_random_hex(65, two, &err), -1);
	assert_error(&err, ERROR_SYSTEM, NULL);
}

static void as_text_and_back(void **state UNUSED)
{
	static const char abc[] =
	    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	static const char *const no_digests[] = {"", "sha256:", "sha256:ba78",
	    "sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
	    "sha512:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0",
	    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a/"};
	unsigned char raw[DIGEST_RAW_SIZE], same[DIGEST_RAW_SIZE];
	char text[DIGEST_TEXT_SIZE];

	assert_int_equal(digest_text("abc", 3, text, NULL), 0);
	assert_string_equal(text, abc);
	assert_true(digest_is_text(text));
	assert_int_equal(digest_raw_of(abc, raw), 0);
	assert_int_equal(digest_raw("abc", 3, same, NULL), 0);
	assert_memory_equal(raw, same, DIGEST_RAW_SIZE);
	digest_text_of(raw, text);
	assert_string_equal(text, abc);
	for (size_t i = 0; i < ARRAY_SIZE(no_digests); i++) {
		assert_false(digest_is_text(no_digests[i]));
		assert_int_equal(digest_raw_of(no_digests[i], raw), -1);
	}
}

static void piece_by_piece(void **state UNUSED)
{
	unsigned char want[DIGEST_RAW_SIZE], got[DIGEST_RAW_SIZE];
	struct digest *digest = NULL;

	assert_int_equal(digest_new(&digest, NULL), 0);
	for (size_t i = 0; i <= 3; i++) {
		assert_int_equal(digest_raw("abc", i, want, NULL), 0);
		assert_int_equal(digest_so_far(digest, got, NULL), 0);
		assert_memory_equal(got, want, DIGEST_RAW_SIZE);
		assert_int_equal(digest_add(digest, &"abc"[i], 1, NULL), 0);
	}
	digest_free(digest);
	digest_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sha256_vectors),
	    cmocka_unit_test(hmac_vectors),
	    cmocka_unit_test(random_hex_is_random),
	    cmocka_unit_test(as_text_and_back),
	    cmocka_unit_test(piece_by_piece),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
