/* What is known before anything is stopped: architecture, disk, names and ports. */
#include "tests/unit/deploy_scene.h"

enum { MB = 1000 * 1000 };

#define TEXT(literal) ((char *)(uintptr_t)(literal))

static struct image_variant variants[SCENE_SERVICES][2];
static struct image images[SCENE_SERVICES];
static char releases[SCENE_SERVICES][RELEASE_SIZE] = {
    "20261122-180000-bbbbbbb", "20261122-180000-ddddddd"};

static void reset_images(void)
{
	static char *const configs[][2] = {
	    {TEXT("sha256:b"), TEXT("sha256:b-arm")}, {TEXT("sha256:d"), TEXT("sha256:d-arm")}};

	for (size_t i = 0; i < SCENE_SERVICES; i++) {
		variants[i][0] = (struct image_variant){.os = TEXT("linux"),
		    .arch = TEXT("amd64"),
		    .config = configs[i][0],
		    .size = 100 * MB};
		variants[i][1] = (struct image_variant){.os = TEXT("linux"),
		    .arch = TEXT("arm64"),
		    .config = configs[i][1],
		    .size = 300 * MB};
		images[i] = (struct image){.variants = variants[i], .n = 1};
	}
}

/* One running container a of web, and facts that the test changes. */
static void prepare(struct scene *scene)
{
	reset_images();
	scene_make(scene, (const char *const[]){"a * running always always", NULL},
	    (const char *const[]){"1 deploy committed web a - r1", NULL});
}

static int preflight(struct scene *scene, struct error *err)
{
	struct plan plan;
	int rc;

	if (plan_deploy(&scene->input, images, releases, false, &plan, err) < 0)
		fail_msg("%s", error_text(err));
	rc = plan_preflight(&scene->input, &plan, err);
	plan_release(&plan);
	return rc;
}

static void listen_on(struct facts *facts, int port)
{
	facts->listens.listens[port / 8] |= (unsigned char)(1U << (port % 8));
}

static void a_free_host_will_do(void **state UNUSED)
{
	struct scene scene;

	prepare(&scene);
	assert_int_equal(preflight(&scene, NULL), 0);
	scene_release(&scene);
}

static void another_architecture_will_not(void **state UNUSED)
{
	struct scene scene;
	struct error err = {0};

	prepare(&scene);
	scene.facts.arch = (char[]){"arm64"};
	assert_int_equal(preflight(&scene, &err), -1);
	assert_string_equal(err.hint, "build it for linux/arm64");
	assert_error(
	    &err, ERROR_FAILED, "the image of web is for linux/amd64, this host is linux/arm64");
	scene_release(&scene);
}

static void the_platform_is_that_of_the_host(void **state UNUSED)
{
	struct service service;
	struct error err = {0};
	struct scene scene;

	prepare(&scene);
	service = *scene.input.services[0];
	service.platform = TEXT("linux/amd64");
	const struct service *chosen[] = {&service, scene.input.services[1]};
	scene.input.services = chosen;
	assert_int_equal(preflight(&scene, NULL), 0);
	/* The image would do for both. */
	images[0].n = 2;
	service.platform = TEXT("linux/arm64");
	assert_int_equal(preflight(&scene, &err), -1);
	assert_error(
	    &err, ERROR_FAILED, "web is for linux/arm64 (`platform`), this host is linux/amd64");
	scene_release(&scene);
}

/* Engines that do not know a member of the body take no notice of it. */
static void what_an_old_engine_would_not_do_is_refused(void **state UNUSED)
{
	static const struct {
		const char *settings, *network_options;
		int api;
		const char *says;
	} given[] = {
	    {"{\"annotations\":{\"a\":\"b\"}}", NULL, 42, "`annotations` of web takes an engine"},
	    {"{\"annotations\":{\"a\":\"b\"}}", NULL, 43, NULL},
	    {"{\"cgroup\":\"host\"}", NULL, 40, "API 1.41 (Docker 20.10), this host's speaks 1.40"},
	    {"{\"cgroup\":\"host\"}", NULL, 41, NULL},
	    {"{}", "{\"default\":{\"mac_address\":\"02:42:ac:11:00:02\"}}", 43, "`mac_address`"},
	    {"{}", "{\"default\":{\"mac_address\":\"02:42:ac:11:00:02\"}}", 44, NULL},
	    {"{\"mac_address\":\"02:42:ac:11:00:02\"}", NULL, 40, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(given); i++) {
		struct error err = {0};
		struct scene scene;
		struct service service;

		prepare(&scene);
		service = *scene.input.services[0];
		service.settings = json_of(given[i].settings);
		service.network_options =
		    given[i].network_options ? json_of(given[i].network_options) : NULL;
		const struct service *chosen[] = {&service, scene.input.services[1]};
		scene.input.services = chosen;
		scene.facts.api = given[i].api;
		assert_int_equal(preflight(&scene, &err), given[i].says ? -1 : 0);
		if (given[i].says)
			assert_error(&err, ERROR_FAILED, given[i].says);
		json_decref(service.settings);
		json_decref(service.network_options);
		scene_release(&scene);
	}
}

/* What is named is all that there is; a system other than Linux does not count. */
static void none_of_several_platforms_will_do(void **state UNUSED)
{
	struct scene scene;
	struct error err = {0};

	prepare(&scene);
	images[WEB].n = 2;
	variants[WEB][0].os = TEXT("windows");
	assert_int_equal(preflight(&scene, &err), -1);
	assert_error(&err, ERROR_FAILED,
	    "the image of web is for windows/amd64, linux/arm64, this host is linux/amd64");
	scene_release(&scene);
}

/* Each host is measured by what it gets. */
static void each_host_has_its_own_variant(void **state UNUSED)
{
	enum { SPARE = 64 * 1024 * 1024 };
	struct scene scene;
	struct error err = {0};

	prepare(&scene);
	images[WEB].n = images[API].n = 2;
	scene.facts.free_bytes = 200 * (int64_t)MB + SPARE;
	assert_int_equal(preflight(&scene, &err), 0);
	scene.facts.arch = (char[]){"arm64"};
	assert_int_equal(preflight(&scene, &err), -1);
	assert_error(&err, ERROR_FAILED, "too little disk");
	scene.facts.free_bytes = 600 * (int64_t)MB + SPARE;
	assert_int_equal(preflight(&scene, &err), 0);
	scene_release(&scene);
}

/* 64 MiB are to be left; what is there already, and what two services share, is not counted. */
static void disk_is_enough_for_all_of_it(void **state UNUSED)
{
	enum { SPARE = 64 * 1024 * 1024 };
	static const struct {
		int64_t free_bytes;
		bool same, there;
		int want;
	} cases[] = {
	    {200 * (int64_t)MB + SPARE, false, false, 0},
	    {200 * (int64_t)MB + SPARE - 1, false, false, -1},
	    {100 * (int64_t)MB + SPARE, false, false, -1},
	    {100 * (int64_t)MB + SPARE, true, false, 0},
	    {100 * (int64_t)MB + SPARE - 1, true, false, -1}, {0, true, true, 0},
	    {-1, false, false, 0}, /* not known */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct strv b = STRV((char *)(uintptr_t) "sha256:b");
		struct scene scene;
		struct error err = {0};

		prepare(&scene);
		scene.facts.free_bytes = cases[i].free_bytes;
		if (cases[i].same)
			variants[API][0].config = variants[WEB][0].config;
		if (cases[i].there)
			scene.facts.image_ids = b;
		assert_int_equal(preflight(&scene, &err), cases[i].want);
		if (cases[i].want < 0)
			assert_error(&err, ERROR_FAILED, "too little disk");
		scene_release(&scene);
	}
}

static void a_stranger_has_the_name(void **state UNUSED)
{
	struct scene scene;
	struct error err = {0};

	prepare(&scene);
	scene.facts.foreign = (struct strv)STRV("db", "shop.prod.api");
	assert_int_equal(preflight(&scene, &err), -1);
	assert_contains(err.hint, "docker rename shop.prod.api");
	assert_error(&err, ERROR_CONFLICT, "a container called shop.prod.api is there");
	scene_release(&scene);
}

/* Who holds which port, on which address, and whether web may have it. */
static const struct {
	const char *name;
	struct port wants;
	struct taken_port taken;
	int listens;	  /* a port that something listens on */
	const char *says; /* NULL: it may */
} ports[] = {
    {"nobody", {.host_port = 8080, .container_port = 80, .protocol = "tcp"}, {.port = 0}, 0, NULL},
    {"another container", {.host_port = 8080, .container_port = 80, .protocol = "tcp"},
	{.port = 8080, .protocol = "tcp", .ip = (char[]){""}, .holder = (char[]){"db"}}, 8080,
	"by the container db"},
    {"another container, on another port",
	{.host_port = 8080, .container_port = 80, .protocol = "tcp"},
	{.port = 80, .protocol = "tcp", .ip = (char[]){""}, .holder = (char[]){"db"}}, 80, NULL},
    {"another protocol", {.host_port = 53, .container_port = 53, .protocol = "tcp"},
	{.port = 53, .protocol = "udp", .ip = (char[]){""}, .holder = (char[]){"dns"}}, 0, NULL},
    {"the old one of this service", {.host_port = 8080, .container_port = 80, .protocol = "tcp"},
	{.port = 8080, .protocol = "tcp", .ip = (char[]){""}, .holder = (char[]){"shop.prod.web"}},
	8080, NULL},
    {"another service of ours", {.host_port = 8080, .container_port = 80, .protocol = "tcp"},
	{.port = 8080, .protocol = "tcp", .ip = (char[]){""}, .holder = (char[]){"shop.prod.api"}},
	8080, "by the container shop.prod.api"},
    {"another address",
	{.host_ip = (char[]){"127.0.0.1"},
	    .host_port = 8080,
	    .container_port = 80,
	    .protocol = "tcp"},
	{.port = 8080, .protocol = "tcp", .ip = (char[]){"10.0.0.1"}, .holder = (char[]){"db"}},
	8080, NULL},
    {"the same address",
	{.host_ip = (char[]){"10.0.0.1"},
	    .host_port = 8080,
	    .container_port = 80,
	    .protocol = "tcp"},
	{.port = 8080, .protocol = "tcp", .ip = (char[]){"10.0.0.1"}, .holder = (char[]){"db"}},
	8080, "by the container db"},
    {"one address, and all are wanted",
	{.host_port = 8080, .container_port = 80, .protocol = "tcp"},
	{.port = 8080, .protocol = "tcp", .ip = (char[]){"10.0.0.1"}, .holder = (char[]){"db"}},
	8080, "by the container db"},
    {"all, and one address is wanted",
	{.host_ip = (char[]){"127.0.0.1"},
	    .host_port = 8080,
	    .container_port = 80,
	    .protocol = "tcp"},
	{.port = 8080, .protocol = "tcp", .ip = (char[]){""}, .holder = (char[]){"db"}}, 8080,
	"by the container db"},
    {"a program", {.host_port = 8080, .container_port = 80, .protocol = "tcp"}, {.port = 0}, 8080,
	"by a program on the host"},
    {"a program on an address that cannot be told",
	{.host_ip = (char[]){"127.0.0.1"},
	    .host_port = 8080,
	    .container_port = 80,
	    .protocol = "tcp"},
	{.port = 0}, 8080, NULL},
    {"a program, and udp is wanted", {.host_port = 8080, .container_port = 80, .protocol = "udp"},
	{.port = 0}, 8080, NULL},
    {"any port will do", {.container_port = 80, .protocol = "tcp"}, {.port = 0}, 80, NULL},
};

static void ports_are_free_or_our_own(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		struct port wants = ports[i].wants;
		struct taken_port taken = ports[i].taken;
		struct scene scene;
		struct error err = {0};
		int rc;

		prepare(&scene);
		scene.services[WEB].ports = &wants;
		scene.services[WEB].n_ports = 1;
		scene.facts.ports = &taken;
		scene.facts.n_ports = taken.port != 0 ? 1 : 0;
		listen_on(&scene.facts, ports[i].listens);
		rc = preflight(&scene, &err);
		if ((rc == 0) != (ports[i].says == NULL))
			fail_msg("%s: %s", ports[i].name, error_text(&err));
		if (rc < 0) {
			assert_non_null(err.hint);
			assert_error(&err, ERROR_CONFLICT, ports[i].says);
		}
		scene_release(&scene);
	}
}

/* What is kept is not looked at: its own ports are taken, by itself. */
static void what_is_kept_needs_nothing(void **state UNUSED)
{
	struct scene scene;
	struct plan plan;

	prepare(&scene);
	scene.facts.arch = (char[]){"arm64"};
	scene.facts.foreign = (struct strv)STRV("shop.prod.web", "shop.prod.api");
	assert_int_equal(plan_deploy(&scene.input, images, releases, false, &plan, NULL), 0);
	plan.services[WEB].action = PLAN_KEEP;
	plan.services[API].action = PLAN_NOTHING;
	assert_int_equal(plan_preflight(&scene.input, &plan, NULL), 0);
	plan_release(&plan);
	scene_release(&scene);
}

/* A rollback has no images; its ports come from the ledger. */
static void a_rollback_is_looked_at_too(void **state UNUSED)
{
	struct taken_port taken = {
	    .port = 8080, .protocol = "tcp", .ip = (char[]){""}, .holder = (char[]){"db"}};
	struct scene scene;
	struct error err = {0};
	struct plan plan;

	scene_make(&scene,
	    (const char *const[]){"a = exited no always", "b * running always always", NULL},
	    (const char *const[]){
		"1 deploy committed web a - r1", "2 deploy committed web b a r2", NULL});
	json_object_set_new(scene.box.ledger.v[0].options, "ports", json_of("[\":8080:80/tcp\"]"));
	assert_int_equal(plan_rollback(&scene.input, NULL, "r2", &plan, NULL), 0);
	assert_int_equal(plan_preflight(&scene.input, &plan, NULL), 0);
	scene.facts.ports = &taken;
	scene.facts.n_ports = 1;
	assert_int_equal(plan_preflight(&scene.input, &plan, &err), -1);
	assert_error(&err, ERROR_CONFLICT, "port 8080");
	plan_release(&plan);
	scene_release(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_free_host_will_do),
	    cmocka_unit_test(another_architecture_will_not),
	    cmocka_unit_test(the_platform_is_that_of_the_host),
	    cmocka_unit_test(what_an_old_engine_would_not_do_is_refused),
	    cmocka_unit_test(none_of_several_platforms_will_do),
	    cmocka_unit_test(each_host_has_its_own_variant),
	    cmocka_unit_test(disk_is_enough_for_all_of_it),
	    cmocka_unit_test(a_stranger_has_the_name),
	    cmocka_unit_test(ports_are_free_or_our_own),
	    cmocka_unit_test(what_is_kept_needs_nothing),
	    cmocka_unit_test(a_rollback_is_looked_at_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
