#include "transport/registry/uploads.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/cond.h"

enum {
	WAIT_MS = 10 * 1000,	   /* for another request with the same upload to end */
	ROOM_EMPTY_MS = 10 * 1000, /* when there is no room: idle for so long and empty, */
	ROOM_MS = 10 * 60 * 1000,  /* or not empty */
};

void uploads_init(struct uploads *uploads)
{
	pthread_mutex_init(&uploads->lock, NULL);
	cond_init(&uploads->idle);
}

static void upload_free(struct blob_upload *upload)
{
	if (upload == NULL)
		return;
	blob_abandon(upload->writer);
	error_release(&upload->failure);
	free(upload);
}

void uploads_release(struct uploads *uploads)
{
	for (size_t i = 0; i < SERVER_UPLOADS_MAX; i++)
		upload_free(uploads->v[i]);
	pthread_cond_destroy(&uploads->idle);
	pthread_mutex_destroy(&uploads->lock);
}

uint64_t blob_upload_size(const struct blob_upload *upload)
{
	return upload->writer != NULL ? blob_written(upload->writer) : 0;
}

/* --- with the lock */

static bool is_over(const struct blob_upload *upload, int64_t now, int64_t idle_ms)
{
	return !upload->busy && now - upload->used_ms >= idle_ms;
}

static void drop_idle(struct uploads *uploads, int64_t now, int64_t idle_ms)
{
	for (size_t i = 0; i < SERVER_UPLOADS_MAX; i++)
		if (uploads->v[i] != NULL && is_over(uploads->v[i], now, idle_ms)) {
			upload_free(uploads->v[i]);
			uploads->v[i] = NULL;
		}
}

/* The one that is most likely forgotten. */
static struct blob_upload **find_forgotten(struct uploads *uploads, int64_t now)
{
	struct blob_upload **oldest = NULL;

	for (size_t i = 0; i < SERVER_UPLOADS_MAX; i++) {
		struct blob_upload *upload = uploads->v[i];

		if (upload->busy) /* then its writer is another thread's */
			continue;
		if (is_over(upload, now, upload->writer == NULL ? ROOM_EMPTY_MS : ROOM_MS) &&
		    (oldest == NULL || upload->used_ms < (*oldest)->used_ms))
			oldest = &uploads->v[i];
	}
	return oldest;
}

static struct blob_upload **find_room(struct uploads *uploads)
{
	struct blob_upload **room;

	for (size_t i = 0; i < SERVER_UPLOADS_MAX; i++)
		if (uploads->v[i] == NULL)
			return &uploads->v[i];
	room = find_forgotten(uploads, clock_now_ms());
	if (room != NULL) {
		upload_free(*room);
		*room = NULL;
	}
	return room;
}

static struct blob_upload *find(
    struct uploads *uploads, const struct account *account, const char *repository, const char *id)
{
	for (size_t i = 0; i < SERVER_UPLOADS_MAX; i++) {
		struct blob_upload *upload = uploads->v[i];

		if (upload != NULL && strcmp(upload->id, id) == 0)
			return upload->account == account &&
				       strcmp(upload->repository, repository) == 0
				   ? upload
				   : NULL;
	}
	return NULL;
}

/* --- without */

static struct blob_upload *upload_new(
    const struct account *account, const char *repository, struct error *err)
{
	struct blob_upload *upload = calloc(1, sizeof(*upload));

	if (upload == NULL) {
		error_memory(err);
		return NULL;
	}
	if (digest_random_hex(UPLOAD_ID_SIZE / 2, upload->id, err) < 0) {
		free(upload);
		return NULL;
	}
	upload->account = account;
	upload->busy = true;
	snprintf(upload->repository, sizeof(upload->repository), "%s", repository);
	return upload;
}

int uploads_begin(struct server *server, const struct account *account, const char *repository,
    struct blob_upload **ret, struct error *err)
{
	struct uploads *uploads = &server->uploads;
	struct blob_upload *upload = upload_new(account, repository, err), **room;

	if (upload == NULL)
		return -1;
	pthread_mutex_lock(&uploads->lock);
	room = find_room(uploads);
	if (room != NULL)
		*room = upload;
	pthread_mutex_unlock(&uploads->lock);
	if (room == NULL) {
		upload_free(upload);
		return error_set(err, ERROR_LOCKED, "there are %d uploads under way already",
		    SERVER_UPLOADS_MAX);
	}
	*ret = upload;
	return 0;
}

int uploads_take(struct server *server, const struct account *account, const char *repository,
    const char *id, struct blob_upload **ret, struct error *err)
{
	struct uploads *uploads = &server->uploads;
	struct blob_upload *upload;
	int64_t deadline_ms = clock_now_ms() + WAIT_MS;
	int rc = 0;

	pthread_mutex_lock(&uploads->lock);
	while ((upload = find(uploads, account, repository, id)) != NULL && upload->busy &&
	       cond_wait_until(&uploads->idle, &uploads->lock, deadline_ms))
		continue;
	if (upload == NULL)
		rc = error_set(err, ERROR_NOT_FOUND, "there is no upload %s in %s", id, repository);
	else if (upload->busy)
		rc = error_set(err, ERROR_LOCKED, "another request is at upload %s", id);
	else
		upload->busy = true;
	pthread_mutex_unlock(&uploads->lock);
	*ret = upload;
	return rc;
}

void uploads_drop_idle(struct uploads *uploads, int64_t idle_ms)
{
	pthread_mutex_lock(&uploads->lock);
	drop_idle(uploads, clock_now_ms(), idle_ms);
	pthread_mutex_unlock(&uploads->lock);
}

void uploads_give_back(struct uploads *uploads, struct blob_upload *upload)
{
	pthread_mutex_lock(&uploads->lock);
	upload->busy = false;
	upload->used_ms = clock_now_ms();
	pthread_cond_broadcast(&uploads->idle);
	pthread_mutex_unlock(&uploads->lock);
}

void uploads_remove(struct uploads *uploads, struct blob_upload *upload)
{
	pthread_mutex_lock(&uploads->lock);
	for (size_t i = 0; i < SERVER_UPLOADS_MAX; i++)
		if (uploads->v[i] == upload)
			uploads->v[i] = NULL;
	pthread_cond_broadcast(&uploads->idle);
	pthread_mutex_unlock(&uploads->lock);
	upload_free(upload);
}
