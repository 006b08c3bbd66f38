/* Which steps there are to be done, and what each waits for. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "deploy/building.h"
#include "deploy/image.h"
#include "inventory/paths.h"
#include "inventory/source.h"

/* `engine:` is about hosts; of it only the kind of engine is taken for this machine, not a path. */
const char *build_command(const struct inventory *inv)
{
	return strcmp(inv->engine.command, "podman") == 0 ? "podman" : "docker";
}

/* --- nodes */

static char *step_image(const struct inventory *inv, const struct build_step *step)
{
	return string_printf("%s-%s", inv->project, step->name);
}

/* The text of its Dockerfile, where there is one that can be read. */
int build_recipe(struct node *node, struct error *err)
{
	static const char *const names[] = {"Containerfile", "Dockerfile"};
	bool podman = strcmp(build_command(node->building->inv), "podman") == 0;
	CLEANUP_ERROR struct error why = {0};
	size_t len = 0;

	if (node->run != NULL)
		return 0;
	dockerfile_release(&node->dockerfile);
	free(steal_ptr(node->recipe));
	for (size_t i = podman ? 0 : 1; i < ARRAY_SIZE(names) && node->recipe == NULL; i++) {
		CLEANUP_FREE char *path =
		    node->build->dockerfile != NULL
			? strdup(node->build->dockerfile)
			: string_printf("%s/%s", node->build->context, names[i]);

		if (path == NULL)
			return error_memory(err);
		if (source_system.read_file(NULL, path, DOCKERFILE_MAX, &node->recipe, &len, &why) <
		    0) {
			node->recipe = NULL;
			if (why.kind == ERROR_MEMORY)
				return error_memory(err);
		}
	}
	if (node->recipe != NULL &&
	    dockerfile_parse(node->recipe, len, &node->build->args, &node->dockerfile) < 0)
		return error_memory(err);
	return 0;
}

/* `service`: as it is in the environment; NULL: as it is without one. */
static int fill(struct node *node, const struct service *service, struct error *err)
{
	const struct inventory *inv = node->building->inv;
	const struct build_step *step = inventory_step(inv, node->name);

	if (service == NULL)
		service = inventory_service(inv, node->name);
	if (step != NULL) {
		node->build = &step->build;
		node->run = step->run.set ? &step->run : NULL;
		node->pos = &step->pos;
		node->image = step_image(inv, step);
	} else if (service != NULL) {
		node->build = &service->build;
		node->pos = &service->pos;
		node->image = image_local_name(inv, service);
	} else {
		error_set(err, ERROR_INVENTORY, "no step is called \"%s\"", node->name);
		return -1;
	}
	if (node->image == NULL) {
		error_memory(err);
		return -1;
	}
	if (node->run != NULL)
		free(steal_ptr(node->image));
	return build_recipe(node, err);
}

/* Of a step, or of a service that is built by itself. */
static int find_or_add(struct building *building, const char *name, const struct service *service,
    size_t *ret, struct error *err)
{
	struct node *node = &building->nodes[building->n];

	for (*ret = 0; *ret < building->n; ++*ret)
		if (strcmp(building->nodes[*ret].name, name) == 0)
			return 0;
	*node = (struct node){.building = building, .name = name};
	building->n++;
	return fill(node, service, err);
}

/* --- what a node waits for */

static int add_wait(struct node *node, const char *name, struct error *err)
{
	size_t at, *needs;

	if (strcmp(name, node->name) == 0)
		return 0;
	if (find_or_add(node->building, name, NULL, &at, err) < 0)
		return -1;
	for (size_t i = 0; i < node->n_needs; i++)
		if (node->needs[i] == at)
			return 0;
	needs = reallocarray(node->needs, node->n_needs + 1, sizeof(*needs));
	if (needs == NULL)
		return error_memory(err);
	node->needs = needs;
	node->needs[node->n_needs++] = at;
	return 0;
}

/* "shop-base" and "shop-base:latest" are the same. */
static bool same_image(const char *a, const char *b)
{
	static const char latest[] = ":latest";
	size_t len = strlen(a) < strlen(b) ? strlen(a) : strlen(b);

	return strncmp(a, b, len) == 0 && (a[len] == '\0' || strcmp(a + len, latest) == 0) &&
	       (b[len] == '\0' || strcmp(b + len, latest) == 0);
}

/* FROM an image that is a step's: that one comes before, whether it is said or not. */
static int wait_for_base(struct node *node, const char *base, struct error *err)
{
	const struct inventory *inv = node->building->inv;

	for (size_t i = 0; i < inv->n_steps + inv->n_services; i++) {
		const struct build_step *step = i < inv->n_steps ? &inv->steps[i] : NULL;
		const struct service *service =
		    step == NULL ? &inv->services[i - inv->n_steps] : NULL;
		const struct build *build = step != NULL ? &step->build : &service->build;
		CLEANUP_FREE char *image = NULL;

		if (!build->set)
			continue;
		image = step != NULL ? step_image(inv, step) : image_local_name(inv, service);
		if (image == NULL)
			return error_memory(err);
		if (!same_image(image, base))
			continue;
		return add_wait(node,
		    step != NULL	  ? step->name
		    : build->step != NULL ? build->step
					  : service->name,
		    err);
	}
	return 0;
}

static bool is_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* The same of a path in a folder that a step fills. */
static int wait_for_path(struct node *node, const char *path, struct error *err)
{
	const struct inventory *inv = node->building->inv;

	for (size_t i = 0; i < inv->n_steps; i++) {
		const struct step_run *run = &inv->steps[i].run;

		for (size_t k = 0; k < run->n_mounts; k++)
			if (run->mounts[k].kind == MOUNT_OUTPUT &&
			    is_below(path, run->mounts[k].source) &&
			    add_wait(node, inv->steps[i].name, err) < 0)
				return -1;
	}
	return 0;
}

static int add_waits(struct node *node, struct error *err)
{
	const struct dockerfile *file = &node->dockerfile;

	for (size_t i = 0; i < node->build->n_needs; i++) {
		if (add_wait(node, node->build->needs[i].name, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < file->bases.n; i++)
		if (wait_for_base(node, file->bases.v[i], err) < 0)
			return -1;
	for (size_t i = 0; i < file->sources.n; i++) {
		CLEANUP_FREE char *path =
		    path_resolve(node->build->context, file->sources.v[i], NULL);

		if (path == NULL)
			return error_memory(err);
		if (wait_for_path(node, path, err) < 0)
			return -1;
	}
	for (size_t i = 0; node->run != NULL && i < node->run->n_mounts; i++)
		if (node->run->mounts[i].kind == MOUNT_INPUT &&
		    wait_for_path(node, node->run->mounts[i].source, err) < 0)
			return -1;
	return 0;
}

const struct node *build_needed(const struct node *node, const char *name)
{
	for (size_t i = 0; i < node->n_needs; i++)
		if (strcmp(node->building->nodes[node->needs[i]].name, name) == 0)
			return &node->building->nodes[node->needs[i]];
	return NULL;
}

/* --- circles: the inventory has none, but a Dockerfile may close one */

static bool is_free(const struct node *node, const bool *done)
{
	for (size_t i = 0; i < node->n_needs; i++)
		if (!done[node->needs[i]])
			return false;
	return true;
}

/* One that it waits for and that is not done. */
static const struct node *waits_for(const struct node *node, const bool *done)
{
	size_t i = 0;

	while (done[node->needs[i]])
		i++;
	return &node->building->nodes[node->needs[i]];
}

static int complain_of_circle(const struct node *node, const bool *done, struct error *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT(64 * 1024);
	const struct node *first;

	/* After so many it has come to one of the circle itself. */
	for (size_t i = 0; i < node->building->n; i++)
		node = waits_for(node, done);
	first = node;
	for (const struct node *at = waits_for(node, done); at != node; at = waits_for(at, done))
		if (at->pos->line < first->pos->line)
			first = at;
	node = first;
	do {
		buf_addf(&text, "%s%s for %s", text.len > 0 ? ", " : "", node->name,
		    waits_for(node, done)->name);
		node = waits_for(node, done);
	} while (node != first);
	error_set(err, ERROR_INVENTORY, "%s:%d:%d: steps wait for each other in a circle: %s",
	    first->pos->file, first->pos->line, first->pos->column, text.data);
	return error_hint(err,
	    "a step waits for those that its `needs`, and the FROM and COPY of its Dockerfile, "
	    "name");
}

static int check_circles(const struct building *building, struct error *err)
{
	CLEANUP_FREE bool *done = calloc(building->n + 1, sizeof(*done));
	const struct node *stuck = NULL;
	bool some = true;

	if (done == NULL)
		return error_memory(err);
	while (some) {
		some = false;
		stuck = NULL;
		for (size_t i = 0; i < building->n; i++) {
			if (done[i])
				continue;
			done[i] = is_free(&building->nodes[i], done);
			some = some || done[i];
			if (!done[i])
				stuck = &building->nodes[i];
		}
	}
	return stuck == NULL ? 0 : complain_of_circle(stuck, done, err);
}

/* --- all of it */

static int collect_outputs(struct building *building, struct error *err)
{
	const struct inventory *inv = building->inv;

	for (size_t i = 0; i < inv->n_steps; i++)
		for (size_t k = 0; k < inv->steps[i].run.n_mounts; k++)
			if (inv->steps[i].run.mounts[k].kind == MOUNT_OUTPUT &&
			    strv_add(&building->outputs, inv->steps[i].run.mounts[k].source) < 0)
				return error_memory(err);
	return 0;
}

static int add_service(struct building *building, const struct service *service, struct error *err)
{
	const char *step = service->build.step;
	CLEANUP_FREE char *name = NULL;
	size_t at;

	if (!service->build.set)
		return 0;
	if (find_or_add(building, step != NULL ? step : service->name, service, &at, err) < 0)
		return -1;
	if (step == NULL || building->nodes[at].image == NULL)
		return 0;
	name = image_local_name(building->inv, service);
	if (name == NULL)
		return error_memory(err);
	if (strcmp(name, building->nodes[at].image) == 0 ||
	    strv_has(&building->nodes[at].names, name))
		return 0;
	return strv_add(&building->nodes[at].names, name) < 0 ? error_memory(err) : 0;
}

int build_graph(
    struct building *building, const struct service *const *services, size_t n, struct error *err)
{
	const struct inventory *inv = building->inv;

	building->n = 0;
	building->nodes = calloc(inv->n_steps + inv->n_services + 1, sizeof(*building->nodes));
	if (building->nodes == NULL)
		return error_memory(err);
	if (collect_outputs(building, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (add_service(building, services[i], err) < 0)
			return -1;
	for (size_t i = 0; i < building->n; i++)
		if (add_waits(&building->nodes[i], err) < 0)
			return -1;
	return check_circles(building, err);
}

void build_graph_release(struct building *building)
{
	for (size_t i = 0; i < building->n; i++) {
		struct node *node = &building->nodes[i];

		free(node->image);
		strv_release(&node->names);
		dockerfile_release(&node->dockerfile);
		free(node->recipe);
		free(node->needs);
		free(node->output);
		error_release(&node->err);
	}
	free(building->nodes);
	strv_release(&building->outputs);
}
