#include "transport/engine_stream.h"

#include <string.h>

#include "base/json.h"

/* 2^53 bytes are more than any disk; LAYERS_MAX of them add up without overflow. */
static const int64_t bytes_max = (int64_t)1 << 53;

void json_stream_init(struct json_stream *stream)
{
	*stream = (struct json_stream){.text = BUF_INIT(JSON_MESSAGE_MAX)};
}

/* Follow one byte; true when it ends the message. */
static bool step(struct json_stream *stream, char c)
{
	if (stream->escaped) {
		stream->escaped = false;
	} else if (stream->in_string) {
		stream->escaped = c == '\\';
		stream->in_string = c != '"';
	} else if (c == '"') {
		stream->in_string = true;
	} else if (c == '{') {
		stream->depth++;
	} else if (c == '}') {
		return --stream->depth == 0;
	}
	return false;
}

/* Between messages: skip white space, refuse anything but an object. */
static int skip_space(const char *data, size_t len, size_t *at, struct error *err)
{
	while (*at < len && strchr(" \t\r\n", data[*at]) != NULL && data[*at] != '\0')
		++*at;
	if (*at < len && data[*at] != '{')
		return error_set(
		    err, ERROR_PROTOCOL, "its stream holds something that is no JSON object");
	return 0;
}

static int finish(
    struct json_stream *stream, json_stream_fn *take, void *context, struct error *err)
{
	CLEANUP_JSON json_t *message = NULL;
	int rc = json_parse(
	    stream->text.data, stream->text.len, "a message in its stream", &message, err);

	buf_clear(&stream->text);
	return rc < 0 ? -1 : take(context, message, err);
}

int json_stream_feed(struct json_stream *stream, const char *data, size_t len, json_stream_fn *take,
    void *context, struct error *err)
{
	size_t at = 0;

	while (at < len) {
		size_t from;
		bool complete = false;

		if (stream->depth == 0 && skip_space(data, len, &at, err) < 0)
			return -1;
		for (from = at; at < len && !complete; at++)
			complete = step(stream, data[at]);
		if (buf_add(&stream->text, data + from, at - from) < 0) {
			buf_error(&stream->text, err, "a message in its stream");
			return -1;
		}
		if (complete && finish(stream, take, context, err) < 0)
			return -1;
	}
	return 0;
}

bool json_stream_open(const struct json_stream *stream)
{
	return stream->depth > 0;
}

void json_stream_release(struct json_stream *stream)
{
	buf_release(&stream->text);
}

void transfer_state_init(struct transfer_state *state, enum transfer_kind kind)
{
	*state = (struct transfer_state){.kind = kind};
}

void transfer_state_release(struct transfer_state *state)
{
	free(state->layers);
	free(state->digest);
	transfer_state_init(state, state->kind);
}

static int take_error(const json_t *message, struct error *err)
{
	const char *words = json_str(message, "errorDetail.message", NULL);
	int64_t code = json_int(message, "errorDetail.code", 0);
	bool missing;

	if (words == NULL || words[0] == '\0')
		words = json_str(message, "error", NULL);
	if (words == NULL && json_object_get(message, "errorDetail") == NULL)
		return 0;
	if (words == NULL || words[0] == '\0')
		words = "failed without a word";
	missing = code == 404 || strstr(words, "manifest unknown") != NULL;
	error_set(err, missing ? ERROR_NOT_FOUND : ERROR_FAILED, "%s", words);
	if (err != NULL && err->kind != ERROR_MEMORY && code > 0 && code < 1000)
		err->code = (int)code;
	return -1;
}

static bool starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* "sha256:" and 64 hex digits at `text`, whatever follows. */
static bool is_digest(const char *text)
{
	return text != NULL && starts(text, "sha256:") &&
	       strspn(text + 7, "0123456789abcdef") == 64;
}

static int keep_digest(struct transfer_state *state, const char *text, struct error *err)
{
	if (!is_digest(text) || state->digest != NULL)
		return 0;
	state->digest = strndup(text, 7 + 64);
	return state->digest != NULL ? 0 : error_memory(err);
}

/* Did this message say how it ended, or what the digest is? */
static int take_outcome(struct transfer_state *state, const json_t *message, struct error *err)
{
	const char *status = json_str(message, "status", "");
	const char *text = NULL;

	switch (state->kind) {
	case TRANSFER_PULL:
		state->outcome = state->outcome || starts(status, "Status: ") ||
				 json_object_get(message, "images") != NULL;
		text = starts(status, "Digest: ") ? status + strlen("Digest: ") : NULL;
		break;
	case TRANSFER_PUSH:
		text = strstr(status, ": digest: ");
		text = json_str(
		    message, "aux.Digest", text != NULL ? text + strlen(": digest: ") : NULL);
		state->outcome = state->outcome || text != NULL;
		break;
	case TRANSFER_LOAD:
		state->outcome =
		    state->outcome || starts(json_str(message, "stream", ""), "Loaded image");
		break;
	case TRANSFER_IMPORT:
		state->outcome = state->outcome || status[0] != '\0';
		break;
	}
	return keep_digest(state, text, err);
}

static int find_layer(
    struct transfer_state *state, const char *id, struct layer **ret, struct error *err)
{
	struct layer *more;

	*ret = NULL;
	for (size_t i = 0; i < state->n; i++) {
		if (strcmp(state->layers[i].id, id) == 0)
			*ret = &state->layers[i];
	}
	if (*ret != NULL || state->n == LAYERS_MAX || strlen(id) >= LAYER_ID_MAX)
		return 0;
	if ((state->n & (state->n - 1)) == 0) {
		more = realloc(
		    state->layers, (state->n == 0 ? 1 : 2 * state->n) * sizeof(*state->layers));
		if (more == NULL)
			return error_memory(err);
		state->layers = more;
	}
	*ret = &state->layers[state->n++];
	**ret = (struct layer){.state = LAYER_WAITING};
	memcpy((*ret)->id, id, strlen(id) + 1);
	state->moved = true;
	return 0;
}

static bool state_of(const char *status, enum layer_state *ret)
{
	static const struct {
		const char *text;
		enum layer_state state;
	} known[] = {
	    {"Pulling fs layer", LAYER_WAITING},
	    {"Pulling layer fs", LAYER_MOVING},
	    {"Preparing", LAYER_WAITING},
	    {"Waiting", LAYER_WAITING},
	    {"Retrying in", LAYER_WAITING},
	    {"Downloading", LAYER_MOVING},
	    {"Pushing", LAYER_MOVING},
	    {"Loading layer", LAYER_MOVING},
	    {"Verifying Checksum", LAYER_ARRIVED},
	    {"Download complete", LAYER_ARRIVED},
	    {"Extracting", LAYER_EXTRACTING},
	    {"Pull complete", LAYER_DONE},
	    {"Already exists", LAYER_DONE},
	    {"Layer already exists", LAYER_DONE},
	    {"Mounted from", LAYER_DONE},
	    {"Pushed", LAYER_DONE},
	    {"Unavailable", LAYER_DONE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (starts(status, known[i].text)) {
			*ret = known[i].state;
			return true;
		}
	}
	return false;
}

static uint64_t bytes_at(const json_t *message, const char *path)
{
	int64_t value = json_int(message, path, 0);

	return value < 0 ? 0 : (uint64_t)(value < bytes_max ? value : bytes_max);
}

static void take_figures(struct layer *layer, const json_t *message)
{
	const char *units = json_str(message, "progressDetail.units", "");
	uint64_t current = bytes_at(message, "progressDetail.current");
	uint64_t total = bytes_at(message, "progressDetail.total");

	/* The containerd store counts the seconds of unpacking in the same place. */
	if (units[0] != '\0' && strcmp(units, "bytes") != 0)
		return;
	if (layer->state == LAYER_MOVING && (current > 0 || total > 0))
		layer->moved = current;
	if (layer->state == LAYER_EXTRACTING)
		layer->unpacked = current;
	if (layer->size < total)
		layer->size = total;
	if (layer->size < layer->moved)
		layer->size = layer->moved;
	if (layer->unpacked > layer->size)
		layer->unpacked = layer->size;
}

static int take_layer(struct transfer_state *state, const json_t *message, struct error *err)
{
	struct layer *layer, before;
	const char *id = json_str(message, "id", "");
	enum layer_state now;

	if (id[0] == '\0' || !state_of(json_str(message, "status", ""), &now)) {
		state->moved = true;
		return 0;
	}
	if (find_layer(state, id, &layer, err) < 0)
		return -1;
	if (layer == NULL)
		return 0;
	before = *layer;
	layer->state = now;
	take_figures(layer, message);
	if (now >= LAYER_ARRIVED)
		layer->moved = layer->size;
	if (now == LAYER_DONE)
		layer->unpacked = layer->size;
	if (before.state != layer->state || before.moved != layer->moved ||
	    before.unpacked != layer->unpacked || before.size != layer->size)
		state->moved = true;
	return 0;
}

int transfer_state_take(struct transfer_state *state, const json_t *message, struct error *err)
{
	if (take_error(message, err) < 0 || take_outcome(state, message, err) < 0)
		return -1;
	return take_layer(state, message, err);
}

bool transfer_state_is_local(const struct transfer_state *state)
{
	for (size_t i = 0; i < state->n; i++) {
		if (state->layers[i].state <= LAYER_MOVING)
			return false;
	}
	return true;
}

void transfer_state_sum(const struct transfer_state *state, struct engine_progress *ret)
{
	static const char *const phases[] = {"downloading", "pushing", "loading", "importing"};
	bool extracting = false;

	for (size_t i = 0; i < state->n; i++)
		extracting = extracting || state->layers[i].state == LAYER_EXTRACTING;
	extracting = extracting && transfer_state_is_local(state);
	*ret = (struct engine_progress){.phase = extracting ? "extracting" : phases[state->kind]};
	for (size_t i = 0; i < state->n; i++) {
		const struct layer *layer = &state->layers[i];

		ret->done += extracting ? layer->unpacked : layer->moved;
		ret->total += layer->size;
	}
}
