#include "base/cancel.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/proc.h"

int cancel_init(struct cancel *cancel, struct error *err)
{
	int fds[2];

	if (fd_pipe(fds) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	fd_nonblock(fds[1]);
	cancel->fd = fds[0];
	cancel->write_fd = fds[1];
	return 0;
}

void cancel_fire(const struct cancel *cancel)
{
	int saved = errno;

	/* A full pipe is as readable as one byte makes it. */
	if (write(cancel->write_fd, "", 1) < 0)
		errno = saved;
}

bool cancel_fd_fired(int fd)
{
	struct pollfd slot = {.fd = fd, .events = POLLIN};

	return fd >= 0 && poll(&slot, 1, 0) > 0;
}

bool cancel_fired(const struct cancel *cancel)
{
	return cancel_fd_fired(cancel->fd);
}

void cancel_release(struct cancel *cancel)
{
	if (cancel->fd >= 0)
		close(cancel->fd);
	if (cancel->write_fd >= 0)
		close(cancel->write_fd);
	*cancel = (struct cancel)CANCEL_INIT;
}
