#include "deploy/gate.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/cond.h"

struct gate {
	size_t votes;
	bool open, go;
};

struct gates {
	pthread_mutex_t lock;
	pthread_cond_t opened;
	size_t parties, n;
	struct gate *v;
	bool refused;
	gate_fn *decide;
	void *context;
};

int gates_new(
    size_t parties, size_t n, gate_fn *decide, void *context, struct gates **ret, struct error *err)
{
	struct gates *gates = calloc(1, sizeof(*gates));

	if (gates != NULL)
		gates->v = calloc(n > 0 ? n : 1, sizeof(*gates->v));
	if (gates == NULL || gates->v == NULL) {
		free(gates);
		return error_memory(err);
	}
	gates->parties = parties;
	gates->n = n;
	gates->decide = decide;
	gates->context = context;
	pthread_mutex_init(&gates->lock, NULL);
	cond_init(&gates->opened);
	*ret = gates;
	return 0;
}

void gates_free(struct gates *gates)
{
	if (gates == NULL)
		return;
	pthread_mutex_destroy(&gates->lock);
	pthread_cond_destroy(&gates->opened);
	free(gates->v);
	free(gates);
}

/* With the lock held. */
static void open_full(struct gates *gates)
{
	for (size_t i = 0; i < gates->n; i++) {
		struct gate *gate = &gates->v[i];

		if (gate->open || gate->votes < gates->parties)
			continue;
		gate->go =
		    !gates->refused && (gates->decide == NULL || gates->decide(gates->context, i));
		if (!gate->go)
			gates->refused = true;
		gate->open = true;
		pthread_cond_broadcast(&gates->opened);
	}
}

void gates_vote(struct gates *gates, size_t gate)
{
	pthread_mutex_lock(&gates->lock);
	gates->v[gate].votes++;
	open_full(gates);
	pthread_mutex_unlock(&gates->lock);
}

bool gates_wait(struct gates *gates, size_t gate, int wait_ms, bool *ret_go)
{
	int64_t deadline_ms = wait_ms < 0 ? -1 : clock_now_ms() + wait_ms;
	bool open;

	pthread_mutex_lock(&gates->lock);
	while (!gates->v[gate].open && cond_wait_until(&gates->opened, &gates->lock, deadline_ms))
		continue;
	open = gates->v[gate].open;
	*ret_go = gates->v[gate].go;
	pthread_mutex_unlock(&gates->lock);
	return open;
}

bool gates_pass(struct gates *gates, size_t gate)
{
	bool go = false;

	gates_vote(gates, gate);
	gates_wait(gates, gate, -1, &go);
	return go;
}

void gates_leave(struct gates *gates, size_t voted)
{
	pthread_mutex_lock(&gates->lock);
	for (size_t i = voted; i < gates->n; i++)
		gates->v[i].votes++;
	open_full(gates);
	pthread_mutex_unlock(&gates->lock);
}

void gates_refuse(struct gates *gates)
{
	pthread_mutex_lock(&gates->lock);
	gates->refused = true;
	pthread_mutex_unlock(&gates->lock);
}
