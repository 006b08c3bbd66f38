#include "transport/engine.h"

#include "base/json.h"
#include "transport/engine_internal.h"

void engine_image_target(
    struct target *target, const struct engine *engine, const char *name, const char *rest)
{
	target_init(target, engine, "/images/");
	target_name(target, "an image", name);
	target_path(target, rest);
}

int engine_image_inspect(struct engine *engine, const char *name, json_t **ret, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;

	engine_image_target(&target, engine, name, "/json");
	return engine_call(engine, "GET", &target, NULL, ret, err);
}

void engine_images_target(
    struct target *target, const struct engine *engine, const char *reference_glob)
{
	CLEANUP_JSON json_t *filters = NULL;

	target_init(target, engine, "/images/json");
	if (reference_glob != NULL) {
		filters = json_pack("{s[s]}", "reference", reference_glob);
		target_query_json(target, "filters", filters);
	}
}

int engine_image_list(
    struct engine *engine, const char *reference_glob, json_t **ret, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;

	engine_images_target(&target, engine, reference_glob);
	return engine_call(engine, "GET", &target, NULL, ret, err);
}

int engine_image_tag(struct engine *engine, const char *name, const char *repository,
    const char *tag, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;

	engine_image_target(&target, engine, name, "/tag");
	target_query(&target, "repo", repository);
	target_query(&target, "tag", tag);
	return engine_call(engine, "POST", &target, NULL, NULL, err);
}

int engine_image_remove(struct engine *engine, const char *name, bool force, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;

	engine_image_target(&target, engine, name, "");
	target_query(&target, "force", force ? "1" : "0");
	return engine_call(engine, "DELETE", &target, NULL, NULL, err);
}
