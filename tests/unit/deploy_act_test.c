/* What start, stop, restart, down and prune come to, by what is there. */
#include "deploy/act.h"
#include "tests/unit/deploy_scene.h"

static char *images[] = {(char[]){"localhost/shipit/shop.prod.web:current"},
    (char[]){"localhost/shipit/shop.prod.api:current"},
    (char[]){"localhost/shipit/shop.prod.webby:current"}, NULL};

static const struct act_case {
	const char *name;
	const char *containers[5], *lines[5];
	enum rollout_kind kind;
	const char *acts; /* a line each; notes in brackets */
} cases[] = {
    {"nothing there", {NULL}, {NULL}, ROLLOUT_START,
	"(web: there is no container of it here: deploy it)\n"
	"(api: there is no container of it here: deploy it)\n"},
    {"stop, the last one first", {"a * running always always", "api:c * running no no"}, {NULL},
	ROLLOUT_STOP, "api: stop shop.prod.api\nweb: restart policy no\nweb: stop shop.prod.web\n"},
    {"what is stopped needs no stop", {"a * exited no always", "api:c * exited no always"}, {NULL},
	ROLLOUT_STOP, ""},
    {"start with the policy it had",
	{"a * exited no on-failure:3", "api:c * running always always"}, {NULL}, ROLLOUT_START,
	"web: restart policy on-failure:3\nweb: start shop.prod.web\n"},
    {"restart what runs and what does not",
	{"a * running always always", "api:c * exited no always"}, {NULL}, ROLLOUT_RESTART,
	"web: restart shop.prod.web\n"
	"api: restart policy always\napi: start shop.prod.api\n"},
    {"down, with what is retained, and what the ledger has to know",
	{"a = exited no always", "b * running always always"},
	{"1 deploy committed web a - r1", "2 deploy committed web b a r2"}, ROLLOUT_DOWN,
	"api: remove the image localhost/shipit/shop.prod.api:current\n"
	"web: remove the container shop.prod.web.%a\nweb: stop shop.prod.web\n"
	"web: remove the container shop.prod.web\n"
	"web: remove the image localhost/shipit/shop.prod.web:current\n"
	"web: write into the ledger that it is gone\nremove the network shop.prod.default\n"
	"remove the network shop.prod.front\nremove the network corp\n"
	"remove the container shop.prod.shipit; its volume stays\n"},
    {"prune has nothing to do with services that are there", {"a * running always always"}, {NULL},
	ROLLOUT_PRUNE, ""},
};

/* `%a` is release a. */
static char *releases_named(const char *text)
{
	struct buf out = BUF_INIT(64 * 1024);

	for (; *text != '\0'; text++) {
		char letter[2] = {text[0] == '%' ? text[1] : '\0', '\0'};

		if (letter[0] != '\0')
			buf_adds(&out, release_named(letter));
		else
			buf_addc(&out, *text);
		text += letter[0] != '\0';
	}
	return buf_steal(&out);
}

static void add_words(struct buf *out, const struct acts *acts)
{
	for (size_t i = 0; i < acts->notes.n; i++)
		buf_addf(out, "(%s)\n", acts->notes.v[i]);
	for (size_t i = 0; i < acts->n; i++) {
		CLEANUP_FREE char *words = act_words(&acts->v[i]);

		buf_addf(out, "%s\n", words);
	}
}

static struct resource networks[] = {{.key = (char[]){"front"}},
    {.key = (char[]){"edge"}, .external = true, .name = (char[]){"edge"}},
    {.key = (char[]){"named"}, .name = (char[]){"corp"}}};

static struct plan_input input_of(struct scene *scene)
{
	scene->inventory.networks = networks;
	scene->inventory.n_networks = ARRAY_SIZE(networks);
	scene->facts.images = (struct strv){images, ARRAY_SIZE(images) - 1};
	return scene->input;
}

static void what_is_done(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_BUF struct buf out = BUF_INIT(64 * 1024);
		CLEANUP_FREE char *want = releases_named(cases[i].acts);
		struct scene scene;
		struct plan_input input;
		struct acts acts;

		scene_make(&scene, cases[i].containers, cases[i].lines);
		input = input_of(&scene);
		assert_int_equal(acts_make(cases[i].kind, &input, &acts, NULL), 0);
		add_words(&out, &acts);
		if (strcmp(out.data, want) != 0)
			fail_msg("%s:\n%s-- instead of\n%s", cases[i].name, out.data, want);
		acts_release(&acts);
		scene_release(&scene);
	}
}

/* What somebody ran by hand is neither left over nor taken down. */
static void services_that_left(void **state UNUSED)
{
	CLEANUP_STRV struct strv left = {0};
	CLEANUP_BUF struct buf out = BUF_INIT(64 * 1024);
	struct scene scene;
	struct plan_input input;
	struct acts acts;

	scene_make(&scene,
	    (const char *const[]){"a * running always always", "api:c * running always always",
		"api:d = exited no always", NULL},
	    (const char *const[]){NULL});
	input = input_of(&scene);
	scene.inventory.n_services = 1;
	input.n_services = 1;
	scene.containers[2].by_hand = true;
	assert_int_equal(act_left_services(&input, &left, NULL), 0);
	assert_int_equal(left.n, 1);
	assert_string_equal(left.v[0], "api");
	assert_int_equal(acts_make(ROLLOUT_PRUNE, &input, &acts, NULL), 0);
	add_words(&out, &acts);
	assert_non_null(strstr(out.data, "was run by hand, and stays"));
	assert_non_null(
	    strstr(out.data, "api: stop shop.prod.api\n"
			     "api: remove the container shop.prod.api\n"
			     "api: remove the image localhost/shipit/shop.prod.api:current\n"));
	assert_null(strstr(out.data, "web"));
	acts_release(&acts);
	scene.inventory.n_services = SCENE_SERVICES;
	scene_release(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_done),
	    cmocka_unit_test(services_that_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
