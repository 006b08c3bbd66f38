/* From run options to the body of POST /containers/create: golden, and for hostile strings. */
#include "deploy/container.h"
#include "deploy/options.h"
#include "tests/unit/deploy_check.h"

static const struct identity shop = {
    .project = "shop",
    .environment = "prod",
    .prefix = "shop.prod",
    .service = "web",
    .release = "20261122-175432-9f3c2a1",
    .rollout = "20261122-175432-r04be2c",
    .image = "sha256:9f3c2a1",
    .config = "1:abc",
    .by = "ann@laptop",
    .at = "2026-11-22T17:54:32Z",
    .source = "4f9e2d1",
};

static const struct {
	const char *name, *options;
} cases[] = {
    {"defaults", "{}"},
    {"everything",
	"{\"command\":[\"serve\",\"--port\",\"80\"],\"entrypoint\":[\"/bin/app\"],"
	"\"devices\":[\"/dev/a:/dev/b:rw\"],\"environment\":{\"B\":\"2\",\"A\":\"1\"},"
	"\"healthcheck\":{\"test\":[\"CMD\",\"/bin/"
	"check\"],\"interval_ms\":2000,\"timeout_ms\":500,"
	"\"start_period_ms\":1,\"retries\":5},\"labels\":{\"team\":\"a\"},"
	"\"networks\":[\"edge\",\"shop.prod.default\"],\"ports\":[\":8080:80/tcp\","
	"\"127.0.0.1:8081:80/tcp\",\"::1::80/tcp\",\"::53/udp\"],\"restart\":\"on-failure:3\","
	"\"stop_grace_ms\":1500,\"user\":\"1000\",\"volumes\":[\"/etc:/e:ro\",\":/tmp/x:rw\","
	"\"shop.prod.data:/d:rw\"]}"},
    {"image's healthcheck, faster", "{\"healthcheck\":{\"interval_ms\":1}}"},
    {"no healthcheck", "{\"healthcheck\":{\"disable\":true}}"},
    {"variables taken away and empty", "{\"environment\":{\"GONE\":null,\"EMPTY\":\"\"}}"},
    {"empty command", "{\"command\":[],\"entrypoint\":[]}"},
    {"members of another version", "{\"hologram\":[\"/x\"],\"stop_grace_ms\":0}"},
    {"what the engine takes as it is", EVERY_SETTING},
    {"mounts", "{\"mounts\":[{\"type\":\"bind\",\"source\":\"/x\",\"target\":\"/"
	       "x\",\"propagation\":\"rslave\",\"create_host_path\":false},"
	       "{\"type\":\"volume\",\"source\":\"shop.prod.d\",\"target\":\"/"
	       "y\",\"read_only\":true,\"nocopy\":true,\"subpath\":\"a/b\"},"
	       "{\"type\":\"tmpfs\",\"target\":\"/z\",\"size\":64,\"mode\":1023}],"
	       "\"volumes\":[\"/b:/b:ro,z,rslave\"]}"},
    {"networks with options",
	"{\"networks\":[\"edge\",\"shop.prod.default\"],\"network_options\":{\"shop.prod.default\":"
	"{\"priority\":10,\"aliases\":[\"www\",\"web\"],\"ipv4_address\":\"10.20.0.9\",\"ipv6_"
	"address\":\"2001:db8::9\","
	"\"link_local_ips\":[\"169.254.8.8\"],\"mac_address\":\"02:42:ac:11:00:09\",\"driver_"
	"opts\":{\"speed\":\"a,b\"}},"
	"\"edge\":{\"priority\":-1}}}"},
    {"healthcheck, faster at first", "{\"healthcheck\":{\"start_interval_ms\":500}}"},
    {"the host's network", "{\"network_mode\":\"host\"}"},
};

static json_t *body_of(const struct identity *identity, const char *text)
{
	CLEANUP_JSON json_t *options = json_of(text);
	struct error err = {0};
	json_t *body = NULL;

	if (container_body(identity, options, "sha256:id-there", NULL, &body, &err) < 0)
		fail_msg("%s", error_text(&err));
	return body;
}

static void bodies_are_as_ever(void **state UNUSED)
{
	CLEANUP_BUF struct buf text = BUF_INIT(1 << 20);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_JSON json_t *body = body_of(&shop, cases[i].options);
		CLEANUP_FREE char *dump = json_dumps(body, JSON_SORT_KEYS | JSON_INDENT(1));

		buf_addf(&text, "# %s\n%s\n\n", cases[i].name, dump);
	}
	golden("bodies.txt", text.data);
}

/* The engine's own policy is `no` until commit; what the user wants is in the label. */
static void policy_is_no_until_commit(void **state UNUSED)
{
	CLEANUP_JSON json_t *body = body_of(&shop, "{\"restart\":\"unless-stopped\"}");
	const json_t *labels = json_object_get(body, "Labels");

	assert_string_equal(json_str(body, "HostConfig.RestartPolicy.Name", ""), "no");
	assert_string_equal(
	    json_string_value(json_object_get(labels, "dev.shipit.restart")), "unless-stopped");
}

static void our_labels_cannot_be_taken(void **state UNUSED)
{
	CLEANUP_JSON json_t *body = body_of(&shop, "{\"labels\":{\"dev.shipit.prefix\":\"evil\","
						   "\"dev.shipit.release\":\"x\",\"a\":\"b\"}}");
	const json_t *labels = json_object_get(body, "Labels");

	assert_string_equal(
	    json_string_value(json_object_get(labels, "dev.shipit.prefix")), "shop.prod");
	assert_string_equal(
	    json_string_value(json_object_get(labels, "dev.shipit.release")), shop.release);
	assert_string_equal(json_string_value(json_object_get(labels, "a")), "b");
}

static void options_stay_as_they_were(void **state UNUSED)
{
	CLEANUP_JSON json_t *options = json_of(cases[1].options);
	CLEANUP_JSON json_t *before = json_deep_copy(options);
	json_t *body = NULL;

	assert_int_equal(container_body(&shop, options, "id", NULL, &body, NULL), 0);
	json_decref(body);
	assert_true(json_equal(options, before));
}

static void without_git_there_is_no_source(void **state UNUSED)
{
	struct identity identity = shop;
	CLEANUP_JSON json_t *body = NULL;

	identity.source = NULL;
	body = body_of(&identity, "{}");
	assert_null(json_object_get(json_object_get(body, "Labels"), "dev.shipit.source"));
}

/* Values come out of the body as they went in, whatever they are. */
static void hostile_strings_are_just_strings(void **state UNUSED)
{
	static const char *const values[] = {"$(reboot)", "`reboot`", "a\nb\r\n", "'\"\\'",
	    "; rm -rf /", "\xe2\x80\xae", "\x1b[31m", "%s%n", "=", "", "-v"};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		CLEANUP_JSON json_t *options =
		    json_pack("{s:{s:s},s:{s:s},s:[s],s:s}", "environment", "KEY", values[i],
			"labels", "l", values[i], "command", values[i], "user", values[i]);
		CLEANUP_JSON json_t *body = NULL;
		CLEANUP_FREE char *variable = string_printf("KEY=%s", values[i]);

		assert_int_equal(container_body(&shop, options, "id", NULL, &body, NULL), 0);
		assert_string_equal(
		    json_string_value(json_array_get(json_at(body, "Env"), 0)), variable);
		assert_string_equal(json_str(body, "Labels.l", NULL), values[i]);
		assert_string_equal(json_str(body, "User", NULL), values[i]);
		assert_string_equal(
		    json_string_value(json_array_get(json_at(body, "Cmd"), 0)), values[i]);
	}
}

/* Nobody takes it for the service; what the program needs is there. */
static void a_one_off_is_not_the_service(void **state UNUSED)
{
	CLEANUP_JSON json_t *options =
	    json_of("{\"environment\":{\"A\":\"1\"},\"mac_address\":\"02:42:ac:11:00:02\","
		    "\"expose\":[\"9/tcp\"],\"network_options\":{\"edge\":"
		    "{\"ipv4_address\":\"10.0.0.9\"}},\"labels\":{\"route\":\"yes\"},"
		    "\"ports\":[\":8080:80/tcp\"],\"volumes\":[\"d:/d:rw\"],\"user\":\"7\","
		    "\"entrypoint\":[\"/e\"],\"command\":[\"serve\"],"
		    "\"networks\":[\"edge\",\"shop.prod.default\"],"
		    "\"healthcheck\":{\"test\":[\"CMD\",\"/c\"]}}");
	CLEANUP_STRV struct strv command = {0};
	CLEANUP_JSON json_t *body = NULL;
	CLEANUP_FREE char *text = NULL;

	strv_add(&command, "migrate");
	strv_add(&command, "--all now");
	assert_int_equal(
	    container_before_body(&shop, options, "sha256:there", NULL, &command, &body, NULL), 0);
	text = json_canonical(body);
	assert_string_equal(text,
	    "{\"Cmd\":[\"migrate\",\"--all now\"],\"Entrypoint\":[\"/e\"],\"Env\":[\"A=1\"],"
	    "\"Healthcheck\":{\"Test\":[\"NONE\"]},\"HostConfig\":{\"Binds\":[\"d:/d:rw\"],"
	    "\"LogConfig\":{\"Config\":{\"max-file\":\"3\",\"max-size\":\"10m\"},"
	    "\"Type\":\"json-file\"},\"NetworkMode\":\"edge\",\"RestartPolicy\":{\"Name\":\"no\"}},"
	    "\"Image\":\"sha256:there\",\"Labels\":{\"dev.shipit.before\":\"web\","
	    "\"dev.shipit.environment\":\"prod\",\"dev.shipit.prefix\":\"shop.prod\","
	    "\"dev.shipit.project\":\"shop\"},"
	    "\"NetworkingConfig\":{\"EndpointsConfig\":{\"edge\":{}}},\"StopTimeout\":10,"
	    "\"User\":\"7\"}");
}

static void damaged_options_make_no_body(void **state UNUSED)
{
	static const char *const bad[] = {"[]", "{\"ports\":[null]}", "{\"volumes\":[7]}",
	    "{\"devices\":[\"x\"]}", "{\"environment\":{\"A\":[]}}",
	    "{\"stop_grace_ms\":9223372036854775807}"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CLEANUP_JSON json_t *options = json_of(bad[i]);
		struct error err = {0};
		json_t *body = NULL;

		assert_int_equal(container_body(&shop, options, "id", NULL, &body, &err), -1);
		assert_null(body);
		assert_error(&err, ERROR_PROTOCOL, "damaged");
		assert_null(container_run_line(&shop, options, "image"));
	}
}

static void networks_are_never_none(void **state UNUSED)
{
	CLEANUP_JSON json_t *none = json_of("{\"networks\":[]}");
	CLEANUP_JSON json_t *two = json_of("{\"networks\":[\"edge\",\"shop.prod.default\"]}");
	CLEANUP_JSON json_t *endpoint = container_endpoint(&shop, none, "x");
	CLEANUP_FREE char *text = json_canonical(endpoint);
	CLEANUP_STRV struct strv networks = {0}, more = {0};

	assert_int_equal(container_networks(&shop, none, &networks, NULL), 0);
	assert_int_equal(networks.n, 1);
	assert_string_equal(networks.v[0], "shop.prod.default");
	assert_int_equal(container_networks(&shop, two, &more, NULL), 0);
	assert_int_equal(more.n, 2);
	assert_string_equal(more.v[0], "edge");
	assert_string_equal(text, "{\"Aliases\":[\"web\"]}");
}

static void owners_labels(void **state UNUSED)
{
	CLEANUP_JSON json_t *labels = container_owner_labels("shop", "prod", "shop.prod");
	CLEANUP_FREE char *text = json_canonical(labels);

	assert_string_equal(text, "{\"dev.shipit.environment\":\"prod\",\"dev.shipit.prefix\":"
				  "\"shop.prod\",\"dev.shipit.project\":\"shop\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bodies_are_as_ever),
	    cmocka_unit_test(policy_is_no_until_commit),
	    cmocka_unit_test(our_labels_cannot_be_taken),
	    cmocka_unit_test(options_stay_as_they_were),
	    cmocka_unit_test(without_git_there_is_no_source),
	    cmocka_unit_test(hostile_strings_are_just_strings),
	    cmocka_unit_test(a_one_off_is_not_the_service),
	    cmocka_unit_test(damaged_options_make_no_body),
	    cmocka_unit_test(networks_are_never_none),
	    cmocka_unit_test(owners_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
