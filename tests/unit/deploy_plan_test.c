/* The plan of a deploy. */
#include "tests/unit/deploy_scene.h"

#define SHA(letter) "sha256:" letter

/* What web and api are to run: an image each. */
static struct image_variant web_variants[] = {
    {.os = (char[]){"linux"},
	.arch = (char[]){"amd64"},
	.config = (char[]){SHA("b")},
	.manifest = (char[]){"sha256:manifest-b"},
	.size = 1000},
    {.os = (char[]){"linux"},
	.arch = (char[]){"arm64"},
	.config = (char[]){SHA("b-arm")},
	.manifest = (char[]){"sha256:manifest-b-arm"},
	.size = 1000},
};
static struct image_variant api_variants[] = {{.os = (char[]){"linux"},
    .arch = (char[]){"amd64"},
    .config = (char[]){SHA("d")},
    .size = 1000}};
static struct image images[SCENE_SERVICES] = {
    {.digest = (char[]){"sha256:index-b"}, .variants = web_variants, .n = 2},
    {.variants = api_variants, .n = 1}};
static char releases[SCENE_SERVICES][RELEASE_SIZE] = {
    "20261122-180000-bbbbbbb", "20261122-180000-ddddddd"};

static struct plan planned(struct scene *scene, bool force)
{
	struct error err = {0};
	struct plan plan;

	if (plan_deploy(&scene->input, images, releases, force, &plan, &err) < 0)
		fail_msg("%s", error_text(&err));
	return plan;
}

/* Container a of web runs this image and these options. */
static void runs(struct scene *scene, const char *image, char hash[CONFIG_HASH_SIZE])
{
	CLEANUP_JSON json_t *options = NULL;

	assert_int_equal(options_make(&scene->inventory, &scene->environment, &scene->services[WEB],
			     &scene->host, &options, NULL),
	    0);
	assert_int_equal(options_hash(options, image, hash, NULL), 0);
	scene->containers[0].image = (char *)(uintptr_t)image;
	scene->containers[0].config = hash;
}

static void a_first_deploy_creates(void **state UNUSED)
{
	struct scene scene;
	struct plan plan;
	char words[512];

	scene_make(&scene, (const char *const[]){NULL}, (const char *const[]){NULL});
	plan = planned(&scene, false);
	assert_int_equal(plan.n, 2);
	assert_true(plan_changes(&plan));
	assert_int_equal(plan.services[WEB].action, PLAN_CREATE);
	assert_null(plan.services[WEB].old);
	assert_null(plan.services[WEB].previous);
	assert_null(plan.services[WEB].image_id);
	assert_string_equal(plan.services[WEB].image, SHA("b"));
	assert_string_equal(plan.services[WEB].release, releases[WEB]);
	assert_non_null(plan.services[WEB].options);
	scene_words(&plan, words);
	assert_string_equal(words,
	    "web: create 20261122-180000-bbbbbbb, after delivering its image; "
	    "api: create 20261122-180000-ddddddd, after delivering its image");
	plan_release(&plan);
	plan_release(&plan);
	scene_release(&scene);
}

static void what_runs_so_already_is_kept(void **state UNUSED)
{
	struct scene scene;
	struct plan plan;
	char hash[CONFIG_HASH_SIZE], words[512];

	scene_make(&scene, (const char *const[]){"a * running always always", NULL},
	    (const char *const[]){"1 deploy committed web a - r1", NULL});
	scene.input.n_services = 1;
	runs(&scene, SHA("b"), hash);
	plan = planned(&scene, false);
	assert_int_equal(plan.services[WEB].action, PLAN_KEEP);
	assert_false(plan_changes(&plan));
	scene_words(&plan, words);
	assert_string_equal(words, "web: unchanged");
	plan_release(&plan);

	plan = planned(&scene, true); /* --force */
	assert_int_equal(plan.services[WEB].action, PLAN_CREATE);
	assert_ptr_equal(plan.services[WEB].old, &scene.containers[0]);
	assert_string_equal(plan.services[WEB].previous, release_named("a"));
	plan_release(&plan);
	scene_release(&scene);
}

/* Each of these alone is a reason to replace it. */
static void what_differs_is_replaced(void **state UNUSED)
{
	struct scene scene;
	char hash[CONFIG_HASH_SIZE];
	char healthy[] = "healthy", unhealthy[] = "unhealthy", starting[] = "starting";
	struct plan plan;
	const struct {
		const char *image, *user;
		char *health;
		bool running;
		enum plan_action want;
	} cases[] = {
	    {SHA("b"), NULL, NULL, true, PLAN_KEEP},
	    {SHA("b"), NULL, healthy, true, PLAN_KEEP},
	    {SHA("b"), NULL, starting, true, PLAN_KEEP},
	    {SHA("b"), NULL, unhealthy, true, PLAN_CREATE},
	    {SHA("b"), NULL, NULL, false, PLAN_CREATE},
	    {SHA("a"), NULL, NULL, true, PLAN_CREATE},
	    {SHA("b"), "1000", NULL, true, PLAN_CREATE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scene_make(&scene, (const char *const[]){"a * running always always", NULL},
		    (const char *const[]){"1 deploy committed web a - r1", NULL});
		scene.input.n_services = 1;
		runs(&scene, cases[i].image, hash);
		scene.containers[0].running = cases[i].running;
		scene.containers[0].health = cases[i].health;
		scene.services[WEB].user = (char *)(uintptr_t)cases[i].user;
		plan = planned(&scene, false);
		assert_int_equal(plan.services[WEB].action, cases[i].want);
		plan_release(&plan);
		scene_release(&scene);
	}
}

/* An image is there under another release's tag: its config or its manifest tells. */
/* One release, and of its image what fits the host. */
static void a_host_gets_the_variant_for_it(void **state UNUSED)
{
	struct scene scene;
	struct plan plan;

	scene_make(&scene, (const char *const[]){NULL}, (const char *const[]){NULL});
	scene.facts.arch = (char[]){"arm64"};
	plan = planned(&scene, false);
	assert_string_equal(plan.services[WEB].image, SHA("b-arm"));
	assert_string_equal(plan.services[WEB].release, releases[WEB]);
	plan_release(&plan);
	scene_release(&scene);
}

static void an_image_that_is_there_is_not_delivered(void **state UNUSED)
{
	static const struct {
		const char *id;
		bool there;
	} cases[] = {{SHA("b"), true}, {"sha256:manifest-b", true}, {"sha256:index-b", true},
	    {SHA("a"), false}, {SHA("b-arm"), false}, {"sha256:manifest-b-arm", false}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct scene scene;
		struct plan plan;
		char words[512];

		scene_make(&scene, (const char *const[]){"a * running always always", NULL},
		    (const char *const[]){"1 deploy committed web a - r1", NULL});
		scene.input.n_services = 1;
		scene.facts.images = (struct strv)STRV("x:1", "localhost/shipit/shop.prod.web:y");
		scene.facts.image_ids =
		    (struct strv)STRV("sha256:other", (char *)(uintptr_t)cases[i].id);
		plan = planned(&scene, false);
		scene_words(&plan, words);
		if (cases[i].there) {
			assert_string_equal(plan.services[WEB].image_id, cases[i].id);
			assert_contains(words, "by 20261122-180000-bbbbbbb");
			assert_null(strstr(words, "delivering"));
		} else {
			assert_null(plan.services[WEB].image_id);
			assert_contains(words, "after delivering");
		}
		plan_release(&plan);
		scene_release(&scene);
	}
}

static void a_service_of_other_hosts_is_left_out(void **state UNUSED)
{
	struct scene scene;
	struct plan plan;
	char words[512];

	scene_make(&scene, (const char *const[]){NULL}, (const char *const[]){NULL});
	scene.services[WEB].hosts = (struct strv)STRV("db*");
	plan = planned(&scene, false);
	assert_int_equal(plan.services[WEB].action, PLAN_NOTHING);
	assert_int_equal(plan.services[API].action, PLAN_CREATE);
	scene_words(&plan, words);
	assert_null(strstr(words, "web"));
	plan_release(&plan);
	scene_release(&scene);
}

static void what_options_cannot_hold_is_an_error(void **state UNUSED)
{
	struct scene scene;
	struct error err = {0};
	struct plan plan = {0};

	scene_make(&scene, (const char *const[]){NULL}, (const char *const[]){NULL});
	scene.services[API].user = (char[]){"\xff"};
	assert_int_equal(plan_deploy(&scene.input, images, releases, false, &plan, &err), -1);
	assert_null(plan.services);
	assert_error(&err, ERROR_INVENTORY, "user");
	scene_release(&scene);
}

/* --- refresh */

static struct plan_refreshed answer; /* its texts are copied */
static const struct container *asked_about;

static int judge(void *context UNUSED, size_t service, const struct image_variant *variant,
    const struct container *current, struct plan_refreshed *ret, struct error *err UNUSED)
{
	assert_int_equal(service, WEB);
	assert_string_equal(variant->config, SHA("b"));
	asked_about = current;
	*ret = (struct plan_refreshed){.verdict = answer.verdict,
	    .why = answer.why != NULL ? strdup(answer.why) : NULL,
	    .content = strdup("1:new")};
	return 0;
}

static void a_refresh_takes_what_is_in_an_image(void **state UNUSED)
{
	static const struct {
		enum plan_refresh verdict;
		const char *why, *user;
		enum plan_action want;
		const char *words;
	} cases[] = {
	    {PLAN_REFRESH_SAME, NULL, NULL, PLAN_KEEP,
		"web: unchanged, but for the times in its image"},
	    {PLAN_REFRESH_LEAVE, "taken back", NULL, PLAN_KEEP, "web: taken back"},
	    {PLAN_REFRESH_DEPLOY, NULL, NULL, PLAN_CREATE, NULL},
	    /* The same image, but it is to be run otherwise. */
	    {PLAN_REFRESH_SAME, NULL, "1000", PLAN_CREATE, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char hash[CONFIG_HASH_SIZE], words[512];
		struct scene scene;
		struct plan plan;

		scene_make(&scene, (const char *const[]){"a * running always always", NULL},
		    (const char *const[]){"1 deploy committed web a - r1", NULL});
		scene.input.n_services = 1;
		scene.input.refresh = judge;
		runs(&scene, SHA("a"), hash);
		scene.services[WEB].user = (char *)(uintptr_t)cases[i].user;
		answer = (struct plan_refreshed){
		    .verdict = cases[i].verdict, .why = (char *)(uintptr_t)cases[i].why};
		plan = planned(&scene, false);
		assert_ptr_equal(asked_about, &scene.containers[0]);
		assert_int_equal(plan.services[WEB].action, cases[i].want);
		assert_string_equal(plan.services[WEB].content, "1:new");
		scene_words(&plan, words);
		if (cases[i].words != NULL)
			assert_string_equal(words, cases[i].words);
		plan_release(&plan);
		scene_release(&scene);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_refresh_takes_what_is_in_an_image),
	    cmocka_unit_test(a_first_deploy_creates),
	    cmocka_unit_test(what_runs_so_already_is_kept),
	    cmocka_unit_test(what_differs_is_replaced),
	    cmocka_unit_test(a_host_gets_the_variant_for_it),
	    cmocka_unit_test(an_image_that_is_there_is_not_delivered),
	    cmocka_unit_test(a_service_of_other_hosts_is_left_out),
	    cmocka_unit_test(what_options_cannot_hold_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
