/* An image out of an engine, as a stream. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cancel.h"
#include "transport/engine_internal.h"

enum {
	/* dockerd writes every layer to its disk before the first byte (20.10 to 25) */
	PREPARE_STALL_MS = 30 * 60 * 1000,
	WAKE_MS = 200,
};

struct outlet {
	int fd;
	int cancel_fds[2]; /* the engine's and this call's; -1: none */
};

static bool is_cancelled(const struct outlet *outlet)
{
	return cancel_fd_fired(outlet->cancel_fds[0]) || cancel_fd_fired(outlet->cancel_fds[1]);
}

/* Whoever reads may be slow, which is no stall of the engine. */
static int wait_for_reader(const struct outlet *outlet, struct error *err)
{
	struct pollfd slots[3] = {{outlet->fd, POLLOUT, 0}, {outlet->cancel_fds[0], POLLIN, 0},
	    {outlet->cancel_fds[1], POLLIN, 0}};

	if (poll(slots, ARRAY_SIZE(slots), WAKE_MS) < 0 && errno != EINTR)
		return error_errno(err, errno, "cannot wait");
	return is_cancelled(outlet) ? error_set(err, ERROR_CANCELLED, "cancelled") : 0;
}

static int nobody_reads(int code, struct error *err)
{
	error_set(err, ERROR_FAILED, "nobody takes the archive any more");
	if (err != NULL)
		err->code = code;
	return -1;
}

static enum http_sink pass_on(void *context, const char *data, size_t len, struct error *err)
{
	const struct outlet *outlet = context;

	while (len > 0) {
		ssize_t n = send(outlet->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n >= 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN || errno == EINTR) {
			if (wait_for_reader(outlet, err) < 0)
				return HTTP_FAILED;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			nobody_reads(errno, err);
			return HTTP_FAILED;
		} else {
			error_errno(err, errno, "cannot pass the archive on");
			return HTTP_FAILED;
		}
	}
	return HTTP_MOVED;
}

int engine_image_export(
    struct engine *engine, const char *name, int fd, int cancel_fd, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;
	struct outlet outlet = {
	    .fd = fd, .cancel_fds = {http_cancel_fd(engine->http), cancel_fd > 0 ? cancel_fd : -1}};
	struct http_request request = {.method = "GET",
	    .deadline_ms = -1,
	    .stall_ms = PREPARE_STALL_MS,
	    .cancel_fd = cancel_fd,
	    .sink = pass_on,
	    .context = &outlet,
	    .bulk = true};
	struct http_response response;
	int rc;

	target_init(&target, engine, "/images/");
	target_name(&target, "an image", name);
	target_path(&target, "/get");
	rc = engine_perform(engine, &target, &request, &response, err);
	http_response_release(&response);
	return rc;
}
