/* Every allocation fails in turn: what happens is an error, nothing leaks, nothing crashes. Those
 * of jansson and libarchive are spared: jansson 2.14 reads past a token that it could not keep, and
 * libarchive 3.6 ends the program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <dlfcn.h>

#include "base/json.h"
#include "tests/unit/engine_fake.h"
#include "transport/engine.h"
#include "transport/engine_internal.h"
#include "transport/engine_logs.h"
#include "transport/engine_stream.h"
#include "transport/http_batch.h"
#include "transport/registry/client.h"
#include "transport/tar.h"

/* These run before a sanitizer's runtime is ready. */
#define UNSANITIZED                                                                                \
	__attribute__((no_sanitize("address"), no_sanitize("thread"), no_sanitize("undefined")))

/* The allocation that is to fail, counted in the thread that is under test; 0: none. Volatile: a
 * compiler takes malloc() for a function that looks at nothing. */
static _Thread_local volatile long countdown;
static _Thread_local volatile bool failed_one;

UNSANITIZED static bool is_spared(void *caller)
{
	Dl_info where;

	return dladdr(caller, &where) != 0 && where.dli_fname != NULL &&
	       strstr(where.dli_fname, "libarchive") != NULL;
}

UNSANITIZED static bool is_its_turn(void *caller)
{
	if (countdown == 0 || is_spared(caller) || --countdown != 0)
		return false;
	failed_one = true;
	return true;
}

/* dlsym() may allocate before it knows where to. */
static char early[4096];
static size_t early_used;

UNSANITIZED static void *take_early(size_t size)
{
	void *at = early + early_used;

	early_used += (size + 15) & ~(size_t)15;
	return early_used <= sizeof(early) ? at : NULL;
}

/* The real function, looked up once. */
#define REAL(type, name)                                                                           \
	static type real;                                                                          \
	static _Thread_local bool looking;                                                         \
	if (real == NULL && !looking) {                                                            \
		looking = true;                                                                    \
		*(void **)&real = dlsym(RTLD_NEXT, name);                                          \
		looking = false;                                                                   \
	}

typedef void *malloc_fn(size_t);
typedef void *calloc_fn(size_t, size_t);
typedef void *realloc_fn(void *, size_t);
typedef char *strdup_fn(const char *);
typedef char *strndup_fn(const char *, size_t);

UNSANITIZED void *malloc(size_t size)
{
	REAL(malloc_fn *, "malloc")
	if (real == NULL)
		return take_early(size);
	return is_its_turn(__builtin_return_address(0)) ? NULL : real(size);
}

UNSANITIZED void *calloc(size_t n, size_t size)
{
	REAL(calloc_fn *, "calloc")
	if (real == NULL)
		return take_early(n * size);
	return is_its_turn(__builtin_return_address(0)) ? NULL : real(n, size);
}

UNSANITIZED void *realloc(void *old, size_t size)
{
	REAL(realloc_fn *, "realloc")
	if (real == NULL)
		return NULL;
	return is_its_turn(__builtin_return_address(0)) ? NULL : real(old, size);
}

/* With a sanitizer these do not go through malloc() above. */
UNSANITIZED char *strdup(const char *text)
{
	REAL(strdup_fn *, "strdup")
	return is_its_turn(__builtin_return_address(0)) ? NULL : real(text);
}

UNSANITIZED char *strndup(const char *text, size_t max)
{
	REAL(strndup_fn *, "strndup")
	return is_its_turn(__builtin_return_address(0)) ? NULL : real(text, max);
}

/* What jansson is given instead. */
static void *malloc_spared(size_t size)
{
	long count = countdown;
	void *memory;

	countdown = 0;
	memory = malloc(size);
	countdown = count;
	return memory;
}

/* Run `scenario` with each of its allocations failing, until none is left to fail. */
static void starve(int (*scenario)(struct error *err))
{
	long n, errors = 0;

	assert_int_equal(scenario(NULL), 0);
	for (n = 1;; n++) {
		struct error err = {0};
		int rc;

		failed_one = false;
		countdown = n;
		rc = scenario(&err);
		countdown = 0;
		if (rc < 0) {
			errors++;
			assert_int_not_equal(err.kind, ERROR_NONE);
			assert_true(failed_one);
		} else {
			assert_int_equal(err.kind, ERROR_NONE);
		}
		error_release(&err);
		if (!failed_one)
			break;
	}
	print_message("%ld allocations, %ld errors\n", n - 1, errors);
	assert_true(errors > 0);
}

static int take(void *context, const json_t *message, struct error *err)
{
	return transfer_state_take(context, message, err);
}

static int stream(struct error *err)
{
	static const char text[] =
	    "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":1,\"total\":2},\"id\":"
	    "\"a\"}"
	    "{\"status\":\"Waiting\",\"id\":\"b\"}{\"status\":\"Waiting\",\"id\":\"c\"}"
	    "{\"status\":\"Digest: sha256:"
	    "8be26f81ffea54106bae012c6f349df70f4d5e7e2ec01b143c46e2c03b9e551d\"}";
	struct json_stream messages;
	struct transfer_state state;
	int rc;

	json_stream_init(&messages);
	transfer_state_init(&state, TRANSFER_PULL);
	rc = json_stream_feed(&messages, text, sizeof(text) - 1, take, &state, err);
	json_stream_release(&messages);
	transfer_state_release(&state);
	return rc;
}

static void streams_survive(void **state UNUSED)
{
	starve(stream);
}

static int see(
    void *context UNUSED, const struct tar_member *member UNUSED, struct error *err UNUSED)
{
	return 0;
}

static int tar(struct error *err)
{
	char name[300];
	const struct tar_entry entries[] = {
	    {.name = "a/"}, {.name = name, .data = "text", .len = 4}, {.name = "b"}};
	struct buf out = BUF_INIT(1 << 20);
	int rc;

	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	rc = tar_make(entries, ARRAY_SIZE(entries), &out, err);
	if (rc == 0)
		rc = tar_walk(out.data, out.len, 1000, see, NULL, err);
	buf_release(&out);
	return rc;
}

static void archives_survive(void **state UNUSED)
{
	starve(tar);
}

static int address(struct error *err)
{
	char *text = NULL;
	int rc = engine_local_address(&text, err);

	free(text);
	return rc;
}

static void addresses_survive(void **state UNUSED)
{
	unsetenv("DOCKER_HOST");
	unsetenv("DOCKER_CONTEXT");
	setenv("HOME", "/nowhere", 1);
	setenv("XDG_RUNTIME_DIR", "/nowhere", 1);
	starve(address);
	setenv("DOCKER_HOST", "tcp://127.0.0.1:1", 1);
	starve(address);
	unsetenv("DOCKER_HOST");
}

#define REPLY(body)                                                                                \
	"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n" body
#define WHO REPLY("{\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}")

/* Answers by what is asked, for ever: which calls still come differs from run to run. */
static struct fake fake;
static const struct fake_reply who = {WHO, FAKE_CLOSE};

static int session(struct error *err)
{
	struct engine *engine = NULL;
	int rc;

	fake_start(&fake, &who, 1, 0);
	rc = engine_open(fake.address, "the engine", -1, &engine, err);
	engine_close(engine);
	fake_stop(&fake);
	fake_release(&fake);
	return rc;
}

static void opening_an_engine_survives(void **state UNUSED)
{
	starve(session);
}

/* An engine that was opened before memory ran short, and what it answers to the one call. */
static int with_engine(
    const char *reply, int (*call)(struct engine *engine, struct error *err), struct error *err)
{
	const struct fake_reply replies[] = {who, {reply, FAKE_CLOSE}};
	struct engine *engine = NULL;
	long count = countdown;
	int rc;

	countdown = 0;
	fake_start(&fake, replies, 2, 0);
	assert_int_equal(engine_open(fake.address, "the engine", -1, &engine, NULL), 0);
	countdown = count;
	rc = call(engine, err);
	count = countdown;
	countdown = 0;
	engine_close(engine);
	fake_stop(&fake);
	fake_release(&fake);
	countdown = count;
	return rc;
}

static int call_create(struct engine *engine, struct error *err)
{
	long count = countdown;
	json_t *body;
	char *id = NULL;
	int rc;

	countdown = 0;
	body = json_pack("{s:[s]}", "Env", "a=b");
	countdown = count;
	rc = engine_container_create(engine, "name", body, &id, err);
	json_decref(body);
	free(id);
	return rc;
}

static int create(struct error *err)
{
	return with_engine(REPLY("{\"Id\":\"77\"}"), call_create, err);
}

static int call_push(struct engine *engine, struct error *err)
{
	const struct engine_transfer transfer = {.username = "u", .password = "p"};
	char *digest = NULL;
	int rc = engine_image_push(engine, "h:1/a:1", &transfer, &digest, err);

	free(digest);
	return rc;
}

static int push(struct error *err)
{
	return with_engine(
	    REPLY("{\"status\":\"Pushing\",\"id\":\"a\"}{\"aux\":{\"Digest\":\"sha256:"
		  "8be26f81ffea54106bae012c6f349df70f4d5e7e2ec01b143c46e2c03b9e551d\"}}"),
	    call_push, err);
}

static int call_list(struct engine *engine, struct error *err)
{
	struct engine_question question = {.what = ENGINE_ASK_CONTAINERS};
	int rc = engine_ask(engine, &question, 1, err);

	if (rc == 0 && question.err.kind != ERROR_NONE) {
		error_move(err, &question.err);
		rc = -1;
	}
	engine_questions_release(&question, 1);
	return rc;
}

static int list(struct error *err)
{
	return with_engine(REPLY("[{\"Id\":\"77\"}]"), call_list, err);
}

static int call_network(struct engine *engine, struct error *err)
{
	return engine_network_create(engine, "n", NULL, NULL, err);
}

static int network(struct error *err)
{
	return with_engine(REPLY("{}"), call_network, err);
}

static int note(void *context UNUSED, const json_t *event UNUSED)
{
	return 1;
}

static int call_events(struct engine *engine, struct error *err)
{
	char *filters[] = {(char *)(uintptr_t) "type=container"};
	const struct strv filter = {filters, 1};

	return engine_events(engine, &filter, 0, -1, note, NULL, err);
}

static int events(struct error *err)
{
	return with_engine(REPLY("{\"status\":\"die\"}"), call_events, err);
}

static int call_archive(struct engine *engine, struct error *err)
{
	struct buf out = BUF_INIT(1 << 20);
	int rc = engine_archive_get(engine, "c", "/ledger", &out, err);

	buf_release(&out);
	return rc;
}

static int archive(struct error *err)
{
	return with_engine(REPLY("some bytes that are a tar"), call_archive, err);
}

static void calls_survive(void **state UNUSED)
{
	starve(create);
	starve(push);
	starve(list);
	starve(network);
	starve(events);
	starve(archive);
}

static int resolve(struct error *err)
{
	static const struct fake_reply reply = {
	    REPLY("{\"schemaVersion\":2,\"config\":{\"size\":1,\"digest\":\"sha256:"
		  "8be26f81ffea54106bae012c6f349df70f4d5e7e2ec01b143c46e2c03b9e551d\"},"
		  "\"layers\":[{\"size\":2,\"digest\":\"sha256:"
		  "8be26f81ffea54106bae012c6f349df70f4d5e7e2ec01b143c46e2c03b9e551d\"}]}"),
	    FAKE_CLOSE};
	struct registry_image image = {0};
	int rc;

	fake_start(&fake, &reply, 1, 1);
	rc = registry_resolve(fake.address + 7, "a/b", "1", "linux", "amd64", -1, &image, err);
	registry_image_release(&image);
	fake_stop(&fake);
	fake_release(&fake);
	return rc;
}

static void resolving_survives(void **state UNUSED)
{
	starve(resolve);
}

/* Answers with and without a length, and a connection that is made again. */
static int batch(struct error *err)
{
	static const char *const targets[] = {"/1", "/2", "/3"};
	static const struct fake_reply replies[] = {
	    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" REPLY("[]"), FAKE_CLOSE},
	    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 0}};
	struct http_response responses[ARRAY_SIZE(targets)] = {0};
	struct http_batch *all = NULL;
	int rc;

	fake_start(&fake, replies, ARRAY_SIZE(replies), 0);
	rc = http_batch_open(fake.address, -1, &all, err);
	if (rc == 0)
		rc = http_batch_get(all, targets, ARRAY_SIZE(targets), 0, responses, err);
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
		http_response_release(&responses[i]);
	http_batch_close(all);
	fake_stop(&fake);
	fake_release(&fake);
	return rc;
}

static int elsewhere(struct error *err)
{
	struct http_batch *batch = NULL;
	int rc = http_batch_open("http://127.0.0.1:1", -1, &batch, err);

	http_batch_close(batch);
	return rc;
}

static void many_at_once_survive(void **state UNUSED)
{
	starve(batch);
	starve(elsewhere);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(streams_survive),
	    cmocka_unit_test(archives_survive),
	    cmocka_unit_test(addresses_survive),
	    cmocka_unit_test(opening_an_engine_survives),
	    cmocka_unit_test(calls_survive),
	    cmocka_unit_test(resolving_survives),
	    cmocka_unit_test(many_at_once_survive),
	};

	json_set_alloc_funcs(malloc_spared, free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
