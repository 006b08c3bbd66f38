#include "deploy/batches.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/cond.h"

size_t share_up(const struct share *share, size_t hosts)
{
	size_t n = (size_t)share->n;

	if (share->percent)
		n = (hosts * n + 99) / 100;
	return n < hosts ? n : hosts;
}

size_t share_down(const struct share *share, size_t hosts)
{
	return share->percent ? hosts * (size_t)share->n / 100 : (size_t)share->n;
}

int batches_cut(const struct rollout_policy *policy, size_t hosts, size_t **ret, size_t *ret_n,
    struct error *err)
{
	size_t *ends = calloc(hosts + 1, sizeof(*ends));
	size_t size = policy->batch.n > 0 ? share_up(&policy->batch, hosts) : hosts;
	size_t at = (size_t)policy->canary, n = 0;

	if (ends == NULL)
		return error_memory(err);
	if (at > hosts)
		at = hosts;
	if (at > 0)
		ends[n++] = at;
	while (at < hosts) {
		at = hosts - at > size ? at + size : hosts;
		ends[n++] = at;
	}
	*ret = ends;
	*ret_n = n;
	return 0;
}

/* --- turns */

struct batch_turns {
	bool given[N_TURNS];
	size_t done[N_TURNS];
};

struct turns {
	pthread_mutex_t lock;
	pthread_cond_t news;
	struct batch_turns *batches;
	bool ended;
};

int turns_new(size_t batches, struct turns **ret, struct error *err)
{
	struct turns *turns = calloc(1, sizeof(*turns));

	if (turns != NULL)
		turns->batches = calloc(batches + 1, sizeof(*turns->batches));
	if (turns == NULL || turns->batches == NULL) {
		free(turns);
		return error_memory(err);
	}
	pthread_mutex_init(&turns->lock, NULL);
	cond_init(&turns->news);
	*ret = turns;
	return 0;
}

void turns_free(struct turns *turns)
{
	if (turns == NULL)
		return;
	pthread_mutex_destroy(&turns->lock);
	pthread_cond_destroy(&turns->news);
	free(turns->batches);
	free(turns);
}

bool turns_wait(struct turns *turns, size_t batch, enum turn turn)
{
	bool given;

	pthread_mutex_lock(&turns->lock);
	while (!turns->batches[batch].given[turn] && !turns->ended)
		pthread_cond_wait(&turns->news, &turns->lock);
	given = turns->batches[batch].given[turn];
	pthread_mutex_unlock(&turns->lock);
	return given;
}

void turns_give(struct turns *turns, size_t batch, enum turn turn)
{
	pthread_mutex_lock(&turns->lock);
	if (!turns->ended)
		turns->batches[batch].given[turn] = true;
	pthread_cond_broadcast(&turns->news);
	pthread_mutex_unlock(&turns->lock);
}

void turns_done(struct turns *turns, size_t batch, enum turn turn)
{
	pthread_mutex_lock(&turns->lock);
	turns->batches[batch].done[turn]++;
	pthread_cond_broadcast(&turns->news);
	pthread_mutex_unlock(&turns->lock);
}

bool turns_await(struct turns *turns, size_t batch, enum turn turn, size_t hosts)
{
	bool ended;

	pthread_mutex_lock(&turns->lock);
	while (turns->batches[batch].done[turn] < hosts && !turns->ended)
		pthread_cond_wait(&turns->news, &turns->lock);
	ended = turns->ended;
	pthread_mutex_unlock(&turns->lock);
	return !ended;
}

bool turns_pause(struct turns *turns, int64_t ms)
{
	int64_t deadline_ms = clock_now_ms() + ms;
	bool ended;

	pthread_mutex_lock(&turns->lock);
	while (!turns->ended && cond_wait_until(&turns->news, &turns->lock, deadline_ms))
		continue;
	ended = turns->ended;
	pthread_mutex_unlock(&turns->lock);
	return !ended;
}

void turns_end(struct turns *turns)
{
	pthread_mutex_lock(&turns->lock);
	turns->ended = true;
	pthread_cond_broadcast(&turns->news);
	pthread_mutex_unlock(&turns->lock);
}
