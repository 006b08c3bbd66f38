/* How old the images are of what runs: by their history, of which an engine knows the times. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "deploy/facts.h"
#include "deploy/facts_container.h"
#include "transport/engine.h"

/* Builders that want to give the same digest each time write a time of their own choice: 1970, or
 * 1980 where it has to be a date of a zip file. */
enum { LEAST_TIME = 631152000 /* 1990 */ };

static int64_t made(const json_t *steps, size_t i)
{
	int64_t when = json_int(json_array_get(steps, i), "Created", 0);

	return when >= LEAST_TIME ? when : 0;
}

static void take_history(struct facts *facts, const char *image_id, const json_t *steps)
{
	size_t n = json_array_size(steps);

	for (size_t i = 0; i < facts->n_containers && n > 0; i++) {
		struct container *container = &facts->containers[i];

		if (strcmp(container->image_id, image_id) != 0)
			continue;
		container->image_made = made(steps, 0);
		container->base_made = made(steps, n - 1);
	}
}

static bool is_asked(const struct engine_question *questions, size_t n, const char *image_id)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(questions[i].name, image_id) == 0)
			return true;
	return false;
}

/* An image that the engine has lost has no age; that is all. */
int facts_ages(struct engine *engine, struct facts *facts, struct error *err)
{
	struct engine_question *questions = calloc(facts->n_containers + 1, sizeof(*questions));
	size_t n = 0;
	int rc = 0;

	if (questions == NULL)
		return error_memory(err);
	for (size_t i = 0; i < facts->n_containers; i++) {
		const struct container *c = &facts->containers[i];

		if (c->running && *c->image_id != '\0' && !is_asked(questions, n, c->image_id))
			questions[n++] = (struct engine_question){
			    .what = ENGINE_ASK_HISTORY, .name = c->image_id};
	}
	if (n > 0)
		rc = engine_ask(engine, questions, n, err);
	for (size_t i = 0; i < n && rc == 0; i++)
		if (questions[i].err.kind == ERROR_NONE)
			take_history(facts, questions[i].name, questions[i].json);
	engine_questions_release(questions, n);
	free(questions);
	return rc;
}
