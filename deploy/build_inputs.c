/* What a step is made from, as one digest: its description, its files by content, the images below
 * it and what came of the steps that it needs. No times, no labels of git's: the same tree is the
 * same, whenever and wherever it is looked at. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "deploy/building.h"
#include "deploy/ignore.h"
#include "deploy/folder.h"
#include "inventory/source.h"

/* A digest under way. The first failure stays in `err`. */
struct mix {
	struct digest *digest;
	struct error *err;
	bool failed;
};

static void add(struct mix *mix, const char *what, const char *text)
{
	if (mix->failed)
		return;
	mix->failed =
	    digest_add(mix->digest, what, strlen(what) + 1, mix->err) < 0 ||
	    digest_add(mix->digest, text != NULL ? "=" : "-", 2, mix->err) < 0 ||
	    (text != NULL && digest_add(mix->digest, text, strlen(text) + 1, mix->err) < 0);
}

static void add_pairs(struct mix *mix, const char *what, const struct pairs *pairs)
{
	for (size_t i = 0; i < pairs->n; i++) {
		add(mix, what, pairs->v[i].key);
		add(mix, "value", pairs->v[i].value);
	}
}

static void add_list(struct mix *mix, const char *what, const struct strv *list)
{
	for (size_t i = 0; i < list->n; i++)
		add(mix, what, list->v[i]);
}

static void add_settings(struct mix *mix, const json_t *settings)
{
	CLEANUP_FREE char *text = settings != NULL ? json_canonical(settings) : strdup("");

	if (text == NULL && !mix->failed)
		mix->failed = error_memory(mix->err) < 0;
	else
		add(mix, "settings", text);
}

static void add_tree(struct mix *mix, const struct folder *folder)
{
	if (!mix->failed)
		mix->failed = folder_digest(folder, mix->digest, NULL, mix->err) < 0;
}

/* --- .dockerignore */

/* The engine's choice among several such files is not second-guessed: then nothing is left out. */
static int read_ignore(
    const struct step_work *work, const char *folder, struct ignore *ret, struct error *err)
{
	const struct build *build = work->node->build;
	CLEANUP_FREE char *path = string_printf("%s/.dockerignore", folder);
	CLEANUP_FREE char *other = string_printf("%s/.containerignore", folder);
	CLEANUP_FREE char *own = string_printf(
	    "%s.dockerignore", build->dockerfile != NULL ? build->dockerfile : "Dockerfile");
	CLEANUP_FREE char *text = NULL;
	CLEANUP_ERROR struct error why = {0};
	size_t len;

	*ret = (struct ignore){0};
	if (path == NULL || other == NULL || own == NULL)
		return error_memory(err);
	if (access(other, F_OK) == 0 || (build->dockerfile != NULL && access(own, F_OK) == 0))
		return 0;
	if (source_system.read_file(NULL, path, IGNORE_MAX, &text, &len, &why) < 0)
		return why.kind == ERROR_MEMORY ? error_memory(err) : 0;
	return ignore_parse(text, len, ret) < 0 ? error_memory(err) : 0;
}

static void add_folder(struct mix *mix, const struct step_work *work, const char *path,
    const struct strv *only, const struct strv *without)
{
	struct ignore ignore = {0};
	struct folder folder = {
	    .path = path,
	    .ignore = &ignore,
	    .only = only,
	    .without = without,
	    .cancel_fd = work->building->stop.fd,
	};

	if (!mix->failed)
		mix->failed = read_ignore(work, path, &ignore, mix->err) < 0;
	add_tree(mix, &folder);
	ignore_release(&ignore);
}

/* --- images below */

/* Its id and whether building on it takes more of the context; NULL: the engine does not have it.
 */
static int look_at_image(
    struct step_work *work, const char *name, char **ret_id, bool *ret_onbuild, struct error *err)
{
	CLEANUP_JSON json_t *inspect = NULL;
	CLEANUP_ERROR struct error why = {0};

	*ret_id = NULL;
	*ret_onbuild = false;
	if (work->engine == NULL)
		return 0;
	if (engine_image_inspect(work->engine, name, &inspect, &why) < 0) {
		if (why.kind != ERROR_MEMORY && why.kind != ERROR_CANCELLED)
			return 0;
		error_move(err, &why);
		return -1;
	}
	*ret_onbuild = json_array_size(json_at(inspect, "Config.OnBuild")) > 0;
	*ret_id = strdup(json_str(inspect, "Id", ""));
	return *ret_id != NULL ? 0 : error_memory(err);
}

/* False: what is below is not known, or is no longer what it was taken for. */
static bool add_bases(struct mix *mix, struct step_work *work, bool *ret_onbuild)
{
	const struct strv *bases = &work->node->dockerfile.bases;
	bool known = true;

	*ret_onbuild = false;
	for (size_t i = 0; i < bases->n && !mix->failed; i++) {
		CLEANUP_FREE char *id = NULL;
		bool onbuild = false;

		mix->failed = look_at_image(work, bases->v[i], &id, &onbuild, mix->err) < 0;
		*ret_onbuild = *ret_onbuild || onbuild;
		known = known && id != NULL;
		add(mix, "base", bases->v[i]);
		add(mix, "id", id);
	}
	return known;
}

/* --- a step */

static bool add_needs(struct mix *mix, const struct step_work *work)
{
	const struct node *node = work->node;
	bool known = true;

	for (size_t i = 0; i < node->n_needs; i++) {
		const struct node *need = &work->building->nodes[node->needs[i]];

		add(mix, "need", need->name);
		add(mix, "output", need->output);
		known = known && need->output != NULL;
	}
	return known;
}

static void add_build(struct mix *mix, const struct step_work *work)
{
	const struct node *node = work->node;
	const struct build *build = node->build;

	add(mix, "build", build_command(work->building->inv));
	add(mix, "recipe", node->recipe);
	add(mix, "image", node->image);
	add_pairs(mix, "arg", &build->args);
	add_settings(mix, build->settings);
	for (size_t i = 0; i < build->n_secrets; i++) {
		add(mix, "secret", build->secrets[i].secret);
		add(mix, "as", build->secrets[i].id);
	}
	for (size_t i = 0; i < build->contexts.n; i++) {
		add(mix, "context", build->contexts.v[i].key);
		add(mix, "is", build->contexts.v[i].value);
		if (build->contexts.v[i].value[0] == '/')
			add_folder(mix, work, build->contexts.v[i].value, NULL, NULL);
	}
	if (work->whole)
		add_folder(mix, work, build->context, NULL, NULL);
	else if (node->dockerfile.sources.n > 0)
		add_folder(mix, work, build->context, &node->dockerfile.sources, NULL);
}

static void add_run(struct mix *mix, struct step_work *work, bool *known)
{
	const struct step_run *run = work->node->run;
	CLEANUP_FREE char *id = NULL;
	bool onbuild;

	add(mix, "run", run->image);
	if (build_needed(work->node, run->image) == NULL) {
		mix->failed =
		    mix->failed || look_at_image(work, run->image, &id, &onbuild, mix->err) < 0;
		add(mix, "id", id);
		*known = *known && id != NULL;
	}
	add_list(mix, run->has_command ? "command" : "", &run->command);
	add(mix, run->has_entrypoint ? "its own entrypoint" : "the image's", NULL);
	add_list(mix, "entrypoint", &run->entrypoint);
	add_pairs(mix, "variable", &run->environment);
	add(mix, "user", run->user);
	add_settings(mix, run->settings);
	for (size_t i = 0; i < run->n_mounts; i++) {
		const struct mount *mount = &run->mounts[i];

		add(mix, mount->read_only ? "read-only" : "mount", mount->target);
		if (mount->kind == MOUNT_OTHER)
			add(mix, "source", mount->source);
		if (mount->kind == MOUNT_INPUT)
			add_folder(mix, work, mount->source, NULL, &work->building->outputs);
	}
}

static int finish(struct mix *mix, char out[DIGEST_TEXT_SIZE])
{
	unsigned char raw[DIGEST_RAW_SIZE];

	if (mix->failed || digest_so_far(mix->digest, raw, mix->err) < 0)
		return -1;
	digest_text_of(raw, out);
	return 0;
}

/* Everything but the images that FROM names. */
static int mix_step(
    struct step_work *work, char out[DIGEST_TEXT_SIZE], bool *known, struct error *err)
{
	struct mix mix = {.err = err};
	int rc;

	if (digest_new(&mix.digest, err) < 0)
		return -1;
	add(&mix, "shipit", "1");
	*known = add_needs(&mix, work) && *known;
	if (work->node->run != NULL)
		add_run(&mix, work, known);
	else
		add_build(&mix, work);
	rc = finish(&mix, out);
	digest_free(mix.digest);
	return rc;
}

/* work->step, with the images below as they are now. */
static int mix_bases(struct step_work *work, bool *known, bool *onbuild, struct error *err)
{
	struct mix mix = {.err = err};
	int rc;

	if (digest_new(&mix.digest, err) < 0)
		return -1;
	add(&mix, "step", work->step);
	*known = add_bases(&mix, work, onbuild) && *known;
	rc = finish(&mix, work->inputs);
	digest_free(mix.digest);
	return rc;
}

/* That something cannot be read is no reason to end it: the engine will say so, or not mind. */
static int give_up(struct step_work *work, struct error *err)
{
	work->step[0] = work->inputs[0] = '\0';
	if (err->kind == ERROR_MEMORY || err->kind == ERROR_CANCELLED)
		return -1;
	error_release(err);
	return 0;
}

int build_inputs(struct step_work *work, struct error *err)
{
	const struct dockerfile *file = &work->node->dockerfile;
	bool is_run = work->node->run != NULL, onbuild = false, ignored = true;
	bool known = is_run || (work->node->recipe != NULL && !file->unsure);
	struct error why = {0};
	int rc = known ? mix_bases(work, &ignored, &onbuild, &why) : 0;

	work->step[0] = work->inputs[0] = '\0';
	/* ONBUILD instructions of the images below may take anything. */
	work->whole = file->whole_context || onbuild;
	if (known && rc == 0)
		rc = mix_step(work, work->step, &known, &why);
	if (!known)
		work->step[0] = '\0';
	if (rc < 0 && give_up(work, &why) < 0) {
		error_move(err, &why);
		return -1;
	}
	return build_inputs_again(work, err);
}

int build_inputs_again(struct step_work *work, struct error *err)
{
	bool known = work->step[0] != '\0', onbuild = false;
	struct error why = {0};

	if (known && mix_bases(work, &known, &onbuild, &why) < 0 && give_up(work, &why) < 0) {
		error_move(err, &why);
		return -1;
	}
	if (!known || (onbuild && !work->whole))
		work->inputs[0] = '\0';
	return 0;
}

/* --- what it fills */

int build_outputs(const struct step_work *work, char out[DIGEST_TEXT_SIZE], const char **ret_empty,
    struct error *err)
{
	const struct step_run *run = work->node->run;
	struct mix mix = {.err = err};
	int rc;

	*ret_empty = NULL;
	if (digest_new(&mix.digest, err) < 0)
		return -1;
	for (size_t i = 0; i < run->n_mounts && !mix.failed; i++) {
		const struct folder folder = {
		    .path = run->mounts[i].source, .cancel_fd = work->building->stop.fd};
		size_t files = 0;

		if (run->mounts[i].kind != MOUNT_OUTPUT)
			continue;
		add(&mix, "folder", run->mounts[i].source);
		mix.failed = mix.failed || folder_digest(&folder, mix.digest, &files, err) < 0;
		if (files == 0)
			*ret_empty = run->mounts[i].source;
	}
	rc = finish(&mix, out);
	digest_free(mix.digest);
	return rc;
}
