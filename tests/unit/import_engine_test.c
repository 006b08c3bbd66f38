/* Import from an engine that breaks, talks nonsense or says nothing: whose error it is, and that
 * nobody waits for the other for ever. */
#include "tests/unit/import_help.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "tests/unit/engine_fake.h"
#include "transport/engine.h"

#define REPLY(body)                                                                                \
	"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n" body
#define DOCKER                                                                                     \
	REPLY("{\"Version\":\"20.10.24\",\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}")
#define ID	"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define INSPECT REPLY("{\"Id\":\"" ID "\",\"Size\":1000000}")
#define TAR	"HTTP/1.1 200 OK\r\nContent-Type: application/x-tar\r\n"
#define GARBAGE "this is no tar archive, and nobody ever said that it was one; but it is long "
#define LONG	GARBAGE GARBAGE GARBAGE GARBAGE GARBAGE GARBAGE GARBAGE GARBAGE GARBAGE GARBAGE

enum { SOON_MS = 20000 };

static struct cancel cancel;

/* An engine that says who it is and that it has the image, then this. */
static void check(
    const char *reply, int manner, int cancel_fd, enum error_kind kind, const char *words)
{
	const struct fake_reply replies[] = {
	    {DOCKER, FAKE_CLOSE}, {INSPECT, FAKE_CLOSE}, {reply, manner}};
	struct imported imported = {0};
	struct stored_manifest stored;
	struct engine *engine;
	struct fake fake;
	int64_t begun = clock_now_ms();

	fake_start(&fake, replies, ARRAY_SIZE(replies), 0);
	works(engine_open(fake.address, "the engine", cancel_fd, &engine, err));
	fails(import_engine(&scene.target, engine, "web:1", &imported, err), kind, words);
	assert_in_range(clock_now_ms() - begun, 0, SOON_MS);
	assert_null(imported.images);
	fails(store_manifest_get(
		  scene.store, scene.target.repository, scene.target.tag, &stored, err),
	    ERROR_NOT_FOUND, "");
	engine_close(engine);
	fake_stop(&fake);
	/* Who is cancelled at once does not ask. */
	if (kind != ERROR_CANCELLED)
		assert_non_null(strstr(fake.seen.data, "GET /v1.41/images/" ID "/get HTTP"));
	fake_release(&fake);
}

static void the_engines_own_words_win(void **state UNUSED)
{
	check("HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\nContent-Length: "
	      "37\r\n\r\n{\"message\":\"no space left on device\"}\n",
	    FAKE_CLOSE, -1, ERROR_FAILED, "web:1: the engine: no space left on device");
	check("HTTP/1.1 404 Gone\r\nContent-Type: application/json\r\nContent-Length: "
	      "27\r\n\r\n{\"message\":\"No such image\"}",
	    FAKE_CLOSE, -1, ERROR_PROTOCOL, "No such image");
}

static void a_stream_that_breaks_is_the_engines(void **state UNUSED)
{
	check(TAR "Content-Length: 100000\r\n\r\n", FAKE_CLOSE, -1, ERROR_UNREACHABLE,
	    "the connection broke");
	check(TAR "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", FAKE_CLOSE, -1,
	    ERROR_UNREACHABLE, "the connection broke");
}

static void nonsense_is_an_archive_that_makes_no_sense(void **state UNUSED)
{
	check(TAR "\r\n" LONG, FAKE_CLOSE, -1, ERROR_PROTOCOL, "web:1: it is no valid tar archive");
	check(TAR "Content-Length: 0\r\n\r\n", FAKE_CLOSE, -1, ERROR_PROTOCOL, "web:1: it is no");
}

static void an_engine_that_hangs_after_nonsense_is_left(void **state UNUSED)
{
	check(TAR "Content-Length: 10000000\r\n\r\n" LONG, FAKE_HANG, -1, ERROR_PROTOCOL,
	    "it is no valid tar archive");
	check(TAR "\r\n" LONG, FAKE_AGAIN, -1, ERROR_PROTOCOL, "it is no valid tar archive");
}

static void cancel_it(
    void *context UNUSED, uint64_t done UNUSED, uint64_t total UNUSED, const char *phase)
{
	assert_string_equal(phase, "exporting");
	cancel_fire(&cancel);
}

/* While it prepares, and says nothing. */
static void a_silent_engine_is_cancelled(void **state UNUSED)
{
	scene.target.progress = cancel_it;
	scene.target.cancel_fd = cancel.fd;
	check("", FAKE_HANG, -1, ERROR_CANCELLED, "cancelled");
	scene.target.cancel_fd = -1;
	cancel_release(&cancel);
	works(cancel_init(&cancel, err));
	check(TAR "\r\n", FAKE_HANG, cancel.fd, ERROR_CANCELLED, "cancelled");
}

static void an_id_that_is_no_digest_is_refused(void **state UNUSED)
{
	const struct fake_reply replies[] = {
	    {DOCKER, FAKE_CLOSE}, {REPLY("{\"Id\":\"../../x\"}"), FAKE_CLOSE}};
	struct imported imported = {0};
	struct engine *engine;
	struct fake fake;

	fake_start(&fake, replies, ARRAY_SIZE(replies), 0);
	works(engine_open(fake.address, "the engine", -1, &engine, err));
	fails(import_engine(&scene.target, engine, "web:1", &imported, err), ERROR_PROTOCOL,
	    "which is no digest");
	engine_close(engine);
	fake_stop(&fake);
	fake_release(&fake);
}

/* An engine whose ids are not those of configs (containerd's store): what it is asked is given. */
static void import_by_id(const char *archive, const struct blob *config, bool known)
{
	const struct fake_reply replies[] = {
	    {DOCKER, FAKE_CLOSE}, {INSPECT, FAKE_CLOSE}, {archive, FAKE_CLOSE | FAKE_SIZED}};
	struct imported imported = {0};
	struct engine *engine;
	struct fake fake;

	fake_start(&fake, replies, known ? 2 : 3, 0);
	works(engine_open(fake.address, "the engine", -1, &engine, err));
	works(import_engine(&scene.target, engine, "web:1", &imported, err));
	assert_int_equal(imported.known, known);
	assert_string_equal(imported.images[0].config, config->digest);
	imported_release(&imported);
	engine_close(engine);
	fake_stop(&fake);
	assert_int_equal(fake.answered, known ? 2 : 3);
	fake_release(&fake);
}

static void ids_of_other_kinds_are_remembered(void **state UNUSED)
{
	struct buf answer = BUF_INIT(1 << 20), tar = BUF_INIT(1 << 20);
	struct image image;

	image_make(&image, "amd64", 2, 1);
	image_save(&image, "web:1", &tar);
	assert_int_equal(buf_addf(&answer, TAR "Content-Length: %zu\r\n\r\n", tar.len), 0);
	assert_int_equal(buf_add(&answer, tar.data, tar.len), 0);
	import_by_id(answer.data, &image.config, false);
	scene.target.tag = "2";
	import_by_id(answer.data, &image.config, true);
	scene.target.repository = "shop.stage.web";
	import_by_id(answer.data, &image.config, true);
	image_free(&image);
	buf_release(&answer);
	buf_release(&tar);
}

static int setup(void **state)
{
	works(cancel_init(&cancel, err));
	return scene_setup(state);
}

static int teardown(void **state)
{
	cancel_release(&cancel);
	return scene_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(the_engines_own_words_win, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_stream_that_breaks_is_the_engines, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		nonsense_is_an_archive_that_makes_no_sense, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		an_engine_that_hangs_after_nonsense_is_left, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_silent_engine_is_cancelled, setup, teardown),
	    cmocka_unit_test_setup_teardown(ids_of_other_kinds_are_remembered, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_id_that_is_no_digest_is_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
