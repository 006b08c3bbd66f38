/* The engine's client against a scripted engine: what real ones do too rarely to wait for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "base/clock.h"
#include "base/json.h"
#include "tests/unit/engine_fake.h"
#include "transport/engine.h"
#include "transport/engine_internal.h"

#define REPLY(body)                                                                                \
	"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n" body
#define DOCKER_20                                                                                  \
	REPLY("{\"Version\":\"20.10.24\",\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}")
#define PODMAN                                                                                     \
	REPLY("{\"Version\":\"4.3.1\",\"ApiVersion\":\"1.40\",\"MinAPIVersion\":\"1.24\","         \
	      "\"Components\":[{\"Name\":\"Podman Engine\",\"Version\":\"4.3.1\"}]}")

/* An engine that says who it is, then this. */
struct script {
	struct fake fake;
	struct fake_reply replies[8];
	struct engine *engine;
	struct error err;
};

static void start(
    struct script *script, const char *who, const struct fake_reply *replies, size_t n)
{
	*script = (struct script){.replies = {{who, FAKE_CLOSE}}};
	for (size_t i = 0; i < n; i++)
		script->replies[i + 1] = replies[i];
	fake_start(&script->fake, script->replies, n + 1, 0);
	if (engine_open(
		script->fake.address, "the engine on h1", -1, &script->engine, &script->err) < 0)
		fail_msg("%s", error_text(&script->err));
}

static void end(struct script *script)
{
	engine_close(script->engine);
	fake_stop(&script->fake);
	assert_int_equal(script->fake.answered, script->fake.n);
	fake_release(&script->fake);
	error_release(&script->err);
}

static void assert_asked(const struct script *script, const char *line)
{
	if (strstr(script->fake.seen.data, line) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", line, script->fake.seen.data);
}

static void versions(const char *version, const char *want_prefix, const char *want_words)
{
	const struct fake_reply reply = {version, FAKE_CLOSE};
	struct engine *engine = NULL;
	struct error err = {0};
	struct fake fake;
	int rc;

	fake_start(&fake, &reply, 1, 0);
	rc = engine_open(fake.address, "the engine on h1", -1, &engine, &err);
	fake_stop(&fake);
	fake_release(&fake);
	if (want_prefix != NULL) {
		assert_int_equal(rc, 0);
		assert_string_equal(engine->prefix, want_prefix);
		assert_int_equal(json_is_object(engine_version(engine)), 1);
	} else {
		assert_int_equal(rc, -1);
		assert_null(engine);
		if (strstr(error_text(&err), want_words) != error_text(&err))
			fail_msg("%s", error_text(&err));
	}
	engine_close(engine);
	error_release(&err);
}

static void the_version_is_negotiated(void **state UNUSED)
{
	versions(DOCKER_20, "/v1.41", NULL);
	versions(PODMAN, "/v1.40", NULL);
	versions(REPLY("{\"ApiVersion\":\"1.52\",\"MinAPIVersion\":\"1.44\"}"), "/v1.45", NULL);
	versions(REPLY("{\"ApiVersion\":\"1.45\"}"), "/v1.45", NULL);
	versions(
	    REPLY("{\"Version\":\"18.09\",\"ApiVersion\":\"1.39\",\"MinAPIVersion\":\"1.12\"}"),
	    NULL,
	    "the engine on h1: engine 18.09 speaks API 1.39, which is too old: 1.40 is needed");
	versions(REPLY("{\"Version\":\"40\",\"ApiVersion\":\"2.3\",\"MinAPIVersion\":\"2.0\"}"),
	    NULL,
	    "the engine on h1: engine 40 wants API 2.0 at least, this shipit speaks 1.45 at most");
	versions(REPLY("{\"ApiVersion\":\"banana\"}"), NULL,
	    "the engine on h1: what answers is no container engine (no ApiVersion in /version)");
	versions(REPLY("[]"), NULL,
	    "the engine on h1: what answers is no container engine (no ApiVersion in /version)");
	versions(REPLY("<html>"), NULL, "the engine on h1: its answer is not valid JSON: ");
	versions("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope", NULL,
	    "the engine on h1: answered 404: nope");
}

#define SHA "sha256:8be26f81ffea54106bae012c6f349df70f4d5e7e2ec01b143c46e2c03b9e551d"

static void a_pull_without_a_last_word_is_checked(void **state UNUSED)
{
	static const char pulled[] = REPLY(
	    "{\"status\":\"Download complete\",\"progressDetail\":{},\"id\":\"8be26f81ffea\"}\n");
	const struct fake_reply there[] = {{pulled, FAKE_CLOSE}, {REPLY("{}"), FAKE_CLOSE}};
	const struct fake_reply missing[] = {
	    {pulled, FAKE_CLOSE}, {FAKE_JSON("404 No", 18, "{\"message\":\"none\"}"), FAKE_CLOSE}};
	struct script script;

	start(&script, PODMAN, there, 2);
	assert_int_equal(
	    engine_image_pull(script.engine, "127.0.0.1:7/a.b/c:1", NULL, &script.err), 0);
	end(&script);
	start(&script, PODMAN, missing, 2);
	assert_int_equal(
	    engine_image_pull(script.engine, "127.0.0.1:7/a.b/c:1", NULL, &script.err), -1);
	assert_int_equal(script.err.kind, ERROR_PROTOCOL);
	end(&script);
	script = (struct script){0};
}

static void podman_is_told_that_loopback_is_plain(void **state UNUSED)
{
	const struct fake_reply replies[] = {
	    {REPLY("{\"stream\":\"Copying blob\"}{\"images\":[\"7\"],\"id\":\"7\"}"), FAKE_CLOSE},
	    {REPLY("{\"status\":\"Status: Image is up to date\"}"), FAKE_CLOSE}};
	struct script script;

	start(&script, PODMAN, replies, 2);
	engine_image_pull(script.engine, "127.0.0.1:7/a:1", NULL, NULL);
	engine_image_pull(script.engine, "registry.example:7/a", NULL, NULL);
	engine_close(steal_ptr(script.engine));
	fake_stop(&script.fake);
	assert_asked(&script,
	    "POST /v4.0.0/libpod/images/pull?reference=127.0.0.1%3A7%2Fa%3A1&tlsVerify=false HTTP");
	assert_asked(&script,
	    "POST /v1.40/images/create?fromImage=registry.example%3A7%2Fa&tag=latest HTTP");
	fake_release(&script.fake);
}

static void a_push_that_says_nothing_did_not_work(void **state UNUSED)
{
	const struct fake_reply replies[] = {
	    {REPLY("{\"status\":\"The push refers to repository [x]\"}\r\n"), FAKE_CLOSE}};
	struct script script;
	char *digest = NULL;

	start(&script, DOCKER_20, replies, 1);
	assert_int_equal(
	    engine_image_push(script.engine, "h:1/a:1", NULL, &digest, &script.err), -1);
	assert_int_equal(script.err.kind, ERROR_PROTOCOL);
	assert_null(digest);
	end(&script);
}

static void a_stream_cut_between_chunks_is_a_lost_connection(void **state UNUSED)
{
	const struct fake_reply replies[] = {
	    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	     "11\r\n{\"status\":\"Wait\"}\r\n",
		FAKE_CLOSE},
	    {REPLY("{\"status\":\"Wa"), FAKE_CLOSE}};
	struct script script;

	start(&script, DOCKER_20, replies, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
		    engine_image_pull(script.engine, "h:1/a:1", NULL, &script.err), -1);
		assert_int_equal(script.err.kind, ERROR_UNREACHABLE);
	}
	end(&script);
}

struct shown {
	int calls;
	struct engine_progress last;
};

static void show(void *context, const struct engine_progress *progress)
{
	struct shown *shown = context;

	shown->calls++;
	shown->last = *progress;
}

static void a_pull_that_repeats_itself_stalls(void **state UNUSED)
{
	const struct fake_reply replies[] = {
	    {REPLY("{\"status\":\"Downloading\",\"progressDetail\":{\"current\":5,\"total\":10},"
		   "\"id\":\"a\"}"),
		FAKE_AGAIN}};
	struct shown shown = {0};
	const struct engine_transfer transfer = {
	    .stall_ms = 1000, .progress = show, .context = &shown};
	struct script script;
	int64_t begin;

	start(&script, DOCKER_20, replies, 1);
	begin = clock_now_ms();
	assert_int_equal(engine_image_pull(script.engine, "h:1/a:1", &transfer, &script.err), -1);
	assert_int_equal(script.err.kind, ERROR_TIMEOUT);
	assert_string_equal(error_text(&script.err), "the engine on h1: nothing has moved for 1 s");
	assert_in_range(clock_now_ms() - begin, 990, 30000);
	/* at most ten a second, although a message came every 10 ms */
	assert_in_range(shown.calls, 2, 12 + (clock_now_ms() - begin) / 100 - 10);
	assert_int_equal(shown.last.done, 5);
	end(&script);
}

static void progress_ends_with_the_whole(void **state UNUSED)
{
	const struct fake_reply replies[] = {
	    {REPLY("{\"status\":\"Downloading\",\"progressDetail\":{\"current\":5,\"total\":10},"
		   "\"id\":\"a\"}{\"status\":\"Pull complete\",\"id\":\"a\"}"
		   "{\"status\":\"Status: Downloaded newer image\"}"),
		FAKE_CLOSE | FAKE_DRIP}};
	struct shown shown = {0};
	const struct engine_transfer transfer = {.progress = show, .context = &shown};
	struct script script;

	start(&script, DOCKER_20, replies, 1);
	assert_int_equal(engine_image_pull(script.engine, "h:1/a:1", &transfer, &script.err), 0);
	assert_int_equal(shown.last.done, 10);
	assert_int_equal(shown.last.total, 10);
	end(&script);
}

static void odd_references_are_refused(void **state UNUSED)
{
	static const char *const odd[] = {"", ":1", "@sha256:x", "a:", "h:1/a@"};
	struct script script;

	start(&script, DOCKER_20, NULL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		assert_int_equal(engine_image_pull(script.engine, odd[i], NULL, NULL), -1);
	end(&script);
}

static void references_are_split(void **state UNUSED)
{
	static const struct {
		const char *reference, *name, *tag;
	} cases[] = {
	    {"127.0.0.1:5000/a.b/c:1", "127.0.0.1:5000/a.b/c", "1"},
	    {"127.0.0.1:5000/a", "127.0.0.1:5000/a", "latest"},
	    {"a", "a", "latest"},
	    {"a:b", "a", "b"},
	    {"[::1]:5000/a:b", "[::1]:5000/a", "b"},
	    {"h:1/a:tag@" SHA, "h:1/a:tag", SHA},
	    {"h:1/a@" SHA, "h:1/a", SHA},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *name = NULL;
		const char *tag;

		assert_int_equal(engine_reference_split(cases[i].reference, &name, &tag, NULL), 0);
		assert_string_equal(name, cases[i].name);
		assert_string_equal(tag, cases[i].tag);
		free(name);
	}
}

/* What an engine reads out of the header. */
static void assert_header(const char *user, const char *password, const char *want)
{
	struct buf header = BUF_INIT(4096);
	unsigned char text[4096];
	int len;

	assert_int_equal(engine_registry_auth(&header, user, password, "127.0.0.1:7", NULL), 0);
	assert_memory_equal(header.data, "X-Registry-Auth: ", 17);
	assert_null(strpbrk(header.data + 17, "+/ \n"));
	for (char *c = header.data + 17; *c != '\0'; c++)
		*c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
	len = EVP_DecodeBlock(text, (unsigned char *)header.data + 17, (int)header.len - 17);
	assert_true(len >= 0);
	text[len] = '\0';
	assert_string_equal(text, want);
	buf_wipe(&header);
}

static void credentials_travel_as_base64url(void **state UNUSED)
{
	struct buf header = BUF_INIT(4096);

	assert_int_equal(engine_registry_auth(&header, NULL, NULL, "x", NULL), 0);
	assert_string_equal(header.data, "X-Registry-Auth: e30=");
	buf_wipe(&header);
	assert_header(
	    "u", "p", "{\"username\":\"u\",\"password\":\"p\",\"serveraddress\":\"127.0.0.1:7\"}");
	assert_header("\xc3\xbf\xc3\xbe?>\xc3\xbf", "~~~\"\\\n\xe2\x82\xac",
	    "{\"username\":\"\xc3\xbf\xc3\xbe?>\xc3\xbf\",\"password\":\"~~~"
	    "\\\"\\\\\\n\xe2\x82\xac\","
	    "\"serveraddress\":\"127.0.0.1:7\"}");
}

static void a_policy_that_podman_ignored_is_an_error(void **state UNUSED)
{
	const struct fake_reply replies[] = {{REPLY("{}"), FAKE_CLOSE},
	    {REPLY("{\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"\"}}}"), FAKE_CLOSE},
	    {REPLY("{}"), FAKE_CLOSE},
	    {REPLY("{\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"\"}}}"), FAKE_CLOSE}};
	struct script script;

	start(&script, PODMAN, replies, 4);
	assert_int_equal(
	    engine_container_restart_policy(script.engine, "a", "on-failure:5", &script.err), -1);
	assert_non_null(strstr(error_text(&script.err), "cannot change the restart policy"));
	assert_int_equal(engine_container_restart_policy(script.engine, "a", "no", NULL), 0);
	assert_int_equal(engine_container_restart_policy(script.engine, "a", "", NULL), -1);
	engine_close(steal_ptr(script.engine));
	fake_stop(&script.fake);
	assert_asked(
	    &script, "{\"RestartPolicy\":{\"Name\":\"on-failure\",\"MaximumRetryCount\":5}}");
	fake_release(&script.fake);
	error_release(&script.err);
}

static void names_are_escaped(void **state UNUSED)
{
	const struct fake_reply replies[] = {{REPLY("{}"), FAKE_CLOSE},
	    {REPLY("{\"Id\":\"7\"}"), FAKE_CLOSE}, {REPLY("{}"), FAKE_CLOSE}};
	struct script script;
	json_t *json = NULL, *body = json_pack("{s[s]}", "Env", "a.b=\n\xc3\xa4\"'");
	char *id = NULL;

	start(&script, DOCKER_20, replies, 3);
	assert_int_equal(
	    engine_container_inspect(script.engine, "/a b?c#d%\xc3\xa4", &json, NULL), 0);
	assert_int_equal(engine_container_create(script.engine, "a&b=c d", body, &id, NULL), 0);
	assert_string_equal(id, "7");
	assert_int_equal(engine_image_remove(script.engine, "localhost/x/y.z:1", false, NULL), 0);
	assert_int_equal(engine_volume_inspect(script.engine, "", &json, &script.err), -1);
	assert_int_equal(script.err.kind, ERROR_NOT_FOUND);
	engine_close(steal_ptr(script.engine));
	fake_stop(&script.fake);
	assert_asked(&script, "GET /v1.41/containers/a%20b%3Fc%23d%25%C3%A4/json HTTP");
	assert_asked(&script, "POST /v1.41/containers/create?name=a%26b%3Dc%20d HTTP");
	assert_asked(&script, "\r\n\r\n{\"Env\":[\"a.b=\\n\xc3\xa4\\\"'\"]}");
	assert_asked(&script, "DELETE /v1.41/images/localhost/x/y.z:1?force=0 HTTP");
	fake_release(&script.fake);
	error_release(&script.err);
	json_decref(json);
	json_decref(body);
	free(id);
}

static int note_event(void *context, const json_t *event)
{
	int *seen = context;

	assert_non_null(json_object_get(event, "status"));
	return ++*seen == 2;
}

static void events_end_when_the_caller_has_seen_enough(void **state UNUSED)
{
	const struct fake_reply replies[] = {
	    {REPLY("{\"status\":\"die\"}\n{\"status\":\"start\"}\n{\"status\":\"die\"}\n"),
		FAKE_HANG},
	    {REPLY("{\"status\":\"die\"}\n"), FAKE_HANG}, {REPLY(""), FAKE_CLOSE}};
	struct strv filters = {0};
	struct script script;
	int seen = 0;

	strv_add(&filters, "type=container");
	strv_add(&filters, "label=a=b");
	strv_add(&filters, "label=c");
	start(&script, DOCKER_20, replies, 3);
	assert_int_equal(engine_events(script.engine, &filters, 17, clock_now_ms() + 5000,
			     note_event, &seen, NULL),
	    0);
	assert_int_equal(seen, 2);
	seen = 0;
	assert_int_equal(engine_events(script.engine, NULL, 0, clock_now_ms() + 100, note_event,
			     &seen, &script.err),
	    -1);
	assert_int_equal(script.err.kind, ERROR_TIMEOUT);
	assert_int_equal(engine_events(script.engine, NULL, 0, clock_now_ms() + 5000, note_event,
			     &seen, &script.err),
	    -1);
	assert_int_equal(script.err.kind, ERROR_UNREACHABLE);
	engine_close(steal_ptr(script.engine));
	fake_stop(&script.fake);
	assert_asked(&script,
	    "GET /v1.41/events?since=17&filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22label%22"
	    "%3A%5B%22a%3Db%22%2C%22c%22%5D%7D HTTP");
	fake_release(&script.fake);
	error_release(&script.err);
	strv_release(&filters);
}

/* Asked together, each has an end of its own; a second client asks nothing for itself. */
static void questions_leave_together(void **state UNUSED)
{
	static const struct fake_reply replies[] = {
	    {FAKE_JSON("200 OK", 13, "{\"ID\":\"here\"}"), FAKE_KEEP},
	    {FAKE_JSON("404 Not Found", 23, "{\"message\":\"no such c\"}"), FAKE_KEEP},
	    {FAKE_JSON("200 OK", 3, "tar"), FAKE_KEEP},
	    {FAKE_JSON("200 OK", 4, "oops"), FAKE_KEEP},
	};
	struct engine_question questions[] = {{.what = ENGINE_ASK_INFO},
	    {.what = ENGINE_ASK_CONTAINER, .name = "/c"},
	    {.what = ENGINE_ASK_ARCHIVE, .name = "d", .path = "/x y"},
	    {.what = ENGINE_ASK_IMAGES, .name = "a/*"}};
	struct engine_question nameless = {.what = ENGINE_ASK_CONTAINER, .name = ""};
	struct engine *again = NULL;
	struct script script;

	start(&script, DOCKER_20, replies, 4);
	assert_int_equal(engine_again(script.engine, -1, &again, &script.err), 0);
	assert_int_equal(engine_ask(again, &nameless, 1, &script.err), -1);
	assert_int_equal(script.err.kind, ERROR_NOT_FOUND);
	error_release(&script.err);
	assert_int_equal(engine_ask(again, questions, 4, &script.err), 0);
	assert_string_equal(json_str(questions[0].json, "ID", ""), "here");
	assert_int_equal(questions[1].err.kind, ERROR_NOT_FOUND);
	assert_string_equal(error_text(&questions[1].err), "the engine on h1: no such c");
	assert_int_equal(questions[2].tar.len, 3);
	assert_memory_equal(questions[2].tar.data, "tar", 3);
	assert_int_equal(questions[3].err.kind, ERROR_PROTOCOL);
	engine_questions_release(questions, 4);
	engine_close(again);
	end(&script);
	assert_int_equal(questions[0].err.kind, ERROR_NONE);
}

#define PODMAN_OF(version)                                                                         \
	REPLY("{\"Version\":\"" version "\",\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.24\","   \
	      "\"Components\":[{\"Name\":\"Podman Engine\",\"Version\":\"" version "\"}]}")

static void which_engines_can_change_a_policy(void **state UNUSED)
{
	static const struct {
		const char *who;
		bool fixed;
	} cases[] = {
	    {DOCKER_20, false},
	    {PODMAN, true},
	    {PODMAN_OF("4.9.3"), true},
	    {PODMAN_OF("5.0.2"), true},
	    {PODMAN_OF("5.1.0"), false},
	    {PODMAN_OF("5.4.0-dev"), false},
	    {PODMAN_OF("10.0"), false},
	    {PODMAN_OF("odd"), true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct script script;

		start(&script, cases[i].who, NULL, 0);
		assert_int_equal(engine_policies_are_fixed(script.engine), cases[i].fixed);
		end(&script);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_version_is_negotiated),
	    cmocka_unit_test(which_engines_can_change_a_policy),
	    cmocka_unit_test(questions_leave_together),
	    cmocka_unit_test(a_pull_without_a_last_word_is_checked),
	    cmocka_unit_test(podman_is_told_that_loopback_is_plain),
	    cmocka_unit_test(a_push_that_says_nothing_did_not_work),
	    cmocka_unit_test(a_stream_cut_between_chunks_is_a_lost_connection),
	    cmocka_unit_test(a_pull_that_repeats_itself_stalls),
	    cmocka_unit_test(progress_ends_with_the_whole),
	    cmocka_unit_test(odd_references_are_refused),
	    cmocka_unit_test(references_are_split),
	    cmocka_unit_test(credentials_travel_as_base64url),
	    cmocka_unit_test(a_policy_that_podman_ignored_is_an_error),
	    cmocka_unit_test(names_are_escaped),
	    cmocka_unit_test(events_end_when_the_caller_has_seen_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
