/* Who keeps store_gc() from removing chunks: an flock(2) on a file beside the database. It ends
 * with the program that has it, however that ends. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "base/clock.h"
#include "transport/registry/store_internal.h"

enum { POLL_NS = 2 * 1000 * 1000 };

struct store_hold {
	int fd;
};

static int lock_open(const char *lock_path, int *ret, struct error *err)
{
	*ret = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return *ret < 0 ? error_errno(err, errno, "cannot open %s", lock_path) : 0;
}

/* 1: got it, 0: somebody else has it. */
static int lock_try(int fd, int operation, const char *lock_path, struct error *err)
{
	while (flock(fd, operation | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return 0;
		if (errno != EINTR)
			return error_errno(err, errno, "cannot lock %s", lock_path);
	}
	return 1;
}

int store_lock_exclusive(const char *lock_path, int *ret_fd, struct error *err)
{
	CLEANUP_CLOSE int fd = -1;
	int rc;

	if (lock_open(lock_path, &fd, err) < 0)
		return -1;
	rc = lock_try(fd, LOCK_EX, lock_path, err);
	if (rc > 0)
		*ret_fd = steal_fd(&fd);
	return rc;
}

int store_lock_late(const char *lock_path, struct error *err)
{
	return error_set(err, ERROR_TIMEOUT,
	    "another shipit has been at work with the image store for a minute: %s is locked",
	    lock_path);
}

/* flock() has no deadline: asked again and again, as one who holds it exclusively lets go every few
 * milliseconds. */
static int lock_shared(const char *lock_path, int *ret_fd, struct error *err)
{
	int64_t deadline = clock_now_ms() + STORE_BUSY_MS;
	CLEANUP_CLOSE int fd = -1;
	int rc;

	if (lock_open(lock_path, &fd, err) < 0)
		return -1;
	while ((rc = lock_try(fd, LOCK_SH, lock_path, err)) == 0) {
		if (clock_left_ms(deadline) == 0)
			return store_lock_late(lock_path, err);
		nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
	}
	if (rc > 0)
		*ret_fd = steal_fd(&fd);
	return rc < 0 ? -1 : 0;
}

int store_hold(struct store *store, struct store_hold **ret, struct error *err)
{
	struct store_hold *hold = malloc(sizeof(*hold));

	if (hold == NULL)
		return error_memory(err);
	hold->fd = -1;
	if (lock_shared(store->lock_path, &hold->fd, err) < 0) {
		free(hold);
		return -1;
	}
	*ret = hold;
	return 0;
}

void store_release(struct store_hold *hold)
{
	if (hold == NULL)
		return;
	close(hold->fd);
	free(hold);
}
