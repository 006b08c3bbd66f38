/* The engine's JSON streams: messages one after the other (pull, push, load, import, events), and
 * the progress of a transfer summed up from them. Both take bytes cut anywhere and do no I/O.
 *
 * Shapes of messages (moby pkg/jsonmessage; podman sends the same):
 *   {"status":"Downloading","progressDetail":{"current":1,"total":2},"id":"9b157615502d"}
 *   {"status":"Digest: sha256:..."}   {"status":"Status: Downloaded newer image for ..."}
 *   {"progressDetail":{},"aux":{"Tag":"1","Digest":"sha256:...","Size":943}}
 *   {"stream":"Loaded image: shop:1\n"}
 *   {"errorDetail":{"code":1,"message":"words"},"error":"words"}
 * podman's own pull: {"stream":"Copying blob sha256:..."}   {"images":["ID"],"id":"ID"}   */
#ifndef SHIPIT_TRANSPORT_ENGINE_STREAM_H
#define SHIPIT_TRANSPORT_ENGINE_STREAM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "transport/engine.h"

enum { JSON_MESSAGE_MAX = 1024 * 1024 };

/* Cuts the stream into objects by their braces: engines end each with "\r\n", "\n" or nothing. */
struct json_stream {
	struct buf text; /* the message under way */
	int depth;
	bool in_string, escaped;
};

typedef int json_stream_fn(void *context, const json_t *message, struct error *err);

void json_stream_init(struct json_stream *stream);
/* Call `take` with each message that `data` completes. ERROR_PROTOCOL for what is no JSON object or
 * longer than JSON_MESSAGE_MAX; ends with the first failure of `take`. */
int json_stream_feed(struct json_stream *stream, const char *data, size_t len, json_stream_fn *take,
    void *context, struct error *err);
/* In the middle of a message? */
bool json_stream_open(const struct json_stream *stream);
void json_stream_release(struct json_stream *stream);

enum transfer_kind { TRANSFER_PULL, TRANSFER_PUSH, TRANSFER_LOAD, TRANSFER_IMPORT };

enum layer_state {
	LAYER_WAITING,	  /* known, nothing of it has moved */
	LAYER_MOVING,	  /* on its way */
	LAYER_ARRIVED,	  /* here, not unpacked */
	LAYER_EXTRACTING, /* being unpacked */
	LAYER_DONE,
};

enum { LAYER_ID_MAX = 80, LAYERS_MAX = 1024 };

struct layer {
	char id[LAYER_ID_MAX];
	enum layer_state state;
	uint64_t moved, unpacked, size; /* bytes; size 0: not known */
};

struct transfer_state {
	enum transfer_kind kind;
	struct layer *layers;
	size_t n;
	char *digest; /* the manifest's, once the engine said it; else NULL */
	bool outcome; /* the engine said that it is done */
	bool moved;   /* something changed since this was cleared */
};

void transfer_state_init(struct transfer_state *state, enum transfer_kind kind);
/* Take one message. The engine's own report of an error is an error: ERROR_FAILED with its words
 * (ERROR_NOT_FOUND where it says 404, or that the registry has no such manifest). Messages that
 * make no sense are skipped. */
int transfer_state_take(struct transfer_state *state, const json_t *message, struct error *err);
/* The sums: "downloading", "pushing" or "loading" while bytes travel, then "extracting". */
void transfer_state_sum(const struct transfer_state *state, struct engine_progress *ret);
/* Is what came last a sign of life, although nothing changed? While something should be travelling
 * it is not: engines with the containerd store repeat the same figures ten times a second, also
 * when the registry is gone. */
bool transfer_state_is_local(const struct transfer_state *state);
void transfer_state_release(struct transfer_state *state);

#endif
