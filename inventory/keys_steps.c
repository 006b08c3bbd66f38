/* `builds:` and `steps:`, and what only all of them together show. */
#include <stdlib.h>
#include <string.h>

#include "inventory/array.h"
#include "inventory/hints.h"
#include "inventory/keys.h"
#include "inventory/problems.h"

static bool same_place(const struct position *a, const struct position *b)
{
	return a->file == b->file && a->line == b->line && a->column == b->column &&
	       a->path == b->path;
}

static int add_step(struct reader *r, const struct entry *entry)
{
	struct inventory *inv = r->inv;
	const struct build_step *other = inventory_step(inv, entry->key->text);
	struct build_step step = {.pos = entry->key->pos};
	char where[POSITION_SIZE];
	int result;

	/* Behind an alias it is met wherever that is used. */
	if (other && same_place(&other->pos, &step.pos))
		return 0;
	if (other)
		return mistake(r, entry->key, "the step \"%s\" is there already (%s)", other->name,
			   show_position(where, &other->pos, &step.pos)) < 0
			   ? -1
			   : mistake_hint(r, "what several services need stands once, in `builds`");
	if (inv->n_steps >= MAX_STEPS)
		return mistake(r, entry->key, "more than %d steps", MAX_STEPS);
	if (check_name(r, entry->key, "a step") < 0 ||
	    array_grow(&inv->steps, inv->n_steps, sizeof(step)) < 0)
		return -1;
	step.name = strdup(entry->key->text);
	result = step.name ? read_step(r, entry->value, &step) : -1;
	if (step.name)
		inv->steps[inv->n_steps++] = step;
	else
		step_release(&step);
	return result;
}

int read_steps(struct reader *r, const struct node *value, const char **ret_last)
{
	*ret_last = NULL;
	if (value->kind != NODE_MAP)
		return mistake_kind(r, value, "a mapping of steps");
	if (value->n == 0)
		return mistake(r, value, "expected at least one step");
	for (size_t i = 0; i < value->n; i++)
		if (add_step(r, &value->entries[i]) < 0)
			return -1;
	*ret_last = value->entries[value->n - 1].key->text;
	return 0;
}

int read_builds(
    struct reader *r, const struct node *value, void *field UNUSED, const void *arg UNUSED)
{
	const char *last;

	return read_steps(r, value, &last);
}

/* ---- names ---- */

/* What can be needed: the steps, and after them the services that are built by themselves. */
struct nodes {
	const struct inventory *inv;
	size_t n;
};

static const struct build *build_at(const struct nodes *nodes, size_t i)
{
	const struct inventory *inv = nodes->inv;

	return i < inv->n_steps ? &inv->steps[i].build : &inv->services[i - inv->n_steps].build;
}

static const char *name_at(const struct nodes *nodes, size_t i)
{
	const struct inventory *inv = nodes->inv;

	return i < inv->n_steps ? inv->steps[i].name : inv->services[i - inv->n_steps].name;
}

static bool is_node(const struct nodes *nodes, size_t i)
{
	return i < nodes->inv->n_steps || (build_at(nodes, i)->set && !build_at(nodes, i)->step);
}

/* nodes->n: there is none. */
static size_t find_node(const struct nodes *nodes, const char *name)
{
	size_t i = 0;

	while (i < nodes->n && (!is_node(nodes, i) || strcmp(name_at(nodes, i), name) != 0))
		i++;
	return i;
}

static int unknown_step(
    struct reader *r, const struct nodes *nodes, const struct position *pos, const char *name)
{
	CLEANUP_STRV struct strv known = {0};
	char shown[SHOWN_SIZE];

	if (problem_add(r->problems, pos, "no step is called \"%s\"", show_text(shown, name)) < 0)
		return -1;
	problem_once(r->problems);
	for (size_t i = 0; i < nodes->n && !problems_are_many(r->problems); i++)
		if (is_node(nodes, i) && strv_add(&known, name_at(nodes, i)) < 0)
			return -1;
	if (problems_are_many(r->problems))
		return 0;
	return known.n > 0 ? hint_names(r, name, "steps", "", &known)
			   : mistake_hint(r, "steps stand in `builds`");
}

static int check_needs_of(struct reader *r, const struct nodes *nodes, const struct build *build)
{
	for (size_t k = 0; k < build->n_needs; k++)
		if (find_node(nodes, build->needs[k].name) == nodes->n &&
		    unknown_step(r, nodes, &build->needs[k].pos, build->needs[k].name) < 0)
			return -1;
	return 0;
}

static int check_needs(struct reader *r, const struct nodes *nodes)
{
	for (size_t i = 0; i < nodes->n; i++)
		if (check_needs_of(r, nodes, build_at(nodes, i)) < 0)
			return -1;
	return 0;
}

/* `run: {image: STEP}` waits for that step, which must make an image. */
static int check_run_images(struct reader *r, const struct nodes *nodes)
{
	for (size_t i = 0; i < r->inv->n_steps; i++) {
		struct build_step *step = &r->inv->steps[i];
		const char *image = step->run.image;
		size_t made_by = image ? find_node(nodes, image) : nodes->n;

		if (made_by == nodes->n)
			continue;
		if (!build_at(nodes, made_by)->set &&
		    problem_add(r->problems, &step->run.image_pos,
			"the step \"%s\" runs a container and makes no image", image) < 0)
			return -1;
		if (add_need(&step->build, &step->run.image_pos, image) < 0)
			return -1;
	}
	return 0;
}

static int check_service_step(
    struct reader *r, const struct nodes *nodes, const struct service *service)
{
	const char *name = service->build.step;
	const struct build_step *step = name ? inventory_step(r->inv, name) : NULL;
	const struct build_step *namesake = inventory_step(r->inv, service->name);

	if (name && !step)
		return unknown_step(r, nodes, &service->build.step_pos, name);
	if (step && step->run.set &&
	    problem_add(r->problems, &service->build.step_pos,
		"the step \"%s\" runs a container and makes no image for \"%s\"", name,
		service->name) < 0)
		return -1;
	if (!namesake || namesake == step || !service->build.set || service->image)
		return 0;
	return problem_add(r->problems, &namesake->pos,
	    "the image of the step \"%s\" would be called as that of the service", namesake->name);
}

/* A service as it is in one environment. */
static int check_overrides(struct reader *r, const struct nodes *nodes)
{
	for (size_t i = 0; i < r->inv->n_environments; i++)
		for (size_t k = 0; k < r->inv->environments[i].n_overrides; k++) {
			const struct service *service = &r->inv->environments[i].overrides[k];

			if (check_needs_of(r, nodes, &service->build) < 0 ||
			    check_service_step(r, nodes, service) < 0)
				return -1;
		}
	return 0;
}

/* ---- what steps leave ---- */

static int check_output(struct reader *r, size_t at, const struct mount *mount)
{
	char where[POSITION_SIZE];

	for (size_t i = 0; i < at; i++) {
		const struct build_step *other = &r->inv->steps[i];

		for (size_t k = 0; k < other->run.n_mounts; k++)
			if (other->run.mounts[k].kind == MOUNT_OUTPUT &&
			    strcmp(other->run.mounts[k].source, mount->source) == 0)
				return problem_add(r->problems, &mount->pos,
					   "the step \"%s\" fills that folder already (%s)",
					   other->name,
					   show_position(
					       where, &other->run.mounts[k].pos, &mount->pos)) < 0
					   ? -1
					   : problem_hint(r->problems,
						 "a folder for each: what is in it tells whether "
						 "the step has to be run again");
	}
	return 0;
}

static int check_outputs(struct reader *r)
{
	for (size_t i = 0; i < r->inv->n_steps; i++) {
		const struct step_run *run = &r->inv->steps[i].run;

		for (size_t k = 0; k < run->n_mounts; k++)
			if (run->mounts[k].kind == MOUNT_OUTPUT &&
			    check_output(r, i, &run->mounts[k]) < 0)
				return -1;
	}
	return 0;
}

/* ---- circles ---- */

/* Does it wait for none but those that are done? Else *ret_for is what it waits for. */
static bool may_begin(
    const struct nodes *nodes, const bool *done, size_t i, const struct dependency **ret_for)
{
	const struct build *build = build_at(nodes, i);

	for (size_t k = 0; k < build->n_needs; k++) {
		size_t other = find_node(nodes, build->needs[k].name);

		if (other < nodes->n && !done[other]) {
			*ret_for = &build->needs[k];
			return false;
		}
	}
	return true;
}

/* All that are not done wait for one of them: follow it until it comes back. */
static int complain_of_circle(
    struct reader *r, const struct nodes *nodes, const bool *done, size_t at)
{
	const struct dependency *need = NULL;

	for (size_t step = 0; step <= nodes->n; step++) {
		if (may_begin(nodes, done, at, &need))
			return 0;
		at = find_node(nodes, need->name);
	}
	return problem_add(r->problems, &need->pos,
	    "steps wait for each other in a circle, here for \"%s\"", need->name);
}

static int check_circles(struct reader *r, const struct nodes *nodes)
{
	CLEANUP_FREE bool *done = calloc(nodes->n + 1, sizeof(*done));
	const struct dependency *need;
	bool some = true;
	size_t first;

	if (!done)
		return -1;
	while (some) {
		some = false;
		first = nodes->n;
		for (size_t i = 0; i < nodes->n; i++) {
			if (done[i] || !is_node(nodes, i))
				continue;
			done[i] = may_begin(nodes, done, i, &need);
			some = some || done[i];
			if (!done[i] && first == nodes->n)
				first = i;
		}
	}
	return first == nodes->n ? 0 : complain_of_circle(r, nodes, done, first);
}

int check_steps(struct reader *r)
{
	struct nodes nodes = {r->inv, r->inv->n_steps + r->inv->n_services};

	if (check_needs(r, &nodes) < 0 || check_run_images(r, &nodes) < 0)
		return -1;
	for (size_t i = 0; i < r->inv->n_services; i++)
		if (check_service_step(r, &nodes, &r->inv->services[i]) < 0)
			return -1;
	if (check_overrides(r, &nodes) < 0 || check_outputs(r) < 0)
		return -1;
	return check_circles(r, &nodes);
}
