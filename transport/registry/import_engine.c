/* Import from an engine: nothing when the store knows the image, a push when only a little of it is
 * new, else an export that is read as it comes. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/cancel.h"
#include "base/json.h"
#include "base/proc.h"
#include "transport/engine.h"
#include "transport/registry/import_internal.h"
#include "transport/registry/receive.h"

/* An export under way, in a thread of its own. */
struct exporting {
	struct engine *engine;
	const char *id;
	int fd;		    /* where it writes; closed at its end */
	struct cancel stop; /* whoever reads has enough */
	struct error failure;
	int rc;
	bool stopped; /* it ended because of `stop` */
};

static void *export(void *context)
{
	struct exporting *exporting = context;

	exporting->rc = engine_image_export(exporting->engine, exporting->id, exporting->fd,
	    exporting->stop.fd, &exporting->failure);
	exporting->stopped = cancel_fired(&exporting->stop);
	close(exporting->fd);
	return NULL;
}

/* Both sides may have failed, one because of the other. That the engine's stream broke explains an
 * archive that is cut short; that it was told to stop explains nothing. */
static int meet(struct exporting *exporting, int rc, struct error *failure, struct error *err)
{
	bool cancelled = rc < 0 && failure->kind == ERROR_CANCELLED;

	if (exporting->rc < 0 && !exporting->stopped && !cancelled) {
		error_move(err, &exporting->failure);
		rc = -1;
	} else if (rc < 0) {
		error_move(err, failure);
	}
	error_release(failure);
	error_release(&exporting->failure);
	return rc;
}

static int read_export(
    struct import *import, struct exporting *exporting, int fd, struct error *err)
{
	struct error failure = {0};
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, export, exporting);

	if (rc != 0) {
		close(exporting->fd);
		return error_errno(err, rc, "cannot start a thread");
	}
	rc = import_stream(import, fd, NULL, false, &failure);
	if (rc < 0)
		cancel_fire(&exporting->stop);
	pthread_join(thread, NULL);
	return meet(exporting, rc, &failure, err);
}

static int import_export(
    struct import *import, struct engine *engine, const char *id, struct error *err)
{
	struct exporting exporting = {.engine = engine, .id = id, .stop = CANCEL_INIT};
	int fds[2], rc;

	if (cancel_init(&exporting.stop, err) < 0)
		return -1;
	if (fd_socketpair(fds) < 0) {
		cancel_release(&exporting.stop);
		return error_errno(err, errno, "cannot make a pair of sockets");
	}
	exporting.fd = fds[1];
	rc = read_export(import, &exporting, fds[0], err);
	close(fds[0]);
	cancel_release(&exporting.stop);
	return rc;
}

/* --- by push, or not at all */

/* 1: it came that way, 0: it has to come another way. */
static int import_push(struct import *import, struct engine *engine, const char *name,
    const json_t *inspect, const char *id, struct error *err)
{
	CLEANUP_BUF struct buf config = BUF_INIT(MANIFEST_MAX);
	char digest[DIGEST_TEXT_SIZE];
	bool whole = false;

	if (import->target->far || receive_worth(import->target->store, engine, inspect) < 0)
		return 0;
	import_show(import, "importing");
	if (receive_push(import->target->store, engine, name, inspect, &config, &whole, err) < 0)
		return -1;
	if (!whole)
		return 0;
	if (digest_text(config.data, config.len, digest, err) < 0)
		return -1;
	/* The name may be another image's by now. */
	if (strcmp(digest, id) != 0)
		return 0;
	return import_known_layers(import, config.data, config.len, err) < 0 ? -1 : 1;
}

/* 1: the store has it, and now under this name, too. */
static int adopt(
    const struct import_target *target, const char *id, struct imported *ret, struct error *err)
{
	CLEANUP_ERROR struct error failure = {0};
	char manifest[DIGEST_TEXT_SIZE];

	if (store_image_adopt(
		target->store, id, target->repository, target->tag, manifest, &failure) == 0 &&
	    import_look(target->store, target->repository, target->tag, ret, &failure) == 0) {
		ret->known = true;
		return 1;
	}
	if (failure.kind == ERROR_NOT_FOUND)
		return 0;
	error_move(err, &failure);
	return -1;
}

/* --- all of it */

/* "sha256:HEX" of whatever the engine calls it (libpod leaves the prefix out). */
static int image_id(const json_t *inspect, char ret[DIGEST_TEXT_SIZE], struct error *err)
{
	const char *id = json_str(inspect, "Id", "");

	snprintf(
	    ret, DIGEST_TEXT_SIZE, "%s%s", strncmp(id, "sha256:", 7) == 0 ? "" : "sha256:", id);
	if (digest_is_text(ret))
		return 0;
	return error_set(
	    err, ERROR_PROTOCOL, "the engine calls it \"%.100s\", which is no digest", id);
}

/* Engines whose ids are not config digests (containerd's stores) will ask by that id again. */
static int remember_id(
    struct import *import, const char *id, const struct imported *imported, struct error *err)
{
	char root[DIGEST_TEXT_SIZE];

	if (imported->n == 1 && strcmp(imported->images[0].config, id) == 0)
		return 0;
	if (import_root(import, root, err) < 0)
		return -1;
	return strcmp(root, id) != 0 ? store_image_alias(import->target->store, id, root, err) : 0;
}

static int move(struct import *import, struct engine *engine, const char *name,
    const json_t *inspect, const char *id, struct imported *ret, struct error *err)
{
	int64_t size = json_int(inspect, "Size", 0);
	int rc;

	import->total = size > 0 ? (uint64_t)size : 0;
	rc = import_push(import, engine, name, inspect, id, err);
	if (rc == 0)
		rc = import_export(import, engine, id, err);
	if (rc < 0 || import_finish(import, ret, err) < 0)
		return -1;
	if (remember_id(import, id, ret, err) == 0)
		return 0;
	imported_release(ret);
	return -1;
}

static int find_or_move(struct import *import, struct engine *engine, const char *name,
    const json_t *inspect, struct imported *ret, struct error *err)
{
	char id[DIGEST_TEXT_SIZE];
	int rc;

	if (image_id(inspect, id, err) < 0)
		return -1;
	rc = adopt(import->target, id, ret, err);
	return rc != 0 ? rc : move(import, engine, name, inspect, id, ret, err);
}

int import_engine(const struct import_target *target, struct engine *engine, const char *name,
    struct imported *ret, struct error *err)
{
	CLEANUP_IMPORT struct import import;
	CLEANUP_JSON json_t *inspect = NULL;
	struct store_hold *hold;
	int rc;

	import_init(&import, target);
	*ret = (struct imported){0};
	if (engine_image_inspect(engine, name, &inspect, err) < 0 ||
	    store_hold(target->store, &hold, err) < 0)
		return -1;
	rc = find_or_move(&import, engine, name, inspect, ret, err);
	store_release(hold);
	return rc < 0 ? import_failed(err, name) : 0;
}
