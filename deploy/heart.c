#include "deploy/heart.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cancel.h"

enum { BEAT_MS = 2000 };

struct beating {
	int fd;
	pthread_mutex_t *lock;
};

struct heart {
	pthread_t thread;
	pthread_mutex_t lock;
	struct cancel stop;
	struct beating *v;
	size_t n;
};

static void beat_all(struct heart *heart)
{
	static const char beat[] = "beat\n";

	pthread_mutex_lock(&heart->lock);
	for (size_t i = 0; i < heart->n; i++) {
		/* A keeper that is just being written to is being heard from anyway. */
		if (pthread_mutex_trylock(heart->v[i].lock) != 0)
			continue;
		if (write(heart->v[i].fd, beat, sizeof(beat) - 1) < 0)
			errno = 0; /* its reader notices the end of the session */
		pthread_mutex_unlock(heart->v[i].lock);
	}
	pthread_mutex_unlock(&heart->lock);
}

static void *run(void *context)
{
	struct heart *heart = context;
	struct pollfd slot = {.fd = heart->stop.fd, .events = POLLIN};

	while (poll(&slot, 1, BEAT_MS) <= 0)
		beat_all(heart);
	return NULL;
}

int heart_start(struct heart **ret, struct error *err)
{
	struct heart *heart = calloc(1, sizeof(*heart));
	int rc;

	if (heart == NULL)
		return error_memory(err);
	if (cancel_init(&heart->stop, err) < 0) {
		free(heart);
		return -1;
	}
	pthread_mutex_init(&heart->lock, NULL);
	rc = pthread_create(&heart->thread, NULL, run, heart);
	if (rc != 0) {
		cancel_release(&heart->stop);
		pthread_mutex_destroy(&heart->lock);
		free(heart);
		return error_errno(err, rc, "cannot start a thread");
	}
	*ret = heart;
	return 0;
}

int heart_add(struct heart *heart, int fd, pthread_mutex_t *lock, struct error *err)
{
	struct beating *v;

	pthread_mutex_lock(&heart->lock);
	v = reallocarray(heart->v, heart->n + 1, sizeof(*v));
	if (v != NULL) {
		v[heart->n++] = (struct beating){fd, lock};
		heart->v = v;
	}
	pthread_mutex_unlock(&heart->lock);
	return v == NULL ? error_memory(err) : 0;
}

void heart_remove(struct heart *heart, int fd)
{
	pthread_mutex_lock(&heart->lock);
	for (size_t i = 0; i < heart->n; i++)
		if (heart->v[i].fd == fd) {
			heart->v[i] = heart->v[--heart->n];
			break;
		}
	pthread_mutex_unlock(&heart->lock);
}

void heart_stop(struct heart *heart)
{
	if (heart == NULL)
		return;
	cancel_fire(&heart->stop);
	pthread_join(heart->thread, NULL);
	cancel_release(&heart->stop);
	pthread_mutex_destroy(&heart->lock);
	free(heart->v);
	free(heart);
}
