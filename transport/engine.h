/* A client of the container engine's API (Docker Engine API; podman's compatible one), the same for
 * the laptop's engine and, through a local forward, for a host's.
 *
 * A `struct engine` is used by one thread at a time. Connections are kept alive between calls.
 * Options travel as JSON, byte for byte. Errors carry the engine's own words whole; kinds:
 * ERROR_NOT_FOUND (404), ERROR_CONFLICT (409), ERROR_FAILED (other answers; err->code is the HTTP
 * status), ERROR_UNREACHABLE (no connection), ERROR_TIMEOUT, ERROR_CANCELLED.
 *
 * Every call is bounded: a connect timeout of 10 s, a total of 60 s for plain calls; calls that may
 * take long (pull, push, stop, load) end when nothing has moved for `stall_ms`. */
#ifndef SHIPIT_TRANSPORT_ENGINE_H
#define SHIPIT_TRANSPORT_ENGINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/lines.h"
#include "base/strv.h"

struct engine;

/* Connect to `address`: a Unix socket's path (starts with '/') or "http://HOST:PORT"; negotiate the
 * API version (at least 1.40; at most what this client was written for). `cancel_fd` (-1: none)
 * ends whatever is under way. `describe` is what messages call it: "the engine on web1". */
int engine_open(const char *address, const char *describe, int cancel_fd, struct engine **ret,
    struct error *err);
/* Another client of the same engine, which is not asked anything for it. */
int engine_again(
    const struct engine *engine, int cancel_fd, struct engine **ret, struct error *err);
void engine_close(struct engine *engine);
/* Another `cancel_fd` from now on, for what is to be done even so; returns the one before. */
int engine_set_cancel(struct engine *engine, int cancel_fd);

/* Where the laptop's engine is: DOCKER_HOST, else the current docker context (config.json of
 * DOCKER_CONFIG or ~/.docker), else /var/run/docker.sock; where that is not there CONTAINER_HOST,
 * else podman's socket, the user's or the system's; malloc'ed, of engine_open's form. */
int engine_local_address(char **ret, struct error *err);

/* GET /version (taken when it was opened; borrowed) and GET /info. */
const json_t *engine_version(const struct engine *engine);
/* Of the API that is spoken with it, 1.MINOR. */
int engine_api(const struct engine *engine);
/* podman answers the same API a little differently; what matters is evened out here. */
bool engine_is_podman(const struct engine *engine);
/* A container's restart policy is what it was created with: podman before 5.1. */
bool engine_policies_are_fixed(const struct engine *engine);
/* By a Unix socket: its loopback is (most likely) ours. */
bool engine_is_here(const struct engine *engine);
int engine_info(struct engine *engine, json_t **ret, struct error *err);

/* Several questions in one round trip: what looking at a host over a long link is made of. */
enum engine_ask {
	ENGINE_ASK_INFO,
	ENGINE_ASK_CONTAINERS, /* GET /containers/json: all, in whatever state */
	ENGINE_ASK_CONTAINER,  /* one, as engine_container_inspect */
	ENGINE_ASK_IMAGES,     /* as engine_image_list */
	ENGINE_ASK_ARCHIVE,    /* as engine_archive_get */
	ENGINE_ASK_HISTORY,    /* of an image: its steps, the newest first */
};
struct engine_question {
	enum engine_ask what;
	const char *name; /* a container; of IMAGES the glob, of HISTORY the image */
	const char *path; /* of ARCHIVE */
	/* The answer: JSON or a tar, or why there is none (`err.kind` is set). */
	json_t *json;
	struct buf tar;
	struct error err;
};
/* -1: they could not be asked. Their answers are released by the caller in any case. */
int engine_ask(
    struct engine *engine, struct engine_question *questions, size_t n, struct error *err);
void engine_questions_release(struct engine_question *questions, size_t n);

/* Containers. `id` is an id or a name. */
int engine_container_inspect(
    struct engine *engine, const char *id, json_t **ret, struct error *err);
int engine_container_create(
    struct engine *engine, const char *name, const json_t *body, char **ret_id, struct error *err);
int engine_container_start(struct engine *engine, const char *id, struct error *err);
int engine_container_stop(struct engine *engine, const char *id, int grace_s, struct error *err);
int engine_container_restart(struct engine *engine, const char *id, int grace_s, struct error *err);
int engine_container_rename(
    struct engine *engine, const char *id, const char *name, struct error *err);
/* `policy`: "no", "always", "unless-stopped", "on-failure", "on-failure:5". podman before 5.1
 * cannot change it: ERROR_FAILED. */
int engine_container_restart_policy(
    struct engine *engine, const char *id, const char *policy, struct error *err);
/* `force`: also one that runs, and with its anonymous volumes: it never served. */
int engine_container_remove(struct engine *engine, const char *id, bool force, struct error *err);
/* The last `tail` lines (negative: all) of stdout and stderr in the order the engine has them, at
 * most 64 KiB (the end is kept, from a line's beginning); both the multiplexed and the tty form are
 * understood. */
int engine_container_logs(
    struct engine *engine, const char *id, int tail, struct buf *out, struct error *err);
/* Run `argv` in a running container, to its end. `out`: what it says, on either stream, as far as
 * it fits. At `deadline_ms` the wait ends with ERROR_TIMEOUT; the program goes on, no engine ends
 * one. */
int engine_container_exec(struct engine *engine, const char *id, const struct strv *argv,
    int64_t deadline_ms, struct buf *out, int *ret_status, struct error *err);
/* The same, attached: its stdin, stdout and stderr are one stream socket, non-blocking, which reads
 * EOF once the program has closed them. What comes is frames (engine_frames.h), with a terminal
 * bytes. */
struct engine_exec {
	const struct strv *argv;
	bool input;	  /* it has an stdin; shutdown(2) ends that */
	bool terminal;	  /* it has a terminal of its own */
	const char *term; /* what its TERM says; NULL: as the container has it */
};
/* `ret_id` is malloc'ed, for the calls below; `ret_fd` the caller's. */
int engine_exec_open(struct engine *engine, const char *container, const struct engine_exec *exec,
    char **ret_id, int *ret_fd, struct error *err);
/* Of its terminal; an error while it is not there yet. */
int engine_exec_resize(
    struct engine *engine, const char *id, int rows, int columns, struct error *err);
/* Its exit code, once it has ended. */
int engine_exec_wait(
    struct engine *engine, const char *id, int64_t deadline_ms, int *ret_status, struct error *err);
/* What it says from its start on, line by line (no newline; long ones in pieces), until it ends.
 * Returns early by ERROR_TIMEOUT at `deadline_ms`, ERROR_CANCELLED. */
int engine_container_follow(struct engine *engine, const char *id, int64_t deadline_ms,
    line_fn *line, void *context, struct error *err);
/* The same, of what it has said: */
struct engine_log {
	int tail;	     /* the last so many lines; negative: all */
	const char *since;   /* "SECONDS[.NANOSECONDS]" since 1970, that moment included; NULL */
	bool follow;	     /* go on until it ends */
	bool timestamps;     /* each line begins with its time, RFC 3339, and a space */
	int64_t deadline_ms; /* as in http.h */
};
int engine_container_log(struct engine *engine, const char *id, const struct engine_log *log,
    line_fn *line, void *context, struct error *err);
/* Wait for its end: its exit code. */
int engine_container_wait(
    struct engine *engine, const char *id, int64_t deadline_ms, int *ret_status, struct error *err);
/* A tar of `path`, at most what `out` has room for; and a tar unpacked at `path`. Both work on
 * containers that were never started, in named volumes too. A folder "/ledger" comes with members
 * "ledger/NAME" from Docker, "/NAME" from podman: take the last part. */
int engine_archive_get(
    struct engine *engine, const char *id, const char *path, struct buf *out, struct error *err);
int engine_archive_put(struct engine *engine, const char *id, const char *path, const void *tar,
    size_t len, struct error *err);

/* Images. */
int engine_image_inspect(struct engine *engine, const char *name, json_t **ret, struct error *err);
int engine_image_list(
    struct engine *engine, const char *reference_glob, json_t **ret, struct error *err);
int engine_image_tag(struct engine *engine, const char *name, const char *repository,
    const char *tag, struct error *err);
int engine_image_remove(struct engine *engine, const char *name, bool force, struct error *err);
/* An image without content, for containers that are never started: POST /images/create?fromSrc=-.
 */
int engine_image_import_empty(
    struct engine *engine, const char *repository, const char *tag, struct error *err);

struct engine_progress {
	uint64_t done;	/* bytes, added up over the layers known so far */
	uint64_t total; /* 0: not known yet */
	const char
	    *phase; /* "downloading", "extracting", "pushing", "sending", "loading"; borrowed */
};
/* At most ten times a second, and once at the end. */
typedef void engine_progress_fn(void *context, const struct engine_progress *progress);

struct engine_transfer {
	const char *username, *password; /* X-Registry-Auth; NULL: none */
	int stall_ms;			 /* nothing moved for so long: ERROR_TIMEOUT; 0: 120 s */
	engine_progress_fn *progress;	 /* may be NULL */
	/* Asked with each thing that the engine says; true: ERROR_CANCELLED. May be NULL. */
	bool (*enough)(void *context);
	void *context;
};
/* `reference` is "HOST:PORT/NAME:TAG" or "...@DIGEST". An error inside the stream is an error of
 * the call; no such image at the registry is ERROR_NOT_FOUND. podman does not say what moves: its
 * pull has no figures, and stalls after half an hour of silence. */
int engine_image_pull(struct engine *engine, const char *reference,
    const struct engine_transfer *transfer, struct error *err);
/* `ret_digest`: the manifest's digest as the engine reports it (malloc'ed; NULL when it says none)
 */
int engine_image_push(struct engine *engine, const char *reference,
    const struct engine_transfer *transfer, char **ret_digest, struct error *err);
/* POST /images/load with what `fd` gives. */
int engine_image_load(
    struct engine *engine, int fd, const struct engine_transfer *transfer, struct error *err);
/* GET /images/NAME/get: what the engine's save writes goes to `fd`, a stream socket, as it comes;
 * the caller closes it. The engine may prepare for minutes before the first byte. `cancel_fd` (0:
 * none) ends it, as that of the engine does; so does a reader that is gone (ERROR_FAILED, EPIPE).
 */
int engine_image_export(
    struct engine *engine, const char *name, int fd, int cancel_fd, struct error *err);

/* Networks and volumes. create: no error when it is there already (409); `more` has other members
 * of the body, or is NULL. */
int engine_network_inspect(
    struct engine *engine, const char *name, json_t **ret, struct error *err);
int engine_network_create(struct engine *engine, const char *name, const json_t *labels,
    const json_t *more, struct error *err);
int engine_network_connect(struct engine *engine, const char *network, const char *container,
    const json_t *endpoint, struct error *err);
int engine_network_remove(struct engine *engine, const char *name, struct error *err);
int engine_volume_inspect(struct engine *engine, const char *name, json_t **ret, struct error *err);
int engine_volume_create(struct engine *engine, const char *name, const json_t *labels,
    const json_t *more, struct error *err);

/* Follow events (GET /events with these "key=value" filters) from `since` (unix seconds; 0: now):
 * `event` is called with each; a non-zero return ends it, and the call returns 0. Else it ends by
 * ERROR_CANCELLED, ERROR_TIMEOUT at the deadline (-1: none), or ERROR_UNREACHABLE. */
typedef int engine_event_fn(void *context, const json_t *event);
int engine_events(struct engine *engine, const struct strv *filters, int64_t since,
    int64_t deadline_ms, engine_event_fn *event, void *context, struct error *err);

#endif
