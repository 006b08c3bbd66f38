/* A step that builds an image, by the engine's own command. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/proc.h"
#include "deploy/building.h"
#include "deploy/git.h"
#include "deploy/secrets.h"
#include "deploy/settings.h"

extern char **environ;

enum { HELP_MS = 10 * 1000, HELP_MAX = 256 * 1024 };

#define OCI "org.opencontainers.image."

static const struct setting build_settings[] = {
    {"cache_from", SETTING_LIST, .option = "--cache-from"},
    {"extra_hosts", SETTING_LIST, .option = "--add-host"},
    {"labels", SETTING_PAIRS, .option = "--label"},
    {"network", SETTING_TEXT, .option = "--network"},
    {"platform", SETTING_TEXT, .option = "--platform"},
    {"shm_size", SETTING_NUMBER, .option = "--shm-size"},
    {"tags", SETTING_LIST, .option = "--tag"},
    {"target", SETTING_TEXT, .option = "--target"},
    {"ulimits", SETTING_LIMITS, .option = "--ulimit"},
};

/* The command line of a build, and what it has in its environment. */
struct call {
	const struct step_work *work;
	struct strv argv, env;
	struct git_facts git;
};

static void release(struct call *call)
{
	/* Secrets may stand there. */
	for (size_t i = 0; i < call->env.n; i++)
		explicit_bzero(call->env.v[i], strlen(call->env.v[i]));
	strv_release(&call->env);
	strv_release(&call->argv);
	git_facts_release(&call->git);
}

/* --- options */

static int add_settings(struct call *call)
{
	const json_t *all = call->work->node->build->settings;
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(build_settings) && rc == 0; i++) {
		const json_t *value = json_object_get(all, build_settings[i].key);

		if (value != NULL)
			rc = setting_words(&build_settings[i], value, &call->argv);
	}
	return rc;
}

static int add_args(struct call *call)
{
	const struct pairs *args = &call->work->node->build->args;

	for (size_t i = 0; i < args->n; i++)
		if (strv_addf(&call->argv, "--build-arg=%s%s%s", args->v[i].key,
			args->v[i].value != NULL ? "=" : "",
			args->v[i].value != NULL ? args->v[i].value : "") < 0)
			return -1;
	return 0;
}

static int add_label(struct call *call, const char *name, const char *value)
{
	const json_t *own = json_object_get(call->work->node->build->settings, "labels");

	return value == NULL || json_object_get(own, name) != NULL
		   ? 0
		   : strv_addf(&call->argv, "--label=%s=%s", name, value);
}

/* OCI image-spec, annotations.md. */
static int add_origin(struct call *call)
{
	const struct git_facts *git = &call->git;
	char created[CLOCK_UTC_SIZE];

	if (git->epoch >= 0)
		clock_format_utc((time_t)git->epoch, created);
	if (add_label(call, OCI "revision", git->revision) < 0 ||
	    add_label(call, OCI "source", git->source) < 0 ||
	    add_label(call, OCI "created", git->epoch >= 0 ? created : NULL) < 0)
		return -1;
	return git->epoch >= 0 && call->work->node->dockerfile.epoch
		   ? strv_addf(
			 &call->argv, "--build-arg=SOURCE_DATE_EPOCH=%lld", (long long)git->epoch)
		   : 0;
}

static int add_contexts(struct call *call)
{
	const struct pairs *contexts = &call->work->node->build->contexts;

	for (size_t i = 0; i < contexts->n; i++)
		if (strv_addf(&call->argv, "--build-context=%s=%s", contexts->v[i].key,
			contexts->v[i].value) < 0)
			return -1;
	return 0;
}

static int add_names(struct call *call)
{
	const struct node *node = call->work->node;
	int rc = strv_addf(&call->argv, "--tag=%s", node->image);

	for (size_t i = 0; i < node->names.n && rc == 0; i++)
		rc = strv_addf(&call->argv, "--tag=%s", node->names.v[i]);
	if (rc == 0 && node->build->dockerfile != NULL)
		rc = strv_addf(&call->argv, "--file=%s", node->build->dockerfile);
	return rc;
}

/* --- secrets: in the environment of the engine's command, or the file itself */

static int add_secret(struct call *call, size_t i, struct error *err)
{
	struct building *building = call->work->building;
	const struct build_secret *one = &call->work->node->build->secrets[i];
	const struct secret *secret = inventory_secret(building->inv, one->secret);
	struct secret_value value;

	if (secret->kind == SECRET_FILE)
		return strv_addf(&call->argv, "--secret=id=%s,src=%s", one->id, secret->file) < 0
			   ? error_memory(err)
			   : 0;
	/* It has to be what a variable can be; of its bytes none is left out. */
	if (secrets_get_variable(building->options.secrets, one->secret, &value, err) < 0)
		return -1;
	if (strv_addf(&call->env, "SHIPIT_BUILD_SECRET_%zu=%s", i, value.data) < 0 ||
	    strv_addf(&call->argv, "--secret=id=%s,env=SHIPIT_BUILD_SECRET_%zu", one->id, i) < 0)
		return error_memory(err);
	return 0;
}

/* Of Docker's two builders only the newer one knows secrets, and platforms for certain. */
static bool needs_buildkit(const struct step_work *work)
{
	const struct build *build = work->node->build;

	return build->n_secrets > 0 || json_object_get(build->settings, "platform") != NULL;
}

static int add_environment(struct call *call, struct error *err)
{
	const struct node *node = call->work->node;
	bool buildkit = needs_buildkit(call->work);

	for (char **at = environ; *at != NULL; at++) {
		bool replaced = (buildkit && strncmp(*at, "DOCKER_BUILDKIT=", 16) == 0) ||
				strncmp(*at, "SOURCE_DATE_EPOCH=", 18) == 0;

		if (!replaced && strv_add(&call->env, *at) < 0)
			return error_memory(err);
	}
	if (buildkit && strv_add(&call->env, "DOCKER_BUILDKIT=1") < 0)
		return error_memory(err);
	if (call->git.epoch >= 0 &&
	    strv_addf(&call->env, "SOURCE_DATE_EPOCH=%lld", (long long)call->git.epoch) < 0)
		return error_memory(err);
	for (size_t i = 0; i < node->build->n_secrets; i++)
		if (add_secret(call, i, err) < 0)
			return -1;
	return 0;
}

/* --- what the engine's command can do here */

/* Does `docker build --help` name that option? Asked once. */
static int has_option(
    const struct step_work *work, const char *option, bool *ret, struct error *err)
{
	struct building *building = work->building;
	const char *const argv[] = {build_command(building->inv), "build", "--help", NULL};
	struct proc_result result;
	int rc = 0;

	pthread_mutex_lock(&building->lock);
	if (building->help == NULL) {
		rc = proc_run(
		    argv, HELP_MAX, clock_now_ms() + HELP_MS, building->stop.fd, &result, err);
		if (rc == 0) {
			building->help = buf_steal(&result.out);
			proc_result_release(&result);
			rc = building->help != NULL ? 0 : error_memory(err);
		}
	}
	*ret = building->help != NULL && strstr(building->help, option) != NULL;
	pthread_mutex_unlock(&building->lock);
	return rc;
}

static int check_contexts(const struct step_work *work, struct error *err)
{
	const char *command = build_command(work->building->inv);
	bool can;

	if (work->node->build->contexts.n == 0)
		return 0;
	if (has_option(work, "--build-context", &can, err) < 0)
		return -1;
	if (can)
		return 0;
	error_set(err, ERROR_FAILED,
	    "`additional_contexts` of %s: this machine's `%s build` has no --build-context",
	    work->node->name, command);
	return error_hint(err, "install docker-buildx, or take the files into the context");
}

/* Docker's older builder leaves the container of a command that failed. */
static int add_clean_up(struct call *call, struct error *err)
{
	bool can = false;

	if (!needs_buildkit(call->work) && has_option(call->work, "--force-rm", &can, err) < 0)
		return -1;
	return can && strv_add(&call->argv, "--force-rm") < 0 ? error_memory(err) : 0;
}

/* --- pull */

static bool wants(const struct step_work *work, const char *key, bool option)
{
	return option || json_is_true(json_object_get(work->node->build->settings, key));
}

static bool is_made_here(const struct step_work *work, const char *base)
{
	const struct building *building = work->building;

	for (size_t i = 0; i < work->node->n_needs; i++) {
		const char *image = building->nodes[work->node->needs[i]].image;
		size_t len = image != NULL ? strlen(image) : 0;

		if (image != NULL && strncmp(base, image, len) == 0 &&
		    (base[len] == '\0' || strcmp(base + len, ":latest") == 0))
			return true;
	}
	return false;
}

/* --pull would ask a registry for images that were made here. */
static int pull_others(struct step_work *work, bool *ret_pull, struct error *err)
{
	const struct strv *bases = &work->node->dockerfile.bases;
	bool some = false;

	for (size_t i = 0; i < bases->n; i++)
		some = some || is_made_here(work, bases->v[i]);
	*ret_pull = !some;
	for (size_t i = 0; i < bases->n && some; i++) {
		const char *const argv[] = {
		    build_command(work->building->inv), "pull", bases->v[i], NULL};
		const struct proc_options program = {.argv = argv};
		CLEANUP_FREE char *what = string_printf("pulling %s", bases->v[i]);

		if (what == NULL)
			return error_memory(err);
		if (!is_made_here(work, bases->v[i]) &&
		    tail_program(&work->tail, what, &program, -1, work->building->stop.fd, err) < 0)
			return -1;
	}
	return 0;
}

/* --- building */

static int make_call(struct call *call, struct error *err)
{
	struct step_work *work = (struct step_work *)(uintptr_t)call->work;
	bool pull = wants(work, "pull", work->building->options.pull);
	struct strv *argv = &call->argv;
	int rc;

	git_look(work->node->build->context, work->building->stop.fd, &call->git);
	if (check_contexts(work, err) < 0 || (pull && pull_others(work, &pull, err) < 0))
		return -1;
	rc = strv_add(argv, build_command(work->building->inv));
	rc = rc < 0 ? rc : strv_add(argv, "build");
	if (rc < 0 || add_names(call) < 0 || add_args(call) < 0 || add_settings(call) < 0 ||
	    add_origin(call) < 0 || add_contexts(call) < 0)
		return error_memory(err);
	if (add_environment(call, err) < 0 || add_clean_up(call, err) < 0)
		return -1;
	if ((pull && strv_add(argv, "--pull") < 0) ||
	    (wants(work, "no_cache", work->building->options.no_cache) &&
		strv_add(argv, "--no-cache") < 0) ||
	    strv_add(argv, work->node->build->context) < 0)
		return error_memory(err);
	return 0;
}

static int run_build(struct step_work *work, struct error *err)
{
	CLEANUP_FREE char *what = string_printf("building %s", work->node->image);
	struct call call = {.work = work, .git = {.epoch = -1}};
	struct proc_options program = {.dir = work->building->inv->dir, .leash = 1};
	int rc = what != NULL ? make_call(&call, err) : error_memory(err);

	program.argv = (const char *const *)call.argv.v;
	program.env = (const char *const *)call.env.v;
	if (rc == 0)
		rc = tail_program(&work->tail, what, &program, -1, work->building->stop.fd, err);
	release(&call);
	return rc;
}

/* --- is it another image than before? */

static int inspect(struct step_work *work, const char *name, json_t **ret, struct error *err)
{
	struct error why = {0};

	*ret = NULL;
	if (work->engine == NULL || engine_image_inspect(work->engine, name, ret, &why) == 0)
		return 0;
	if (why.kind == ERROR_NOT_FOUND) {
		error_release(&why);
		return 0;
	}
	error_move(err, &why);
	return -1;
}

/* What a container gets of it: without what git says, and what the builder notes for itself. */
static json_t *config_of(const json_t *image)
{
	static const char *const own[] = {"Image", "Hostname", "Container"};
	static const char *const origin[] = {OCI "revision", OCI "source", OCI "created"};
	json_t *config = json_deep_copy(json_object_get(image, "Config"));
	json_t *labels = json_object_get(config, "Labels");

	for (size_t i = 0; i < ARRAY_SIZE(own) && config != NULL; i++)
		json_object_del(config, own[i]);
	for (size_t i = 0; i < ARRAY_SIZE(origin) && labels != NULL; i++)
		json_object_del(labels, origin[i]);
	if (json_object_size(labels) == 0 && config != NULL)
		json_object_del(config, "Labels");
	return config;
}

static bool same_content(const json_t *a, const json_t *b)
{
	CLEANUP_JSON json_t *config_a = config_of(a), *config_b = config_of(b);

	return config_a != NULL && json_equal(config_a, config_b) &&
	       json_equal(json_object_get(a, "RootFS"), json_object_get(b, "RootFS")) &&
	       strcmp(json_str(a, "Os", ""), json_str(b, "Os", "")) == 0 &&
	       strcmp(json_str(a, "Architecture", ""), json_str(b, "Architecture", "")) == 0;
}

/* "registry:5000/shop:1" -> "registry:5000/shop", "1" */
static int name_image_again(
    struct engine *engine, const char *id, const char *name, struct error *err)
{
	const char *slash = strrchr(name, '/');
	const char *colon = strrchr(slash != NULL ? slash : name, ':');
	CLEANUP_FREE char *repository =
	    strndup(name, colon != NULL ? (size_t)(colon - name) : strlen(name));

	return repository == NULL ? error_memory(err)
				  : engine_image_tag(engine, id, repository,
					colon != NULL ? colon + 1 : "latest", err);
}

static int name_all_again(struct step_work *work, const char *id, struct error *err)
{
	const struct node *node = work->node;
	const json_t *tags = json_object_get(node->build->settings, "tags"), *tag;
	size_t i;

	if (name_image_again(work->engine, id, node->image, err) < 0)
		return -1;
	for (i = 0; i < node->names.n; i++)
		if (name_image_again(work->engine, id, node->names.v[i], err) < 0)
			return -1;
	json_array_foreach(tags, i, tag)
	{
		if (name_image_again(work->engine, id, json_string_value(tag), err) < 0)
			return -1;
	}
	return 0;
}

/* One that differs in nothing but the commit it was made from gives way to the one that was there:
 * nothing that is deployed, and no step that is built on it, has to change. */
static int settle(struct step_work *work, const json_t *before, struct error *err)
{
	CLEANUP_JSON json_t *now = NULL;
	const char *was = json_str(before, "Id", ""), *is;

	if (work->engine == NULL)
		return 0;
	if (inspect(work, work->node->image, &now, err) < 0)
		return -1;
	is = json_str(now, "Id", "");
	if (before != NULL && now != NULL && strcmp(was, is) != 0 && same_content(before, now)) {
		if (name_all_again(work, was, err) < 0)
			return -1;
		/* It may be in use by now; then it stays. */
		engine_image_remove(work->engine, is, false, NULL);
		is = was;
	}
	work->node->unchanged = before != NULL && strcmp(was, is) == 0;
	work->node->output = *is != '\0' ? strdup(is) : NULL;
	return *is != '\0' && work->node->output == NULL ? error_memory(err) : 0;
}

int image_make(struct step_work *work, struct error *err)
{
	CLEANUP_JSON json_t *before = NULL;

	if (inspect(work, work->node->image, &before, err) < 0 || run_build(work, err) < 0)
		return -1;
	return settle(work, before, err);
}

int image_is_there(struct step_work *work, const char *recorded, bool *ret, struct error *err)
{
	CLEANUP_JSON json_t *now = NULL;

	*ret = false;
	if (work->engine == NULL)
		return 0;
	if (inspect(work, work->node->image, &now, err) < 0)
		return -1;
	*ret = now != NULL && strcmp(json_str(now, "Id", ""), recorded) == 0;
	return *ret ? name_all_again(work, recorded, err) : 0;
}
