/* The registry's client against a scripted registry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/digest.h"
#include "tests/unit/engine_fake.h"
#include "transport/registry/client.h"

#define CONFIG	    "sha256:8be26f81ffea54106bae012c6f349df70f4d5e7e2ec01b143c46e2c03b9e551d"
#define LAYER(size) "{\"digest\":\"" CONFIG "\",\"size\":" size "}"
#define IMAGE_OF(config_size, layers)                                                              \
	"{\"schemaVersion\":2,\"config\":{\"digest\":\"" CONFIG "\",\"size\":" config_size         \
	"},\"layers\":[" layers "]}"
#define INDEX(entries) "{\"schemaVersion\":2,\"manifests\":[" entries "]}"
#define ENTRY(digest, os, arch)                                                                    \
	"{\"digest\":\"" digest "\",\"size\":1,\"platform\":{\"os\":\"" os                         \
	"\",\"architecture\":\"" arch "\"}}"
#define MOST  "9223372036854775807"
#define IMAGE IMAGE_OF("7", LAYER("100") "," LAYER("1000"))

/* An answer with this body, and with the Docker-Content-Digest `announced` where it is given. */
static char *answer(const char *body, const char *announced)
{
	return string_printf("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n%s%s\r\n\r\n%s",
	    strlen(body), announced != NULL ? "Docker-Content-Digest: " : "X: y",
	    announced != NULL ? announced : "", body);
}

static void digest_of(const char *body, char out[80])
{
	strcpy(out, "sha256:");
	assert_int_equal(digest_sha256_hex(body, strlen(body), out + 7, NULL), 0);
}

/* Resolve `reference` against these answers (freed here); what was asked goes to `asked`. */
static int resolve(char *const *answers, size_t n, const char *reference,
    struct registry_image *ret, struct error *err, struct buf *asked)
{
	struct fake_reply replies[8];
	struct fake fake;
	int rc;

	for (size_t i = 0; i < n; i++)
		replies[i] = (struct fake_reply){answers[i], FAKE_KEEP};
	fake_start(&fake, replies, n, 1);
	rc = registry_resolve(fake.address + strlen("http://"), "shop/web", reference, "linux",
	    "arm64", -1, ret, err);
	fake_stop(&fake);
	if (asked != NULL)
		buf_add(asked, fake.seen.data, fake.seen.len);
	fake_release(&fake);
	for (size_t i = 0; i < n; i++)
		free(answers[i]);
	return rc;
}

static void a_manifest_is_read(void **state UNUSED)
{
	char digest[80];
	struct registry_image image;
	struct buf asked = BUF_INIT(65536);

	digest_of(IMAGE, digest);
	assert_int_equal(
	    resolve((char *[]){answer(IMAGE, digest)}, 1, "1.0", &image, NULL, &asked), 0);
	assert_string_equal(image.manifest, digest);
	assert_string_equal(image.config, CONFIG);
	assert_int_equal(image.bytes, 1107);
	assert_int_equal(image.layers, 2);
	assert_non_null(strstr(asked.data, "GET /v2/shop/web/manifests/1.0 HTTP"));
	assert_non_null(strstr(asked.data, "application/vnd.oci.image.index.v1+json\r\n"));
	registry_image_release(&image);
	assert_int_equal(
	    resolve((char *[]){answer(IMAGE, NULL)}, 1, digest, &image, NULL, NULL), 0);
	registry_image_release(&image);
	buf_release(&asked);
}

static void an_index_is_followed(void **state UNUSED)
{
	char digest[80], *index;
	struct registry_image image;
	struct buf asked = BUF_INIT(65536);

	digest_of(IMAGE, digest);
	index = string_printf(
	    INDEX(ENTRY(CONFIG, "linux", "amd64") "," ENTRY("%s", "linux", "arm64")), digest);
	assert_int_equal(resolve((char *[]){answer(index, NULL), answer(IMAGE, digest)}, 2, "1.0",
			     &image, NULL, &asked),
	    0);
	assert_string_equal(image.manifest, digest);
	assert_non_null(strstr(asked.data, digest));
	registry_image_release(&image);
	buf_release(&asked);
	free(index);
}

static void assert_refused(
    char *body, const char *reference, enum error_kind kind, const char *words)
{
	struct registry_image image;
	struct error err = {0};

	assert_int_equal(resolve((char *[]){body}, 1, reference, &image, &err, NULL), -1);
	assert_int_equal(err.kind, kind);
	if (strstr(error_text(&err), words) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", words, error_text(&err));
	assert_non_null(strstr(error_text(&err), "/shop/web"));
	error_release(&err);
}

static void what_does_not_fit_is_refused(void **state UNUSED)
{
	static char large[4200000];

	assert_refused(answer(IMAGE, NULL), CONFIG, ERROR_PROTOCOL, "came has the digest sha256:");
	assert_refused(answer(IMAGE, CONFIG), "1", ERROR_PROTOCOL, "was announced as " CONFIG);
	assert_refused(
	    answer("{\"schemaVersion\":1}", NULL), "1", ERROR_PROTOCOL, "schemaVersion is not 2");
	assert_refused(answer("[]", NULL), "1", ERROR_PROTOCOL, "no JSON object");
	assert_refused(answer("{", NULL), "1", ERROR_PROTOCOL, "not valid JSON");
	assert_refused(
	    answer("{\"schemaVersion\":2}", NULL), "1", ERROR_PROTOCOL, "not one of an image");
	assert_refused(answer(IMAGE_OF("-1", ""), NULL), "1", ERROR_PROTOCOL, "makes no sense");
	assert_refused(answer(IMAGE_OF("1", LAYER(MOST) "," LAYER(MOST) "," LAYER(MOST)), NULL),
	    "1", ERROR_PROTOCOL, "make no sense");
	assert_refused(answer(IMAGE_OF(MOST, LAYER(MOST) "," LAYER(MOST)), NULL), "1",
	    ERROR_PROTOCOL, "makes no sense");
	assert_refused(answer(INDEX(ENTRY("x", "linux", "arm64")), NULL), "1", ERROR_PROTOCOL,
	    "names its manifest by \"x\"");
	assert_refused(
	    answer(INDEX(ENTRY(CONFIG, "linux", "amd64") "," ENTRY(CONFIG, "unknown", "unknown")),
		NULL),
	    "1", ERROR_NOT_FOUND, "no image for linux/arm64, only for linux/amd64");
	assert_refused(
	    strdup("HTTP/1.1 404 No\r\nContent-Length: 61\r\n\r\n"
		   "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"unknown m\"}]}"),
	    "1", ERROR_NOT_FOUND, "unknown m");
	memset(large, ' ', sizeof(large) - 1);
	assert_refused(answer(large, NULL), "1", ERROR_PROTOCOL, "longer than 4194304 bytes");
}

static void an_index_of_itself_ends(void **state UNUSED)
{
	static const char index[] = INDEX(ENTRY("%s", "linux", "arm64"));
	char *bodies[3], *answers[3], digest[80] = CONFIG;
	struct registry_image image;
	struct error err = {0};

	for (size_t i = 3; i-- > 0;) {
		bodies[i] = string_printf(index, digest);
		digest_of(bodies[i], digest);
		answers[i] = answer(bodies[i], NULL);
		free(bodies[i]);
	}
	assert_int_equal(resolve(answers, 3, "1", &image, &err, NULL), -1);
	assert_non_null(strstr(error_text(&err), "too deep"));
	error_release(&err);
}

static void ping(const char *reply, enum error_kind kind, const char *words)
{
	const struct fake_reply script = {reply, FAKE_CLOSE};
	struct error err = {0};
	struct fake fake;

	fake_start(&fake, &script, 1, 0);
	assert_int_equal(registry_ping(fake.address, -1, &err), kind == ERROR_NONE ? 0 : -1);
	fake_stop(&fake);
	fake_release(&fake);
	assert_int_equal(err.kind, kind);
	assert_non_null(strstr(error_text(&err), words));
	error_release(&err);
}

static void a_ping_tells_registries_from_others(void **state UNUSED)
{
	struct error err = {0};

	ping(FAKE_JSON("200 OK", 2, "{}"), ERROR_NONE, "");
	ping(FAKE_JSON("401 Who", 2, "{}"), ERROR_FAILED, "login");
	ping(FAKE_JSON("403 No", 2, "{}"), ERROR_UNREACHABLE, "no registry (403 for /v2/)");
	assert_int_equal(registry_ping("127.0.0.1:1", -1, &err), -1);
	assert_int_equal(err.kind, ERROR_UNREACHABLE);
	assert_non_null(strstr(err.hint, "shipit has one of its own"));
	error_release(&err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_manifest_is_read),
	    cmocka_unit_test(an_index_is_followed),
	    cmocka_unit_test(what_does_not_fit_is_refused),
	    cmocka_unit_test(an_index_of_itself_ends),
	    cmocka_unit_test(a_ping_tells_registries_from_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
