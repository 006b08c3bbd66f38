/* From the inventory to run options and their hash. The golden file pins both: a hash that changes
 * by accident would replace every container of every fleet. */
#include "deploy/options.h"
#include "tests/unit/deploy_check.h"

static char config[] = "sha256:9f3c2a1e5d0b4c8f7a6e1d2c3b4a59687f0e1d2c3b4a59687f0e1d2c3b4a5968";

static struct resource volumes[] = {
    {.key = "data"},
    {.key = "shared", .name = "the-shared-one"},
    {.key = "old", .external = true},
    {.key = "older", .name = "very-old", .external = true},
    {.key = "made"},
};
static struct resource networks[] = {
    {.key = "default"},
    {.key = "front"},
    {.key = "edge", .name = "edge", .external = true},
    {.key = "inner"},
};
static struct environment prod = {.name = "prod", .hosts = STRV("*")};
static struct host web1 = {.name = "web1"};
static struct inventory inventory = {
    .project = "shop",
    .volumes = volumes,
    .n_volumes = ARRAY_SIZE(volumes),
    .networks = networks,
    .n_networks = ARRAY_SIZE(networks),
};

#define SERVICE .name = "web", .restart = "always", .stop_grace_ms = 10000

static char *options_of(const struct service *service, char hash[CONFIG_HASH_SIZE])
{
	CLEANUP_JSON json_t *options = NULL;

	assert_int_equal(options_make(&inventory, &prod, service, &web1, &options, NULL), 0);
	assert_int_equal(options_check(options, NULL), 0);
	assert_int_equal(options_hash(options, config, hash, NULL), 0);
	return json_canonical(options);
}

static struct port ports[] = {
    {.host_port = 8080, .container_port = 80, .protocol = "tcp"},
    {.host_ip = "127.0.0.1", .host_port = 9090, .container_port = 90, .protocol = "tcp"},
    {.container_port = 53, .protocol = "udp"},
    {.host_ip = "::1", .host_port = 443, .container_port = 443, .protocol = "tcp"},
    {.host_ip = "10.0.0.1", .container_port = 81, .protocol = "sctp"},
};
static struct volume mounts[] = {
    {.kind = VOLUME_NAMED, .source = "data", .target = "/var/lib/shop"},
    {.kind = VOLUME_NAMED, .source = "shared", .target = "/shared", .read_only = true},
    {.kind = VOLUME_NAMED, .source = "old", .target = "/old"},
    {.kind = VOLUME_NAMED, .source = "older", .target = "/older"},
    {.kind = VOLUME_NAMED, .source = "unlisted", .target = "/unlisted"},
    {.kind = VOLUME_BIND, .source = "/etc/ssl", .target = "/ssl", .read_only = true},
    {.kind = VOLUME_ANONYMOUS, .target = "/tmp/x"},
};

static struct volume odd_mounts[] = {
    {.kind = VOLUME_BIND, .source = "/b", .target = "/b", .read_only = true, .modes = "z,rslave"},
    {.kind = VOLUME_NAMED, .source = "made", .target = "/m", .modes = "nocopy"},
};
static struct volume deep_mounts[] = {
    {.kind = VOLUME_TMPFS, .target = "/z"},
    {.kind = VOLUME_NAMED, .source = "made", .target = "/y", .read_only = true},
    {.kind = VOLUME_BIND, .source = "/x", .target = "/x"},
    {.kind = VOLUME_ANONYMOUS, .target = "/w"},
};

static const struct {
	const char *name;
	struct service service;
} cases[] = {
    {"nothing but defaults", {SERVICE}},
    {"defaults spelled out", {SERVICE, .networks = STRV("default"), .retain = 7}},
    {"restart and grace", {.name = "web", .restart = "on-failure:3", .stop_grace_ms = 1500}},
    {"no grace at all", {.name = "web", .restart = "no", .stop_grace_ms = 0}},
    {"command", {SERVICE, .has_command = true, .command = STRV("serve", "--port", "80", ""),
		    .user = "1000:1000"}},
    {"empty command and entrypoint", {SERVICE, .has_command = true, .has_entrypoint = true}},
    {"entrypoint", {SERVICE, .has_entrypoint = true, .entrypoint = STRV("/bin/sh", "-c")}},
    {"environment", {SERVICE, .environment = PAIRS({"B", "2", false},
				  {"A", "x=\"1\" $HOME `id`\n", false}, {"E", "", false})}},
    {"labels", {SERVICE, .labels = PAIRS({"team", "a/b", false}, {"alone", NULL, false})}},
    {"ports", {SERVICE, .ports = ports, .n_ports = ARRAY_SIZE(ports)}},
    {"volumes", {SERVICE, .volumes = mounts, .n_volumes = ARRAY_SIZE(mounts)}},
    {"networks", {SERVICE, .networks = STRV("front", "edge", "default")}},
    {"one other network", {SERVICE, .networks = STRV("edge")}},
    {"devices", {SERVICE, .devices = STRV("/dev/b:/dev/c", "/dev/a", "/dev/d:/dev/d:r")}},
    {"healthcheck", {SERVICE, .healthcheck = {.set = true,
				  .test = STRV("CMD", "/bin/check", "a b"),
				  .interval_ms = 2000,
				  .timeout_ms = 500,
				  .start_period_ms = 10,
				  .retries = 5}}},
    {"healthcheck of the image, faster",
	{SERVICE, .healthcheck = {.set = true, .interval_ms = 1000}}},
    {"no healthcheck", {SERVICE, .healthcheck = {.set = true, .disable = true, .interval_ms = 1}}},
    {"healthcheck that says nothing", {SERVICE, .healthcheck = {.set = true}}},
    {"volumes with modes", {SERVICE, .volumes = odd_mounts, .n_volumes = ARRAY_SIZE(odd_mounts)}},
    {"mounts", {SERVICE, .volumes = deep_mounts, .n_volumes = ARRAY_SIZE(deep_mounts)}},
    {"a network that is made so", {SERVICE, .networks = STRV("inner", "front")}},
    {"healthcheck, faster at first",
	{SERVICE, .healthcheck = {.set = true, .start_interval_ms = 500}}},
    {"letters",
	{SERVICE, .environment = PAIRS({"NAME", "J\xc3\xbcrgen \xf0\x9f\x9a\xa2 /", false})}},
};

/* What only JSON says of them. */
static int make_settings(void **state UNUSED)
{
	static const char *const texts[] = {"{\"type\":\"tmpfs\",\"size\":64,\"mode\":1023}",
	    "{\"subpath\":\"a/b\",\"nocopy\":true}", "{\"create_host_path\":false}",
	    "{\"nocopy\":true}"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		deep_mounts[i].mount = json_of(texts[i]);
	volumes[4].settings = json_of("{\"driver\":\"local\",\"labels\":{\"a\":\"b\"}}");
	networks[3].settings = json_of("{\"internal\":true}");
	return 0;
}

static int drop_settings(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_SIZE(deep_mounts); i++)
		json_decref(deep_mounts[i].mount);
	json_decref(volumes[4].settings);
	json_decref(networks[3].settings);
	return 0;
}

/* The container is the same, however its network is made when it is missing. */
static void definitions_are_not_hashed(void **state UNUSED)
{
	CLEANUP_JSON json_t *with =
	    json_of("{\"definitions\":{\"networks\":{\"a\":{\"internal\":true}}},\"user\":\"7\"}");
	CLEANUP_JSON json_t *without = json_of("{\"user\":\"7\"}");
	char one[CONFIG_HASH_SIZE], other[CONFIG_HASH_SIZE];

	assert_int_equal(options_hash(with, config, one, NULL), 0);
	assert_int_equal(options_hash(without, config, other, NULL), 0);
	assert_string_equal(one, other);
	assert_non_null(json_at(with, "definitions.networks.a"));
}

static void options_of_networks_have_their_names_on_the_host(void **state UNUSED)
{
	struct service service = {SERVICE, .networks = STRV("default", "edge")};
	char hash[CONFIG_HASH_SIZE];
	CLEANUP_JSON json_t *all = json_of(
	    "{\"default\":{\"aliases\":[\"www\"]},\"edge\":{\"ipv4_address\":\"10.0.0.9\"}}");
	CLEANUP_FREE char *options = NULL;

	service.network_options = all;
	options = options_of(&service, hash);
	assert_string_equal(options,
	    "{\"network_options\":{\"edge\":{\"ipv4_address\":\"10.0.0.9\"},"
	    "\"shop.prod.default\":{\"aliases\":[\"www\"]}},"
	    "\"networks\":[\"edge\",\"shop.prod.default\"]}");
}

static void options_and_hashes_are_as_ever(void **state UNUSED)
{
	CLEANUP_BUF struct buf text = BUF_INIT(1 << 20);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char hash[CONFIG_HASH_SIZE];
		CLEANUP_FREE char *options = options_of(&cases[i].service, hash);

		buf_addf(&text, "# %s\n%s\n%s\n\n", cases[i].name, options, hash);
	}
	golden("options.txt", text.data);
}

/* By sha256sum(1), so that not only our own code says so. */
static void hash_is_the_documented_one(void **state UNUSED)
{
	CLEANUP_JSON json_t *options = json_of("{\"restart\":\"no\",\"command\":[\"a/b\"]}");
	char hash[CONFIG_HASH_SIZE];

	assert_int_equal(options_hash(options, "sha256:abc", hash, NULL), 0);
	assert_string_equal(
	    hash, "1:824a4af8bb41e424d7de427dadaa9a867afcc098fc72964c65826e5bb95db778");
}

static void order_in_the_file_does_not_matter(void **state UNUSED)
{
	struct service one = {SERVICE, .ports = ports, .n_ports = 2,
	    .environment = PAIRS({"A", "1", false}, {"B", "2", false}),
	    .networks = STRV("front", "edge")};
	struct port turned[] = {ports[1], ports[0]};
	struct service two = {SERVICE, .ports = turned, .n_ports = 2,
	    .environment = PAIRS({"B", "2", false}, {"A", "1", false}),
	    .networks = STRV("edge", "front")};
	char hash_one[CONFIG_HASH_SIZE], hash_two[CONFIG_HASH_SIZE];

	free(options_of(&one, hash_one));
	free(options_of(&two, hash_two));
	assert_string_equal(hash_one, hash_two);
	two.command = (struct strv)STRV("x");
	two.has_command = true;
	free(options_of(&two, hash_two));
	assert_string_not_equal(hash_one, hash_two);
}

static void hosts_environment_is_over_the_others(void **state UNUSED)
{
	struct service service = {
	    SERVICE, .environment = PAIRS({"A", "s", false}, {"B", "s", false}, {"C", "s", false},
			 {"GIVEN", NULL, false})};
	struct environment env = {.name = "prod",
	    .environment = PAIRS({"B", "e", false}, {"C", "e", false}, {"NOT_GIVEN", NULL, false})};
	struct host host = {
	    .name = "web1", .environment = PAIRS({"C", "h", false}, {"D", "h", false})};
	CLEANUP_JSON json_t *options = NULL;
	CLEANUP_FREE char *text = NULL;

	setenv("GIVEN", "by the process", 1);
	unsetenv("NOT_GIVEN");
	assert_int_equal(options_make(&inventory, &env, &service, &host, &options, NULL), 0);
	text = json_canonical(options);
	assert_string_equal(text, "{\"environment\":{\"A\":\"s\",\"B\":\"e\",\"C\":\"h\",\"D\":"
				  "\"h\",\"GIVEN\":\"by the process\"}}");
}

static void another_prefix_is_another_network(void **state UNUSED)
{
	struct environment env = {.name = "prod", .prefix_name = "other"};
	struct service service = {SERVICE, .networks = STRV("front", "default")};
	CLEANUP_JSON json_t *options = NULL;
	CLEANUP_FREE char *text = NULL;

	assert_int_equal(options_make(&inventory, &env, &service, &web1, &options, NULL), 0);
	text = json_canonical(options);
	assert_string_equal(text, "{\"networks\":[\"other.default\",\"other.front\"]}");
}

static void what_is_no_utf8_is_an_inventory_error(void **state UNUSED)
{
	struct volume mount = {.kind = VOLUME_BIND, .source = "/\xff", .target = "/x"};
	struct port port = {.host_ip = "\xfe", .container_port = 1, .protocol = "tcp"};
	const struct {
		struct service service;
		const char *says;
	} bad[] = {
	    {{SERVICE, .has_command = true, .command = STRV("a", "\xff")},
		"`command` of service web"},
	    {{SERVICE, .has_entrypoint = true, .entrypoint = STRV("\xff")}, "`entrypoint`"},
	    {{SERVICE, .user = "\xc3"}, "the value of user"},
	    {{SERVICE, .environment = PAIRS({"A", "\xed\xa0\x80", false})}, "variable A"},
	    {{SERVICE, .environment = PAIRS({"\xff", "x", false})}, "is not valid UTF-8"},
	    {{SERVICE, .labels = PAIRS({"l", "\x80", false})}, "label l"},
	    {{SERVICE, .volumes = &mount, .n_volumes = 1}, "`volumes`"},
	    {{SERVICE, .ports = &port, .n_ports = 1}, "`ports`"},
	    {{SERVICE, .devices = STRV("/dev/\xff")}, "`devices`"},
	    {{SERVICE, .networks = STRV("\xff")}, "`networks`"},
	    {{SERVICE, .healthcheck = {.set = true, .test = STRV("CMD", "\xff")}}, "`test`"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *options = NULL;
		struct error err = {0};

		assert_int_equal(
		    options_make(&inventory, &prod, &bad[i].service, &web1, &options, &err), -1);
		assert_null(options);
		assert_error(&err, ERROR_INVENTORY, bad[i].says);
	}
}

static void defaults_of_members(void **state UNUSED)
{
	CLEANUP_JSON json_t *none = json_of("{}");
	CLEANUP_JSON json_t *some = json_of("{\"restart\":\"no\",\"stop_grace_ms\":0}");
	CLEANUP_JSON json_t *odd = json_of("{\"restart\":7,\"stop_grace_ms\":\"x\"}");

	assert_string_equal(options_restart(none), "always");
	assert_int_equal(options_stop_grace_ms(none), 10000);
	assert_string_equal(options_restart(some), "no");
	assert_int_equal(options_stop_grace_ms(some), 0);
	assert_string_equal(options_restart(odd), "always");
	assert_int_equal(options_stop_grace_ms(odd), 10000);
	assert_string_equal(options_restart(NULL), "always");
}

static void ports_are_taken_apart_from_the_right(void **state UNUSED)
{
	static const struct {
		const char *text, *ip;
		int host, container;
		const char *protocol;
	} good[] = {
	    {":8080:80/tcp", "", 8080, 80, "tcp"},
	    {"::80/udp", "", 0, 80, "udp"},
	    {"127.0.0.1:1:65535/sctp", "127.0.0.1", 1, 65535, "sctp"},
	    {"127.0.0.1::80/tcp", "127.0.0.1", 0, 80, "tcp"},
	    {"::1:443:443/tcp", "::1", 443, 443, "tcp"},
	    {"fe80::1::80/tcp", "fe80::1", 0, 80, "tcp"},
	    {":::8080:80/tcp", "::", 8080, 80, "tcp"},
	};
	static const char *const bad[] = {"", "/", "80", "80/tcp", ":80/tcp", "8080:80/tcp",
	    ":8080:80", ":8080:80/", ":8080:80/longerthan7", ":8080:0/tcp", ":65536:80/tcp",
	    ":8080:65536/tcp", ":-1:80/tcp", ":80 :80/tcp", ":000080:80/tcp", ":a:80/tcp", "::/tcp",
	    "1234567890123456789012345678901234567890123456789012345678901234:1:1/tcp"};
	char ip[PORT_IP_SIZE], protocol[8];
	int host, container;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(options_port(good[i].text, ip, &host, &container, protocol), 0);
		assert_string_equal(ip, good[i].ip);
		assert_int_equal(host, good[i].host);
		assert_int_equal(container, good[i].container);
		assert_string_equal(protocol, good[i].protocol);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(options_port(bad[i], ip, &host, &container, protocol), -1);
}

static void damaged_options_are_named(void **state UNUSED)
{
	static const struct {
		const char *text, *says; /* NULL: they are right */
	} given[] = {
	    {"{}", NULL},
	    {"{\"of a newer version\":[null,{}]}", NULL},
	    {"{\"environment\":{\"A\":null,\"B\":\"\"},\"restart\":\"on-failure:12\"}", NULL},
	    {"{\"volumes\":[\":/x:rw\",\"a:/b:ro\",\"C:/odd:/x:ro\"],\"command\":[]}", NULL},
	    {"{\"healthcheck\":{}}", NULL},
	    {"[]", "not an object"},
	    {"null", "not an object"},
	    {"{\"command\":\"x\"}", "`command`"},
	    {"{\"command\":[1]}", "`command`"},
	    {"{\"entrypoint\":[null]}", "`entrypoint`"},
	    {"{\"environment\":[\"A=1\"]}", "`environment`"},
	    {"{\"environment\":{\"A\":1}}", "`environment`"},
	    {"{\"labels\":{\"A\":null}}", "`labels`"},
	    {"{\"labels\":null}", "`labels`"},
	    {"{\"devices\":[\"/dev/a\"]}", "`devices`"},
	    {"{\"devices\":[\":/dev/a:r\"]}", "`devices`"},
	    {"{\"devices\":[\"/a:/b:r:w\"]}", "`devices`"},
	    {"{\"devices\":[\"/a:/b:\"]}", "`devices`"},
	    {"{\"devices\":[\"\"]}", "`devices`"},
	    {"{\"networks\":[\"\"]}", "`networks`"},
	    {"{\"networks\":{}}", "`networks`"},
	    {"{\"ports\":[\"80\"]}", "`ports`"},
	    {"{\"volumes\":[\"\"]}", "`volumes`"},
	    {"{\"volumes\":[\":\"]}", "`volumes`"},
	    {"{\"volumes\":[\"::rw\"]}", "`volumes`"},
	    {"{\"volumes\":[\"a:/b\"]}", "`volumes`"},
	    {"{\"volumes\":[\"a:/b:z\"]}", "`volumes`"},
	    {"{\"volumes\":[\"a:/b:ro,\"]}", "`volumes`"},
	    {"{\"volumes\":[\"a:/b:rwz\"]}", "`volumes`"},
	    {"{\"volumes\":[\"a:/b:ro,z,rslave\"]}", NULL},
	    {"{\"mounts\":[{\"type\":\"bind\"}]}", "`mounts`"},
	    {"{\"mounts\":[{\"type\":\"disk\",\"target\":\"/a\"}]}", "`mounts`"},
	    {"{\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/a\",\"mode\":\"7\"}]}", "`mounts`"},
	    {"{\"mounts\":[7]}", "`mounts`"},
	    {"{\"mounts\":{}}", "`mounts`"},
	    {"{\"network_options\":[]}", "`network_options`"},
	    {"{\"network_options\":{\"a\":null}}", "`network_options`"},
	    {"{\"network_options\":{\"a\":{\"aliases\":[1]}}}", "`network_options`"},
	    {"{\"network_options\":{\"a\":{\"of a newer\":1}}}", NULL},
	    {"{\"definitions\":[]}", NULL},
	    {"{\"definitions\":{\"networks\":{\"a\":{\"ipam\":{\"config\":{}}}}}}",
		"`definitions.networks`"},
	    {"{\"definitions\":{\"networks\":{\"a\":{\"ipam\":{\"config\":[{\"subnet\":1}]}}}}}",
		"`definitions.networks`"},
	    {"{\"definitions\":{\"volumes\":{\"a\":{\"driver\":[]}}}}", "`definitions.volumes`"},
	    {"{\"device_read_bps\":[\"/dev/sda\"]}", "`device_read_bps`"},
	    {"{\"device_read_bps\":[\"sda:1\"]}", "`device_read_bps`"},
	    {"{\"device_read_bps\":[\"/a:99999999999999999999\"]}", "`device_read_bps`"},
	    {"{\"gpus\":\"all\"}", "`gpus`"},
	    {"{\"gpus\":[{\"count\":1}]}", "`gpus`"},
	    {"{\"gpus\":[{\"capabilities\":[\"gpu\"],\"count\":\"all\"}]}", "`gpus`"},
	    {"{\"gpus\":[{\"capabilities\":[\"gpu\"],\"options\":{\"a\":1}}]}", "`gpus`"},
	    {"{\"expose\":[80]}", "`expose`"},
	    {"{\"user\":0}", "`user`"},
	    {"{\"restart\":\"always\\nend\"}", "`restart`"},
	    {"{\"restart\":\"on-failure:\"}", "`restart`"},
	    {"{\"restart\":\"on-failure:1 2\"}", "`restart`"},
	    {"{\"restart\":\"on-failure:99999999999\"}", "`restart`"},
	    {"{\"restart\":\"\"}", "`restart`"},
	    {"{\"stop_grace_ms\":-1}", "`stop_grace_ms`"},
	    {"{\"stop_grace_ms\":1.5}", "`stop_grace_ms`"},
	    {"{\"stop_grace_ms\":9223372036854775807}", "`stop_grace_ms`"},
	    {"{\"healthcheck\":[]}", "`healthcheck`"},
	    {"{\"healthcheck\":{\"test\":\"x\"}}", "`healthcheck.test`"},
	    {"{\"healthcheck\":{\"interval_ms\":9223372036854775807}}", "interval_ms"},
	    {"{\"healthcheck\":{\"retries\":4294967296}}", "retries"},
	    {"{\"healthcheck\":{\"disable\":1}}", "disable"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(given); i++) {
		CLEANUP_JSON json_t *options = json_of(given[i].text);
		struct error err = {0};

		assert_int_equal(options_check(options, &err), given[i].says == NULL ? 0 : -1);
		if (given[i].says != NULL)
			assert_error(&err, ERROR_PROTOCOL, given[i].says);
	}
	assert_int_equal(options_check(NULL, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(options_and_hashes_are_as_ever),
	    cmocka_unit_test(definitions_are_not_hashed),
	    cmocka_unit_test(options_of_networks_have_their_names_on_the_host),
	    cmocka_unit_test(hash_is_the_documented_one),
	    cmocka_unit_test(order_in_the_file_does_not_matter),
	    cmocka_unit_test(hosts_environment_is_over_the_others),
	    cmocka_unit_test(another_prefix_is_another_network),
	    cmocka_unit_test(what_is_no_utf8_is_an_inventory_error),
	    cmocka_unit_test(defaults_of_members),
	    cmocka_unit_test(ports_are_taken_apart_from_the_right),
	    cmocka_unit_test(damaged_options_are_named),
	};

	return cmocka_run_group_tests(tests, make_settings, drop_settings);
}
