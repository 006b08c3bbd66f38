/* Deliver without a tunnel: the image streams from the store through the session into the engine's
 * load. Of Docker's classic store it is known that it takes an image without the layers that it
 * has; every other gets all of them. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "base/json.h"
#include "base/limiter.h"
#include "base/proc.h"
#include "deploy/run.h"
#include "transport/registry/bundle.h"

enum {
	LOOK_MAX = 64, /* images of the host that are asked what they are made of */
	LOAD_STALL_MS = 10 * 60 * 1000, /* the engine unpacks the last layer in silence */
};

/* --- what is there already */

/* With containerd's store images have no chains of their own (docker info, "driver-type"). */
static bool takes_parts(struct engine *engine)
{
	CLEANUP_JSON json_t *info = NULL;
	json_t *pair;
	size_t i;

	if (engine_is_podman(engine) || engine_info(engine, &info, NULL) < 0)
		return false;
	json_array_foreach(json_object_get(info, "DriverStatus"), i, pair)
	{
		const char *value = json_string_value(json_array_get(pair, 1));

		if (value != NULL && strstr(value, "containerd") != NULL)
			return false;
	}
	return json_is_array(json_object_get(info, "DriverStatus"));
}

static size_t common_with(struct engine *engine, const json_t *diff_ids, const json_t *listed)
{
	CLEANUP_JSON json_t *image = NULL;
	const char *id = json_str(listed, "Id", NULL);

	if (id == NULL || engine_image_inspect(engine, id, &image, NULL) < 0)
		return 0;
	return bundle_common(diff_ids, json_at(image, "RootFS.Layers"));
}

/* The lowest layers that some image of the host has. Not knowing costs time, and nothing else. */
static size_t there(struct engine *engine, const json_t *diff_ids)
{
	CLEANUP_JSON json_t *images = NULL;
	size_t most = 0, i;
	json_t *listed;

	if (!takes_parts(engine) || engine_image_list(engine, NULL, &images, NULL) < 0)
		return 0;
	json_array_foreach(images, i, listed)
	{
		size_t n;

		if (i == LOOK_MAX || most == json_array_size(diff_ids))
			break;
		n = common_with(engine, diff_ids, listed);
		most = n > most ? n : most;
	}
	return most;
}

/* --- sending */

/* The archive is made by a thread of its own while the engine's client sends it. */
struct sender {
	struct bundle *bundle;
	struct limiter *limiter;
	int fd;
	int cancel_fd;
	uint64_t sent;
	struct error error; /* why the archive is not whole */
	bool unwanted;	    /* the engine closed it: the engine says why */
};

static int wait_for_room(const struct sender *sender, struct error *err)
{
	struct pollfd slots[2] = {{sender->fd, POLLOUT, 0}, {sender->cancel_fd, POLLIN, 0}};

	if (poll(slots, ARRAY_SIZE(slots), -1) < 0 && errno != EINTR)
		return error_errno(err, errno, "cannot wait");
	return slots[1].revents != 0 ? error_set(err, ERROR_CANCELLED, "cancelled") : 0;
}

static int send_all(struct sender *sender, const char *data, size_t len, struct error *err)
{
	while (len > 0) {
		ssize_t n = send(sender->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n >= 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN || errno == EINTR) {
			if (wait_for_room(sender, err) < 0)
				return -1;
		} else {
			sender->unwanted = true;
			return error_errno(err, errno, "the archive is taken no further");
		}
	}
	return 0;
}

static int put(void *context, const void *data, size_t len, struct error *err)
{
	struct sender *sender = context;
	const char *at = data;

	while (len > 0) {
		size_t piece = limiter_piece(sender->limiter);

		piece = piece < len ? piece : len;
		if (limiter_take(sender->limiter, piece, sender->cancel_fd) < 0)
			return error_set(err, ERROR_CANCELLED, "cancelled");
		if (send_all(sender, at, piece, err) < 0)
			return -1;
		sender->sent += piece;
		at += piece;
		len -= piece;
	}
	return 0;
}

static void *sender_thread(void *context)
{
	struct sender *sender = context;

	bundle_write(sender->bundle, put, sender, &sender->error);
	shutdown(sender->fd, SHUT_WR);
	return NULL;
}

struct load {
	struct event_source source;
	uint64_t total;
};

static void on_load(void *context, const struct engine_progress *progress)
{
	const struct load *load = context;
	bool sending = strcmp(progress->phase, "sending") == 0;
	uint64_t total = sending ? load->total : progress->total;

	emit_progress(&load->source, STEP_DELIVER, progress->done < total ? progress->done : total,
	    total, progress->phase);
}

/* Both ends are closed before anybody is waited for, so that neither can wait for the other. */
static int send_and_load(
    struct host_run *run, struct sender *sender, struct load *load, struct error *err)
{
	const struct engine_transfer transfer = {
	    .stall_ms = LOAD_STALL_MS, .progress = on_load, .context = load};
	CLEANUP_CLOSE int ours = -1, theirs = -1;
	pthread_t thread;
	int fds[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return error_errno(err, errno, "a socket for an archive");
	ours = fds[0];
	theirs = fds[1];
	sender->fd = ours;
	rc = pthread_create(&thread, NULL, sender_thread, sender);
	if (rc != 0)
		return error_errno(err, rc, "cannot start a thread");
	rc = engine_image_load(run->link.engine, theirs, &transfer, err);
	close(steal_fd(&theirs));
	pthread_join(thread, NULL);
	/* What the engine says of an archive that we could not finish is not the reason. */
	if (sender->error.kind != ERROR_NONE && !sender->unwanted) {
		error_move(err, &sender->error);
		rc = -1;
	}
	error_release(&sender->error);
	run->result->bytes += sender->sent;
	return rc;
}

static int load_once(struct host_run *run, const char *service, struct bundle *bundle,
    size_t left_out, struct error *err)
{
	struct sender sender = {
	    .bundle = bundle, .limiter = run->rollout->limiter, .cancel_fd = run->rollout->stop.fd};
	struct load load = {.source = host_source(run, service)};

	bundle_leave_out(bundle, left_out);
	load.total = bundle_bytes(bundle);
	return send_and_load(run, &sender, &load, err);
}

/* Somebody may remove an image meanwhile, and with it layers that were counted on. */
static bool misses_layer(const struct error *err)
{
	return err->kind == ERROR_FAILED && strstr(error_text(err), "no such file") != NULL;
}

static int load_missing(
    struct host_run *run, const char *service, struct bundle *bundle, struct error *err)
{
	const json_t *diff_ids = bundle_diff_ids(bundle);
	size_t n = json_array_size(diff_ids), have = there(run->link.engine, diff_ids);
	struct event_source source = host_source(run, service);

	if (have > 0)
		emit_note(&source, "by load: %zu of %zu layers are there", have, n);
	if (load_once(run, service, bundle, have, err) == 0)
		return 0;
	if (have == 0 || !misses_layer(err))
		return -1;
	error_release(err);
	return load_once(run, service, bundle, 0, err);
}

/* --- all together */

/* An engine takes layers only with the digests that the config says, and calls the image by the
 * config's. */
static int name_it(
    struct host_run *run, struct planned *planned, const char *config, struct error *err)
{
	CLEANUP_FREE char *repository = name_image(run->rollout->prefix, planned->service->name);
	CLEANUP_JSON json_t *inspect = NULL;
	const char *id;

	if (repository == NULL)
		return error_memory(err);
	if (engine_image_inspect(run->link.engine, config, &inspect, err) < 0)
		return error_wrap(err, "it was loaded, and is not there");
	id = json_str(inspect, "Id", "");
	/* podman says it without the algorithm, in some versions. */
	if (strcmp(id, config) != 0 && strcmp(id, strchr(config, ':') + 1) != 0)
		return error_set(err, ERROR_PROTOCOL, "%s is %s on the host", config, id);
	planned->image_id = strdup(id);
	if (planned->image_id == NULL)
		return error_memory(err);
	return engine_image_tag(run->link.engine, id, repository, planned->release, err);
}

int host_load(struct host_run *run, struct planned *planned, const char *why, struct error *err)
{
	const struct rollout *rollout = run->rollout;
	const struct image *image = planned->from;
	const struct image_variant *variant = image_for(image, run->facts.arch);
	struct event_source source = host_source(run, planned->service->name);
	struct bundle *bundle = NULL;
	int rc;

	if (rollout->registry.store == NULL) {
		error_set(err, ERROR_FAILED,
		    "the image could only go by load (%s), and that takes the embedded registry",
		    why);
		return error_hint(err, "leave `registry:` away, or let the host forward a port: "
				       "AllowTcpForwarding and "
				       "PermitListen in its sshd_config");
	}
	emit_note(&source, "by load: %s", why);
	if (bundle_open(
		rollout->registry.store, image->repository, variant->manifest, &bundle, err) < 0)
		return -1;
	rc = load_missing(run, planned->service->name, bundle, err);
	if (rc == 0)
		rc = name_it(run, planned, bundle_config(bundle), err);
	bundle_close(bundle);
	return rc < 0 ? error_wrap(err, "loading the image of %s", planned->service->name) : 0;
}
