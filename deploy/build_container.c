/* A step that runs a container with folders of the project in it, by the engine's API. The
 * container is always called the same, and only one build of a project is at work: whatever is
 * found under that name is what a build left that was killed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/json.h"
#include "deploy/building.h"
#include "deploy/git.h"
#include "deploy/names.h"
#include "deploy/settings.h"

#define BUILD_LABEL LABEL_PREFIX "building" /* the project */

static char *container_name(const struct building *building, const char *step)
{
	return string_printf("shipit-build-%s-%s", building->inv->project, step);
}

/* --- what was left */

static int remove_left(
    struct building *building, struct engine *engine, const json_t *container, struct error *err)
{
	const struct event_source source = {.events = building->events};
	const json_t *labels = json_object_get(container, "Labels");
	const char *project = json_string_value(json_object_get(labels, BUILD_LABEL));

	if (project == NULL || strcmp(project, building->inv->project) != 0)
		return 0;
	if (engine_container_remove(engine, json_str(container, "Id", ""), true, err) < 0 &&
	    (err == NULL || err->kind != ERROR_NOT_FOUND))
		return -1;
	emit_note(&source, "removed a container that an interrupted build had left");
	return 0;
}

int containers_clear(struct building *building, struct engine *engine, struct error *err)
{
	struct engine_question all = {.what = ENGINE_ASK_CONTAINERS};
	const json_t *container;
	size_t i;
	int rc = engine_ask(engine, &all, 1, err);

	if (rc == 0 && all.err.kind != ERROR_NONE) {
		error_move(err, &all.err);
		rc = -1;
	}
	json_array_foreach(all.json, i, container)
	{
		if (rc == 0)
			rc = remove_left(building, engine, container, err);
	}
	engine_questions_release(&all, 1);
	return rc;
}

/* --- what is run */

static json_t *variables(const struct step_run *run, const struct git_facts *git)
{
	json_t *list = json_array();
	int rc = list != NULL ? 0 : -1;

	for (size_t i = 0; i < run->environment.n && rc == 0; i++) {
		const struct pair *variable = &run->environment.v[i];

		if (variable->value != NULL)
			rc = json_array_append_new(
			    list, json_sprintf("%s=%s", variable->key, variable->value));
	}
	if (rc == 0 && git->epoch >= 0 &&
	    pairs_find(&run->environment, "SOURCE_DATE_EPOCH") == NULL)
		rc = json_array_append_new(
		    list, json_sprintf("SOURCE_DATE_EPOCH=%lld", (long long)git->epoch));
	if (rc == 0)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *mounts(const struct step_run *run)
{
	json_t *list = json_array();

	for (size_t i = 0; i < run->n_mounts && list != NULL; i++) {
		const struct mount *mount = &run->mounts[i];

		if (json_array_append_new(list,
			json_pack("{s:s, s:s, s:s, s:b}", "Type", "bind", "Source", mount->source,
			    "Target", mount->target, "ReadOnly", (int)mount->read_only)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *host_config(const struct step_run *run)
{
	const json_t *network = json_object_get(run->settings, "network_mode");
	json_t *host = json_object();

	if (host == NULL || json_set(host, "Mounts", mounts(run)) < 0 ||
	    (network != NULL &&
		json_set(host, "NetworkMode", json_string(json_string_value(network))) < 0)) {
		json_decref(host);
		return NULL;
	}
	return host;
}

static int make_body(const struct step_work *work, const char *image, json_t **ret)
{
	const struct step_run *run = work->node->run;
	struct git_facts git = {.epoch = -1};
	json_t *body = json_object(), *host = host_config(run);
	int rc = body != NULL && host != NULL ? json_set(body, "HostConfig", host) : -1;

	git_look(work->building->inv->dir, work->building->stop.fd, &git);
	if (rc < 0 || json_set(body, "Image", json_string(image)) < 0 ||
	    json_set(body, "Env", variables(run, &git)) < 0 ||
	    json_set(body, "Labels",
		json_pack("{s:s}", BUILD_LABEL, work->building->inv->project)) < 0 ||
	    (run->has_command && json_set(body, "Cmd", json_words(&run->command)) < 0) ||
	    (run->has_entrypoint &&
		json_set(body, "Entrypoint", json_words(&run->entrypoint)) < 0) ||
	    (run->user != NULL && json_set(body, "User", json_string(run->user)) < 0) ||
	    (run->settings != NULL && settings_put(body, host, run->settings) < 0))
		rc = -1;
	git_facts_release(&git);
	*ret = body;
	return rc;
}

/* --- folders */

static int check_folders(const struct step_work *work, struct error *err)
{
	const struct step_run *run = work->node->run;
	struct stat st;

	for (size_t i = 0; i < run->n_mounts; i++) {
		const char *path = run->mounts[i].source;

		if (run->mounts[i].kind == MOUNT_OUTPUT && mkdir(path, 0777) < 0 && errno != EEXIST)
			return error_errno(err, errno, "cannot make the folder %s", path);
		if (stat(path, &st) < 0)
			return error_errno(
			    err, errno, "%s, which %s mounts", path, work->node->name);
	}
	return 0;
}

/* --- the image */

/* That of a step is known; another one the engine may have to fetch first. */
static int find_image(struct step_work *work, const char **ret, struct error *err)
{
	const struct building *building = work->building;
	const char *image = work->node->run->image;
	const struct node *made = build_needed(work->node, image);
	const char *const argv[] = {build_command(building->inv), "pull", image, NULL};
	const struct proc_options program = {.argv = argv};
	CLEANUP_FREE char *what = string_printf("pulling %s", image);
	CLEANUP_JSON json_t *inspect = NULL;

	*ret = image;
	if (what == NULL)
		return error_memory(err);
	if (made != NULL) {
		*ret = made->output != NULL ? made->output : made->image;
		return 0;
	}
	if (!building->options.pull &&
	    engine_image_inspect(work->engine, image, &inspect, err) == 0)
		return 0;
	if (!building->options.pull && err->kind != ERROR_NOT_FOUND)
		return -1;
	error_release(err);
	return tail_program(&work->tail, what, &program, -1, building->stop.fd, err);
}

/* --- to its end */

static int follow(struct step_work *work, const char *id, struct error *err)
{
	int status = 0;

	if (engine_container_start(work->engine, id, err) < 0 ||
	    engine_container_follow(work->engine, id, -1, tail_line, &work->tail, err) < 0 ||
	    engine_container_wait(work->engine, id, -1, &status, err) < 0)
		return error_wrap(err, "running %s", work->node->run->image);
	if (status == 0)
		return 0;
	error_set(err, ERROR_FAILED, "running %s failed (its container exited %d)",
	    work->node->run->image, status);
	tail_explain(&work->tail, err);
	return -1;
}

static int check_made(struct step_work *work, struct error *err)
{
	char digest[DIGEST_TEXT_SIZE];
	const char *empty;

	if (build_outputs(work, digest, &empty, err) < 0)
		return -1;
	if (empty != NULL)
		return error_set(err, ERROR_FAILED, "%s ended well and left nothing in %s",
		    work->node->name, empty);
	work->node->output = strdup(digest);
	return work->node->output != NULL ? 0 : error_memory(err);
}

/* It ran on files that it changed itself: so it would each time. */
static int tell_of_change(struct step_work *work, struct error *err)
{
	const struct event_source source = {
	    .events = work->building->events, .service = work->node->name};
	char before[DIGEST_TEXT_SIZE];

	memcpy(before, work->inputs, sizeof(before));
	if (before[0] == '\0')
		return 0;
	if (build_inputs(work, err) < 0)
		return -1;
	if (strcmp(before, work->inputs) != 0)
		emit_note(&source, "files in a folder that it takes changed meanwhile, so it will "
				   "be run again; what "
				   "it writes there itself belongs in .dockerignore, or mount the "
				   "folder with :ro");
	memcpy(work->inputs, before, sizeof(before));
	return 0;
}

static int run(struct step_work *work, const char *name, const char *image, struct error *err)
{
	CLEANUP_JSON json_t *body = NULL;
	CLEANUP_FREE char *id = NULL;
	int rc, cancel_fd;

	if (make_body(work, image, &body) < 0)
		return error_memory(err);
	if (engine_container_create(work->engine, name, body, &id, err) < 0)
		return error_wrap(err, "running %s", work->node->run->image);
	rc = follow(work, id, err);
	/* However it ended, and also when it is to end now. */
	cancel_fd = engine_set_cancel(work->engine, -1);
	if (engine_container_remove(work->engine, id, true, rc == 0 ? err : NULL) < 0)
		rc = -1;
	engine_set_cancel(work->engine, cancel_fd);
	return rc;
}

int container_make(struct step_work *work, struct error *err)
{
	CLEANUP_FREE char *name = container_name(work->building, work->node->name);
	const char *image;

	if (name == NULL)
		return error_memory(err);
	if (check_folders(work, err) < 0 || find_image(work, &image, err) < 0 ||
	    run(work, name, image, err) < 0 || check_made(work, err) < 0)
		return -1;
	return tell_of_change(work, err);
}
