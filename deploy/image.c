#include "deploy/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/proc.h"
#include "deploy/settings.h"
#include "deploy/tail.h"

void image_release(struct image *image)
{
	for (size_t i = 0; i < image->n; i++) {
		free(image->variants[i].os);
		free(image->variants[i].arch);
		free(image->variants[i].config);
		free(image->variants[i].manifest);
	}
	free(image->variants);
	free(image->local);
	free(image->repository);
	free(image->tag);
	free(image->digest);
	free(image->source);
	*image = (struct image){0};
}

/* Hosts are Linux, all of them. */
const struct image_variant *image_for(const struct image *image, const char *arch)
{
	for (size_t i = 0; i < image->n; i++)
		if (strcmp(image->variants[i].os, "linux") == 0 &&
		    strcmp(image->variants[i].arch, arch) == 0)
			return &image->variants[i];
	return NULL;
}

static bool same(const char *digest, const char *id)
{
	return digest != NULL && strcmp(digest, id) == 0;
}

bool image_is(const struct image *image, const struct image_variant *variant, const char *id)
{
	return same(variant->config, id) || same(variant->manifest, id) || same(image->digest, id);
}

char *image_local_name(const struct inventory *inv, const struct service *service)
{
	if (service->image != NULL)
		return strdup(service->image);
	return string_printf("%s-%s", inv->project, service->name);
}

/* --- build */

/* `engine:` is about hosts; of it only the kind of engine is taken for this machine, not a path. */
const char *image_local_command(const struct inventory *inv)
{
	return strcmp(inv->engine.command, "podman") == 0 ? "podman" : "docker";
}

static const struct setting build_settings[] = {
    {"cache_from", SETTING_LIST, .option = "--cache-from"},
    {"extra_hosts", SETTING_LIST, .option = "--add-host"},
    {"labels", SETTING_PAIRS, .option = "--label"},
    {"network", SETTING_TEXT, .option = "--network"},
    {"no_cache", SETTING_FLAG, .option = "--no-cache"},
    {"pull", SETTING_FLAG, .option = "--pull"},
    {"shm_size", SETTING_NUMBER, .option = "--shm-size"},
    {"tags", SETTING_LIST, .option = "--tag"},
    {"target", SETTING_TEXT, .option = "--target"},
    {"ulimits", SETTING_LIMITS, .option = "--ulimit"},
};

static int add_settings(const struct build *build, struct strv *argv)
{
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(build_settings) && rc == 0; i++) {
		const json_t *value = json_object_get(build->settings, build_settings[i].key);

		if (value != NULL)
			rc = setting_words(&build_settings[i], value, argv);
	}
	return rc;
}

static int build_argv(const struct inventory *inv, const struct service *service, const char *name,
    const struct image_options *options, struct strv *argv)
{
	const struct build *build = &service->build;
	int rc = strv_add(argv, image_local_command(inv));

	rc = rc < 0 ? rc : strv_add(argv, "build");
	rc = rc < 0 ? rc : strv_addf(argv, "--tag=%s", name);
	if (rc == 0 && build->dockerfile != NULL)
		rc = strv_addf(argv, "--file=%s", build->dockerfile);
	for (size_t i = 0; i < build->args.n && rc == 0; i++) {
		const struct pair *arg = &build->args.v[i];

		rc = strv_addf(argv, "--build-arg=%s%s%s", arg->key, arg->value != NULL ? "=" : "",
		    arg->value != NULL ? arg->value : "");
	}
	rc = rc < 0 ? rc : add_settings(build, argv);
	if (rc == 0 && options->pull)
		rc = strv_add(argv, "--pull");
	if (rc == 0 && options->no_cache)
		rc = strv_add(argv, "--no-cache");
	return rc < 0 ? rc : strv_add(argv, build->context);
}

int image_build(const struct inventory *inv, const struct service *service,
    const struct image_options *options, struct events *events, struct error *err)
{
	const struct event_source source = {.events = events, .service = service->name};
	CLEANUP_FREE char *name = image_local_name(inv, service);
	CLEANUP_FREE char *what = name != NULL ? string_printf("building %s", name) : NULL;
	CLEANUP_STRV struct strv argv = {0};
	struct proc_options program = {.dir = inv->dir};

	if (what == NULL || build_argv(inv, service, name, options, &argv) < 0)
		return error_memory(err);
	program.argv = (const char *const *)argv.v;
	return tail_run(&source, STEP_BUILD, what, &program, -1, options->cancel_fd, err);
}
