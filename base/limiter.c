#include "base/limiter.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <time.h>

#include "base/cancel.h"

#define SECOND_NS INT64_C(1000000000)

enum { PIECES_A_SECOND = 20, PIECE_MIN = 1024, PIECE_MAX = 1024 * 1024, MS_NS = 1000 * 1000 };

/* Each take is given the time at which the line is free for it (GCRA). */
struct limiter {
	pthread_mutex_t lock;
	int64_t free_ns;
	uint64_t rate;
	struct cancel stop;
};

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

int limiter_new(uint64_t rate, struct limiter **ret, struct error *err)
{
	struct limiter *limiter = calloc(1, sizeof(*limiter));

	if (limiter == NULL)
		return error_memory(err);
	*limiter = (struct limiter){.rate = rate > 0 ? rate : 1, .stop = CANCEL_INIT};
	if (cancel_init(&limiter->stop, err) < 0) {
		free(limiter);
		return -1;
	}
	pthread_mutex_init(&limiter->lock, NULL);
	*ret = limiter;
	return 0;
}

void limiter_free(struct limiter *limiter)
{
	if (limiter == NULL)
		return;
	pthread_mutex_destroy(&limiter->lock);
	cancel_release(&limiter->stop);
	free(limiter);
}

size_t limiter_piece(const struct limiter *limiter)
{
	uint64_t piece;

	if (limiter == NULL)
		return SIZE_MAX;
	piece = limiter->rate / PIECES_A_SECOND;
	return piece < PIECE_MIN ? PIECE_MIN : piece > PIECE_MAX ? PIECE_MAX : (size_t)piece;
}

/* When it may go; the time that it takes is the next one's. */
static int64_t reserve(struct limiter *limiter, size_t bytes)
{
	int64_t earliest = now_ns() - SECOND_NS / 10, at;
	double takes = (double)bytes * (double)SECOND_NS / (double)limiter->rate;

	pthread_mutex_lock(&limiter->lock);
	if (limiter->free_ns < earliest)
		limiter->free_ns = earliest;
	at = limiter->free_ns;
	limiter->free_ns += (int64_t)takes;
	pthread_mutex_unlock(&limiter->lock);
	return at;
}

int limiter_take(struct limiter *limiter, size_t bytes, int cancel_fd)
{
	struct pollfd slots[2] = {{.events = POLLIN}, {.fd = cancel_fd, .events = POLLIN}};
	int64_t at, left;

	if (limiter == NULL)
		return 0;
	slots[0].fd = limiter->stop.fd;
	at = reserve(limiter, bytes);
	for (;;) {
		left = (at - now_ns() + MS_NS - 1) / MS_NS;
		if (left > INT_MAX)
			left = INT_MAX;
		/* An error is an interruption; what is over is over also when nothing is waited. */
		if (poll(slots, ARRAY_SIZE(slots), left > 0 ? (int)left : 0) > 0)
			return -1;
		if (left <= 0)
			return 0;
	}
}

void limiter_stop(struct limiter *limiter)
{
	if (limiter != NULL)
		cancel_fire(&limiter->stop);
}
