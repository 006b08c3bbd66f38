#include "transport/registry/pack.h"

#include <libdeflate.h>
#include <pthread.h>
#include <string.h>

#include "transport/registry/cut.h"

enum {
	THREADS_MAX = 8,
	UNDER_WAY_MAX = 16 * 1024 * 1024, /* bytes that wait to be packed: the threads have enough
					     to do while a checkpoint waits for the disk */
};

struct packer {
	pthread_mutex_t mutex;
	pthread_cond_t work, room; /* there is something to pack; something was packed */
	struct pack_job *todo, **todo_end, *done, **done_end;
	size_t under_way, jobs; /* fed and not packed yet: bytes, and how many */
	bool stop, failed;
	pthread_t threads[THREADS_MAX];
	size_t n;
};

struct pack_job *pack_job_new(const void *data, size_t len)
{
	struct pack_job *job = calloc(1, sizeof(*job));

	if (job == NULL)
		return NULL;
	job->data = malloc(len > 0 ? len : 1);
	if (job->data == NULL) {
		free(job);
		return NULL;
	}
	if (len > 0)
		memcpy(job->data, data, len);
	job->size = len;
	job->len = len;
	return job;
}

void pack_job_free(struct pack_job *job)
{
	if (job == NULL)
		return;
	free(job->data);
	free(job);
}

static void list_free(struct pack_job *job)
{
	while (job != NULL) {
		struct pack_job *next = job->next;

		pack_job_free(job);
		job = next;
	}
}

/* --- a thread */

struct tools {
	struct libdeflate_compressor *compressor;
	unsigned char *space;
	size_t size;
};

static void tools_release(struct tools *tools)
{
	if (tools->compressor != NULL)
		libdeflate_free_compressor(tools->compressor);
	free(tools->space);
}

static int tools_init(struct tools *tools)
{
	*tools = (struct tools){.compressor = libdeflate_alloc_compressor(PACK_LEVEL)};
	if (tools->compressor == NULL)
		return -1;
	tools->size = libdeflate_gzip_compress_bound(tools->compressor, CUT_MAX);
	tools->space = malloc(tools->size);
	return tools->space != NULL ? 0 : -1;
}

static int pack(const struct tools *tools, struct pack_job *job)
{
	size_t len = libdeflate_gzip_compress(
	    tools->compressor, job->data, job->size, tools->space, tools->size);
	unsigned char *member = len > 0 ? malloc(len) : NULL;

	if (member == NULL)
		return -1;
	memcpy(member, tools->space, len);
	free(job->data);
	job->data = member;
	job->len = len;
	return 0;
}

/* Called with the mutex held; NULL: it is over. */
static struct pack_job *next_job(struct packer *packer)
{
	struct pack_job *job;

	while (packer->todo == NULL && !packer->stop)
		pthread_cond_wait(&packer->work, &packer->mutex);
	if (packer->stop)
		return NULL;
	job = packer->todo;
	packer->todo = job->next;
	if (packer->todo == NULL)
		packer->todo_end = &packer->todo;
	return job;
}

static void *pack_thread(void *context)
{
	struct packer *packer = context;
	struct pack_job *job;
	struct tools tools;
	bool ready = tools_init(&tools) == 0;

	pthread_mutex_lock(&packer->mutex);
	while ((job = next_job(packer)) != NULL) {
		bool packed;

		pthread_mutex_unlock(&packer->mutex);
		packed = ready && pack(&tools, job) == 0;
		pthread_mutex_lock(&packer->mutex);
		packer->failed = packer->failed || !packed;
		packer->under_way -= job->size;
		packer->jobs--;
		job->next = NULL;
		*packer->done_end = job;
		packer->done_end = &job->next;
		pthread_cond_signal(&packer->room);
	}
	pthread_mutex_unlock(&packer->mutex);
	tools_release(&tools);
	return NULL;
}

/* --- the feeding side */

static size_t threads_wanted(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (size_t)cores;
}

int packer_new(struct packer **ret, struct error *err)
{
	struct packer *packer = calloc(1, sizeof(*packer));

	if (packer == NULL)
		return error_memory(err);
	packer->todo_end = &packer->todo;
	packer->done_end = &packer->done;
	pthread_mutex_init(&packer->mutex, NULL);
	pthread_cond_init(&packer->work, NULL);
	pthread_cond_init(&packer->room, NULL);
	for (size_t wanted = threads_wanted(); packer->n < wanted; packer->n++) {
		int rc = pthread_create(&packer->threads[packer->n], NULL, pack_thread, packer);

		if (rc != 0 && packer->n == 0) {
			packer_free(packer);
			return error_errno(err, rc, "cannot start a thread");
		}
		if (rc != 0)
			break; /* fewer do it as well */
	}
	*ret = packer;
	return 0;
}

int packer_feed(struct packer *packer, struct pack_job *job, struct error *err)
{
	bool failed;

	pthread_mutex_lock(&packer->mutex);
	while (packer->under_way > UNDER_WAY_MAX && !packer->failed)
		pthread_cond_wait(&packer->room, &packer->mutex);
	failed = packer->failed;
	if (!failed) {
		job->next = NULL;
		*packer->todo_end = job;
		packer->todo_end = &job->next;
		packer->under_way += job->size;
		packer->jobs++;
		pthread_cond_signal(&packer->work);
	}
	pthread_mutex_unlock(&packer->mutex);
	if (!failed)
		return 0;
	pack_job_free(job);
	return error_memory(err);
}

int packer_take(struct packer *packer, bool all, struct pack_job **ret, struct error *err)
{
	bool failed;

	pthread_mutex_lock(&packer->mutex);
	while (all && packer->jobs > 0 && !packer->failed)
		pthread_cond_wait(&packer->room, &packer->mutex);
	failed = packer->failed;
	if (!failed) {
		*ret = packer->done;
		packer->done = NULL;
		packer->done_end = &packer->done;
	}
	pthread_mutex_unlock(&packer->mutex);
	return failed ? error_memory(err) : 0;
}

void packer_free(struct packer *packer)
{
	if (packer == NULL)
		return;
	pthread_mutex_lock(&packer->mutex);
	packer->stop = true;
	pthread_cond_broadcast(&packer->work);
	pthread_mutex_unlock(&packer->mutex);
	for (size_t i = 0; i < packer->n; i++)
		pthread_join(packer->threads[i], NULL);
	list_free(packer->todo);
	list_free(packer->done);
	pthread_cond_destroy(&packer->work);
	pthread_cond_destroy(&packer->room);
	pthread_mutex_destroy(&packer->mutex);
	free(packer);
}
