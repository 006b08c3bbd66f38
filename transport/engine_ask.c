/* Questions to an engine that leave together. */
#include <string.h>

#include "base/json.h"
#include "transport/engine_internal.h"

enum { ANSWER_MAX = 64 * 1024 * 1024 };

static void question_target(
    struct target *target, const struct engine *engine, const struct engine_question *question)
{
	switch (question->what) {
	case ENGINE_ASK_INFO:
		target_init(target, engine, "/info");
		return;
	case ENGINE_ASK_CONTAINERS:
		target_init(target, engine, "/containers/json");
		target_query(target, "all", "1");
		return;
	case ENGINE_ASK_CONTAINER:
		engine_container_target(target, engine, question->name, "/json");
		return;
	case ENGINE_ASK_IMAGES:
		engine_images_target(target, engine, question->name);
		return;
	case ENGINE_ASK_ARCHIVE:
		engine_container_target(target, engine, question->name, "/archive");
		target_query(target, "path", question->path);
		return;
	case ENGINE_ASK_HISTORY:
		engine_image_target(target, engine, question->name, "/history");
		return;
	}
}

static int take_answer(
    struct engine_question *question, struct http_response *response, struct error *err)
{
	if (response->status < 200 || response->status > 299)
		return http_status_error(response, err);
	if (question->what != ENGINE_ASK_ARCHIVE)
		return json_parse(
		    response->body.data, response->body.len, "its answer", &question->json, err);
	question->tar = response->body;
	buf_init(&response->body, 0);
	return 0;
}

int engine_get_all(struct engine *engine, struct target *targets, size_t n,
    struct http_response *responses, struct error *err)
{
	const char **texts = calloc(n + 1, sizeof(*texts));
	int rc = 0;

	if (texts == NULL)
		return error_memory(err);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = target_check(&targets[i], err);
		texts[i] = targets[i].text.data;
	}
	if (rc == 0)
		rc = http_batch_get(engine->batch, texts, n, ANSWER_MAX, responses, err);
	free(texts);
	return rc;
}

static int ask_all(struct engine *engine, struct engine_question *questions, size_t n,
    struct target *targets, struct http_response *responses, struct error *err)
{
	for (size_t i = 0; i < n; i++)
		question_target(&targets[i], engine, &questions[i]);
	if (engine_get_all(engine, targets, n, responses, err) < 0)
		return error_wrap(err, "%s", engine->describe);
	for (size_t i = 0; i < n; i++)
		if (take_answer(&questions[i], &responses[i], &questions[i].err) < 0)
			error_wrap(&questions[i].err, "%s", engine->describe);
	return 0;
}

int engine_ask(
    struct engine *engine, struct engine_question *questions, size_t n, struct error *err)
{
	struct target *targets = calloc(n + 1, sizeof(*targets));
	struct http_response *responses = calloc(n + 1, sizeof(*responses));
	int rc = -1;

	if (targets != NULL && responses != NULL)
		rc = ask_all(engine, questions, n, targets, responses, err);
	else
		error_memory(err);
	for (size_t i = 0; i < n && targets != NULL; i++)
		target_release(&targets[i]);
	for (size_t i = 0; i < n && responses != NULL; i++)
		http_response_release(&responses[i]);
	free(targets);
	free(responses);
	return rc;
}

void engine_questions_release(struct engine_question *questions, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		json_decref(questions[i].json);
		buf_release(&questions[i].tar);
		error_release(&questions[i].err);
		questions[i].json = NULL;
	}
}
