#include "transport/registry/chunk_line.h"

#include <libdeflate.h>
#include <string.h>

#include "transport/registry/pack.h"
#include "transport/registry/store_internal.h"

enum {
	PACKERS_MAX = 8,
	/* Bytes that wait: the packing threads have enough to do while a checkpoint waits for the
	 * disk. */
	UNPACKED_MAX = 12 * 1024 * 1024,
	PACKED_MAX = 8 * 1024 * 1024,
	/* A transaction's worth: it locks the file for some 10 ms. */
	INSERT_BYTES = 2 * 1024 * 1024,
	INSERT_CHUNKS = 256,
};

struct queue {
	struct chunk *first, **end;
	size_t n, bytes;
};

struct chunk_line {
	struct store *store;
	int recipe;
	pthread_mutex_t mutex;
	pthread_cond_t to_pack, to_insert, moved; /* for packers, inserter, feeder */
	struct queue unpacked, packed, inserted;
	size_t n_packing, n_inserting; /* in the threads' hands */
	bool hurry;		       /* whoever feeds waits for all of it */
	bool stop;
	struct error failure;
	pthread_t packers[PACKERS_MAX], inserter;
	size_t n_packers;
	bool has_inserter;
};

struct chunk *chunk_new(const void *data, size_t len)
{
	struct chunk *chunk = calloc(1, sizeof(*chunk));

	if (chunk == NULL)
		return NULL;
	chunk->data = malloc(len > 0 ? len : 1);
	if (chunk->data == NULL) {
		free(chunk);
		return NULL;
	}
	if (len > 0)
		memcpy(chunk->data, data, len);
	chunk->size = chunk->len = len;
	return chunk;
}

void chunk_free(struct chunk *chunk)
{
	if (chunk == NULL)
		return;
	free(chunk->data);
	free(chunk);
}

/* --- queues */

static void queue_init(struct queue *queue)
{
	*queue = (struct queue){.end = &queue->first};
}

static void queue_add(struct queue *queue, struct chunk *chunk)
{
	chunk->next = NULL;
	*queue->end = chunk;
	queue->end = &chunk->next;
	queue->n++;
	queue->bytes += chunk->len;
}

static struct chunk *queue_take(struct queue *queue)
{
	struct chunk *chunk = queue->first;

	queue->first = chunk->next;
	queue->n--;
	queue->bytes -= chunk->len;
	if (queue->first == NULL)
		queue->end = &queue->first;
	return chunk;
}

static void list_free(struct chunk *chunk)
{
	while (chunk != NULL) {
		struct chunk *next = chunk->next;

		chunk_free(chunk);
		chunk = next;
	}
}

/* --- packing; with the mutex held where nothing else is said */

static void fail(struct chunk_line *line, struct error *why)
{
	if (line->failure.kind == ERROR_NONE)
		error_move(&line->failure, why);
	error_release(why);
	pthread_cond_signal(&line->moved);
}

static int pack_chunk(struct packer *packer, struct chunk *chunk) /* without the mutex */
{
	size_t len;
	unsigned char *member =
	    packer != NULL ? pack(packer, chunk->data, chunk->size, &len) : NULL;

	if (member == NULL)
		return -1;
	free(chunk->data);
	chunk->data = member;
	chunk->len = len;
	return 0;
}

static void *packing(void *context)
{
	struct chunk_line *line = context;
	struct packer *packer = packer_new();
	CLEANUP_ERROR struct error why = {0};

	pthread_mutex_lock(&line->mutex);
	for (;;) {
		struct chunk *chunk;
		int rc;

		while (line->unpacked.n == 0 && !line->stop)
			pthread_cond_wait(&line->to_pack, &line->mutex);
		if (line->stop)
			break;
		chunk = queue_take(&line->unpacked);
		line->n_packing++;
		pthread_mutex_unlock(&line->mutex);
		rc = pack_chunk(packer, chunk);
		pthread_mutex_lock(&line->mutex);
		line->n_packing--;
		queue_add(&line->packed, chunk);
		if (rc < 0) {
			error_memory(&why);
			fail(line, &why);
		}
		pthread_cond_signal(&line->to_insert);
		pthread_cond_signal(&line->moved);
	}
	pthread_mutex_unlock(&line->mutex);
	packer_free(packer);
	return NULL;
}

/* --- inserting */

int chunk_find(struct connection *connection, const unsigned char hash[DIGEST_RAW_SIZE], int recipe,
    int64_t *ret_id, size_t *ret_len, struct error *err)
{
	static const char sql[] = "SELECT id, stored FROM chunks WHERE hash = ?1 AND recipe = ?2";
	CLEANUP_ROWS sqlite3_stmt *rows = NULL;
	int found = sql_rows(connection, sql, VALUES(V_DIGEST(hash), V_INT(recipe)), &rows, err);

	if (found > 0) {
		*ret_id = sqlite3_column_int64(rows, 0);
		*ret_len = (size_t)sqlite3_column_int64(rows, 1);
	}
	return found;
}

/* Another writer may have been faster: then the chunk is as that one stored it. */
static int insert_chunk(
    struct connection *connection, struct chunk *chunk, int recipe, struct error *err)
{
	static const char row[] =
	    "INSERT INTO chunks(hash, recipe, size, stored) VALUES(?1, ?2, ?3, ?4)";
	static const char bytes[] = "INSERT INTO bytes(chunk, crc, data) VALUES(?1, ?2, ?3)";
	size_t len = chunk->len;
	int found = chunk_find(connection, chunk->hash, recipe, &chunk->id, &chunk->len, err);

	if (found != 0)
		return found < 0 ? -1 : 0;
	if (sql_run(connection, row,
		VALUES(V_DIGEST(chunk->hash), V_INT(recipe), V_INT(chunk->size), V_INT(len)),
		err) < 0)
		return -1;
	chunk->id = sql_last_id(connection);
	return sql_run(connection, bytes,
	    VALUES(V_INT(chunk->id), V_INT(libdeflate_crc32(0, chunk->data, len)),
		V_BYTES(chunk->data, len)),
	    err);
}

static int insert_all(struct chunk_line *line, struct chunk *chunks, struct error *err)
{
	CLEANUP_CONNECTION struct connection *connection = connection_take(line->store, err);
	int rc = 0;

	if (connection == NULL || transaction_begin(connection, err) < 0)
		return -1;
	for (struct chunk *chunk = chunks; chunk != NULL && rc == 0; chunk = chunk->next)
		rc = insert_chunk(connection, chunk, line->recipe, err);
	return transaction_end(connection, rc, err);
}

/* Enough for a transaction, or all that will come. */
static bool is_time_to_insert(const struct chunk_line *line)
{
	if (line->packed.n == 0 || line->failure.kind != ERROR_NONE)
		return false;
	return line->packed.bytes >= INSERT_BYTES || line->packed.n >= INSERT_CHUNKS ||
	       (line->hurry && line->unpacked.n == 0 && line->n_packing == 0);
}

static void *inserting(void *context)
{
	struct chunk_line *line = context;
	CLEANUP_ERROR struct error why = {0};

	pthread_mutex_lock(&line->mutex);
	for (;;) {
		struct chunk *chunks;
		int rc;

		while (!is_time_to_insert(line) && !line->stop)
			pthread_cond_wait(&line->to_insert, &line->mutex);
		if (line->stop)
			break;
		chunks = line->packed.first;
		line->n_inserting = line->packed.n;
		queue_init(&line->packed);
		pthread_mutex_unlock(&line->mutex);
		rc = insert_all(line, chunks, &why);
		pthread_mutex_lock(&line->mutex);
		line->n_inserting = 0;
		while (chunks != NULL) {
			struct chunk *next = chunks->next;

			queue_add(&line->inserted, chunks);
			chunks = next;
		}
		if (rc < 0)
			fail(line, &why);
		pthread_cond_signal(&line->moved);
	}
	pthread_mutex_unlock(&line->mutex);
	return NULL;
}

/* --- the feeder's side */

static size_t packers_wanted(int recipe)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (recipe == RECIPE_AS_IS)
		return 0;
	return cores < 1 ? 1 : cores > PACKERS_MAX ? PACKERS_MAX : (size_t)cores;
}

static int start_threads(struct chunk_line *line, struct error *err)
{
	size_t wanted = packers_wanted(line->recipe);
	int rc = pthread_create(&line->inserter, NULL, inserting, line);

	if (rc != 0)
		return error_errno(err, rc, "cannot start a thread");
	line->has_inserter = true;
	while (line->n_packers < wanted) {
		rc = pthread_create(&line->packers[line->n_packers], NULL, packing, line);
		if (rc != 0 && line->n_packers == 0)
			return error_errno(err, rc, "cannot start a thread");
		if (rc != 0)
			break; /* fewer do it as well */
		line->n_packers++;
	}
	return 0;
}

int chunk_line_new(struct store *store, int recipe, struct chunk_line **ret, struct error *err)
{
	struct chunk_line *line = calloc(1, sizeof(*line));

	if (line == NULL)
		return error_memory(err);
	line->store = store;
	line->recipe = recipe;
	queue_init(&line->unpacked);
	queue_init(&line->packed);
	queue_init(&line->inserted);
	pthread_mutex_init(&line->mutex, NULL);
	pthread_cond_init(&line->to_pack, NULL);
	pthread_cond_init(&line->to_insert, NULL);
	pthread_cond_init(&line->moved, NULL);
	if (start_threads(line, err) < 0) {
		chunk_line_free(line);
		return -1;
	}
	*ret = line;
	return 0;
}

/* The failure is told once, and then that there was one. */
static int take_failure(struct chunk_line *line, struct error *err)
{
	if (line->failure.kind == ERROR_NONE)
		return 0;
	error_move(err, &line->failure);
	error_set(&line->failure, ERROR_FAILED, "writing the blob failed before");
	return -1;
}

int chunk_line_feed(struct chunk_line *line, struct chunk *chunk, struct error *err)
{
	bool packs = line->recipe != RECIPE_AS_IS;
	int rc;

	pthread_mutex_lock(&line->mutex);
	while (line->failure.kind == ERROR_NONE &&
	       (line->unpacked.bytes > UNPACKED_MAX || line->packed.bytes > PACKED_MAX))
		pthread_cond_wait(&line->moved, &line->mutex);
	rc = take_failure(line, err);
	if (rc == 0) {
		queue_add(packs ? &line->unpacked : &line->packed, chunk);
		pthread_cond_signal(packs ? &line->to_pack : &line->to_insert);
	}
	pthread_mutex_unlock(&line->mutex);
	if (rc < 0)
		chunk_free(chunk);
	return rc;
}

static bool is_empty(const struct chunk_line *line)
{
	return line->unpacked.n == 0 && line->n_packing == 0 && line->packed.n == 0 &&
	       line->n_inserting == 0;
}

int chunk_line_take(struct chunk_line *line, bool all, struct chunk **ret, struct error *err)
{
	int rc;

	pthread_mutex_lock(&line->mutex);
	line->hurry = all;
	if (all)
		pthread_cond_signal(&line->to_insert);
	while (all && line->failure.kind == ERROR_NONE && !is_empty(line))
		pthread_cond_wait(&line->moved, &line->mutex);
	rc = take_failure(line, err);
	if (rc == 0) {
		*ret = line->inserted.first;
		queue_init(&line->inserted);
	}
	pthread_mutex_unlock(&line->mutex);
	return rc;
}

uint64_t chunk_line_waiting(struct chunk_line *line)
{
	uint64_t bytes;

	pthread_mutex_lock(&line->mutex);
	bytes = line->packed.bytes + line->inserted.bytes; /* after a failure: what was tried */
	pthread_mutex_unlock(&line->mutex);
	return bytes;
}

void chunk_line_free(struct chunk_line *line)
{
	if (line == NULL)
		return;
	pthread_mutex_lock(&line->mutex);
	line->stop = true;
	pthread_cond_broadcast(&line->to_pack);
	pthread_cond_broadcast(&line->to_insert);
	pthread_mutex_unlock(&line->mutex);
	for (size_t i = 0; i < line->n_packers; i++)
		pthread_join(line->packers[i], NULL);
	if (line->has_inserter)
		pthread_join(line->inserter, NULL);
	list_free(line->unpacked.first);
	list_free(line->packed.first);
	list_free(line->inserted.first);
	error_release(&line->failure);
	pthread_cond_destroy(&line->to_pack);
	pthread_cond_destroy(&line->to_insert);
	pthread_cond_destroy(&line->moved);
	pthread_mutex_destroy(&line->mutex);
	free(line);
}
