/* The engine's client against a real engine: containers, archives, networks, events. */
#include "tests/e2e/engine_help.h"

#include <pthread.h>

#include "base/cancel.h"
#include "base/clock.h"

#define IMAGE "localhost/engine-test:1"

static struct engine *engine;

/* Make a container of the test image that runs `script`; the old one of that name is removed. */
static char *make(const char *name, const char *script, json_t *extra)
{
	static const char words[] = "sleep() { /bin/busybox sleep $1; }";
	CLEANUP_FREE char *program = string_printf("%s; %s", words, script);
	json_t *body = json_pack("{s:s,s:[s,s,s],s:{s:s}}", "Image", IMAGE, "Cmd", "sh", "-c",
	    program, "Labels", "engine.test", name);
	char *id = NULL;

	if (extra != NULL)
		json_object_update(body, extra);
	json_decref(extra);
	engine_container_remove(engine, name, true, NULL);
	works(engine_container_create(engine, name, body, &id, err));
	json_decref(body);
	return id;
}

static json_t *inspect(const char *id)
{
	json_t *json = NULL;

	works(engine_container_inspect(engine, id, &json, err));
	return json;
}

/* Until it has ended. */
static void await_end(const char *id)
{
	for (int tries = 0; tries < 600; tries++) {
		json_t *json = inspect(id);
		bool running = json_flag(json, "State.Running", true);

		json_decref(json);
		if (!running)
			return;
		usleep(20 * 1000);
	}
	fail_msg("%s goes on and on", id);
}

static int open_it(void **state UNUSED)
{
	engine = open_engine(-1);
	load_image(engine, IMAGE, 2, 1000, 1);
	return 0;
}

static int close_it(void **state UNUSED)
{
	engine_image_remove(engine, IMAGE, true, NULL);
	engine_close(engine);
	return 0;
}

static void an_engine_says_who_it_is(void **state UNUSED)
{
	json_t *info = NULL;

	assert_non_null(json_str(engine_version(engine), "Version", NULL));
	works(engine_info(engine, &info, err));
	assert_string_equal(json_str(info, "OSType", ""), "linux");
	json_decref(info);
}

static void a_container_lives_and_dies(void **state UNUSED)
{
	char *id =
	    make("engine.life", "trap 'exit 3' TERM; echo up; while :; do sleep 1; done", NULL);
	json_t *json;

	works(engine_container_start(engine, id, err));
	works(engine_container_start(engine, "engine.life", err));
	works(engine_container_stop(engine, "/engine.life", 5, err));
	works(engine_container_stop(engine, id, 5, err));
	json = inspect(id);
	assert_int_equal(json_int(json, "State.ExitCode", -1), 3);
	json_decref(json);
	works(engine_container_rename(engine, id, "engine.life.2", err));
	fails(engine_container_inspect(engine, "engine.life", &json, err), ERROR_NOT_FOUND,
	    "the engine: No such container: engine.life");
	works(engine_container_start(engine, id, err));
	fails(engine_container_remove(engine, id, false, err), ERROR_CONFLICT, "running container");
	works(engine_container_remove(engine, id, true, err));
	free(id);
}

static void stop_waits_for_the_grace(void **state UNUSED)
{
	char *id = make("engine.stubborn", "trap '' TERM; while :; do sleep 1; done", NULL);
	int64_t begin;

	works(engine_container_start(engine, id, err));
	begin = clock_now_ms();
	works(engine_container_stop(engine, id, 2, err));
	assert_in_range(clock_now_ms() - begin, 1900, 30000);
	works(engine_container_remove(engine, id, false, err));
	free(id);
}

static void what_is_not_there_is_said(void **state UNUSED)
{
	json_t *json = json_pack("{s:s}", "Image", "localhost/engine-test:none"), *body = json;
	struct buf out = BUF_INIT(1000);
	char *id = NULL;

	fails(engine_container_create(engine, "x", body, &id, err), ERROR_NOT_FOUND,
	    "No such image: localhost/engine-test:none");
	fails(engine_container_start(engine, "engine.none", err), ERROR_NOT_FOUND, "none");
	fails(engine_container_stop(engine, "engine.none", 1, err), ERROR_NOT_FOUND, "none");
	fails(engine_container_rename(engine, "engine.none", "a", err), ERROR_NOT_FOUND, "none");
	fails(engine_container_remove(engine, "engine.none", true, err), ERROR_NOT_FOUND, "none");
	fails(engine_container_logs(engine, "engine.none", 5, &out, err), ERROR_NOT_FOUND, "none");
	fails(engine_container_restart_policy(engine, "engine.none", "no", err), ERROR_NOT_FOUND,
	    "none");
	fails(engine_archive_get(engine, "engine.none", "/", &out, err), ERROR_NOT_FOUND, "none");
	fails(engine_archive_put(engine, "engine.none", "/", "", 0, err), ERROR_NOT_FOUND, "none");
	fails(engine_image_inspect(engine, "engine.none", &json, err), ERROR_NOT_FOUND, "none");
	fails(engine_image_tag(engine, "engine.none", "a", "b", err), ERROR_NOT_FOUND, "none");
	fails(engine_image_remove(engine, "engine.none", true, err), ERROR_NOT_FOUND, "none");
	fails(engine_network_inspect(engine, "engine.none", &json, err), ERROR_NOT_FOUND, "none");
	fails(engine_network_connect(engine, "engine.none", "engine.x", NULL, err), ERROR_NOT_FOUND,
	    "engine.");
	fails(engine_volume_inspect(engine, "engine.none", &json, err), ERROR_NOT_FOUND, "none");
	json_decref(body);
}

static void what_is_taken_is_said(void **state UNUSED)
{
	char *id = make("engine.taken", "true", NULL), *other = make("engine.other", "true", NULL);
	json_t *body = json_pack("{s:s}", "Image", IMAGE);
	char *none = NULL;

	fails(
	    engine_container_create(engine, "engine.taken", body, &none, err), ERROR_CONFLICT, id);
	fails(engine_container_rename(engine, other, "engine.taken", err), ERROR_CONFLICT, id);
	fails(engine_container_create(engine, "no/slash", body, &none, err), ERROR_FAILED,
	    "Invalid container name");
	fails(engine_image_remove(engine, IMAGE, false, err), ERROR_CONFLICT, "unable to remove");
	works(engine_container_remove(engine, id, false, err));
	works(engine_container_remove(engine, other, false, err));
	json_decref(body);
	free(id);
	free(other);
}

static void a_failed_start_gives_the_engines_words(void **state UNUSED)
{
	char *id = make("engine.bad", "", json_pack("{s:[s]}", "Entrypoint", "/no/such/program"));

	fails(engine_container_start(engine, id, err), ERROR_FAILED, "/no/such/program");
	works(engine_container_remove(engine, id, true, err));
	free(id);
}

static void restart_policies_are_set(void **state UNUSED)
{
	static const struct {
		const char *policy, *name;
		int retries;
	} cases[] = {{"always", "always", 0}, {"on-failure:5", "on-failure", 5},
	    {"unless-stopped", "unless-stopped", 0}, {"on-failure", "on-failure", 0},
	    {"no", "no", 0}};
	char *id = make("engine.policy", "true", NULL);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *json;

		works(engine_container_restart_policy(engine, id, cases[i].policy, err));
		json = inspect(id);
		assert_string_equal(
		    json_str(json, "HostConfig.RestartPolicy.Name", "?"), cases[i].name);
		assert_int_equal(json_int(json, "HostConfig.RestartPolicy.MaximumRetryCount", -1),
		    cases[i].retries);
		json_decref(json);
	}
	fails(engine_container_restart_policy(engine, id, "sometimes", err), ERROR_FAILED,
	    "restart policy");
	works(engine_container_remove(engine, id, true, err));
	free(id);
}

/* The entry of the list with this id; NULL: there is none. */
static const json_t *listed(const struct engine_question *answer, const char *id)
{
	const json_t *container;
	size_t i;

	json_array_foreach(answer->json, i, container)
	{
		if (strcmp(json_str(container, "Id", ""), id) == 0)
			return container;
	}
	return NULL;
}

static void containers_are_listed_with_their_labels(void **state UNUSED)
{
	static const char odd[] = "a=b ,\"\n\xc3\xa4";
	char *id = make("engine.labels", "true",
	    json_pack("{s:{s:s,s:s}}", "Labels", "engine.l", odd, "engine.m", ""));
	struct engine_question list = {.what = ENGINE_ASK_CONTAINERS};
	const json_t *labels;

	works(engine_ask(engine, &list, 1, err));
	assert_non_null(listed(&list, id));
	labels = json_object_get(listed(&list, id), "Labels");
	assert_string_equal(json_string_value(json_object_get(labels, "engine.l")), odd);
	assert_string_equal(json_string_value(json_object_get(labels, "engine.m")), "");
	engine_questions_release(&list, 1);
	works(engine_container_remove(engine, id, true, err));
	works(engine_ask(engine, &list, 1, err));
	assert_null(listed(&list, id));
	engine_questions_release(&list, 1);
	free(id);
}

/* A random valid UTF-8 text of `n` characters, without NUL. */
static void random_text(struct buf *out, int n)
{
	static const char *const pieces[] = {"a", "Z", "0", " ", "\n", "\r", "\t", "\"", "'", "\\",
	    "$", "`", "=", "&", "%41", "+", "#", "\x01", "\x1b", "\x7f", "\xc3\xa4", "\xe2\x82\xac",
	    "\xf0\x9f\x90\xb3", "\xe2\x80\xa8", "</script>", "\\u0000", "{", "}"};

	while (n-- > 0)
		buf_adds(out, pieces[(size_t)rand() % ARRAY_SIZE(pieces)]);
}

static void assert_environment(json_t *env)
{
	char *id = make("engine.env", "true", json_pack("{s:O}", "Env", env));
	json_t *json = inspect(id), *got = json_at(json, "Config.Env");

	for (size_t i = 0; i < json_array_size(env); i++) {
		const char *want = json_string_value(json_array_get(env, i));
		bool found = false;

		for (size_t j = 0; j < json_array_size(got) && !found; j++)
			found = strcmp(json_string_value(json_array_get(got, j)), want) == 0;
		if (!found)
			fail_msg("\"%s\" is lost", want);
	}
	json_decref(json);
	works(engine_container_remove(engine, id, true, err));
	free(id);
}

static void environments_survive_byte_for_byte(void **state UNUSED)
{
	srand(11);
	for (int round = 0; round < 40; round++) {
		json_t *env = json_array();

		for (int i = 0; i < 8; i++) {
			struct buf pair = BUF_INIT(1 << 20);

			buf_addf(&pair,
			    "%s.%d=", round % 2 ? "spring.datasource.url" : "\xc3\x84 key-with_all",
			    i);
			random_text(&pair, rand() % 200);
			json_array_append_new(env, json_string(pair.data));
			buf_release(&pair);
		}
		assert_environment(env);
		json_decref(env);
	}
}

static void a_large_value_survives_and_is_seen_inside(void **state UNUSED)
{
	struct buf value = BUF_INIT(1 << 20), out = BUF_INIT(65536), want = BUF_INIT(65536);
	char *id, sum[DIGEST_HEX_SIZE];

	buf_adds(&value, "spring.datasource.url=");
	while (value.len < 100 * 1000)
		random_text(&value, 10);
	digest_sha256_hex(value.data + 22, value.len - 22, sum, NULL);
	id = make("engine.large",
	    "b=/bin/busybox; $b grep -z ^spring. /proc/$$/environ | $b tr -d '\\0' | $b tail -c "
	    "+23 | "
	    "$b sha256sum",
	    json_pack("{s:[s]}", "Env", value.data));
	works(engine_container_start(engine, id, err));
	await_end(id);
	works(engine_container_logs(engine, id, 10, &out, err));
	buf_addf(&want, "%s  -\n", sum);
	assert_string_equal(out.data, want.data);
	works(engine_container_remove(engine, id, true, err));
	buf_release(&value);
	buf_release(&out);
	buf_release(&want);
	free(id);
}

static void assert_logs(const char *id, int tail, const char *want)
{
	struct buf out = BUF_INIT(1 << 20);

	works(engine_container_logs(engine, id, tail, &out, err));
	assert_string_equal(out.data, want);
	buf_release(&out);
}

static void logs_are_read_in_both_forms(void **state UNUSED)
{
	char *plain = make("engine.logs",
	    "echo out 1; sleep 0.2; echo err 1 >&2; sleep 0.2; echo out 2; sleep 0.2; echo err 2 "
	    ">&2; sleep 0.2; echo out 3",
	    NULL);
	char *tty =
	    make("engine.tty", "echo on a terminal; printf end", json_pack("{s:b}", "Tty", 1));

	works(engine_container_start(engine, plain, err));
	works(engine_container_start(engine, tty, err));
	await_end(plain);
	await_end(tty);
	assert_logs(plain, 2, "err 2\nout 3\n");
	assert_logs(plain, -1, "out 1\nerr 1\nout 2\nerr 2\nout 3\n");
	assert_logs(plain, 0, "");
	assert_logs(tty, 100, "on a terminal\r\nend");
	works(engine_container_remove(engine, plain, true, err));
	works(engine_container_remove(engine, tty, true, err));
	free(plain);
	free(tty);
}

static void of_long_logs_the_end_is_kept(void **state UNUSED)
{
	char *id = make(
	    "engine.long", "while [ $((i += 1)) -le 20000 ]; do echo line number $i; done", NULL);
	struct buf out = BUF_INIT(1 << 20), small = BUF_INIT(100);

	works(engine_container_start(engine, id, err));
	await_end(id);
	works(engine_container_logs(engine, id, 20000, &out, err));
	assert_in_range(out.len, 60 * 1024, 64 * 1024);
	assert_memory_equal(out.data, "line number ", 12);
	assert_string_equal(out.data + out.len - 18, "line number 20000\n");
	works(engine_container_logs(engine, id, 20000, &small, err));
	assert_string_equal(small.data + small.len - 18, "line number 20000\n");
	works(engine_container_remove(engine, id, true, err));
	buf_release(&out);
	buf_release(&small);
	free(id);
}

static void networks_and_volumes_are_made_once(void **state UNUSED)
{
	json_t *labels = json_pack("{s:s}", "dev.shipit.prefix", "a.b"), *json = NULL;
	char *id = make("engine.net", "sleep 1000", NULL);
	json_t *endpoint = json_pack("{s:[s]}", "Aliases", "web");

	for (int i = 0; i < 2; i++) {
		works(engine_network_create(engine, "engine.test.net", labels, NULL, err));
		works(engine_volume_create(engine, "engine.test.vol", labels, NULL, err));
	}
	works(engine_network_inspect(engine, "engine.test.net", &json, err));
	assert_string_equal(json_string_value(json_object_get(
				json_object_get(json, "Labels"), "dev.shipit.prefix")),
	    "a.b");
	json_decref(json);
	works(engine_volume_inspect(engine, "engine.test.vol", &json, err));
	assert_non_null(json_object_get(json_object_get(json, "Labels"), "dev.shipit.prefix"));
	json_decref(json);
	works(engine_network_connect(engine, "engine.test.net", id, endpoint, err));
	json = inspect(id);
	assert_non_null(
	    json_object_get(json_at(json, "NetworkSettings.Networks"), "engine.test.net"));
	json_decref(json);
	works(engine_container_remove(engine, id, true, err));
	json_decref(labels);
	json_decref(endpoint);
	free(id);
}

struct following {
	struct strv seen;
	int64_t deadline_ms;
	int cancel_fd;
	enum error_kind ended;
	pthread_t thread;
	const char *until;
};

static int note_event(void *context, const json_t *event)
{
	struct following *following = context;
	const char *action = json_str(event, "Action", "?");

	strv_add(&following->seen, action);
	return strcmp(action, following->until) == 0;
}

static void *follow(void *context)
{
	struct following *following = context;
	struct engine *own = open_engine(following->cancel_fd);
	struct strv filters = {0};
	struct error failure = {0};

	strv_add(&filters, "type=container");
	strv_add(&filters, "label=engine.test=engine.events");
	engine_events(
	    own, &filters, time(NULL) - 1, following->deadline_ms, note_event, following, &failure);
	following->ended = failure.kind;
	error_release(&failure);
	strv_release(&filters);
	engine_close(own);
	return NULL;
}

static void events_are_followed(void **state UNUSED)
{
	struct following following = {
	    .deadline_ms = clock_now_ms() + 20000, .cancel_fd = -1, .until = "die"};
	char *id = make("engine.events", "true", NULL), *other = make("engine.noise", "true", NULL);

	pthread_create(&following.thread, NULL, follow, &following);
	works(engine_container_start(engine, other, err));
	works(engine_container_start(engine, id, err));
	pthread_join(following.thread, NULL);
	assert_int_equal(following.ended, ERROR_NONE);
	assert_string_equal(following.seen.v[following.seen.n - 1], "die");
	assert_true(strv_has(&following.seen, "start"));
	works(engine_container_remove(engine, id, true, err));
	works(engine_container_remove(engine, other, true, err));
	strv_release(&following.seen);
	free(id);
	free(other);
}

static void following_ends_by_deadline_and_by_cancel(void **state UNUSED)
{
	struct following following = {
	    .deadline_ms = clock_now_ms() + 300, .cancel_fd = -1, .until = "never"};
	struct cancel cancel = CANCEL_INIT;
	int64_t begin = clock_now_ms();

	follow(&following);
	assert_int_equal(following.ended, ERROR_TIMEOUT);
	assert_in_range(clock_now_ms() - begin, 290, 30000);
	works(cancel_init(&cancel, err));
	following.cancel_fd = cancel.fd;
	following.deadline_ms = -1;
	pthread_create(&following.thread, NULL, follow, &following);
	usleep(200 * 1000);
	begin = clock_now_ms();
	cancel_fire(&cancel);
	pthread_join(following.thread, NULL);
	assert_int_equal(following.ended, ERROR_CANCELLED);
	assert_in_range(clock_now_ms() - begin, 0, 30000);
	cancel_release(&cancel);
	strv_release(&following.seen);
}

/* Last: it takes the engine down. */
static void an_engine_that_came_back_is_found_again(void **state UNUSED)
{
	json_t *json = NULL;

	run_lab("engine stop");
	fails(
	    engine_info(engine, &json, err), ERROR_UNREACHABLE, "the engine: cannot connect to /");
	run_lab("engine start");
	works(engine_info(engine, &json, err));
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_engine_says_who_it_is),
	    cmocka_unit_test(a_container_lives_and_dies),
	    cmocka_unit_test(stop_waits_for_the_grace),
	    cmocka_unit_test(what_is_not_there_is_said),
	    cmocka_unit_test(what_is_taken_is_said),
	    cmocka_unit_test(a_failed_start_gives_the_engines_words),
	    cmocka_unit_test(restart_policies_are_set),
	    cmocka_unit_test(containers_are_listed_with_their_labels),
	    cmocka_unit_test(environments_survive_byte_for_byte),
	    cmocka_unit_test(a_large_value_survives_and_is_seen_inside),
	    cmocka_unit_test(logs_are_read_in_both_forms),
	    cmocka_unit_test(of_long_logs_the_end_is_kept),
	    cmocka_unit_test(networks_and_volumes_are_made_once),
	    cmocka_unit_test(events_are_followed),
	    cmocka_unit_test(following_ends_by_deadline_and_by_cancel),
	    cmocka_unit_test(an_engine_that_came_back_is_found_again),
	};

	return cmocka_run_group_tests(tests, open_it, close_it);
}
