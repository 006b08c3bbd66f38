#include "deploy/visit.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/buf.h"

enum { AT_ONCE = 16, AT_ONCE_MAX = 256 };

int visit_begin(const struct visit_options *options, struct visit *ret, struct error *err)
{
	struct visit visit = {.options = *options};

	visit.prefix = inventory_prefix(options->inventory, options->environment);
	if (visit.prefix == NULL)
		error_memory(err);
	else if (run_dir_make(&visit.run_dir, err) == 0 && heart_start(&visit.heart, err) == 0) {
		*ret = visit;
		return 0;
	}
	visit_end(&visit);
	return -1;
}

int visit_open(const struct visit *visit, size_t number, const struct host *host,
    struct host_link *ret, struct error *err)
{
	const struct visit_options *options = &visit->options;
	CLEANUP_FREE char *run_dir = string_printf("%s/%zu", visit->run_dir.path, number);
	const struct host_link_options link_options = {
	    .inventory = options->inventory,
	    .host = host,
	    .run_dir = run_dir,
	    .heart = visit->heart,
	    .stop_fd = options->cancel_fd,
	    .kill_fd = options->cancel_fd,
	    .prompt = options->prompt,
	    .prompt_context = options->prompt_context,
	    .events = options->events,
	};

	if (run_dir == NULL)
		return error_memory(err);
	return host_link_open(&link_options, ret, err);
}

void visit_end(struct visit *visit)
{
	heart_stop(visit->heart);
	run_dir_remove(&visit->run_dir);
	free(visit->prefix);
	*visit = (struct visit){0};
}

struct each {
	pthread_mutex_t lock;
	size_t next, n;
	visit_fn *fn;
	void *context;
};

static void *worker(void *context)
{
	struct each *each = context;

	for (;;) {
		size_t number;

		pthread_mutex_lock(&each->lock);
		number = each->next++;
		pthread_mutex_unlock(&each->lock);
		if (number >= each->n)
			return NULL;
		each->fn(each->context, number);
	}
}

void visit_each(size_t n, int at_once, visit_fn *fn, void *context)
{
	struct each each = {
	    .lock = PTHREAD_MUTEX_INITIALIZER, .n = n, .fn = fn, .context = context};
	size_t wanted = at_once > 0 ? (size_t)at_once : AT_ONCE, made = 0;
	pthread_t threads[AT_ONCE_MAX];

	if (wanted > n)
		wanted = n;
	while (made < wanted && made < AT_ONCE_MAX &&
	       pthread_create(&threads[made], NULL, worker, &each) == 0)
		made++;
	/* Fewer threads take longer; without any, it is done here. */
	if (made == 0)
		worker(&each);
	for (size_t i = 0; i < made; i++)
		pthread_join(threads[i], NULL);
	pthread_mutex_destroy(&each.lock);
}
