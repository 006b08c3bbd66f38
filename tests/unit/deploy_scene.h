/* A host, an inventory of two services, and what is found there: what a plan is made from. */
#ifndef SHIPIT_TESTS_UNIT_DEPLOY_SCENE_H
#define SHIPIT_TESTS_UNIT_DEPLOY_SCENE_H

#include "deploy/plan.h"
#include "tests/unit/deploy_box.h"

enum { WEB, API, SCENE_SERVICES };

struct scene {
	struct service services[SCENE_SERVICES];
	struct host host;
	struct environment environment;
	struct inventory inventory;
	const struct service *chosen[SCENE_SERVICES];
	struct box box;
	struct container containers[BOX_MAX];
	struct facts facts;
	struct found found[SCENE_SERVICES];
	struct plan_input input;
};

/* Containers as box_add has them, lines as ledger_of has them; both end with NULL. The scene must
 * not move: it points into itself. */
static inline void scene_make(
    struct scene *scene, const char *const *containers, const char *const *lines)
{
	static char star[] = "*", web[] = "web", api[] = "api", web1[] = "web1", prod[] = "prod",
		    shop[] = "shop", always[] = "always", amd64[] = "amd64",
		    root[] = "/var/lib/docker";
	static char *everywhere[] = {star, NULL};

	*scene = (struct scene){
	    .services = {{.name = web, .restart = always, .stop_grace_ms = 10000},
		{.name = api, .restart = always, .stop_grace_ms = 10000}},
	    .host = {.name = web1},
	    .environment = {.name = prod, .hosts = {everywhere, 1}},
	    .inventory = {.project = shop, .n_services = SCENE_SERVICES},
	};
	scene->inventory.services = scene->services;
	scene->box = box_of(containers, lines);
	scene->facts = box_facts(&scene->box, scene->containers);
	scene->facts.arch = amd64;
	scene->facts.root_dir = root;
	for (size_t i = 0; i < SCENE_SERVICES; i++) {
		scene->chosen[i] = &scene->services[i];
		assert_int_equal(found_make(&scene->facts, BOX_PREFIX, scene->services[i].name,
				     &scene->found[i], NULL),
		    0);
	}
	scene->input = (struct plan_input){
	    .inventory = &scene->inventory,
	    .environment = &scene->environment,
	    .host = &scene->host,
	    .prefix = BOX_PREFIX,
	    .facts = &scene->facts,
	    .found = scene->found,
	    .services = scene->chosen,
	    .n_services = SCENE_SERVICES,
	};
}

static inline void scene_release(struct scene *scene)
{
	for (size_t i = 0; i < SCENE_SERVICES; i++)
		found_release(&scene->found[i]);
	box_release(&scene->box);
}

/* The plan in words, "; " between the lines. */
static inline void scene_words(const struct plan *plan, char out[512])
{
	CLEANUP_STRV struct strv words = {0};

	assert_int_equal(plan_words(plan, &words, NULL), 0);
	out[0] = '\0';
	for (size_t i = 0; i < words.n; i++)
		snprintf(
		    out + strlen(out), 512 - strlen(out), "%s%s", i > 0 ? "; " : "", words.v[i]);
}

#endif
