/* The plan of a rollback. */
#include "tests/unit/deploy_scene.h"

enum { MOST = 8 };

/* Of the two services, `%a` in words is release a. */
static const struct {
	const char *name;
	const char *containers[MOST];
	const char *ledger[MOST];
	const char *images; /* releases of web whose images are there */
	const char *to, *undo;
	const char *words; /* NULL: an error */
	enum error_kind kind;
	const char *says;
} cases[] = {
    {"to the retained container", {"a = exited no always", "b * running always always"},
	{"1 deploy committed web a - r1", "2 deploy committed web b a r2"}, "", NULL, "r2",
	"web: return from %b to %a, whose container is there", 0, NULL},
    {"twice is where you were", {"a * running always always", "b = exited no always"},
	{"1 deploy committed web a - r1", "2 deploy committed web b a r2",
	    "3 rollback committed web a b r3"},
	"", NULL, "r3", "web: return from %a to %b, whose container is there", 0, NULL},
    {"made again from image and ledger", {"b * running always always"},
	{"1 deploy committed web a - r1", "2 deploy committed web b a r2"}, "a", NULL, "r2",
	"web: replace %b by %a", 0, NULL},
    {"after the current one was removed", {"a = exited no always"},
	{"1 deploy committed web a - r1", "2 deploy committed web b a r2"}, "", NULL, "r2",
	"web: return from nothing to %a, whose container is there", 0, NULL},
    {"the current one has crashed", {"a = exited no always", "b * exited always always"},
	{"1 deploy committed web a - r1", "2 deploy committed web b a r2"}, "", NULL, "r2",
	"web: return from %b to %a, whose container is there", 0, NULL},
    {"a host that never got it", {"a * running always always"}, {"1 deploy committed web a - r1"},
	"", NULL, "r2", "web: left alone on %a: it took no part in that rollout", 0, NULL},
    {"a host that took it back itself", {"a * running always always"},
	{"1 deploy committed web a - r1", "2 deploy reverted web b a r2"}, "", NULL, "r2",
	"web: left alone on %a: it took no part in that rollout", 0, NULL},
    {"only the service it changed",
	{"a = exited no always", "b * running always always", "api:c * running always always"},
	{"1 deploy committed web a - r1", "2 deploy committed api c - r1",
	    "3 deploy committed web b a r2"},
	"", NULL, "r2",
	"web: return from %b to %a, whose container is there; "
	"api: left alone on %c: it took no part in that rollout",
	0, NULL},
    {"both services it changed",
	{"a = exited no always", "b * running always always", "api:c = exited no always",
	    "api:d * running always always"},
	{"1 deploy committed web a - r1", "2 deploy committed api c - r1",
	    "3 deploy committed web b a r2", "4 deploy committed api d c r2"},
	"", NULL, "r2",
	"web: return from %b to %a, whose container is there; "
	"api: return from %d to %c, whose container is there",
	0, NULL},
    {"a host with nothing on it", {NULL}, {NULL}, "", NULL, "r2", "", 0, NULL},
    {"what it would return to runs already", {"a * running always always"},
	{"1 deploy committed web a - r1", "2 deploy committed web b a r2"}, "", NULL, "r2",
	"web: runs %a already", 0, NULL},
    {"what it would return to is current, and stopped", {"a * exited always always"},
	{"1 deploy committed web a - r1", "2 deploy committed web b a r2"}, "", NULL, "r2",
	"web: %a is current already, and is stopped", 0, NULL},
    {"nothing before it", {"a * running always always"}, {"1 deploy committed web a - r1"}, "",
	NULL, "r1", NULL, ERROR_NOT_FOUND, "there is no release of web before %a"},
    {"gone", {"b * running always always"},
	{"1 deploy committed web a - r1", "2 deploy committed web b a r2"}, "b", NULL, "r2", NULL,
	ERROR_NOT_FOUND, "release %a of web is not on this host; there is %b"},
    {"gone, with several others", {"b = exited no always", "c * running always always"},
	{"1 deploy committed web a - r1", "2 deploy committed web b a r2",
	    "3 deploy committed web d b r3", "4 deploy committed web c a r4"},
	"d", NULL, "r4", NULL, ERROR_NOT_FOUND, "there are %b, %d, %c"},

    {"--to an older one",
	{"a = exited no always", "b = exited no always", "c * running always always"},
	{"1 deploy committed web a - r1", "2 deploy committed web b a r2",
	    "3 deploy committed web c b r3"},
	"", "a", NULL, "web: return from %c to %a, whose container is there", 0, NULL},
    {"--to one that has only its image", {"c * running always always"},
	{"1 deploy committed web a - r1", "2 deploy committed web c a r3"}, "a", "a", NULL,
	"web: replace %c by %a", 0, NULL},
    {"--to what runs", {"a * running always always"}, {"1 deploy committed web a - r1"}, "", "a",
	NULL, "web: runs %a already", 0, NULL},
    {"--to what is stopped", {"a * exited always always"}, {"1 deploy committed web a - r1"}, "",
	"a", NULL, "web: %a is current already, and is stopped", 0, NULL},
    {"--to what only the other service had",
	{"a * running always always", "api:c = exited no always", "api:d * running always always"},
	{"1 deploy committed web a - r1", "2 deploy committed api c - r2",
	    "3 deploy committed api d c r3"},
	"", "c", NULL, "api: return from %d to %c, whose container is there", 0, NULL},
    {"--to what nobody had", {"a * running always always"}, {"1 deploy committed web a - r1"}, "a",
	"z", NULL, NULL, ERROR_NOT_FOUND, "release %z of web is not on this host; there is %a"},
    {"--to what was reverted", {"a * running always always"},
	{"1 deploy committed web a - r1", "2 deploy reverted web b a r2"}, "b", "b", NULL, NULL,
	ERROR_NOT_FOUND, "release %b of web is not on this host"},
    {"--to one whose ledger was lost", {"a = exited no always", "b * running always always"},
	{NULL}, "", "a", NULL, "web: return from %b to %a, whose container is there", 0, NULL},
};

/* `%a` becomes the name of release a. */
static void expand(const char *text, char out[512])
{
	size_t n = 0;

	for (; *text != '\0'; text++) {
		char letter[2] = {text[1], '\0'};

		if (*text != '%') {
			out[n++] = *text;
			continue;
		}
		n += (size_t)snprintf(out + n, 512 - n, "%s", release_named(letter));
		text++;
	}
	out[n] = '\0';
}

static void images_of(
    struct scene *scene, const char *letters, struct strv *names, struct strv *ids)
{
	for (; *letters != '\0'; letters++) {
		char letter[2] = {*letters, '\0'};

		assert_int_equal(
		    strv_addf(names, "localhost/shipit/shop.prod.web:%s", release_named(letter)),
		    0);
		assert_int_equal(strv_addf(ids, "sha256:id-%s", letter), 0);
	}
	scene->facts.images = *names;
	scene->facts.image_ids = *ids;
}

static void every_situation(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_STRV struct strv names = {0}, ids = {0};
		struct scene scene;
		struct plan plan = {0};
		struct error err = {0};
		char want[512], words[512];
		const char *to = cases[i].to != NULL ? release_named(cases[i].to) : NULL;
		int rc;

		scene_make(&scene, cases[i].containers, cases[i].ledger);
		images_of(&scene, cases[i].images, &names, &ids);
		rc = plan_rollback(&scene.input, to, cases[i].undo, &plan, &err);
		if (rc == 0 && cases[i].words != NULL) {
			expand(cases[i].words, want);
			scene_words(&plan, words);
			if (strcmp(words, want) != 0)
				fail_msg(
				    "%s: \"%s\" instead of \"%s\"", cases[i].name, words, want);
			plan_release(&plan);
		} else if (rc < 0 && cases[i].words == NULL) {
			expand(cases[i].says, want);
			assert_null(plan.services);
			assert_error(&err, cases[i].kind, want);
		} else {
			fail_msg("%s: %s", cases[i].name, error_text(&err));
		}
		scene_release(&scene);
	}
}

static void a_return_knows_all_that_a_swap_needs(void **state UNUSED)
{
	struct scene scene;
	struct plan plan;
	const struct planned *web;

	scene_make(&scene,
	    (const char *const[]){"a = exited no on-failure:3", "b * running always always", NULL},
	    (const char *const[]){
		"1 deploy committed web a - r1", "2 deploy committed web b a r2", NULL});
	assert_int_equal(plan_rollback(&scene.input, NULL, "r2", &plan, NULL), 0);
	web = &plan.services[WEB];
	assert_int_equal(web->action, PLAN_RETURN);
	assert_ptr_equal(web->old, &scene.containers[1]);
	assert_ptr_equal(web->target, &scene.containers[0]);
	assert_string_equal(web->release, release_named("a"));
	assert_string_equal(web->previous, release_named("b"));
	assert_string_equal(web->image, "sha256:a");
	assert_string_equal(web->config, "1:abc");
	assert_string_equal(json_str(web->options, "user", ""), "a"); /* the ledger's */
	plan_release(&plan);
	scene_release(&scene);
}

static struct json_t *options_when(struct scene *scene, const char *options)
{
	struct plan plan;
	struct error err = {0};
	json_t *ret;

	json_decref(scene->box.ledger.v[0].options);
	scene->box.ledger.v[0].options = options != NULL ? json_of(options) : NULL;
	if (plan_rollback(&scene->input, NULL, "r2", &plan, &err) < 0)
		fail_msg("%s", error_text(&err));
	ret = json_incref(plan.services[WEB].options);
	plan_release(&plan);
	return ret;
}

/* A container that is there can be returned to without the ledger's help: it says itself what it
 * wants, and that policy is what it gets. */
static void a_return_without_options_takes_the_containers(void **state UNUSED)
{
	static const char *const unfit[] = {
	    NULL, "{\"restart\":\"always\\nend\"}", "{\"ports\":[null]}", "{\"stop_grace_ms\":-1}"};

	for (size_t i = 0; i < ARRAY_SIZE(unfit); i++) {
		CLEANUP_JSON json_t *options = NULL;
		struct scene scene;

		scene_make(&scene,
		    (const char *const[]){
			"a = exited no on-failure:3", "b * running always always", NULL},
		    (const char *const[]){
			"1 deploy committed web a - r1", "2 deploy committed web b a r2", NULL});
		scene.containers[0].stop_grace_s = 33;
		options = options_when(&scene, unfit[i]);
		assert_string_equal(options_restart(options), "on-failure:3");
		assert_int_equal(options_stop_grace_ms(options), 33000);
		scene_release(&scene);
	}
}

static void a_containers_own_words_are_not_trusted_either(void **state UNUSED)
{
	CLEANUP_JSON json_t *options = NULL;
	struct scene scene;

	scene_make(&scene,
	    (const char *const[]){"a = exited no odd", "b * running always always", NULL},
	    (const char *const[]){
		"1 deploy committed web a - r1", "2 deploy committed web b a r2", NULL});
	scene.containers[0].stop_grace_s = -1;
	options = options_when(&scene, NULL);
	assert_string_equal(options_restart(options), "always");
	assert_int_equal(options_stop_grace_ms(options), 10000);
	scene_release(&scene);
}

static void damaged_options_make_nothing_again(void **state UNUSED)
{
	CLEANUP_STRV struct strv names = {0}, ids = {0};
	struct scene scene;
	struct plan plan = {0};
	struct error err = {0};

	scene_make(&scene, (const char *const[]){"b * running always always", NULL},
	    (const char *const[]){
		"1 deploy committed web a - r1", "2 deploy committed web b a r2", NULL});
	images_of(&scene, "a", &names, &ids);
	json_object_set_new(scene.box.ledger.v[0].options, "ports", json_of("[7]"));
	assert_int_equal(plan_rollback(&scene.input, NULL, "r2", &plan, &err), -1);
	assert_null(plan.services);
	assert_error(&err, ERROR_PROTOCOL, "cannot be made again from the ledger");
	scene_release(&scene);
}

static struct image_variant kept_variant = {.os = (char[]){"linux"}, .arch = (char[]){"amd64"}};
static const struct image kept_image = {.variants = &kept_variant, .n = 1};

static const struct image *find_kept(void *context, const struct service *service, const char *arch,
    const char *made_by, const char *config)
{
	assert_string_equal(service->name, "web");
	assert_string_equal(arch, "amd64");
	assert_string_equal(config, *(char **)context);
	return strcmp(made_by, "r1") == 0 ? &kept_image : NULL;
}

/* Gone from the host, but this machine has what that release's own deploy had delivered. */
static void what_is_gone_can_be_delivered_again(void **state UNUSED)
{
	struct scene scene;
	struct plan plan;
	struct error err = {0};

	scene_make(&scene, (const char *const[]){"b * running always always", NULL},
	    (const char *const[]){"1 deploy committed web a - r1", "2 deploy committed web b a r2",
		"3 rollback committed web a b r3", "4 rollback committed web b a r4", NULL});
	scene.input.find_image = find_kept;
	scene.input.find_context = &scene.box.ledger.v[0].image;
	assert_int_equal(plan_rollback(&scene.input, NULL, "r4", &plan, NULL), 0);
	assert_int_equal(plan.services[WEB].action, PLAN_CREATE);
	assert_null(plan.services[WEB].image_id);
	assert_ptr_equal(plan.services[WEB].from, &kept_image);
	plan_release(&plan);
	free(scene.box.ledger.v[0].rollout);
	scene.box.ledger.v[0].rollout = strdup("r0");
	assert_int_equal(plan_rollback(&scene.input, NULL, "r4", &plan, &err), -1);
	assert_non_null(strstr(err.hint, "not in the store of this machine, either"));
	assert_error(&err, ERROR_NOT_FOUND, "is not on this host");
	scene_release(&scene);
}

/* Whatever a ledger says of releases: what is no release is on no host. */
static void odd_releases_are_gone(void **state UNUSED)
{
	static const char *const odd[] = {"", "x", "-", "../../etc",
	    "20261122-175432-000000a and more", "20261122-175432-r04be2c"};

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		struct scene scene;
		struct plan plan = {0};
		struct error err = {0};

		scene_make(&scene, (const char *const[]){"b * running always always", NULL},
		    (const char *const[]){
			"1 deploy committed web a - r1", "2 deploy committed web b a r2", NULL});
		free(scene.box.ledger.v[1].previous);
		scene.box.ledger.v[1].previous = strdup(odd[i]);
		assert_int_equal(plan_rollback(&scene.input, NULL, "r2", &plan, &err), -1);
		assert_error(&err, ERROR_NOT_FOUND, "is not on this host");
		assert_int_equal(plan_rollback(&scene.input, odd[i], NULL, &plan, &err), -1);
		assert_error(&err, ERROR_NOT_FOUND, "is not on this host");
		scene_release(&scene);
	}
}

/* A hash of any length goes into the room there is. */
static void a_long_config_is_cut(void **state UNUSED)
{
	struct scene scene;
	struct plan plan;
	char longest[300];

	memset(longest, 'c', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	scene_make(&scene,
	    (const char *const[]){"a = exited no no", "b * running always always", NULL},
	    (const char *const[]){
		"1 deploy committed web a - r1", "2 deploy committed web b a r2", NULL});
	free(scene.box.ledger.v[0].config);
	scene.box.ledger.v[0].config = strdup(longest);
	assert_int_equal(plan_rollback(&scene.input, NULL, "r2", &plan, NULL), 0);
	assert_int_equal(strlen(plan.services[WEB].config), CONFIG_HASH_SIZE - 1);
	plan_release(&plan);
	scene_release(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_situation),
	    cmocka_unit_test(a_return_knows_all_that_a_swap_needs),
	    cmocka_unit_test(a_return_without_options_takes_the_containers),
	    cmocka_unit_test(a_containers_own_words_are_not_trusted_either),
	    cmocka_unit_test(damaged_options_make_nothing_again),
	    cmocka_unit_test(what_is_gone_can_be_delivered_again),
	    cmocka_unit_test(odd_releases_are_gone),
	    cmocka_unit_test(a_long_config_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
